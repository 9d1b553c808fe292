#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# QEMU's machines: sizes that follow the containers, disks that are plugged in, roots
# from an image, and what cannot be had.

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=qemu
load common

# limits MEMORY QUOTA: of the bundle's container, per 100 ms.
limits()
{
	python3 - "$bundle/config.json" "$1" "$2" <<-'E'
		import json, sys
		path, memory, quota = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
		spec = json.load(open(path))
		spec["linux"]["resources"] = {"memory": {"limit": memory}, "cpu": {"quota": quota, "period": 100000}}
		json.dump(spec, open(path, "w"))
	E
}

report='grep MemTotal /proc/meminfo; grep -c ^processor /proc/cpuinfo; cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max'

# in_mib: the MemTotal that was printed.
in_mib()
{
	echo $(($(awk '/MemTotal/ { print $2 }' <<<"$output") / 1024))
}

@test "microvm: the limits of the container size the machine at its start, and its control group" {
	container_config "$KATA_CONFIG" qemu
	container_bundle "$bundle" -- sh -c "$report"
	limits 134217728 100000
	run -0 kata run --bundle "$bundle" "$id"
	[ "${lines[1]}" = 2 ]
	[ "${lines[2]}" = 134217728 ]
	[ "${lines[3]}" = "100000 100000" ]
	# 256 and 128, less what the kernel keeps for itself.
	[ "$(in_mib)" -gt 300 ] && [ "$(in_mib)" -lt 384 ]
}

@test "q35: processors and memory are plugged in for the container, and by update" {
	container_config "$KATA_CONFIG" qemu machine_type='"q35"'
	container_bundle "$bundle" -- sh -c "$report; while [ ! -e /go ]; do sleep 0.1; done; $report"
	limits 134217728 100000
	kata create --bundle "$bundle" "$id" </dev/null >>"$bundle.out" 2>&1
	kata start "$id"
	wait_for 30 grep -q '^100000 100000' "$bundle.out"
	output=$(cat "$bundle.out")
	[ "$(sed -n 2p "$bundle.out")" = 2 ]
	[ "$(sed -n 3p "$bundle.out")" = 134217728 ]
	[ "$(in_mib)" -gt 300 ] && [ "$(in_mib)" -lt 384 ]
	: >"$bundle.out"
	kata update --memory 268435456 "$id"
	touch "$bundle/rootfs/go"
	wait_for 30 status_is "$id" stopped
	output=$(cat "$bundle.out")
	[ "$(grep -c 268435456 "$bundle.out")" = 1 ]
	[ "$(in_mib)" -gt 428 ] && [ "$(in_mib)" -lt 512 ]
	kata delete "$id"
}
