// SPDX-License-Identifier: Apache-2.0
//
// A worker with Go's net/http/fcgi, which serves on descriptor 0.  Answers
// "pid=N tag=go"; "sleep=MS" in the query before that.
package main

import (
	"fmt"
	"net/http"
	"net/http/fcgi"
	"os"
	"strconv"
	"time"
)

func answer(w http.ResponseWriter, r *http.Request) {
	ms, _ := strconv.Atoi(r.FormValue("sleep"))
	time.Sleep(time.Duration(ms) * time.Millisecond)
	fmt.Fprintf(w, "pid=%d tag=go", os.Getpid())
}

func main() {
	if err := fcgi.Serve(nil, http.HandlerFunc(answer)); err != nil {
		os.Exit(1)
	}
}
