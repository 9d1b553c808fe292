#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""odd_tree.py DIRECTORY: fills it with all that a root file system may hold."""

import os
import socket
import struct
import sys

NET_RAW = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)  # cap_net_raw=ep


def main():
    os.chdir(sys.argv[1])
    os.makedirs("a/b/c")
    for name, text in (("a/x", "hi"), ("!", ""), ('"q', "q"), ("n" * 255, "long"), ("odd name\nnl", "")):
        with open(name, "w", encoding="ascii") as f:
            f.write(text)
    os.link("a/x", "a/y")
    os.link("a/x", "a/b/z")
    os.symlink("/etc/passwd", "link")
    os.symlink("t" * 4000, "long")
    os.link("link", "link2", follow_symlinks=False)
    os.mkfifo("fifo")
    os.mknod("dev", 0o20600, os.makedev(1, 3))
    os.mknod("blk", 0o60600, os.makedev(259, 70000))
    socket.socket(socket.AF_UNIX).bind("sock")
    with open("big", "wb") as f:
        f.write(os.urandom(1000000))
    os.chmod("big", 0o4755)
    os.setxattr("big", "security.capability", NET_RAW)
    with open("sparse", "wb") as f:
        f.truncate(5 << 30)
        f.seek(1 << 30)
        f.write(b"middle")
        f.seek(0, 2)
        f.write(b"end")
    os.setxattr("a/x", "trusted.foo", b"bar")
    os.setxattr("a", "trusted.big", b"v" * 3000)
    os.chown("a/b", 100000, 4000000000)
    os.mkdir("many")
    for i in range(600):
        with open("many/" + f"f{i}" * (1 + i % 50), "w", encoding="ascii") as f:
            f.write("x" * (i * 13))
    os.utime("a/b/c", ns=(1, 1234567890123456789))


if __name__ == "__main__":
    main()
