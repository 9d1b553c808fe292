#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""replay.py [--record] PROGRAM RECORDING KERNEL: asks PROGRAM, a monitor or its fake, what is in
RECORDING, and compares the status of each answer with that which the real one gave, and its
shape: whatever the fake says, the real one said, too, and both had a body or none. --record
writes them down, from the real one. KERNEL is a file for it to boot."""

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


def shape(value):
    """Members by name, the types of what is in them; of a list that of its first."""
    if isinstance(value, dict):
        return {name: shape(of) for name, of in sorted(value.items())}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return {bool: "bool", int: "number", float: "number", str: "text"}.get(type(value), "null")


def within(fake, real, where="the answer"):
    """What of the shape @fake is not in @real, or None. Names of devices are the test's."""
    if isinstance(fake, dict) and isinstance(real, dict):
        for name, of in fake.items():
            if name not in real:
                return f"{where} has {name}"
            if wrong := within(of, real[name], f"{where}.{name}"):
                return wrong
        return None
    if isinstance(fake, list) and isinstance(real, list):
        return within(fake[0], real[0], where) if fake and real else None
    return None if fake == real else f"{where} is {fake}, not {real}"


def ask(api, step, places):
    """The status of the answer and its body's shape; 0 when there is none."""
    deadline = time.monotonic() + LIMIT
    body = json.dumps(fill(step["body"], places)) if "body" in step else None
    while True:
        try:
            conn = Connection(api)
            conn.request(step["method"], step["path"], body)
            answer = conn.getresponse()
            text = answer.read()
            return answer.status, shape(json.loads(text)) if text else None
        except (FileNotFoundError, ConnectionRefusedError):
            if time.monotonic() > deadline:
                return 0, None
            time.sleep(0.02)
        except (OSError, http.client.HTTPException):
            return 0, None


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
            try:
                for step in recording["steps"]:
                    status, body = ask(os.path.join(scratch, recording["socket"]), step, places)
                    if record:
                        step["status"], step["answer"] = status, body
                    elif step["status"] != status or (words := within(body, step["answer"])):
                        print(f"{step['method']} {step['path']} {step.get('body')}: answered {status} {body}")
                        print(words if step["status"] == status else f"not {step['status']}")
                        wrong += 1
            finally:
                process.kill()
    if record:
        with open(name, "w", encoding="utf-8") as file:
            json.dump(recording, file, indent=1)
            file.write("\n")
    sys.exit(wrong != 0)


main()
