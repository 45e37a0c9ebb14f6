#!/usr/bin/node
// SPDX-License-Identifier: Apache-2.0
//
// A FastCGI worker by node-fastcgi of the npm registry, which is looked for in
// the directory that is the argument.  Answers "pid=N tag=node-fastcgi";
// "sleep=MS" in the query before that.
'use strict';
const path = require('path');
const fcgi = require(path.join(process.argv[2], 'node-fastcgi'));

fcgi.createServer((request, response) => {
    const found = /sleep=(\d+)/.exec(request.url);
    setTimeout(() => {
        response.writeHead(200, { 'Content-Type': 'text/plain' });
        response.end(`pid=${process.pid} tag=node-fastcgi`);
    }, found ? Number(found[1]) : 0);
}).listen({ fd: 0 });
