#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hangup.py SOCKET ROOTFS: one request of every kind, each from a client that goes away: in the
middle of its message, right behind it, some time later, and with many at once. The container c1
has to run; whatever the requests do to it, the agent has to go on."""
import socket
import struct
import sys
import time

address, rootfs = sys.argv[1:]
AGENT = "grpc.AgentService"


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def f(number, value):
    """A field: bytes for text and messages, else a number."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


C1 = f(1, b"c1")
PROCESS = f(3, f(1, 0)) + f(4, b"sleep") + f(4, b"1") + f(5, b"PATH=/bin") + f(6, b"/")
TMPFS = f(1, b"ephemeral") + f(3, b"tmpfs") + f(4, b"tmpfs") + f(6, b"/run/kata-containers/hangup")
DISK = f(1, b"blk") + f(3, b"02/00") + f(4, b"ext4") + f(6, b"/run/kata-containers/hangup2")
SPEC = f(1, b"1.2.0") + f(2, PROCESS) + f(3, f(1, rootfs.encode()))


def create(name, *storages):
    return f(1, name) + b"".join(f(5, s) for s in storages) + f(6, SPEC)


REQUESTS = {
    "sandbox": [("CreateSandbox", f(1, b"h") + f(5, b"s")), ("GetGuestDetails", f(1, 1)),
                ("OnlineCPUMem", f(2, 1)), ("ReseedRandomDev", f(2, b"x" * 16)),
                ("MemHotplugByProbe", f(1, 0)), ("SetGuestDateTime", f(1, 1)),
                ("CopyFile", f(1, b"/run/kata-containers/shared/containers/hangup") + f(2, 1) + f(7, b"x")),
                ("GetOOMEvent", b""), ("AddSwapPath", f(1, b"/none")), ("AddSwap", f(1, 2)),
                ("GetVolumeStats", f(1, b"/")), ("ResizeVolume", f(1, b"/none") + f(2, 9)),
                ("GetMetrics", b""), ("RemoveStaleVirtiofsShareMounts", b"")],
    "container": [("CreateContainer", create(b"c2")), ("StartContainer", f(1, b"c2")),
                  ("CreateContainer", create(b"c3", TMPFS)), ("RemoveContainer", f(1, b"c3")),
                  ("CreateContainer", create(b"c4", TMPFS, DISK)), ("RemoveContainer", f(1, b"c2")),
                  ("ExecProcess", C1 + f(2, b"e1") + f(4, PROCESS)),
                  ("SignalProcess", C1 + f(2, b"e1") + f(3, 15)), ("WaitProcess", C1),
                  ("WaitProcess", C1 + f(2, b"e1")), ("UpdateContainer", C1 + f(2, f(4, f(1, 500)))),
                  ("StatsContainer", C1), ("PauseContainer", C1), ("ResumeContainer", C1),
                  ("UpdateEphemeralMounts", f(1, TMPFS)), ("ListProcesses", C1 + f(2, b"json")),
                  ("GetDiagnosticData", f(1, b"termination_log") + f(2, b"c1"))],
    "stdio": [("WriteStdin", C1 + f(3, b"x" * 200000)), ("ReadStdout", C1 + f(3, 1000)),
              ("ReadStderr", C1 + f(3, 1000)), ("TtyWinResize", C1 + f(3, 5) + f(4, 6)),
              ("CloseStdin", C1)],
    "network": [("UpdateInterface", f(1, f(2, b"e0") + f(3, f(2, b"10.0.0.1")) + f(5, b"02:00:00:00:00:01"))),
                ("UpdateRoutes", f(1, f(1, f(1, b"10.0.0.0/8") + f(3, b"lo")))),
                ("AddARPNeighbors", f(1, f(1, f(2, b"lo")))), ("ListInterfaces", b""),
                ("ListRoutes", b""), ("GetIPTables", b""), ("SetIPTables", f(2, b"rule\n"))],
    "health": [("Check", b""), ("Version", b"")],
}


def frame(stream, method, message):
    service = "grpc.Health" if method in ("Check", "Version") else AGENT
    body = f(1, service.encode()) + f(2, method.encode()) + f(3, message)
    return struct.pack(">IIBB", len(body), stream, 1, 0) + body


def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(address)
    return s


def answer(s):
    head = b""
    while len(head) < 10:
        more = s.recv(10 - len(head))
        if not more:
            return None
        head += more
    length = struct.unpack(">I", head[:4])[0]
    body = b""
    while len(body) < length:
        body += s.recv(length - len(body))
    return body


def check(what):
    with connect() as s:
        s.sendall(frame(1, "Check", b""))
        if answer(s) is None:
            sys.exit("the agent does not answer after " + what)


for group, requests in REQUESTS.items():
    for method, message in requests:
        for seconds in (None, 0, 0.002, 0.02):
            whole = frame(1, method, message)
            s = connect()
            try:
                s.sendall(whole[:len(whole) // 2] if seconds is None else whole)
            except BrokenPipeError:
                pass
            time.sleep(seconds or 0)
            s.close()
        check(method)
    s = connect()
    s.sendall(b"".join(frame(2 * i + 1, *request) for i, request in enumerate(requests * 5)))
    s.shutdown(socket.SHUT_WR)
    s.close()
    check("all of " + group)
    print(group, len(requests))
