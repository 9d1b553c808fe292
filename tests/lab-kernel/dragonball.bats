#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The guest's root on an image, which only a kernel with the drivers built in can boot, in a
# machine of the built-in monitor, in the lab.

# shellcheck disable=SC2034,SC2154 # shared with common.bash
KATA_TEST_HYPERVISOR=dragonball
load ../integration/common

setup_file()
{
	container_prepare "$BATS_FILE_TMPDIR"
}

@test "kernel: dragonball: the guest's root on an image, and its last words without one" {
	local image=$BATS_TEST_TMPDIR/image

	"$kata_tree/guest/image/make-image" "$image" "$kata_agent" "$KATA_KERNEL_DIR"
	container_config "$KATA_CONFIG" dragonball initrd='""' image="\"$image\"" rootfs_type='"erofs"'
	run -4 in_container -- sh -c 'cat /proc/cmdline; exit 4'
	[[ $output == *" root=/dev/vda1 "*"rootfstype=erofs "* ]]

	# This kernel has the console before it looks for its root.
	head -c 100000 /dev/urandom >"$BATS_TEST_TMPDIR/garbage"
	container_config "$KATA_CONFIG" dragonball initrd="\"$BATS_TEST_TMPDIR/garbage\""
	run ! in_container -- true
	echo "$output"
	[[ $output == *"the guest"*"last words"*"VFS"* ]]
	run ! kata state "$id"
}
