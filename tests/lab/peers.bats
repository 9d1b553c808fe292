#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Containers in machines of other people's monitors, on a real KVM: KATA_TEST_CLOUD_HYPERVISOR,
# KATA_TEST_FIRECRACKER and KATA_TEST_JAILER name the programs, which are built elsewhere.

# shellcheck disable=SC2034,SC2154 # shared with common.bash
KATA_TEST_HYPERVISOR=clh
load ../integration/common

# Emulated processors take their time.
limit=150

# on_disk SCRIPT: in a container whose root file system is a disk of its own.
on_disk()
{
	timeout "$limit" "$KATA_BUILD/tests/integration/sandbox/disk-root" "$KATA_CONFIG" "$KATA_ROOT" \
		"$BATS_TEST_TMPDIR/disk" rw "$1"
}

@test "clh: a container with shared files: its output, exec, its status" {
	needs KATA_TEST_CLOUD_HYPERVISOR
	container_config "$KATA_CONFIG" clh virtio_fs_daemon='"/usr/lib/qemu/virtiofsd"' \
		virtio_fs_extra_args='[]' agent.dial_timeout=60
	container_bundle "$bundle" -- sh -c 'grep " / " /proc/mounts; echo ready; trap "exit 9" TERM
		sleep 1000 & wait'
	start_container "$id" "$bundle"
	wait_for "$limit" grep -q ready "$bundle.out"
	grep -q ' / virtiofs ' "$bundle.out"
	run -3 kata exec "$id" sh -c 'echo from exec; exit 3'
	[ "$output" = "from exec" ]
	kata kill "$id" TERM
	ends_with 9 "$runner"
}

@test "firecracker: a root file system that is plugged in, and written to" {
	needs KATA_TEST_FIRECRACKER
	container_config "$KATA_CONFIG" firecracker agent.dial_timeout=60
	container_bundle "$bundle" -- true
	mke2fs -q -t ext4 -d "$bundle/rootfs" "$BATS_TEST_TMPDIR/disk" 16M
	run -0 --separate-stderr on_disk 'grep -o ^/dev/vda./.ext4.rw /proc/mounts; echo hi >/new; exit 3'
	[ "$output" = $'/dev/vda / ext4 rw\nstatus 3\nremoved' ]
	[ "$(debugfs -R 'cat /new' "$BATS_TEST_TMPDIR/disk" 2>/dev/null)" = hi ]
}

@test "firecracker: any directory is a root; what is written to it is there the next time" {
	needs KATA_TEST_FIRECRACKER
	container_config "$KATA_CONFIG" firecracker agent.dial_timeout=60
	container_bundle "$bundle" -- sh -c 'grep " / " /proc/mounts; echo kept >/new; echo ready
		trap "exit 9" TERM; sleep 1000 & wait'
	start_container "$id" "$bundle"
	wait_for "$limit" grep -q ready "$bundle.out"
	grep -q '^overlay / overlay rw' "$bundle.out"
	run -3 kata exec "$id" sh -c 'echo from exec; exit 3'
	[ "$output" = "from exec" ]
	kata kill "$id" TERM
	ends_with 9 "$runner"
	container_bundle "$bundle" -- cat /new
	run -0 --separate-stderr kata run --bundle "$bundle" "$id"
	[ "$output" = kept ]
	[ ! -e "$bundle/rootfs/new" ]
}

@test "firecracker: a root that is plugged in, in its jailer's jail" {
	needs KATA_TEST_JAILER
	container_config "$KATA_CONFIG" firecracker jailer_path="\"$KATA_TEST_JAILER\"" \
		agent.dial_timeout=60
	container_bundle "$bundle" -- true
	mke2fs -q -t ext4 -d "$bundle/rootfs" "$BATS_TEST_TMPDIR/disk" 16M
	run -0 --separate-stderr on_disk 'echo hi >/new; exit 3'
	[ "$output" = $'status 3\nremoved' ]
	[ "$(debugfs -R 'cat /new' "$BATS_TEST_TMPDIR/disk" 2>/dev/null)" = hi ]
	[ -z "$(ls /run/vc/firecracker)" ]
}
