#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""replay.py [--record] PROGRAM RECORDING KERNEL: asks PROGRAM, a monitor or its fake, what is in
RECORDING, and compares the status of each answer with that which the real one gave. --record
writes those down, from the real one. KERNEL is a file for it to boot."""

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

LIMIT = 20


class Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=LIMIT)
        self.unix = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(LIMIT)
        self.sock.connect(self.unix)


def fill(value, places):
    """Put the files' names where they belong."""
    text = json.dumps(value)
    for name, path in places.items():
        text = text.replace(name, path)
    return json.loads(text)


def ask(api, step, places):
    """The status of the answer; 0 when there is none."""
    deadline = time.monotonic() + LIMIT
    body = json.dumps(fill(step["body"], places)) if "body" in step else None
    while True:
        try:
            conn = Connection(api)
            conn.request(step["method"], step["path"], body)
            return conn.getresponse().status
        except (FileNotFoundError, ConnectionRefusedError):
            if time.monotonic() > deadline:
                return 0
            time.sleep(0.02)
        except (OSError, http.client.HTTPException):
            return 0


def start(recording, program, scratch, places):
    """Its arguments, with the configuration file if it wants one."""
    if "config" in recording:
        with open(os.path.join(scratch, "config.json"), "w", encoding="utf-8") as file:
            json.dump(fill(recording["config"], places), file)
        for fifo in ("logs.fifo", "metrics.fifo"):
            os.mkfifo(os.path.join(scratch, fifo))
    args = [program, *recording["arguments"]]
    return subprocess.Popen(args, cwd=scratch, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def main():
    record = sys.argv[1] == "--record"
    program, name, kernel = sys.argv[2 if record else 1 :]
    with open(name, encoding="utf-8") as file:
        recording = json.load(file)
    wrong = 0
    with tempfile.TemporaryDirectory() as scratch:
        disk = os.path.join(scratch, "disk")
        with open(disk, "wb") as file:
            file.truncate(1 << 20)
        places = {"@KERNEL@": os.path.realpath(kernel), "@DISK@": disk}
        # Descriptor 1 is where nobody looks for events.
        with start(recording, os.path.realpath(program), scratch, places) as process:
            for step in recording["steps"]:
                status = ask(os.path.join(scratch, recording["socket"]), step, places)
                if record:
                    step["status"] = status
                elif step["status"] != status:
                    print(f"{step}: answered {status}")
                    wrong += 1
            process.kill()
    if record:
        with open(name, "w", encoding="utf-8") as file:
            json.dump(recording, file, indent=1)
            file.write("\n")
    sys.exit(wrong != 0)


main()
