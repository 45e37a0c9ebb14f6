<?php
// SPDX-License-Identifier: Apache-2.0
// A stock peer: php-cgi.  Answers like worker.c: "pid=N ...".
header('Content-Type: text/plain');
static $n = 0;
echo 'pid=', getmypid(), ' tag=php requests=', ++$n, ' length=',
    strlen(file_get_contents('php://input')), "\n";
