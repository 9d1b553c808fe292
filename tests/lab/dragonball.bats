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

@test "dragonball: a container's life: output, exec, pause, stats, its signals and its status" {
	container_bundle "$bundle" -- sh -c 'cat /proc/mounts; cat /proc/cmdline; trap "exit 9" TERM
		sleep 1000 & echo ready; wait'
	start_container "$id" "$bundle"
	wait_for $limit grep -q '^ready' "$bundle.out"
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
