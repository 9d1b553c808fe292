# SPDX-License-Identifier: Apache-2.0
#
# Containers on the guest's own kernel: each kind of machine, each kind of root
# file system.

# shellcheck disable=SC2034,SC2154 # shared with common.bash
KATA_TEST_HYPERVISOR=qemu
load ../integration/common

# contains WORD KEY=VALUE…: runs a container with this configuration. Its guest
# has WORD on the kernel's command line.
contains()
{
	local word=$1

	shift
	container_config "$KATA_CONFIG" qemu 'rootfs_type="erofs"' "$@"
	container_bundle "$bundle" --no-terminal -- sh -c '
		uname -r
		cat /proc/cmdline
		echo "controllers $(cat /sys/fs/cgroup/cgroup.controllers)"
		echo written >/file && cat /file
		exit 7'
	run -7 timeout "$limit" "$kata_runtime" --config "$KATA_CONFIG" --root "$KATA_ROOT" \
		--log "$KATA_LOG" run --bundle "$bundle" "$id"
	echo "$output"
	[[ ${lines[0]} == 6.*-kata-c ]]
	[[ " ${lines[1]} " == *" $word "* ]]
	[[ ${lines[2]} == "controllers "*cpu*memory* ]]
	[ "${lines[3]}" = written ]
}

@test "kernel: a container from an initrd on microvm" {
	contains panic=1 'machine_type="microvm"'
}

@test "kernel: a container from an initrd on q35" {
	contains panic=1 'machine_type="q35"'
}

@test "kernel: a container from an image in persistent memory" {
	contains root=/dev/pmem0p1 'machine_type="q35"' 'initrd=""' "image=\"$KATA_IMAGE\""
}

@test "kernel: a container from an image on a disk, on microvm" {
	contains root=/dev/vda1 'machine_type="microvm"' 'initrd=""' "image=\"$KATA_IMAGE\""
}

@test "kernel: a container from an image with an init of its own, on a disk of q35" {
	contains root=/dev/vda1 'machine_type="q35"' 'disable_image_nvdimm=true' 'initrd=""' \
		"image=\"$KATA_IMAGE_INIT\""
}
