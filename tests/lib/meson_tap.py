#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The TAP of all tests of a suite that Meson knows, in one stream.

    meson_tap.py BUILD-DIR SUITE

Meson runs them in parallel, each with its limit, and keeps what they print.
"""
import json
import pathlib
import re
import subprocess
import sys


def main():
    build, suite = sys.argv[1:]
    log = pathlib.Path(build) / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    run = subprocess.run(
        ["meson", "test", "-C", build, "--no-rebuild", "--suite", suite],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    if not log.exists():
        print(run.stdout)
        return run.returncode or 1
    for line in log.read_text().splitlines():
        result = json.loads(line)
        name = re.sub(r"^.*?:[^ ]* / ", "", result["name"])
        good = 0
        bad = 0
        for tap in result.get("stdout", "").splitlines():
            test = re.match(r"((?:not )?ok)\b(?: +\d+)?(?: +-)? *(.*)", tap)
            if test:
                print(f"{test[1]} - {name}: {test[2]}")
                good += test[1] == "ok"
                bad += test[1] != "ok"
            elif not tap.startswith("1.."):
                print(tap if tap.startswith("#") else f"# {tap}")
        # What Meson alone noticed: a crash, a sanitizer's report, a hang, no tests.
        if (result["result"] != "OK" and not bad) or not good + bad:
            print(f"not ok - {name}: {result['result']}, status {result['returncode']}")
            for line in result.get("stderr", "").splitlines():
                print(f"# {line}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
