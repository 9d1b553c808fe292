#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""engine_profile.py PROFILE: what an engine makes of a container's config.json by default, to be
merged by oci.py: Docker's capabilities and masks, and the filter of system calls that PROFILE
(in the form of engines, with conditions) is for those capabilities on this machine."""
import json
import os
import sys

CAPS = ["CAP_" + name for name in (
    "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP",
    "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE")]
MASKED = ["acpi", "asound", "kcore", "keys", "latency_stats", "timer_list", "timer_stats",
          "sched_debug", "scsi"]
READ_ONLY = ["bus", "fs", "irq", "sys", "sysrq-trigger"]
ARCHES = {"x86_64": ("amd64", "SCMP_ARCH_X86_64"), "aarch64": ("arm64", "SCMP_ARCH_AARCH64")}


def kernel():
    return [int(number) for number in os.uname().release.split("-")[0].split(".")[:2]]


def meets(condition, arch):
    """Whether one of each kind of things that it names is there; None: it names none."""
    kinds = []
    if condition.get("caps"):
        kinds.append(any(cap in CAPS for cap in condition["caps"]))
    if condition.get("arches"):
        kinds.append(arch in condition["arches"])
    if condition.get("minKernel"):
        kinds.append(kernel() >= [int(n) for n in condition["minKernel"].split(".")])
    return kinds


def syscalls(profile, arch):
    for rule in profile["syscalls"]:
        if all(meets(rule.get("includes", {}), arch)) and not any(meets(rule.get("excludes", {}), arch)):
            out = {"names": rule["names"], "action": rule["action"], "args": rule.get("args") or []}
            if rule.get("errnoRet") is not None:
                out["errnoRet"] = rule["errnoRet"]
            yield out


with open(sys.argv[1], encoding="utf-8") as file:
    full = json.load(file)
go_arch, scmp_arch = ARCHES[os.uname().machine]
filters = {"defaultAction": full["defaultAction"], "syscalls": list(syscalls(full, go_arch))}
if full.get("defaultErrnoRet") is not None:
    filters["defaultErrnoRet"] = full["defaultErrnoRet"]
filters["architectures"] = [scmp_arch] + next(
    (entry.get("subArchitectures") or [] for entry in full["archMap"] if entry["architecture"] == scmp_arch), [])
json.dump({
    "process": {"capabilities": {name: CAPS for name in ("bounding", "effective", "permitted")}},
    "linux": {
        "maskedPaths": ["/proc/" + name for name in MASKED] + ["/sys/firmware"],
        "readonlyPaths": ["/proc/" + name for name in READ_ONLY],
        "seccomp": filters,
    },
}, sys.stdout)
