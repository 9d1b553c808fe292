#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""qmp.py SOCKET COMMAND...: QMP commands, each {"execute": ...} as JSON, one after the other.

Prints what each returns; status 1 and the error when one fails.
"""
import json
import socket
import sys


def main():
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(60)
    sock.connect(sys.argv[1])
    stream = sock.makefile("rw")
    stream.readline()
    for command in ['{"execute": "qmp_capabilities"}'] + sys.argv[2:]:
        stream.write(command + "\n")
        stream.flush()
        while True:
            answer = json.loads(stream.readline())
            if "error" in answer:
                print(answer["error"]["desc"], file=sys.stderr)
                return 1
            if "return" in answer:
                break
        if answer["return"]:
            print(json.dumps(answer["return"]))
    return 0


sys.exit(main())
