#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""vmm-streams.py ADDRESS FILE ROUNDS: the host's side of streams with a guest.

In each round a caller on port 5001 gets FILE, and one on port 5002 sends what must
be FILE. Every wait has a limit.
"""
import hashlib
import socket
import sys


def listen(address, port):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    sock.listen()
    sock.settimeout(100)
    return sock


def main():
    address, file, rounds = sys.argv[1:]
    with open(file, "rb") as f:
        data = f.read()
    source, sink = listen(address, 5001), listen(address, 5002)
    for _ in range(int(rounds)):
        peer = source.accept()[0]
        peer.settimeout(100)
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        peer.recv(1)
        peer.close()
        peer = sink.accept()[0]
        peer.settimeout(100)
        got = bytearray()
        while part := peer.recv(1 << 20):
            got += part
        peer.close()
        assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest(), len(got)


main()
