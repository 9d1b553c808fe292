#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What goes wrong ends in time, with one clear error that names the thing, a
# status that is not zero, and nothing left behind (teardown checks that).

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=qemu
load common

# fails_naming TEXT [CONFIG-SETTING…]: a run with these settings fails in time: what is set is at
# most 30 s, and a busy machine takes as long again.
fails_naming()
{
	local text=$1

	shift
	container_config "$KATA_CONFIG" qemu "$@"
	container_bundle "$bundle" -- true
	run timeout -k 5 60 "$kata_runtime" --config "$KATA_CONFIG" --root "$KATA_ROOT" --log "$KATA_LOG" \
		run --bundle "$bundle" "$id"
	echo "status $status: $output"
	[ "$status" != 0 ] && [ "$status" != 124 ] && [ "$status" != 137 ]
	[[ $output == *"$text"* ]]
	[ "${#lines[@]}" -le "${FAULT_LINES:-1}" ]
	told=$output
	run ! kata state "$id"
}

garbage()
{
	head -c 100000 /dev/urandom >"$BATS_TEST_TMPDIR/garbage"
	chmod "${1:-644}" "$BATS_TEST_TMPDIR/garbage"
}

@test "QEMU is missing" {
	fails_naming /nonexistent/qemu path='"/nonexistent/qemu"'
}

@test "QEMU is not executable" {
	garbage
	fails_naming "$BATS_TEST_TMPDIR/garbage" path="\"$BATS_TEST_TMPDIR/garbage\""
}

@test "QEMU is no program" {
	garbage 755
	fails_naming "$BATS_TEST_TMPDIR/garbage" path="\"$BATS_TEST_TMPDIR/garbage\""
}

@test "QEMU fails at its start, and its own words are told" {
	printf '#!/bin/sh\n[ "$1" = --version ] && exec /usr/bin/qemu-system-x86_64 --version\necho "qemu: no such luck" >&2\nexit 1\n' >"$BATS_TEST_TMPDIR/qemu"
	chmod +x "$BATS_TEST_TMPDIR/qemu"
	fails_naming "no such luck" path="\"$BATS_TEST_TMPDIR/qemu\""
}

@test "virtiofsd is missing" {
	fails_naming /nonexistent/virtiofsd virtio_fs_daemon='"/nonexistent/virtiofsd"'
}

@test "virtiofsd is not executable" {
	garbage
	fails_naming "$BATS_TEST_TMPDIR/garbage" virtio_fs_daemon="\"$BATS_TEST_TMPDIR/garbage\""
}

@test "virtiofsd is no program" {
	garbage 755
	fails_naming "$BATS_TEST_TMPDIR/garbage" virtio_fs_daemon="\"$BATS_TEST_TMPDIR/garbage\""
}

@test "virtiofsd fails at its start" {
	printf '#!/bin/sh\necho "virtiofsd: no such luck" >&2\nexit 1\n' >"$BATS_TEST_TMPDIR/virtiofsd"
	chmod +x "$BATS_TEST_TMPDIR/virtiofsd"
	fails_naming virtiofsd virtio_fs_daemon="\"$BATS_TEST_TMPDIR/virtiofsd\""
}

@test "the kernel is missing" {
	fails_naming /nonexistent/vmlinux kernel='"/nonexistent/vmlinux"'
}

@test "the kernel is garbage" {
	garbage
	fails_naming "$BATS_TEST_TMPDIR/garbage" kernel="\"$BATS_TEST_TMPDIR/garbage\""
}

@test "the kernel is cut short" {
	head -c 1000000 "$KATA_KERNEL" >"$BATS_TEST_TMPDIR/cut"
	FAULT_LINES=20 fails_naming "$BATS_TEST_TMPDIR/cut" kernel="\"$BATS_TEST_TMPDIR/cut\"" agent.dial_timeout=5
}

@test "the initrd is missing" {
	fails_naming /nonexistent/initrd initrd='"/nonexistent/initrd"'
}

@test "the initrd is empty" {
	: >"$BATS_TEST_TMPDIR/empty"
	fails_naming "$BATS_TEST_TMPDIR/empty" initrd="\"$BATS_TEST_TMPDIR/empty\""
}

@test "the initrd is garbage: the guest's last words are told" {
	garbage
	FAULT_LINES=20 fails_naming "Kernel panic" initrd="\"$BATS_TEST_TMPDIR/garbage\"" agent.dial_timeout=30
}

@test "neither image nor initrd" {
	fails_naming initrd initrd='""'
}

# An initrd whose /init never serves the agent's port.
@test "a guest that never answers" {
	local seconds

	boots_for_ever
	# A busy machine may not have come as far as to say something.
	for seconds in 8 30; do
		FAULT_LINES=20 fails_naming "the agent did not answer within ${seconds}000 ms" \
			initrd="\"$BATS_TEST_TMPDIR/for-ever.img\"" agent.dial_timeout=$seconds
		[[ $told != *"lost in thought"* ]] || break
	done
	[[ $told == *"lost in thought"* ]]
}

# during PHASE PROGRAM: kill PROGRAM with SIGKILL while the container boots or runs.
during()
{
	local phase=$1 program=$2 pid status=0

	# However late the victim is found, it is at the boot.
	[ "$phase" = running ] || boots_for_ever agent.dial_timeout=100
	container_bundle "$bundle" -- sh -c 'echo ready; exec sleep 1000'
	start_container "$id" "$bundle"
	if [ "$phase" = running ]; then
		wait_for 40 grep -q ready "$bundle.out"
		wait_for 5 status_is "$id" running
	fi
	if [ "$program" = kata-runtime ]; then
		pid=$runner
		[ "$phase" = running ] || wait_for 5 status_is "$id" creating
		kill -9 "$pid"
	else
		wait_for 10 eval 'pid=$(victim '"$program"') && [ -n "$pid" ] && kill -9 "$pid"'
	fi
	# Neither the time that the agent has nor the container's thousand seconds.
	wait_for 15 eval '! kill -0 "$runner" 2>/dev/null'
	wait "$runner" || status=$?
	[ "$status" != 0 ]
	wait_for 3 machine_is_gone
	if [ "$program" != kata-runtime ]; then
		cat "$bundle.err"
		[[ $(cat "$bundle.err") == *"$program"* ]]
		[ "$(wc -l <"$bundle.err")" -ge 1 ]
	fi
	run ! kata state "$id"
}

victim()
{
	local name=$1

	[ "$name" != qemu ] || name=qemu-system-
	program_of "$id" "$name"
}

machine_processes()
{
	victim qemu
	victim virtiofsd
	victim containerd-shim-kata-v2
}

machine_is_gone()
{
	[ -z "$(machine_processes)" ]
}

@test "QEMU is killed at boot" {
	during boot qemu
}

@test "QEMU is killed while the container runs" {
	during running qemu
}

@test "virtiofsd is killed at boot" {
	during boot virtiofsd
}

@test "virtiofsd is killed while the container runs" {
	during running virtiofsd
}

@test "the shim is killed at boot" {
	during boot containerd-shim-kata-v2
}

@test "the shim is killed while the container runs" {
	during running containerd-shim-kata-v2
}

@test "kata-runtime is killed at boot" {
	during boot kata-runtime
}

@test "kata-runtime is killed while the container runs" {
	during running kata-runtime
}

# When both are gone nobody is there to clear up: `state` says stopped, and
# `delete` leaves nothing.
@test "after shim and kata-runtime are killed, delete clears up" {
	container_bundle "$bundle" -- sh -c 'echo ready; exec sleep 1000'
	start_container "$id" "$bundle"
	wait_for 40 grep -q ready "$bundle.out"
	shim=$(victim containerd-shim-kata-v2)
	kill -STOP "$runner"
	kill -9 "$shim"
	wait_for 2 eval '[ -z "$(victim qemu)$(victim virtiofsd)" ]'
	kill -9 "$runner"
	wait "$runner" || :
	wait_for 5 status_is "$id" stopped
	run -0 kata list
	[[ ${lines[1]} == *stopped* ]]
	run -0 kata delete "$id"
	run ! kata state "$id"
}

# interrupted SIGNAL STATUS
interrupted()
{
	local status=0

	boots_for_ever agent.dial_timeout=100
	container_bundle "$bundle" -- sh -c 'sleep 1000'
	start_container "$id" "$bundle"
	wait_for 5 status_is "$id" creating
	kill "-$1" "$runner"
	wait_for 10 eval '! kill -0 "$runner" 2>/dev/null'
	wait "$runner" || status=$?
	[ "$status" = "$2" ]
	run ! kata state "$id"
}

@test "Ctrl-C during boot" {
	# A background process of a shell ignores SIGINT; kata-runtime must not.
	interrupted INT 130
}

@test "SIGTERM during boot" {
	interrupted TERM 143
}

@test "SIGHUP during boot" {
	interrupted HUP 129
}

@test "a bundle without config.json" {
	mkdir -p "$bundle"
	run ! kata run --bundle "$bundle" "$id"
	[[ $output == *"$bundle/config.json"* ]]
	[ "${#lines[@]}" = 1 ]
}

@test "a config.json that is no JSON" {
	container_bundle "$bundle" -- true
	echo '{"ociVersion": "1.0.2", ' >"$bundle/config.json"
	run ! kata run --bundle "$bundle" "$id"
	[[ $output == *"$bundle/config.json"* ]]
}

@test "a config.json with a wrong type names the member" {
	container_bundle "$bundle" -- true
	sed -i 's/"cwd": "[^"]*"/"cwd": 7/' "$bundle/config.json"
	run ! kata run --bundle "$bundle" "$id"
	[[ $output == *process.cwd* ]]
}

@test "a root file system that is missing" {
	container_bundle "$bundle" -- true
	rm -rf "$bundle/rootfs"
	run ! kata run --bundle "$bundle" "$id"
	[[ $output == *"$bundle/rootfs"* ]]
}

@test "IDs that are none" {
	container_bundle "$bundle" -- true
	for bad in ../x /x . .. 'a b' '' "$(printf 'a%.0s' {1..200})"; do
		run ! kata run --bundle "$bundle" "$bad"
		[ "$status" != 124 ]
		[ -n "$output" ]
	done
}

@test "commands for a container that does not exist" {
	for command in state kill delete; do
		run ! kata $command nobody
		[[ $output == *nobody* ]]
	done
	run -0 kata delete --force nobody
}
