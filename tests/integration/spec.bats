#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What a config.json asks for, compared with what other runtimes make of it. On
# the fake driver; what a machine could make different is repeated in run.bats.

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=fake
load common

# spec PYTHON -- COMMAND…: run COMMAND with a config.json `c` that PYTHON changed.
# $dir is a directory of the host, in PYTHON too.
spec()
{
	local change=$1

	shift
	container_bundle "$bundle" "$@" || return 99
	dir=$dir python3 -c '
import json, os, sys
path, change = sys.argv[1:]
with open(path) as f: c = json.load(f)
dir, linux, process, resources = os.environ["dir"], c["linux"], c["process"], c["linux"]["resources"]
def mount(source, destination, *options, type="bind"):
    c["mounts"].append(dict(source=source, destination=destination, type=type, options=options))
def capabilities(*names):
    process["capabilities"] = {s: names for s in ("bounding", "effective", "permitted")}
exec(change)
with open(path, "w") as f: json.dump(c, f)
' "$bundle/config.json" "$change" || return 99
	timeout --foreground -k 5 "$limit" "$kata_runtime" --config "$KATA_CONFIG" --root "$KATA_ROOT" \
		--log "$KATA_LOG" run --bundle "$bundle" "$id"
}

setup_file()
{
	export dir=$BATS_FILE_TMPDIR/host
	mkdir -p "$dir/tree/sub"
	echo one >"$dir/one"
	echo two >"$dir/tree/two"
	ln -s one "$dir/link"
}

@test "spec: user, groups, capabilities" {
	run -0 spec 'process["user"] = dict(uid=1000, gid=1000, additionalGids=[5, 6])' -- \
		sh -c 'id -u; id -g; id -G; echo $HOME; echo a >/dev/stdout; echo b >/dev/stderr'
	# Two streams: which of them comes first is not said.
	[ "$(sort <<<"$output")" = "$(sort <<<$'1000\n1000\n1000 5 6\n/tmp\na\nb')" ]
	run -0 spec 'sets = process["capabilities"] = {s: ["CAP_KILL"] for s in
		("bounding", "effective", "permitted", "inheritable", "ambient")}
process["user"] = dict(uid=1000, gid=1000)' -- sh -c 'grep -c "^Cap.*:.0*20$" /proc/self/status'
	[ "$output" = 5 ]
}

@test "spec: the user that the kernel takes for no change is not root" {
	for field in uid gid; do
		run -1 spec "process['user']['$field'] = 4294967295" -- id
		[[ $output == *"process.user.$field: 4294967295"* ]]
	done
}

@test "spec: environment, arguments and directory of any form" {
	run -0 spec 'process["env"] += ["BIG=" + 130000 * "x", "EMPTY=", "U=äö€"]; process["cwd"] = "/made/for it"' -- \
		sh -c 'echo ${#BIG} "<$EMPTY>" $U "$PWD"; shift; for a in "$@"; do echo "<$a>"; done' sh -- '' 'ä "q"' $'\\'
	[ "$output" = $'130000 <> äö€ /made/for it\n<>\n<ä "q">\n<\\>' ]
}

@test "spec: volumes" {
	run -0 spec 'mount(dir + "/one", "/etc/group", "bind", "ro"); mount(dir + "/link", "/new/file", "bind")
mount(dir + "/tree", "/data", "rbind"); mount(dir + "/one", "/data/sub/x/y", "bind")' -- \
		sh -c 'cat /etc/group /new/file /data/two /data/sub/x/y; echo x 2>/dev/null >/etc/group || echo ro; echo w >/data/written'
	[ "$output" = $'one\none\ntwo\none\nro' ]
	[ "$(cat "$dir/tree/written")" = w ]
	run -1 spec 'mount(dir + "/none", "/data", "bind")' -- true
	[[ $output == *"/data: $dir/none: No such file"* ]]
	run -1 spec 'mount(dir + "/one", "/etc", "bind")' -- true
	[[ $output == *"/etc: the source is not a directory"* ]]
}

@test "spec: a tmpfs is for all where there was no directory" {
	run -0 spec 'mount("tmpfs", "/t", "nosuid", type="tmpfs"); mount("tmpfs", "/m", "mode=0750", type="tmpfs")
process["user"] = dict(uid=1000, gid=1000)' -- sh -c 'touch /t/mine; stat -c %a /t /m /t/mine'
	[ "$output" = $'1777\n750\n644' ]
}

@test "spec: devices and links" {
	run -0 spec 'linux["devices"] = [dict(path="/dev/mine", type="c", major=1, minor=5, fileMode=0o640, uid=5, gid=6)]' -- \
		sh -c 'stat -c "%A %u %g %t:%T" /dev/mine
			for l in fd stdin ptmx; do readlink /dev/$l; done
			[ -e /proc/kcore ] || [ ! -L /dev/core ]'
	[ "$output" = $'crw-r----- 5 6 1:5\n/proc/self/fd\n/proc/self/fd/0\npts/ptmx' ]
}

@test "spec: the limit of processes" {
	run -2 spec 'resources["pids"] = dict(limit=5)' -- sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 1 & done'
	[[ $output == *"can't fork"* ]]
}

@test "spec: out of memory" {
	run -137 spec 'resources["memory"] = dict(limit=16777216, swap=16777216)' -- tail /dev/zero
}

@test "spec: a user namespace with all the usual mounts" {
	chmod o+x "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" "$BATS_TEST_TMPDIR"
	run -0 spec 'linux["namespaces"].append(dict(type="user"))
linux["uidMappings"] = linux["gidMappings"] = [dict(containerID=0, hostID=100000, size=65536)]
c["mounts"] = [m for m in c["mounts"] if m["type"] != "cgroup"]' -- sh -c 'id -u; grep -c " /dev/mqueue " /proc/mounts'
	[ "$output" = $'0\n1' ]
}

@test "spec: a terminal without a terminal" {
	run -1 spec 'process["terminal"] = True' -- cat </dev/null
	[[ $output == *"process.terminal"* ]]
}

@test "spec: a reader that goes ends the writer" {
	container_bundle "$bundle" -- sh -c 'yes; echo "$?" >&2'
	timeout 90 "$kata_runtime" --config "$KATA_CONFIG" --root "$KATA_ROOT" --log "$KATA_LOG" \
		run --bundle "$bundle" "$id" 2>"$bundle.err" </dev/null | head -n 1 >"$bundle.out"
	[ "$(cat "$bundle.out")" = y ]
	[ "$(cat "$bundle.err")" = 141 ]
}

@test "spec: a bundle of any name, an absolute root" {
	container_bundle "$bundle" -- echo ok
	for name in 'with space' 'ünï' 'quo"te,%s' "$(printf 'l%.0s' {1..200})"; do
		ln -s "$bundle" "$BATS_TEST_TMPDIR/$name"
		run -0 kata run --bundle "$BATS_TEST_TMPDIR/$name" "$id"
		[ "$output" = ok ]
	done
	mkdir "$BATS_TEST_TMPDIR/other"
	sed "s#\"rootfs\"#\"$bundle/rootfs\"#" "$bundle/config.json" >"$BATS_TEST_TMPDIR/other/config.json"
	run -0 kata run --bundle "$BATS_TEST_TMPDIR/other" "$id"
	[ "$output" = ok ]
}

@test "spec: kill by name, by number and by nothing" {
	container_bundle "$bundle" -- sh -c 'trap "echo got" USR1; trap "exit 9" TERM; echo ready; while :; do sleep 0.05; done'
	start_container "$id" "$bundle"
	wait_for 10 grep -q ready "$bundle.out"
	kata kill "$id" 0
	kata kill "$id" SIGUSR1
	wait_for 10 grep -q got "$bundle.out"
	run -1 kata kill "$id" NOPE
	[[ $output == *NOPE* ]]
	run -1 kata delete "$id"
	kata kill "$id"
	ends_with 9 "$runner"
	run -1 kata kill "$id" 0
	[[ $output == *"does not exist"* ]]
}

@test "spec: a log in JSON is JSON in each line" {
	container_bundle "$bundle" -- true
	rm -f "$KATA_LOG"
	kata --log-format json --debug run --bundle "$bundle" "$id"
	run -1 kata --log-format json run --bundle /nonexistent "$id"
	python3 -c '
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
assert all({"level", "msg", "time"} <= set(line) for line in lines)
assert {line["name"] for line in lines} == {"kata-runtime", "containerd-shim-kata-v2"}
assert lines[-1]["level"] == "error" and "/nonexistent" in lines[-1]["msg"]' "$KATA_LOG"
}
