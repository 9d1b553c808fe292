#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""vmm-state.py PID: what a kata-vmm and its guest do that should have ended long ago.

Of the process: each thread, how busy it is, and where in the kernel. Of KVM: what counts on
within a second, and in the lab where the guest is entered. Of the first device, a console in
all tests with a Linux: how often the guest kicked it, which is what its eventfds have
counted. Of a Linux: the last lines of its log, from its memory. Nothing is stopped.

Exit status: 0; 3 when it cannot be the monitor that keeps the guest waiting: the guest never
kicked the console's output, the loop has nothing to do, and each processor is with KVM.
"""
import collections
import glob
import os
import re
import sys
import time

EDGES = 0x80000000  # EPOLLET: what the monitor's devices wait with (vmm/virtio/mmio.c)
KVM_RUN = "16 0xae80"  # ioctl(2)
KERNEL = 256 << 20  # of memory, in which a Linux lies with its log
NOISE = re.compile(r"_ns$|_hist$|poll|preemption|yield|reload|^pages_|^blocking$")
TRACING = "/sys/kernel/debug/tracing"
LOG = 200 << 10  # of a Linux, where its command line was told
LINES = 12


def read(path):
    try:
        with open(path, errors="replace", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


def threads(pid):
    """Of each its name, and by it: state, ticks, place in the kernel, system call."""
    found = {}
    for task in sorted(glob.glob(f"/proc/{pid}/task/*"), key=lambda path: int(path.split("/")[-1])):
        fields = read(f"{task}/stat").rpartition(")")[2].split()
        if len(fields) < 13:
            continue
        stack = re.findall(r"\] (\w+)\+", read(f"{task}/stack"))
        call = read(f"{task}/syscall").split()
        found[read(f"{task}/comm")] = {
            "state": fields[0],
            "ticks": [int(fields[11]), int(fields[12])],
            "stack": " < ".join(stack[:4]),
            # Of a call its number and second argument, which for KVM is the request.
            "call": " ".join(call[0:3:2]),
        }
    return found


def counters(pid):
    """KVM names a machine by the thread that made it, which is no more, and its descriptor."""
    cpus = [int(path.split("/")[-1]) for path in glob.glob(f"/proc/{pid}/task/*")]
    found = {}
    for path in glob.glob("/sys/kernel/debug/kvm/*-*/*"):
        thread = int(path.split("/")[-2].partition("-")[0])
        value = read(path) if int(pid) <= thread <= max(cpus, default=0) else ""
        if value.isdigit() and not NOISE.search(path.split("/")[-1]):
            found[os.path.basename(path)] = int(value)
    return found


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def traced(seconds):
    """Why the guest was left, and where it was entered. All guests, so in the lab alone."""
    switches = [f"{TRACING}/events/kvm/{event}/enable" for event in ("kvm_exit", "kvm_entry")]
    if not os.environ.get("KATA_LAB") or not all(map(os.path.exists, switches)):
        return ""
    write(f"{TRACING}/trace", "")
    for switch in switches:
        write(switch, "1")
    time.sleep(seconds)
    for switch in switches:
        write(switch, "0")
    trace = read(f"{TRACING}/trace")
    why = collections.Counter(re.findall(r"kvm_exit: .* reason (\S+)", trace)).most_common(5)
    where = collections.Counter(re.findall(r"kvm_entry: .* rip (\w+)", trace)).most_common(5)
    return " ".join(f"{what}:{n}" for what, n in why + where) or "nothing"


def kicks(pid):
    """What the eventfds of devices have counted: a start or more, then each queue's kicks."""
    counts = {}
    for path in glob.glob(f"/proc/{pid}/fdinfo/*"):
        for fd, events in re.findall(r"^tfd: *(\d+) events: *([0-9a-f]+)", read(path), re.M):
            count = re.search(r"eventfd-count: *([0-9a-f]+)", read(f"/proc/{pid}/fdinfo/{fd}"))
            if int(events, 16) & EDGES and count:
                counts[int(fd)] = int(count[1], 16)
    return [counts[fd] for fd in sorted(counts)]


def guest_log(pid):
    """The last lines that a Linux has written, whoever may have seen them."""
    areas = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw", read(f"/proc/{pid}/maps"), re.M)
    sizes = [(int(b, 16) - int(a, 16), int(a, 16)) for a, b in areas]
    if not sizes:
        return []
    size, start = max(sizes)
    end = start + min(size, KERNEL)
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for at in range(start, end, 16 << 20):
            memory.seek(at)
            piece = memory.read(min((16 << 20) + 64, end - at))
            found = re.search(rb"Command line: [^%\0]", piece)
            if found:
                memory.seek(at + found.start())
                text = memory.read(min(LOG, end - at - found.start()))
                lines = re.findall(rb"[\x20-\x7e]{8,}", text)
                # A line's level was cut off in front, and so much of its end is there twice.
                return [re.sub(r"(..)\1$", r"\1", line.decode()) for line in lines[-LINES:]]
    return []


def main():
    pid = sys.argv[1]
    before, counted, began = threads(pid), counters(pid), time.monotonic()
    time.sleep(1)
    after, counts = threads(pid), counters(pid)
    print(f"kata-vmm {pid}, {time.monotonic() - began:.1f} s of it:")
    for name, now in after.items():
        spent = [n - o for n, o in zip(now["ticks"], before.get(name, now)["ticks"])]
        print(
            f"  {name}: {now['state']} +{spent[0]} user +{spent[1]} system of {now['ticks']} ticks,"
            f" call {now['call']}: {now['stack']}"
        )
    moved = {k: v - counted.get(k, 0) for k, v in sorted(counts.items()) if v != counted.get(k, 0)}
    print("  KVM:", " ".join(f"{k}=+{v}" for k, v in moved.items()) or f"none of {len(counts)} moves")
    print("  KVM in all:", " ".join(f"{k}={v}" for k, v in sorted(counts.items()) if v))
    print("  left and entered, within 0.5 s:", traced(0.5))
    kicked = kicks(pid)
    print(f"  console, then other devices (starts, kicks of each queue): {kicked}")
    for line in guest_log(pid):
        print("  log:", line)
    loop = next(iter(after.values()), {})
    waits = loop.get("state") == "S" and "epoll" in loop.get("stack", "")
    cpus = [now["call"] for name, now in after.items() if name.startswith("vcpu")]
    inside = cpus and all(call in ("running", KVM_RUN) for call in cpus)
    sys.exit(3 if len(kicked) > 2 and kicked[2] == 0 and waits and inside else 0)


if __name__ == "__main__":
    main()
