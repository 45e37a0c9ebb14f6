#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A worker as people write them: a shell script that starts what does the
# FastCGI work as its child and does not exec it.
#
#   shell.sh [trap] PROGRAM ARGUMENTS...
#
# `trap`: the script passes SIGTERM on; without, the shell dies of it and its
# child does not know.
if [ "$1" = trap ]; then
    shift
    # An asynchronous child would get /dev/null as its stdin.
    exec 3<&0
    "$@" <&3 3<&- &
    child=$!
    trap 'kill -TERM "$child"' TERM
    exec 3<&-
    while kill -0 "$child" 2>/dev/null; do
        wait "$child"
    done
    exit 0
fi
"$@"
exit $?
