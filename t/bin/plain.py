#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
#
# A FastCGI worker in Python on a plain socket: descriptor 0, accept(), no
# handler for SIGTERM.  Answers "pid=N tag=python"; "sleep=MS" in the query
# before that, with threads and asyncio also "until=FILE".
#
#   plain.py            one request after the other
#   plain.py threads    a thread for each (socketserver)
#   plain.py asyncio    an event loop, many at once, which ends by a handler of
#                       its own
#   plain.py lock       four threads, each with a lock around accept()
#   plain.py selectors  an epoll set made anew for each wait
#   plain.py syscall    an epoll set; closes by syscall(2), as libuv does
import ctypes
import os
import re
import select
import selectors
import signal
import socket
import socketserver
import struct
import sys
import threading
import time

LAST = b'\1\5\0\1\0\0\0\0'      # an empty STDIN record


def record(kind, content):
    return struct.pack('!BBHHxx', 1, kind, 1, len(content)) + content


def answer():
    text = 'Content-Type: text/plain\r\n\r\npid=%d tag=python' % os.getpid()
    return record(6, text.encode()) + record(6, b'') + record(3, bytes(8))


def seconds(request):
    found = re.search(rb'sleep=(\d+)', request)
    return int(found.group(1)) / 1000 if found else 0


def is_to_wait(request):
    found = re.search(rb'until=([\w/.-]+)', request)
    return found is not None and not os.path.exists(found.group(1))


def serve(conn):
    request = b''
    while not request.endswith(LAST):
        more = conn.recv(65536)
        if not more:
            return
        request += more
    time.sleep(seconds(request))
    while is_to_wait(request):
        time.sleep(0.01)
    conn.sendall(answer())


def one_by_one(listener):
    while True:
        conn, _ = listener.accept()
        with conn:
            serve(conn)


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        serve(self.request)


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True

    def __init__(self, listener):
        super().__init__(None, Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener


def threads(listener):
    Server(listener).serve_forever(poll_interval=None)


async def serve_async(reader, writer):
    try:
        request = await reader.readuntil(LAST)
        await asyncio.sleep(seconds(request))
        while is_to_wait(request):
            await asyncio.sleep(0.01)
        writer.write(answer())
        await writer.drain()
    except asyncio.IncompleteReadError:
        pass
    writer.close()


async def run(listener):
    busy = set()
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)

    async def handle(reader, writer):
        busy.add(asyncio.current_task())
        await serve_async(reader, writer)
        busy.discard(asyncio.current_task())

    start = asyncio.start_unix_server if listener.family == socket.AF_UNIX \
        else asyncio.start_server
    server = await start(handle, sock=listener)
    await told.wait()
    server.close()
    if busy:
        await asyncio.wait(busy)


def event_loop(listener):
    global asyncio    # 100 ms: the other ways start without
    import asyncio
    asyncio.run(run(listener))


def lock(listener):
    mutex = threading.Lock()

    def loop():
        while True:
            with mutex:
                conn, _ = listener.accept()
            with conn:
                serve(conn)

    for _ in range(3):
        threading.Thread(target=loop, daemon=True).start()
    loop()


def anew(listener):
    while True:
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            selector.select()
        conn, _ = listener.accept()
        with conn:
            serve(conn)


def by_syscall(listener):
    libc = ctypes.CDLL(None)
    epoll = select.epoll()
    epoll.register(0, select.EPOLLIN)
    while True:
        epoll.poll()
        conn, _ = listener.accept()
        serve(conn)
        libc.syscall(3, conn.detach())   # close(2) of x86_64


WAYS = {'threads': threads, 'asyncio': event_loop, 'lock': lock,
        'selectors': anew, 'syscall': by_syscall}
WAYS.get(sys.argv[-1], one_by_one)(socket.socket(fileno=0))
