#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Containers in machines of the built-in monitor, on a real KVM. Few boots, each of which
# shows much; teardown checks that nothing is left.

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=dragonball
load ../integration/common

# Emulated processors take their time.
limit=150

# Those of common.bash, without a python or twenty processes a second.
status_is()
{
	kata state "$1" 2>/dev/null | grep -q "\"status\": *\"$2\""
}

wait_for()
{
	local deadline=$((SECONDS + $1))

	shift
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || { echo "waited in vain for: $*" >&2; return 1; }
		sleep 0.3
	done
}

# vmm_of ID: the process of its machine's monitor.
vmm_of()
{
	program_of "$1" kata-vmm
}

# joins BUNDLE [LOOP]: its container goes into $id's machine, with a block device.
joins()
{
	python3 - "$1/config.json" "$id" "${2:-}" <<-'E'
		import json, os, sys
		spec = json.load(open(sys.argv[1]))
		spec.setdefault("annotations", {}).update({
			"io.kubernetes.cri-o.ContainerType": "container",
			"io.kubernetes.cri-o.SandboxID": sys.argv[2]})
		st = os.stat(sys.argv[3] or "/dev/null")
		spec["linux"]["devices"] = [{"path": "/dev/x", "type": "b", "major": os.major(st.st_rdev),
			"minor": os.minor(st.st_rdev)}] if sys.argv[3] else []
		json.dump(spec, open(sys.argv[1], "w"))
	E
}

# comes PATTERN: it is in the output of the container at $bundle, whose `run` is $runner.
comes()
{
	local deadline=$((SECONDS + limit))

	until grep -q "$1" "$bundle.out"; do
		if [ "$SECONDS" -ge "$deadline" ] || ! kill -0 "$runner"; then
			tail -n 20 "$bundle.out" "$bundle.err" "$KATA_LOG"
			return 1
		fi
		sleep 0.3
	done
}

# gone RUNNER: after a murder, `run` ends with an error, and delete removes all.
gone()
{
	local status=0

	wait "$1" || status=$?
	[ "$status" != 0 ]
	kata delete --force "$id" || :
	run ! kata state "$id"
}

@test "dragonball: a container's life: output, exec, pause, stats, its signals and its status" {
	container_bundle "$bundle" -- sh -c 'cat /proc/mounts; cat /proc/cmdline; trap "exit 9" TERM
		sleep 1000 & echo ready; wait'
	start_container "$id" "$bundle"
	comes '^ready'
	# A root by virtio-fs, and parameters of this driver.
	grep -q ' / virtiofs ' "$bundle.out"
	grep -q ' console=hvc0 ' "$bundle.out"
	vmm=$(vmm_of "$id")
	# Everything was handed over: nothing is named on the command line, and nothing can be reached.
	run ! grep -a "$KATA_KERNEL\|/run/vc" "/proc/$vmm/cmdline"
	grep -qw 'Seccomp:	2' "/proc/$vmm/status"
	[ "$(find "/proc/$vmm/root/" -mindepth 1 | wc -l)" = 0 ]

	run -3 kata exec "$id" sh -c 'echo from exec; exit 3'
	[ "$output" = "from exec" ]
	[ "$(echo in and out | kata exec "$id" cat)" = "in and out" ]
	run -4 script -qec "stty rows 31 cols 97; $kata_runtime --config $KATA_CONFIG --root $KATA_ROOT exec --tty $id \
		sh -c 'tty; stty size; exit 4'" /dev/null </dev/null
	[[ $output == */dev/pts/*"31 97"* ]]
	run -0 kata ps "$id"
	[[ $output == *"sleep 1000"* ]]
	kata pause "$id"
	status_is "$id" paused
	kata resume "$id"
	status_is "$id" running
	run -0 kata events --stats "$id"
	python3 -c 'import json, sys; d = json.loads(sys.argv[1])["data"]; assert d["memory"]["usage"]["usage"] > 0 and d["cpu"]["usage"]["total"] > 0, d' "$output"
	kata kill "$id" TERM
	ends_with 9 "$runner"
	# The monitor ended by itself or was told to; nobody was killed for want of an answer.
	run ! grep -i 'did not answer\|not understood' "$KATA_LOG"
}

@test "dragonball: a pod of two containers, data each way, what cannot be had later, and kill -9 of the monitor" {
	container_config "$KATA_CONFIG" dragonball enable_debug=true agent.enable_debug=true runtime.enable_debug=true
	container_bundle "$bundle" -- sh -c 'echo ready; exec sleep 1000'
	start_container "$id" "$bundle"
	first=$runner
	comes ready
	# With debug the guest's first words, its console and the agent are in the log.
	grep -q 'kata-vmm: .*Linux version' "$KATA_LOG"
	grep -q 'guest: .*virtio' "$KATA_LOG"
	wait_for 5 grep -q 'agent: ' "$KATA_LOG"

	container_bundle "$bundle-2" -- sh -c 'tee /copy; exit 4'
	joins "$bundle-2"
	head -c 300000 /dev/urandom >"$BATS_TEST_TMPDIR/data"
	code=0
	kata run --bundle "$bundle-2" "$id-2" <"$BATS_TEST_TMPDIR/data" >"$BATS_TEST_TMPDIR/out" || code=$?
	[ "$code" = 4 ]
	cmp "$BATS_TEST_TMPDIR/data" "$BATS_TEST_TMPDIR/out"
	cmp "$BATS_TEST_TMPDIR/data" "$bundle-2/rootfs/copy"
	[ "$(pgrep -c kata-vmm)" = 1 ]

	# A disk would come after the start.
	truncate -s 8M "$BATS_TEST_TMPDIR/disk"
	loop=$(losetup --find --show "$BATS_TEST_TMPDIR/disk")
	container_bundle "$bundle-2" -- true
	joins "$bundle-2" "$loop"
	run kata run --bundle "$bundle-2" "$id-3" </dev/null
	losetup --detach "$loop"
	[ "$status" != 0 ]
	[[ $output == *'hypervisor "dragonball" cannot plug a device into a machine'* ]]
	status_is "$id" running
	kill -9 "$(vmm_of "$id")"
	gone "$first"
}

@test "dragonball: a root file system that is a block device, without shared files" {
	container_bundle "$bundle" -- true
	mke2fs -q -t ext4 -d "$bundle/rootfs" "$BATS_TEST_TMPDIR/disk" 16M
	container_config "$KATA_CONFIG" dragonball path="\"$KATA_BUILD/vmm/kata-vmm\"" shared_fs='"none"'
	run -0 --separate-stderr timeout 100 "$KATA_BUILD/tests/integration/sandbox/disk-root" "$KATA_CONFIG" \
		"$KATA_ROOT" "$BATS_TEST_TMPDIR/disk" rw 'grep -o ^/dev/vda./.ext4.rw /proc/mounts; echo hi > /new; exit 3'
	[ "$output" = $'/dev/vda / ext4 rw\nstatus 3\nremoved' ]
	[ "$(debugfs -R 'cat /new' "$BATS_TEST_TMPDIR/disk" 2>/dev/null)" = hi ]
}

@test "dragonball: a guest that does not come up: the error says where to look" {
	head -c 100000 /dev/urandom >"$BATS_TEST_TMPDIR/garbage"
	container_config "$KATA_CONFIG" dragonball initrd="\"$BATS_TEST_TMPDIR/garbage\"" agent.dial_timeout=40
	run ! in_container -- true
	echo "$output"
	[[ $output == *"the guest has ended (reset)"*"dragonball.enable_debug shows"* ]]
	run ! kata state "$id"
}

is_there()
{
	[ -n "$(program_of "$id" "$1")" ]
}

@test "dragonball: starts and ends leave nothing, also where a program is killed while the machine boots" {
	local murders=(kata-vmm virtiofsd containerd-shim) round

	for ((round = 0; round < ${KATA_TEST_ROUNDS:-4}; round++)); do
		program=${murders[round]:-}
		if [ -z "$program" ]; then
			run -5 in_container -- sh -c 'exit 5'
			continue
		fi
		container_bundle "$bundle" -- sleep 1000
		start_container "$id" "$bundle"
		wait_for $limit is_there "$program"
		sleep 0.$((RANDOM % 10))
		kill -9 "$(program_of "$id" "$program")"
		gone "$runner"
	done
}
