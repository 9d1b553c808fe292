#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every field of config.json wrong in turn: `create` refuses each with one line that names
it, and makes nothing.

    wrong-config.py BUNDLE ROOT -- CREATE-COMMAND…      the bundle has a config.json

The document is the bundle's, with every other field of the specification that the runtime
reads added. Each value in it, on every level, is replaced by one of another type, and then
those of a table by values that mean nothing."""
import json
import os
import subprocess
import sys

MAPPING = dict(hostID=0, containerID=0, size=1)
HOOK = dict(path="/bin/true", args=["true"], env=["A=b"], timeout=5)
DEVICE = dict(major=8, minor=0)
MORE = dict(
    domainname="example",
    annotations={"org.example.key": "value"},
    process=dict(
        consoleSize=dict(height=24, width=80),
        rlimits=[dict(type="RLIMIT_NOFILE", hard=1024, soft=512)],
        capabilities={s: ["CAP_KILL"] for s in
                      ("bounding", "effective", "inheritable", "permitted", "ambient")},
        apparmorProfile="unconfined", selinuxLabel="", oomScoreAdj=0, noNewPrivileges=True,
        user=dict(uid=0, gid=0, umask=18, additionalGids=[1]),
        scheduler=dict(policy="SCHED_OTHER", nice=0, priority=0, flags=[], runtime=0, deadline=0,
                       period=0),
        ioPriority=dict(**{"class": "IOPRIO_CLASS_BE"}, priority=0),
        execCPUAffinity=dict(initial="0", final="0")),
    hooks={h: [HOOK] for h in ("prestart", "createRuntime", "createContainer",
                               "startContainer", "poststart", "poststop")},
    linux=dict(
        uidMappings=[MAPPING], gidMappings=[MAPPING], sysctl={"net.ipv4.ip_forward": "1"},
        cgroupsPath="/x", rootfsPropagation="private", maskedPaths=["/proc/kcore"],
        readonlyPaths=["/proc/sys"], mountLabel="",
        devices=[dict(path="/dev/x", type="c", major=1, minor=3, fileMode=438, uid=0, gid=0)],
        personality=dict(domain="LINUX", flags=[]),
        seccomp=dict(defaultAction="SCMP_ACT_ALLOW", defaultErrnoRet=1, architectures=["SCMP_ARCH_X86_64"],
                     flags=["SECCOMP_FILTER_FLAG_LOG"],
                     syscalls=[dict(names=["chmod"], action="SCMP_ACT_ERRNO", errnoRet=1,
                                    args=[dict(index=0, value=1, valueTwo=2,
                                               op="SCMP_CMP_EQ")])]),
        resources=dict(
            devices=[dict(allow=False, type="a", major=1, minor=1, access="rwm")],
            memory=dict(limit=1, reservation=1, swap=1, kernel=1, kernelTCP=1, swappiness=1,
                        disableOOMKiller=False),
            cpu=dict(shares=1, quota=1, period=1, realtimeRuntime=1, realtimePeriod=1,
                     cpus="0", mems="0"),
            pids=dict(limit=1),
            blockIO=dict(weight=10, leafWeight=10,
                         weightDevice=[dict(DEVICE, weight=10, leafWeight=10)],
                         **{f"throttle{k}Device": [dict(DEVICE, rate=1)] for k in
                            ("ReadBps", "WriteBps", "ReadIOPS", "WriteIOPS")}),
            unified={"memory.high": "1"}, rdma={"mlx5_1": dict(hcaHandles=1, hcaObjects=1)},
            hugepageLimits=[dict(pageSize="2MB", limit=1)],
            network=dict(classID=1, priorities=[dict(name="eth0", priority=1)]))))

# Values of the right type that mean nothing.
SENSELESS = {
    "ociVersion": "2.0.0", "process.cwd": "tmp", "process.args": [], "process.env": ["A"],
    "process.user.uid": 4294967295, "process.user.gid": -1, "process.oomScoreAdj": 1001,
    "process.rlimits[0].type": "RLIMIT_X", "process.rlimits[0].soft": 2048,
    "root.path": "", "hooks.prestart[0].path": "true",
    "mounts[0].destination": "", "linux.namespaces[0].type": "x",
    "linux.namespaces[0].path": "relative", "linux.devices[0].path": "dev",
    "linux.devices[0].type": "x", "linux.resources.devices[0].access": "x",
    "linux.resources.devices[0].type": "x", "linux.rootfsPropagation": "x",
}

# Not JSON at all: where that is.
SYNTAX = {"": "", "{": "", '{"ociVersion": "1.0.2",\n "process": }': ":2:13",
          '{"a": 1}\n{"b": 2}': ":2:1", "[1, 2": "", "\xff": ":1:1"}


def merge(a, b):
    for key, value in b.items():
        if isinstance(value, dict) and isinstance(a.get(key), dict):
            merge(a[key], value)
        else:
            a[key] = value


def places(value, path=()):
    """Every place in the document but the document."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield path + (key,)
        if isinstance(inner, (dict, list)):
            yield from places(inner, path + (key,))


def name(path):
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def replaced(doc, path, value):
    doc = inner = json.loads(json.dumps(doc))
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value(inner[path[-1]]) if callable(value) else value
    return json.dumps(doc)


def other_type(value):
    if isinstance(value, str):
        return 7
    return "x" if isinstance(value, (bool, int)) else True


def main():
    split = sys.argv.index("--")
    bundle, root = sys.argv[1:split]
    command = sys.argv[split + 1:]
    file = os.path.join(bundle, "config.json")
    with open(file) as f:
        doc = json.load(f)
    merge(doc, MORE)
    cases = [(replaced(doc, p, other_type), name(p)) for p in places(doc)]
    by_name = {name(p): p for p in places(doc)}
    cases += [(replaced(doc, by_name.get(n, ("linux", "namespaces", 0, "path")), v), n)
              for n, v in SENSELESS.items()]
    cases += [(text, file + where) for text, where in SYNTAX.items()]
    wrong = 0
    for text, named in cases:
        with open(file, "w", encoding="latin-1") as f:
            f.write(text)
        r = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=30, text=True)
        if (r.returncode != 1 or named not in r.stdout or file not in r.stdout
                or r.stdout.count("\n") != 1 or os.listdir(root)):
            print(f"{named}: status {r.returncode}: {r.stdout.strip()} {os.listdir(root)}")
            wrong += 1
            subprocess.run(command[:command.index("create")] + ["delete", "--force", command[-1]])
    print(f"{len(cases)} cases, {wrong} wrong")
    sys.exit(wrong > 0)


main()
