#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The whole runtime on the fakes of those monitors that need vhost-vsock, as
# tests/integration/fakes.bats has it for the others. Few faults: each is an interpreter that
# starts on emulated processors. All of them are in the unit tests of the drivers.

# shellcheck disable=SC2034,SC2154 # shared with common.bash
KATA_TEST_HYPERVISOR=stratovirt
load ../integration/common
load ../integration/fakes

# Seconds that the agent has.
dial=6
quick=yes

@test "stratovirt: a program that dies, a guest that says nothing, kill -9: told, and nothing is left" {
	pretend_kvm
	faults_of stratovirt initrd="\"$KATA_INITRD\"" disable_block_device_use=false -- start=die
}

@test "acrn: a program that dies, a guest that says nothing, kill -9: told, and nothing is left" {
	KATA_TEST_HYPERVISOR=acrn
	export KATA_FAKE_ACRN=$BATS_TEST_TMPDIR
	# A disk with a partition.
	truncate -s 4M "$BATS_TEST_TMPDIR/image"
	printf '\0\0\0\0\203\0\0\0\0\10\0\0\0\20\0\0' | dd of="$BATS_TEST_TMPDIR/image" bs=1 seek=446 conv=notrunc status=none
	printf '\125\252' | dd of="$BATS_TEST_TMPDIR/image" bs=1 seek=510 conv=notrunc status=none
	# A device that knows ioctl() and not these: that of tun.
	mknod /dev/acrn_hsm c 10 200
	faults_of acrn-dm ctlpath="\"$fakes/acrnctl\"" image="\"$BATS_TEST_TMPDIR/image\"" -- start=die
	rm /dev/acrn_hsm
}
