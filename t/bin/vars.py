#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
#
# As vars.pl, in Python.
import json
import os
import socket
import stat
import struct


def answer(env):
    query = env.get('QUERY_STRING', '')
    if query.startswith('to='):
        return 'Location: %s\r\n\r\n' % query[3:]
    return 'Content-Type: application/json\r\n\r\n' + json.dumps(env)


def record(kind, content):
    return struct.pack('!BBHHxx', 1, kind, 1, len(content)) + content


def pairs(data):
    env, at = {}, 0
    while at < len(data):
        size = []
        for _ in range(2):
            n, at = data[at], at + 1
            if n > 127:
                n = (n & 127) << 24 | int.from_bytes(data[at:at + 3], 'big')
                at += 3
            size.append(n)
        name = data[at:at + size[0]].decode()
        at += size[0]
        env[name] = data[at:at + size[1]].decode()
        at += size[1]
    return env


def serve(stream):
    params = b''
    while True:
        head = stream.read(8)
        if len(head) < 8:
            return
        kind, size, padding = struct.unpack('!xBxxHBx', head)
        content = stream.read(size + padding)[:size]
        if kind == 4:
            params += content
        if kind == 5 and not size:
            break
    stream.write(record(6, answer(pairs(params)).encode()) + record(6, b'')
                 + record(3, bytes(8)))
    stream.flush()


def main():
    if not stat.S_ISSOCK(os.fstat(0).st_mode):
        print(answer(dict(os.environ)), end='')
        return
    listener = socket.socket(fileno=0)
    while True:
        conn, _ = listener.accept()
        with conn, conn.makefile('rwb') as stream:
            serve(stream)


main()
