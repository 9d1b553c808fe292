# SPDX-License-Identifier: Apache-2.0
#
# The guest's own kernel has all that containers and the machines' devices
# need, and is what guest/kernel says. Bare QEMU, no agent.

bats_require_minimum_version 1.5.0

setup_file()
{
	local root=$BATS_FILE_TMPDIR/root

	mkdir -p "$root/bin"
	cp "$(command -v busybox)" "$KATA_BUILD/tests/tools/kernel-probe" "$root/bin"
	ln -s busybox "$root/bin/sh"
	cp "$BATS_TEST_DIRNAME/probe-init" "$root/init"
	(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0) >"$BATS_FILE_TMPDIR/initrd"
	truncate -s 16M "$BATS_FILE_TMPDIR/ext4"
	PATH=$PATH:/sbin:/usr/sbin mkfs.ext4 -q "$BATS_FILE_TMPDIR/ext4"
}

# probe MACHINE BUS PARAMETER ARGUMENT…: boots it and shows what it said. Emulated,
# microvm has no clock to measure the processor's with, so a frequency is given.
probe()
{
	local machine=$1 bus=$2 parameter=$3

	shift 3
	cp "$BATS_FILE_TMPDIR/ext4" "$BATS_TEST_TMPDIR/ext4"
	timeout 120 qemu-system-x86_64 -M "$machine" -cpu max -smp 2 -m 256M,slots=2,maxmem=1G \
		-nodefaults -no-user-config -no-reboot -display none -serial stdio \
		-kernel "$KATA_KERNEL_DIR/vmlinux" -initrd "$BATS_FILE_TMPDIR/initrd" \
		-append "console=ttyS0 quiet panic=-1 reboot=t cryptomgr.notests net.ifnames=0 tsc=reliable tsc_early_khz=2000000 $parameter" \
		-drive "if=none,id=a,format=raw,readonly=on,file=$KATA_IMAGE" -device "virtio-blk-$bus,drive=a" \
		-drive "if=none,id=b,format=raw,file=$BATS_TEST_TMPDIR/ext4" -device "virtio-blk-$bus,drive=b" \
		-netdev hubport,id=n,hubid=0 -device "virtio-net-$bus,netdev=n" \
		-device "virtio-serial-$bus" -device virtserialport,name=probe \
		-device "virtio-rng-$bus" -device "virtio-balloon-$bus" "$@" </dev/null | tr -d '\r'
}

# All that is missing is named.
complete()
{
	echo "$output"
	run -1 grep -a '^no ' <<<"$output"
}

@test "kernel: all that containers need, on microvm" {
	output=$(probe microvm,acpi=on,rtc=on,x-option-roms=off device '' \
		-global virtio-mmio.force-legacy=false)
	[[ $output == *'kernel 6.'*-kata-c*probed* ]]
	complete
}

@test "kernel: all that containers need, on q35, with persistent memory" {
	output=$(probe q35,nvdimm=on pci probe.pmem \
		-object "memory-backend-file,id=i,mem-path=$KATA_IMAGE,size=$(stat -c %s "$KATA_IMAGE"),share=on,readonly=on" \
		-device nvdimm,memdev=i,unarmed=on)
	[[ $output == *'kernel 6.'*-kata-c*probed* ]]
	complete
}
