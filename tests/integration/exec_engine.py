#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""As conmon adds a process: a subreaper that has it started detached from a file, adopts
what the pid file names, serves its console, and takes its exit status.

    exec_engine.py [--console] RUNTIME [GLOBAL-OPTION...] -- ID PROCESS-FILE [INPUT]

With --console INPUT is typed; what is shown goes to standard output. Exits with the status."""
import array
import ctypes
import os
import select
import socket
import subprocess
import sys
import tempfile
import time

PR_SET_CHILD_SUBREAPER = 36
LIMIT = 120


def receive(listener):
    sock, _ = listener.accept()
    data, ancillary, _, _ = sock.recvmsg(4096, socket.CMSG_SPACE(4))
    fds = array.array("i")
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(payload[:4])
    if not fds or not data.startswith(b"/dev/pts/"):
        sys.exit(f"no terminal came: {data!r}")
    return fds[0]


def show(master, wait):
    """Show what there is; False at the end."""
    if not select.select([master], [], [], wait)[0]:
        return True
    try:
        chunk = os.read(master, 4096)
    except OSError:
        return False
    sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()
    return bool(chunk)


def main():
    argv = sys.argv[1:]
    console = argv[0] == "--console"
    argv = argv[console:]
    split = argv.index("--")
    runtime, (ident, process, *typed) = argv[:split], argv[split + 1 :]
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    end = time.monotonic() + LIMIT
    master = None
    with tempfile.TemporaryDirectory() as work:
        pid_file, path = os.path.join(work, "pid"), os.path.join(work, "console")
        command = runtime + ["exec", "--pid-file", pid_file, "--process", process, "--detach"]
        if console:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(path)
            listener.listen()
            command += ["--console-socket", path]
        status = subprocess.run(command + [ident], stdin=subprocess.DEVNULL, timeout=LIMIT).returncode
        if status:
            if os.path.exists(pid_file):
                sys.exit("a pid file was left")
            sys.exit(status)
        if console:
            master = receive(listener)
        pid = int(open(pid_file).read())
    if master is not None and typed:
        os.write(master, typed[0].encode() + b"\n")
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        if time.monotonic() > end:
            sys.exit("no end")
        if master is None or not show(master, 0.05):
            time.sleep(0.02)
    # Up to its end: what was said last may come after the status.
    end = time.monotonic() + 30
    while master is not None and time.monotonic() < end and show(master, 0.2):
        pass
    sys.exit(os.waitstatus_to_exitcode(status))


main()
