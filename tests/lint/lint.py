#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of the house that a machine can hold. Prints TAP.

Each rule is tried twice: on samples that break it, because a rule that cannot
fail is none, and on every file of the tree.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent

MAX_FILE = 600
MAX_FUNCTION = 100
BANNED = (
    "alloca gets mktemp popen sprintf stpcpy strcat strcpy strdupa system"
    " tmpnam vsprintf"
).split()
HYPERVISORS = "qemu clh firecracker stratovirt acrn dragonball fake"
# Where the configuration's name of a hypervisor becomes a driver.
# Inputs, byte for byte as somebody may send them.
DATA = ("tests/fuzz/corpus/",)
NAMES_ALLOWED = ("host/config/", "host/hypervisor/registry.c", "tests/")


def is_source(path):
    return is_c(path) or path.endswith(".S")


def is_c(path):
    return path.endswith((".c", ".h"))


def is_python(path, text):
    return path.endswith(".py") or text.startswith("#!/usr/bin/env python3")


def is_shell(path, text):
    return path.endswith((".sh", ".bash", ".bats")) or bool(
        re.match(r"#!(/usr)?/bin/(env )?(ba)?sh\b", text)
    )


def blank(match):
    return re.sub(r"[^\n]", " ", match.group())


def code_of(text, strings=False):
    """C without comments and, unless @strings, without literals; lines stay."""
    token = r'"(?:\\.|[^"\\\n])*"' r"|'(?:\\.|[^'\\\n])+'" r"|//[^\n]*|/\*.*?\*/"

    def strip(match):
        literal = match.group()[0] in "\"'"
        return match.group() if literal and strings else blank(match)

    return re.sub(token, strip, text, flags=re.S)


def grep(pattern, text, message):
    for number, line in enumerate(text.split("\n"), 1):
        for match in re.finditer(pattern, line):
            yield number, message % match.group(1) if "%s" in message else message


def read_edges():
    edges = {}
    for line in (HERE / "edges").read_text().splitlines():
        if line and not line.startswith("#"):
            room, *allowed = line.split()
            edges[room] = set(allowed)
    return edges


EDGES = read_edges()


def room_of(path):
    """The innermost room of the table that holds @path."""
    rooms = [room for room in EDGES if path.startswith(room + "/")]
    return max(rooms, key=len, default=None)


def target_of(path, name):
    """The path that #include "@name" in @path names, or None."""
    for prefix in ("", "lib/"):
        if room_of(prefix + name):
            return prefix + name
    if name.startswith("../"):
        return None
    beside = str(pathlib.PurePosixPath(path).parent / name)
    return beside if (TOP / beside).exists() else None


def rule_includes(path, text):
    """includes follow tests/lint/edges"""
    if not is_c(path) or path.startswith(("tests/", "bench/")):
        return
    room = room_of(path)
    if room is None:
        yield 1, "lies in no room of tests/lint/edges"
        return
    allowed = EDGES[room]
    for number, line in enumerate(code_of(text, strings=True).split("\n"), 1):
        match = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
        if not match:
            continue
        quote, name = match.groups()
        if quote == "<":
            library = f"<{name.split('/')[0]}>"
            known = set().union(*EDGES.values())
            if library in known and library not in allowed:
                yield number, f"{room} may not use {library}"
            continue
        target = target_of(path, name)
        if target is None:
            yield number, f'"{name}" names no room'
        elif room_of(target) != room and not {room_of(target), target} & allowed:
            yield number, f"{room} may not include {target}"


def rule_banned(path, text):
    """no banned functions"""
    if is_c(path):
        yield from grep(
            r"(?<![\w.>])(%s)\s*\(" % "|".join(BANNED), code_of(text), "%s() is banned"
        )


def rule_names(path, text):
    """drivers are asked for a capability, not for their names"""
    if is_c(path) and not path.startswith(NAMES_ALLOWED):
        pattern = r'(?:cmp|eq)\w*\s*\([^;]*"(%s)"' % HYPERVISORS.replace(" ", "|")
        yield from grep(pattern, code_of(text, strings=True), 'compares a name with "%s"')


def rule_file_size(path, text):
    """files have at most 600 lines"""
    lines = text.count("\n")
    if (is_source(path) or is_shell(path, text) or is_python(path, text)) and lines > MAX_FILE:
        yield lines, f"{lines} lines, the limit is {MAX_FILE}"


def rule_function_size(path, text):
    """functions have at most 100 lines"""
    if not is_c(path):
        return
    start = None
    for number, line in enumerate(text.split("\n"), 1):
        if line == "{":
            start = number
        elif line.startswith("}") and start is not None:
            if number - start - 1 > MAX_FUNCTION:
                yield start, f"a body of {number - start - 1} lines, the limit is {MAX_FUNCTION}"
            start = None


def rule_licence(path, text):
    """every source names its licence"""
    if is_source(path):
        wanted = ["/* SPDX-License-Identifier: Apache-2.0 */"]
    elif path.endswith(".proto"):
        wanted = ["// SPDX-License-Identifier: Apache-2.0"]
    elif is_shell(path, text) or is_python(path, text) or re.match(r"config/.*\.toml$", path):
        wanted = ["# SPDX-License-Identifier: Apache-2.0"]
    else:
        return
    lines = text.split("\n")
    if lines[1 if lines[0].startswith("#!") else 0 : 2][:1] != wanted:
        yield 1, f"does not begin with {wanted[0]}"


def rule_space(path, text):
    """white space is clean"""
    yield from grep(r"(\r)", text, "a carriage return")
    if path.endswith(".md"):  # two spaces at the end are a line break there
        return
    yield from grep(r"([ \t]+$)", text, "white space at the end")
    yield from grep(r"(^\t* +\t)", text, "a tab behind spaces")
    if is_shell(path, text):
        yield from grep(r"(^ {8})", text, "spaces for a tab")
    if is_python(path, text) or path.endswith("meson.build"):
        yield from grep(r"^ *(\t)", text, "a tab")
    if text and (not text.endswith("\n") or text.endswith("\n\n")):
        yield text.count("\n"), "does not end in one newline"


def rule_words(path, text):
    """nothing is left half done"""
    if path.startswith("tests/lint/"):
        return
    yield from grep(r"\b(TODO|FIXME|XXX|HACK)\b", text, "%s")
    yield from grep(r"^(<{7}|>{7}|={7})( |$)", text, "a conflict's mark %s")
    yield from grep(r"(/(?:work|Users)/\w+)", text, "%s: a path of one machine")


def run_on_copy(path, text, command, name=None):
    """The lines that @command prints of a file with this content."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = pathlib.Path(scratch) / (name or pathlib.PurePosixPath(path).name)
        copy.write_text(text)
        run = subprocess.run(
            [*command, str(copy)], capture_output=True, text=True, timeout=60, cwd=TOP
        )
    lines = (run.stdout + run.stderr).splitlines()
    found = False
    for line in lines:
        match = re.match(r".*?%s:(\d+):\d*:? *(.*)" % re.escape(copy.name), line)
        if match:
            found = True
            yield int(match[1]), match[2]
    if run.returncode and not found:
        yield 1, f"{command[0]}: status {run.returncode}: {' '.join(lines)}"


def rule_format(path, text):
    """C is formatted as .clang-format says"""
    if is_c(path):
        style = f"--style=file:{TOP / '.clang-format'}"
        yield from run_on_copy(path, text, ["clang-format", "--dry-run", "-Werror", style])


def rule_shellcheck(path, text):
    """shellcheck finds nothing in the scripts"""
    if not is_shell(path, text):
        return
    # Where it lies, so that it finds what it sources; samples lie nowhere.
    shell = "bats" if path.endswith(".bats") else "bash"
    command = ["shellcheck", "--format=gcc", "--shell=" + shell]
    if not (TOP / path).exists():
        yield from run_on_copy(path, text, command)
        return
    run = subprocess.run(
        [*command, path], capture_output=True, text=True, timeout=120, cwd=TOP
    )
    for line in (run.stdout + run.stderr).splitlines():
        match = re.match(r"([^:]*):(\d+):\d+: (.*)", line)
        yield (int(match[2]), match[3]) if match else (1, line)


# For each rule: what it must object to, and what it must let pass.
C = "/* SPDX-License-Identifier: Apache-2.0 */\n"
SH = "#!/bin/bash\n# SPDX-License-Identifier: Apache-2.0\n"
SAMPLES = {
    rule_includes: (
        [
            ("host/shim/x.c", '#include "guest/agent/x.h"\n'),
            ("guest/agent/x.c", '#include "host/config/config.h"\n'),
            ("guest/agent/x.c", "#include <json-c/json.h>\n"),
            ("lib/base/x.c", '#include "ttrpc/ttrpc.h"\n'),
            ("lib/base/x.c", '#include "../x.h"\n'),
            ("host/cli/x.c", '#include "host/sandbox/sandbox.h"\n'),
            ("host/nosuchroom/x.c", "\n"),
        ],
        [
            ("host/shim/x.c", '#include "base/err.h"\n#include <stdio.h>\n'),
            ("host/cli/x.c", '#include "host/sandbox/state.h"\n'),
            ("host/shim/x.c", '/* #include "guest/agent/x.h" */\n'),
        ],
    ),
    rule_banned: (
        [("x.c", f"\t{name}(a, b);\n") for name in BANNED],
        [("x.c", '\tsnprintf(a, 1, "sprintf(");\n\tx->system(a);\n\tmysystem(); /* system() */\n')],
    ),
    rule_names: (
        [
            ("host/shim/x.c", '\tif (!strcmp(name, "qemu"))\n'),
            ("host/sandbox/x.c", '\tif (str_eq(hv->name, "firecracker"))\n'),
        ],
        [
            ("host/hypervisor/registry.c", '\tif (!strcmp(name, "qemu"))\n'),
            ("host/shim/x.c", '\tlog("qemu");\n'),
        ],
    ),
    rule_file_size: (
        [("x.c", "\n" * 601), ("x.sh", "\n" * 601)],
        [("x.c", "\n" * 600), ("x.md", "\n" * 1000)],
    ),
    rule_function_size: (
        [("x.c", "int f(void)\n{\n" + "\tx();\n" * 101 + "}\n")],
        [("x.c", ("int f(void)\n{\n" + "\tx();\n" * 100 + "}\n") * 2)],
    ),
    rule_licence: (
        [("x.c", "int x;\n"), ("x", "#!/bin/bash\nset -e\n"), ("x.proto", C)],
        [("x.h", C), ("x", SH), ("x.md", "text\n")],
    ),
    rule_space: (
        [
            ("x.c", "int x; \n"),
            ("x.sh", "        x\n"),
            ("x.sh", "  \tx\n"),
            ("x.py", "\tx\n"),
            ("x.c", "int x;"),
            ("x.c", "int x;\n\n"),
            ("x.c", "int x;\r\n"),
        ],
        [("x.c", "\tint x;\n"), ("x.py", "        x\n")],
    ),
    rule_words: (
        [
            ("x.c", "/* TODO: all of it */\n"),
            ("x.sh", "<<<<<<< HEAD\n"),
            ("x.md", "see /work/me/kata\n"),
        ],
        [("x.sh", "mktemp -d x.XXXXXX\n"), ("x.md", "a method\n")],
    ),
    rule_format: (
        [("x.c", "int f(void) {\n  return 0;\n}\n")],
        [("x.c", "int f(void)\n{\n\treturn 0;\n}\n")],
    ),
    rule_shellcheck: (
        [("x.sh", SH + "rm -rf $1\n")],
        [("x.sh", SH + 'rm -rf "$1"\n')],
    ),
}


def tree():
    """Path and text of each file of the tree, those not yet committed too."""
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={TOP}", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=TOP, capture_output=True, text=True, check=True,
    ).stdout
    for path in sorted(set(listed.split("\0"))):
        file = TOP / path
        if path.startswith(DATA):
            continue
        if path and file.is_file() and not file.is_symlink():
            try:
                yield path, file.read_text()
            except UnicodeDecodeError:
                pass  # data of a test


def report(number, name, problems):
    print(f"{'not ok' if problems else 'ok'} {number} - {name}", flush=True)
    for problem in problems:
        print(f"# {problem}")
    return bool(problems)


def self_test(rule):
    breaking, keeping = SAMPLES[rule]
    for path, text in breaking:
        if not list(rule(path, text)):
            yield f"finds nothing wrong in {path}: {text[:60]!r}"
    for path, text in keeping:
        for _, message in rule(path, text):
            yield f"objects to {path}: {text[:60]!r}: {message}"


def main():
    files = list(tree())
    failed = 0
    print(f"1..{2 * len(SAMPLES)}")
    for index, rule in enumerate(SAMPLES):
        failed += report(
            2 * index + 1, f"the rule can fail: {rule.__doc__}", list(self_test(rule))
        )
        found = {
            f"{path}:{line}: {message}": None
            for path, text in files
            for line, message in rule(path, text)
        }
        failed += report(2 * index + 2, rule.__doc__, found)
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
