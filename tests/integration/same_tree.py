#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""same_tree.py A B: two directories are the same to whoever looks: names, types, modes,
owners, times, sizes, contents, targets, devices, attributes, names of one inode. Times of
the roots and the sizes of directories are each file system's own, and an overlay counts
hidden names, too. Prints what differs."""

import os
import stat
import sys


def walk(root):
    found, links = {}, {}
    for path, dirs, files in os.walk(os.fsencode(root)):
        for name in [b"."] * (path == os.fsencode(root)) + dirs + files:
            full = os.path.join(path, name)
            st = os.lstat(full)
            kind = stat.S_IFMT(st.st_mode)
            rel = os.path.relpath(full, os.fsencode(root))
            entry = {
                "mode": oct(st.st_mode), "owner": (st.st_uid, st.st_gid),
                "mtime": st.st_mtime_ns if rel != b"." else 0,
                "size": st.st_size if kind != stat.S_IFDIR else 0,
                "rdev": st.st_rdev if kind in (stat.S_IFCHR, stat.S_IFBLK) else 0,
                "target": os.readlink(full) if kind == stat.S_IFLNK else b"",
                "xattrs": {x: os.getxattr(full, x, follow_symlinks=False)
                           for x in os.listxattr(full, follow_symlinks=False)},
            }
            if kind == stat.S_IFREG:
                with open(full, "rb") as f:
                    entry["head"] = f.read(1 << 20)
                    f.seek(max(0, st.st_size - (1 << 20)))
                    entry["tail"] = f.read(1 << 20)
            links.setdefault((st.st_dev, st.st_ino), []).append(rel)
            found[rel] = entry
    groups = sorted(sorted(v) for v in links.values() if len(v) > 1)
    return found, groups


def main():
    (a, links_a), (b, links_b) = walk(sys.argv[1]), walk(sys.argv[2])
    bad = 0
    for rel in sorted(set(a) | set(b)):
        if rel not in a or rel not in b:
            print(os.fsdecode(rel), "only in", sys.argv[1] if rel in a else sys.argv[2])
            bad = 1
            continue
        for key, value in a[rel].items():
            if b[rel][key] != value:
                print(os.fsdecode(rel), key, str(value)[:200], str(b[rel][key])[:200])
                bad = 1
    if links_a != links_b:
        print("names of one inode:", links_a, links_b)
        bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main())
