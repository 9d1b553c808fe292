#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What machines of the built-in monitor have beside the list of containers.bats, on a real
# KVM: disks from the start, and what goes wrong. teardown checks that nothing is left.

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=dragonball
load ../integration/common

# Emulated processors take their time.
limit=150

# Not twenty processes a second.
wait_step=0.3

# gone RUNNER: after a murder, `run` ends with an error, and delete removes all.
gone()
{
	local status=0

	wait "$1" || status=$?
	[ "$status" != 0 ]
	kata delete --force "$id" || :
	run ! kata state "$id"
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
