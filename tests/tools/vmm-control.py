#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""vmm-control.py SOCKET SECONDS REQUEST…: drives a monitor that listens there.

Prints each answer; events are skipped. "wait KEY OP NUMBER" asks for the statistics
until KEY is as said. The connection's end stops the monitor, so a last request
"leave PATH" keeps it until PATH exists.
"""
import os
import socket
import sys
import time


def main():
    path, seconds, *requests = sys.argv[1:]
    end = time.monotonic() + float(seconds)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    while True:
        try:
            sock.connect(path)
            break
        except (FileNotFoundError, ConnectionRefusedError):
            assert time.monotonic() < end, "nobody listens"
            time.sleep(0.1)

    def ask(request):
        sock.settimeout(max(end - time.monotonic(), 0.1))
        sock.send(request.encode())
        while True:
            answer = sock.recv(4096).decode()
            assert answer, "the monitor has gone"
            if not answer.startswith("event "):
                return answer

    for request in requests:
        word, *arguments = request.split()
        if word == "wait":
            key, relation, number = arguments
            while True:
                values = dict(v.split("=", 1) for v in ask("stats").split()[1:])
                have = int(values.get(key, 0))
                if have >= int(number) if relation == ">=" else have <= int(number):
                    break
                assert time.monotonic() < end, f"{request}: {have}"
                time.sleep(0.2)
            print(f"{key}={have}", flush=True)
        elif word == "leave":
            while not os.path.exists(arguments[0]):
                assert time.monotonic() < end, request
                time.sleep(0.1)
        else:
            print(ask(request), flush=True)


main()
