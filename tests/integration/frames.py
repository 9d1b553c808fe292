#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""frames.py FILE DEVICE…: write what goes over network devices to FILE, until it is ended.

A line for each frame: "DEVICE in|out DESTINATION SOURCE TYPE SUM", in the order of the
devices. The file is there, empty, when all of them are watched.
"""
import hashlib
import os
import select
import signal
import socket
import sys

ETH_P_ALL = 3
SO_RCVBUFFORCE = 33


def watch(device):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    s.bind((device, ETH_P_ALL))
    s.setblocking(False)
    return s


def tell(f, device, data, kind):
    way = "out" if kind == socket.PACKET_OUTGOING else "in"
    total = hashlib.sha1(data).hexdigest()[:16]
    print(device, way, data[:6].hex(":"), data[6:12].hex(":"), data[12:14].hex(), total, file=f)


def drain(f, device, s):
    while True:
        try:
            data, address = s.recvfrom(1 << 17)
        except OSError:  # there is no more, or no device any more
            return
        tell(f, device, data, address[2])


def until_quiet(f, sockets):
    """All that comes until nothing does for a while: a frame is on its way over two devices."""
    for _ in range(50):
        if not select.select([s for _, s in sockets], [], [], 0.2)[0]:
            return
        for device, s in sockets:
            drain(f, device, s)


def main():
    sockets = [(d, watch(d)) for d in sys.argv[2:]]
    # What came before all of them were watched was seen by some.
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        until_quiet(nowhere, sockets)
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    with open(sys.argv[1] + ".part", "w", encoding="utf-8") as part:
        open(sys.argv[1], "w", encoding="utf-8").close()
        while not ended:
            select.select([s for _, s in sockets], [], [], 0.2)
            for device, s in sockets:
                drain(part, device, s)
        until_quiet(part, sockets)
    os.rename(sys.argv[1] + ".part", sys.argv[1])


main()
