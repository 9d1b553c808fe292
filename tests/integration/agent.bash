# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # for the tests; set by bats' run
#
# For tests of the agent alone: every test has an agent of its own, as a local
# process in a private mount namespace, and a busybox root file system. When the
# test ends the sandbox is destroyed; the agent must end and leave nothing.

bats_require_minimum_version 1.5.0

# shellcheck source=tests/lib/leftovers.bash
source "$BATS_TEST_DIRNAME/../lib/leftovers.bash"

agent_tree=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
KATA_BUILD=${KATA_BUILD:-$agent_tree/build}

agent_rootfs()
{
	local name

	mkdir -p "$1"/{bin,dev,etc,home/u,proc,root,sys,tmp,var}
	cp "$(command -v busybox)" "$1/bin/busybox"
	for name in $("$1/bin/busybox" --list); do
		[ "$name" = busybox ] || ln -s busybox "$1/bin/$name"
	done
	printf 'root:x:0:0:root:/root:/bin/sh\nu:x:1000:1001:u:/home/u:/bin/sh\n' >"$1/etc/passwd"
	printf 'root:x:0:\nu:x:1001:\nextra:x:2000:u\n' >"$1/etc/group"
}

setup_file()
{
	agent_rootfs "$BATS_FILE_TMPDIR/image"
}

setup()
{
	agent_setup
}

agent_setup()
{
	socket=$BATS_TEST_TMPDIR/agent.sock
	log=$BATS_TEST_TMPDIR/agent.log
	rootfs=$BATS_TEST_TMPDIR/rootfs
	cp -a "$BATS_FILE_TMPDIR/image" "$rootfs"
	leftovers_snapshot "$BATS_TEST_TMPDIR/before"
	# agent_view: what the test's file wants the agent to see, agent_unshare: to have,
	# agent_keys: to be told, agent_patience: how many seconds longer to wait for devices.
	printf 'hotplug_timeout = { secs = %s, nanos = 300_000_000 }\n%s\n' "${agent_patience:-0}" "${agent_keys:-}" \
		>"$BATS_TEST_TMPDIR/agent.toml"
	KATA_AGENT_LOG_LEVEL=debug KATA_AGENT_SERVER_ADDR=unix://$socket \
		unshare -m ${agent_unshare:+"$agent_unshare"} --propagation private sh -c "${agent_view:-} exec \"\$@\"" - \
		"$KATA_BUILD/guest/agent/kata-agent" -c "$BATS_TEST_TMPDIR/agent.toml" >"$log" 2>&1 3>&- &
	agent=$!
	eventually serves "$socket"
	mounts=$(agent_mounts)
}

agent_teardown()
{
	local status=0

	if kill -0 "$agent" 2>/dev/null; then
		call destroy-sandbox || status=1
		eventually ended "$agent" || { kill -9 "$agent"; status=1; }
		wait "$agent" || { echo "the agent ended with status $?" >&2; status=1; }
	fi
	leftovers_compare "$BATS_TEST_TMPDIR/before" || status=1
	[ "$status" = 0 ] || cat "$log" >&2
	return "$status"
}

teardown()
{
	agent_teardown
}

# serves SOCKET: there is one that takes calls; its name comes first.
serves()
{
	"$KATA_BUILD/tests/tools/agent-call" "$1" check >/dev/null 2>&1
}

# eventually COMMAND…: until it succeeds, at most a minute: only what does not come takes as long.
eventually()
{
	local deadline=$((SECONDS + 60))

	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || { echo "waited in vain: $*" >&2; return 1; }
		sleep 0.02
	done
}

ended()
{
	! kill -0 "$1" 2>/dev/null
}

# none_runs COMMAND-LINE
none_runs()
{
	! pgrep -fx "$1"
}

agent_mounts()
{
	awk '{ print $5 }' "/proc/$agent/mountinfo"
}

# call COMMAND…: one call to the agent.
call()
{
	timeout 60 "$KATA_BUILD/tests/tools/agent-call" "$socket" "$@"
}

# in_container OPTION… -- COMMAND…: a container from start to end.
in_container()
{
	call run c1 --rootfs "$rootfs" "$@"
}

# start_container ID OPTION… -- COMMAND…
start_container()
{
	call create "$1" --rootfs "$rootfs" "${@:2}" && call start "$1"
}

# refused CODE TEXT COMMAND…: the call fails with that code and says that.
refused()
{
	run -125 --separate-stderr "${@:3}"
	echo "$stderr"
	[[ $stderr == "error $1: "*"$2"* ]]
}

# oci_run [JSON…] -- COMMAND…: a container from start to end, by its config.json.
oci_run()
{
	local json=()

	while [ "$1" != -- ]; do
		json+=("$1")
		shift
	done
	python3 "$BATS_TEST_DIRNAME/oci.py" "$rootfs" ${json+"${json[@]}"} >"$BATS_TEST_TMPDIR/config.json"
	call run c1 --config "$BATS_TEST_TMPDIR/config.json" "$@"
}

# oci_start [JSON…] -- COMMAND…: the same, started and left as c1.
oci_start()
{
	local json=()

	while [ "$1" != -- ]; do
		json+=("$1")
		shift
	done
	python3 "$BATS_TEST_DIRNAME/oci.py" "$rootfs" ${json+"${json[@]}"} >"$BATS_TEST_TMPDIR/config.json"
	call create c1 --config "$BATS_TEST_TMPDIR/config.json" "$@" && call start c1
}

# What a container may do with devices, tried by its own root.
devices_probe='
	try() { if eval "$2" 2>/dev/null; then echo "$1 yes"; else echo "$1 no"; fi; }
	try null "echo x >/dev/null"
	try tty-node "test -c /dev/tty"
	try mknod "mknod /dev/m c 1 1"
	try mem "head -c 1 /dev/m >/dev/null"
	mknod /dev/k c 10 229
	try fuse-read "true </dev/k"
	try fuse-write "true >/dev/k"
	try pts "test -e /dev/pts/ptmx && true <>/dev/pts/ptmx"'

check_device_rules()
{
	run -0 oci_run -- sh -c "$devices_probe"
	[ "$output" = $'null yes\ntty-node yes\nmknod yes\nmem no\nfuse-read no\nfuse-write no\npts yes' ]
	run -0 oci_run '{"linux": {"resources": {"devices": [
		{"allow": false, "access": "rwm"},
		{"allow": true, "type": "c", "major": 10, "minor": 229, "access": "r"}]}}}' -- \
		sh -c "$devices_probe"
	[[ $output == *$'fuse-read yes\nfuse-write no'* ]]
	run -0 oci_run '{"linux": {"resources": {"devices": [
		{"allow": true, "access": "rwm"},
		{"allow": false, "type": "c", "major": 10, "minor": 229, "access": "w"}]}}}' -- \
		sh -c "$devices_probe"
	[[ $output == *$'fuse-read yes\nfuse-write no'* ]]
	# Without rules of its own it may use the nodes that it lists.
	run -0 oci_run '{"linux": {"devices": [
		{"path": "/dev/mine", "type": "c", "major": 10, "minor": 229, "fileMode": 384,
		 "uid": 7, "gid": 8}]}}' -- sh -c 'stat -c "%t:%T %a %u %g" /dev/mine
		true </dev/mine && true >/dev/mine && echo used'
	[ "$output" = $'a:e5 600 7 8\nused' ]
	refused EINVAL 'device rule 0: unknown type "x"' oci_run '{"linux": {"resources": {"devices": [
		{"allow": true, "type": "x", "access": "r"}]}}}' -- true
}

check_device_update()
{
	oci_start -- sh -c 'mknod /dev/k c 10 229; sleep 1000'
	eventually call exec c1 e1 --caps bep=CAP_DAC_OVERRIDE -- test -e /dev/k
	run -1 call exec c1 e2 --caps bep=CAP_DAC_OVERRIDE -- sh -c 'true </dev/k'
	printf '{"devices": [{"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}]}' \
		>"$BATS_TEST_TMPDIR/res.json"
	call update c1 --resources "$BATS_TEST_TMPDIR/res.json"
	run -0 call exec c1 e3 --caps bep=CAP_DAC_OVERRIDE -- sh -c 'true </dev/k && true >/dev/k'
	call remove c1
}
