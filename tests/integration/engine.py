#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An engine as conmon is one: a subreaper that creates a container, adopts the process in
the pid file, starts the container, and takes that process's exit status for the container's.

    engine.py [OPTION…] RUNTIME [GLOBAL-OPTION…] -- BUNDLE ID

    --console           serve a console socket; what is typed: the file --input; what is
                        shown goes to standard output
    --input FILE        standard input, or what is typed, a line each time after "? " was shown
    --size ROWSxCOLS    of the console, set after the first output
    --do COMMAND        a shell command to run once the container runs, with $PID and $ID
    --no-delete         leave the container stopped
    --limit SECONDS     for the container to end (default 120)

Exits with the container's status. Says so, with what else is wrong, on standard error."""
import argparse
import array
import ctypes
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time

PR_SET_CHILD_SUBREAPER = 36


created = None  # the command that takes away what was made


def fail(text):
    print(f"engine: {text}", file=sys.stderr)
    if created:
        subprocess.run(created, timeout=120)
    sys.exit(99)


def parse():
    p = argparse.ArgumentParser()
    p.add_argument("--console", action="store_true")
    p.add_argument("--input")
    p.add_argument("--size")
    p.add_argument("--do")
    p.add_argument("--no-delete", action="store_true")
    p.add_argument("--limit", type=float, default=120)
    p.add_argument("runtime", nargs=argparse.REMAINDER)
    a = p.parse_args()
    split = len(a.runtime) - 1 - a.runtime[::-1].index("--")
    a.bundle, a.id = a.runtime[split + 1:]
    a.runtime = a.runtime[:split]
    return a


def receive_console(listener):
    sock, _ = listener.accept()
    data, ancillary, _, _ = sock.recvmsg(4096, socket.CMSG_SPACE(4))
    fds = array.array("i")
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(payload[:4])
    if not fds or not data.startswith(b"/dev/pts/"):
        fail(f"no terminal came: {data!r} {fds}")
    return fds[0]


def status_of(pid, deadline, master, typed):
    """Wait for the adopted process, and meanwhile be its terminal."""
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if master is not None:
            master = talk(master, typed, 0 if done else 0.05)
        elif not done:
            time.sleep(0.02)
        if done:
            # Up to its end: what was said last may come after the status.
            end = time.monotonic() + 30
            while master is not None and time.monotonic() < end:
                master = talk(master, typed, 0.2)
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            fail(f"process {pid} does not end")


seen = b""


def talk(master, typed, wait):
    global seen
    if not select.select([master], [], [], wait)[0]:
        return master
    try:
        chunk = os.read(master, 4096)
    except OSError:
        chunk = b""
    if not chunk:
        return None
    sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()
    seen += chunk
    while typed and b"? " in seen:
        seen = seen.split(b"? ", 1)[1]
        os.write(master, typed.pop(0))
    return master


def reap_all(deadline):
    """The sandbox's own process was adopted too, and ends after the answer to `delete`."""
    while True:
        try:
            left, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if left == 0:
            if time.monotonic() > deadline:
                fail("a process is left")
            time.sleep(0.02)


def main():
    global created
    a = parse()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    deadline = time.monotonic() + a.limit
    work = tempfile.mkdtemp()
    pid_file, socket_path = os.path.join(work, "pid"), os.path.join(work, "console")
    master, typed, stdin = None, [], subprocess.DEVNULL
    create = a.runtime + ["create", "--bundle", a.bundle, "--pid-file", pid_file]
    if a.console:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(socket_path)
        listener.listen()
        create += ["--console-socket", socket_path]
        if a.input:
            typed = open(a.input, "rb").readlines()
    elif a.input:
        stdin = open(a.input, "rb")
    try:
        if subprocess.run(create + [a.id], stdin=stdin, timeout=120).returncode:
            fail("create failed")
        created = a.runtime + ["delete", "--force", a.id]
        if a.console:
            master = receive_console(listener)
        with open(pid_file) as f:
            pid = int(f.read())
    finally:
        subprocess.run(["rm", "-rf", work], check=True)
    with open(f"/proc/{pid}/stat") as f:
        if int(f.read().rsplit(")", 1)[1].split()[1]) != os.getpid():
            fail(f"process {pid} was not adopted")
    if subprocess.run(a.runtime + ["start", a.id], timeout=120).returncode:
        fail("start failed")
    if a.size:
        rows, cols = map(int, a.size.split("x"))
        # Not before the container has looked at the size that it was made with.
        select.select([master], [], [], 60)
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
    command = None
    if a.do:
        command = subprocess.Popen(["sh", "-c", a.do], stdin=subprocess.DEVNULL,
                                   env=dict(os.environ, PID=str(pid), ID=a.id))
    status = status_of(pid, deadline, master, typed)
    if command and command.wait(60):
        fail(f"{a.do}: status {command.returncode}")
    if not a.no_delete:
        subprocess.run(a.runtime + ["delete", "--force", a.id], timeout=120, check=True)
        reap_all(time.monotonic() + 30)
    sys.exit(status if status >= 0 else 128 - status)


main()
