# SPDX-License-Identifier: Apache-2.0
"""A server of names at the address that is given: outside.test is 10.9.8.7, and nothing else is."""

import socket
import struct
import sys
import threading

NAME = b"\x07outside\x04test\x00"


def answer(query):
    question = query[12 : query.index(b"\0", 12) + 5]
    known = question == NAME + b"\0\1\0\1"
    code = 0 if question.startswith(NAME) else 3
    head = query[:2] + bytes([0x81, 0x80 | code]) + struct.pack(">4H", 1, known, 0, 0)
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x0a\0\4\x0a\x09\x08\x07" if known else b""
    return head + question + record


def serve_streams(listener):
    while True:
        client, _ = listener.accept()
        with client:
            query = client.recv(4096)[2:]
            if not query:  # who only looks whether somebody is there
                continue
            reply = answer(query)
            client.sendall(struct.pack(">H", len(reply)) + reply)


at = (sys.argv[1], 53)
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(at)
threading.Thread(target=serve_streams, args=(socket.create_server(at),), daemon=True).start()
while True:
    question, client = datagrams.recvfrom(4096)
    datagrams.sendto(answer(question), client)
