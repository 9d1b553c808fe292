#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""oci.py ROOTFS [JSON…]: a config.json with the usual mounts and namespaces, each JSON merged
into it: objects by member, lists that begin with "+" are appended, all else replaces."""
import json
import sys

CAPS = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_KILL", "CAP_MKNOD", "CAP_SETUID", "CAP_SETGID"]


def mount(kind, source, destination, options):
    return {"type": kind, "source": source, "destination": destination,
            "options": options.split(",")}


def usual(rootfs):
    sets = ("bounding", "effective", "permitted")
    return {
        "ociVersion": "1.2.0",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": ["PATH=/bin"],
            "cwd": "/",
            "capabilities": {name: list(CAPS) for name in sets},
        },
        "root": {"path": rootfs},
        "mounts": [
            mount("proc", "proc", "/proc", "nosuid,noexec,nodev"),
            mount("tmpfs", "tmpfs", "/dev", "nosuid,strictatime,mode=755,size=65536k"),
            mount("devpts", "devpts", "/dev/pts",
                  "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"),
            mount("tmpfs", "shm", "/dev/shm", "nosuid,noexec,nodev,mode=1777,size=65536k"),
            mount("mqueue", "mqueue", "/dev/mqueue", "nosuid,noexec,nodev"),
            mount("sysfs", "sysfs", "/sys", "nosuid,noexec,nodev,ro"),
            mount("cgroup", "cgroup", "/sys/fs/cgroup", "nosuid,noexec,nodev,relatime,ro"),
        ],
        "linux": {
            "namespaces": [{"type": kind} for kind in ("mount", "pid", "ipc", "uts")],
            "resources": {},
        },
    }


def merge(old, new):
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: merge(old.get(key), value) for key, value in new.items()}}
    if isinstance(old, list) and isinstance(new, list) and new[:1] == ["+"]:
        return old + new[1:]
    if old is None and isinstance(new, list) and new[:1] == ["+"]:
        return new[1:]
    return new


spec = usual(sys.argv[1])
for text in sys.argv[2:]:
    spec = merge(spec, json.loads(text))
json.dump(spec, sys.stdout)
