#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""change_spec.py BUNDLE CODE [NAME=VALUE…]: run CODE on BUNDLE/config.json.

It sees `c`, the document; `linux` and `process` in it; hook(KIND, SCRIPT, …) adds a hook
that is a script of sh, with each NAME in its environment; note(KEY, VALUE) an annotation;
join(TYPE, PATH) makes the container live in that namespace.
"""
import json
import os
import sys

path = sys.argv[1] + "/config.json"
with open(path, encoding="utf-8") as f:
    c = json.load(f)
linux, process = c["linux"], c["process"]
env = ["PATH=" + os.environ["PATH"], *sys.argv[3:]]


def hook(kind, script, **more):
    one = {"path": "/bin/sh", "args": ["sh", "-c", script], "env": env, **more}
    c.setdefault("hooks", {}).setdefault(kind, []).append(one)


def note(key, value):
    c.setdefault("annotations", {})[key] = value


def join(kind, where):
    linux["namespaces"] = [n for n in linux["namespaces"] if n["type"] != kind]
    linux["namespaces"].append({"type": kind, "path": where})


exec(sys.argv[2])
with open(path, "w", encoding="utf-8") as f:
    json.dump(c, f)
