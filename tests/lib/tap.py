#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run something that prints TAP and count what it says.

    tap.py TALLY NAME LIMIT COMMAND...

Its tests are printed as they come, numbered through and with NAME in front;
the numbers of this and all former runs stand in the file TALLY as
"PASSED FAILED SKIPPED". A failed test of its own are: a command that crashes,
that fails though no test failed, that takes longer than LIMIT seconds, that
prints no test at all or fewer than it planned; and a test that is skipped, unless
its printed name is a line of $CHECK_MAY_SKIP. At the end it tells which took longest.
"""
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

# How many of those that took longest are told, and from how many seconds on.
SLOWEST = 30
SLOW = 5


class Tally:
    def __init__(self, file, name):
        self.file = pathlib.Path(file)
        self.name = name
        self.passed, self.failed, self.skipped = map(int, self.file.read_text().split())
        self.seen = self.bad = 0
        self.planned = None
        self.took = []
        self.since = time.monotonic()
        self.may_skip = os.environ.get("CHECK_MAY_SKIP", "").split("\n")

    def result(self, good, what, skipped=False):
        number = self.passed + self.failed + self.skipped + 1
        name = f"{self.name}: {what}"
        self.passed += good and not skipped
        self.skipped += good and skipped
        self.failed += not good
        print(f"{'' if good else 'not '}ok {number} - {name}", flush=True)
        self.file.write_text(f"{self.passed} {self.failed} {self.skipped}\n")

    def line(self, line):
        test = re.match(r"(not )?ok\b(?: +\d+)?(?: +-)? *(.*)", line)
        plan = re.match(r"1\.\.(\d+)(?: *# *(skip.*))?", line, re.I)
        if test:
            self.test(not test[1], test[2])
        elif plan:
            self.planned = int(plan[1])
            if plan[2]:
                self.test(True, f"all # {plan[2]}")
        elif line.startswith("Bail out!"):
            self.bad += 1
            self.result(False, line)
        else:
            print(line if line.startswith("#") else f"# {line}", flush=True)

    def test(self, good, what):
        what, _, directive = what.partition(" # ")
        self.seen += 1
        now = time.monotonic()
        self.took.append((now - self.since, what))
        self.since = now
        if directive.lower().startswith("todo"):
            good, what = False, f"{what} (a test to do is none)"
        elif directive.lower().startswith("skip"):
            if f"{self.name}: {what}" in self.may_skip:
                self.result(good, f"{what} # {directive}", skipped=True)
                self.bad += not good
                return
            good, what = False, f"{what} (skipped: {directive[4:].strip()})"
        self.bad += not good
        self.result(good, what)

    def end(self, status, timed_out, limit):
        for seconds, what in sorted(self.took, reverse=True)[:SLOWEST]:
            if seconds >= SLOW:
                print(f"# {seconds:.0f} s: {what}", flush=True)
        if timed_out:
            self.result(False, f"not done within {limit} s")
        elif status < 0:
            self.result(False, f"killed by {signal.Signals(-status).name}")
        elif status and not self.bad:
            self.result(False, f"ended with status {status} though no test failed")
        elif not self.seen:
            self.result(False, "no tests")
        elif self.planned is not None and self.planned > self.seen:
            self.result(False, f"{self.planned} tests planned, {self.seen} done")


def main():
    tally_file, name, limit, *command = sys.argv[1:]
    tally = Tally(tally_file, name)
    child = None
    early = []
    timed_out = threading.Event()

    def stop(signo=signal.SIGTERM):
        try:
            os.killpg(child.pid, signo)
        except ProcessLookupError:
            pass
        except PermissionError:
            # Root's, by sudo. It has a password from when this began, or does not ask.
            subprocess.run(["sudo", "-n", "kill", "-s", str(int(signo)), "--", f"-{child.pid}"],
                           stderr=subprocess.DEVNULL, check=False)

    def too_late():
        timed_out.set()
        stop()
        # Time to clean up after itself; then whoever still holds its output goes.
        threading.Timer(30, stop, (signal.SIGKILL,)).start()

    def interrupted(signo, _):
        if not child:
            early.append(signo)
            return
        stop()
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            stop(signal.SIGKILL)
        os._exit(128 + signo)

    for signo in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signo, interrupted)
    try:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            start_new_session=True, text=True, errors="replace",
        )
    except OSError as error:
        tally.result(False, f"{command[0]}: {error.strerror}")
        return
    if early:
        # It came while there was nothing yet that it could end.
        interrupted(early[0], None)
    timer = threading.Timer(float(limit), too_late)
    timer.start()
    for line in child.stdout:
        tally.line(line.rstrip("\n"))
    status = child.wait()
    timer.cancel()
    stop(signal.SIGKILL)
    tally.end(status, timed_out.is_set(), limit)
    # Not through the pending timer's thread.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
