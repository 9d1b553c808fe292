#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""streams.py CODE: with connect(PORT), read(SOCKET), and run(COMMAND…) and create(OPTION…), which
call the agent. $socket is a path, or vsock:CID:PORT."""
import os
import socket
import subprocess
import sys
import time  # noqa: F401 # for the code

agent = os.environ["socket"]


def connect(port):
    if agent.startswith("vsock:"):
        s = socket.socket(socket.AF_VSOCK)
        s.bind((socket.VMADDR_CID_ANY, port))
        s.connect((int(agent.split(":")[1]), 1027))
        s.settimeout(60)
    else:
        s = socket.socket(socket.AF_UNIX)
        s.bind(f"\0kata-streams-{os.getpid()}/{port}")
        s.connect(agent + ".passfd")
        s.settimeout(60)
    return s


def run(*words):
    return subprocess.run([os.environ["KATA_BUILD"] + "/tests/tools/agent-call", agent, *words],
                          input="typed", capture_output=True, text=True, check=False)


def create(*words):
    done = run("create", "c1", "--rootfs", os.environ["rootfs"], *words)
    assert done.returncode == 0, done.stderr
    done = run("start", "c1")
    assert done.returncode == 0, done.stderr


def read(s):
    said = b""
    while more := s.recv(65536):
        said += more
    return said


exec(sys.argv[1])
