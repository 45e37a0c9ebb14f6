#!/usr/bin/node
// SPDX-License-Identifier: Apache-2.0
//
// A FastCGI worker in JavaScript on Node's event loop, without a handler of its
// own.  Answers "pid=N tag=node"; "sleep=MS", or "until=FILE", in the query
// before that.
'use strict';
const fs = require('fs');
const net = require('net');

const LAST = Buffer.from([1, 5, 0, 1, 0, 0, 0, 0]);   // an empty STDIN record

function record(type, content) {
    const head = Buffer.from([1, type, 0, 1, 0, 0, 0, 0]);
    head.writeUInt16BE(content.length, 4);
    return Buffer.concat([head, content]);
}

function answer(conn) {
    const text = `Content-Type: text/plain\r\n\r\npid=${process.pid} tag=node`;
    conn.end(Buffer.concat([record(6, Buffer.from(text)),
                            record(6, Buffer.alloc(0)),
                            record(3, Buffer.alloc(8))]));
}

// Once there is such a file.
function answerWith(file, conn) {
    if (fs.existsSync(file)) answer(conn);
    else setTimeout(answerWith, 10, file, conn);
}

net.createServer((conn) => {
    let request = Buffer.alloc(0);
    conn.on('error', () => conn.destroy());
    conn.on('data', (more) => {
        request = Buffer.concat([request, more]);
        if (request.subarray(-8).equals(LAST)) {
            const text = request.toString('latin1');
            const file = /until=([\w\/.-]+)/.exec(text);
            const found = /sleep=(\d+)/.exec(text);
            if (file) answerWith(file[1], conn);
            else setTimeout(answer, found ? Number(found[1]) : 0, conn);
        }
    });
}).listen({ fd: 0 });
