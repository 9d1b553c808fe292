#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Drive a command on a terminal of its own: size, resize, echo, Ctrl-C, restore."""
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time


def set_size(fd, rows, cols):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


ahead = b""


def expect(fd, what, limit=60):
    """Read until WHAT was seen; the limit makes a hang an error."""
    global ahead
    seen, ahead = ahead, b""
    end = time.monotonic() + limit
    while what not in seen:
        left = end - time.monotonic()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            sys.exit(f"no {what!r} in {seen!r}")
        try:
            chunk = os.read(fd, 4096)
        except OSError:
            chunk = b""
        if not chunk:
            sys.exit(f"terminal closed, no {what!r} in {seen!r}")
        seen += chunk
    # What came along is for the next one.
    seen, ahead = seen[: seen.index(what) + len(what)], seen[seen.index(what) + len(what) :]
    return seen


def main():
    master, slave = pty.openpty()
    set_size(slave, 31, 97)
    before = termios.tcgetattr(slave)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for fd in range(3):
            os.dup2(slave, fd)
        os.closerange(3, 100)
        os.execv(sys.argv[1], sys.argv[1:])

    os.write(master, b"tty; echo size=$(stty size)\n")
    expect(master, b"/dev/pts/")
    expect(master, b"size=31 97")

    set_size(master, 40, 120)
    os.kill(pid, signal.SIGWINCH)
    # It travels beside what is typed, and may come later.
    os.write(master, b"until [ \"$(stty size)\" = '40 120' ]; do sleep 0.1; done; echo size=$(stty size)\n")
    expect(master, b"size=40 120")

    # The container's terminal turns Ctrl-C into a signal; the host's must not.
    os.write(master, b"sh -c 'echo sleeping-$((1+1)); exec sleep 1000'\n")
    expect(master, b"sleeping-2")
    os.write(master, b"\x03")
    os.write(master, b"echo alive-$((40+2))\n")
    expect(master, b"alive-42")

    os.write(master, b"exit 6\n")
    end = time.monotonic() + 60
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        if time.monotonic() > end:
            sys.exit("no end after exit")
        if select.select([master], [], [], 0.05)[0]:
            os.read(master, 4096)
    if os.waitstatus_to_exitcode(status) != 6:
        sys.exit(f"status {status}")
    if termios.tcgetattr(slave) != before:
        sys.exit("the terminal was not restored")


main()
