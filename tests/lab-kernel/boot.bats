#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The guest's own kernel (guest/kernel/build) in kata-vmm, in the lab.

# shellcheck disable=SC2154 # shared with vmm.bash
load ../lib/vmm

@test "kernel: the project's own Linux with 64 MiB and with more than the host has" {
	kernel=${KATA_KERNEL_DIR:?}/vmlinux
	vmm_initrd "$dir/initrd" init="$KATA_BUILD/tests/tools/boot-guest" --
	linux "$kernel" 0 "" --memory 64
	tells 1 25 63
	linux "$kernel" 0 "" --memory 6144 --cpus 4
	tells 4 5700 6143
	linux "$kernel" 0 "" --memory 256 --cpus 8
	tells 8 180 255
	linux "$kernel" 3 "do=reset reboot=k" --memory 128 --no-acpi
	linux "$kernel" 3 "do=reset reboot=t" --memory 128 --no-acpi
}
