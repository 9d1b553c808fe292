# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154 # whoever sources this sets them
#
# The command lines of monitors for a Linux that ends with its first process: one processor
# and no device, all the same $kernel (an ELF file), $initrd, $mib of memory and $words for
# the kernel.
#
#	run_NAME [COMMAND…]	$program; the COMMAND goes before it. "park" in $last keeps the
#				guest; $tty, where it is set, asks for a console
#
# $work is a directory for what they need beside that.

last=
tty=

# Without a console Linux waits for each letter of what it has to say until a port that is not
# there is ready, and in some machines that never is.
silent=8250.nr_uarts=0

# with_tty THIS OTHERWISE-THAT
with_tty()
{
	if [ -n "$tty" ]; then echo "$1"; else echo "$2"; fi
}

run_kata_vmm()
{
	"$@" "$program" --kernel "$kernel" --initrd "$initrd" --memory "$mib" \
		--console "$(with_tty stdio none)" --cmdline "$words ${tty:+console=hvc0} ${last:-off}"
}

run_qemu()
{
	"$@" "$program" -M "microvm,pit=off,pic=off,rtc=off,isa-serial=${tty:-off}" -accel kvm \
		-cpu host -m "$mib" -nodefaults -no-user-config -display none -no-reboot \
		${tty:+-serial stdio} -kernel "$kernel" -initrd "$initrd" \
		-append "$words $(with_tty console=ttyS0 $silent) reboot=t ${last:-reset}"
}

run_firecracker()
{
	cat >"$work/firecracker.json" <<-EOT
		{ "boot-source": { "kernel_image_path": "$kernel", "initrd_path": "$initrd",
		"boot_args": "$words pci=off reboot=k ${tty:+console=ttyS0} ${last:-reset}" }, "drives": [],
		"machine-config": { "vcpu_count": 1, "mem_size_mib": $mib } }
	EOT
	"$@" "$program" --no-api --config-file "$work/firecracker.json"
}

run_cloud_hypervisor()
{
	"$@" "$program" --kernel "$kernel" --initramfs "$initrd" --memory size="${mib}M" \
		--cpus boot=1 --console off --serial "$(with_tty tty off)" \
		--cmdline "$words $(with_tty console=ttyS0 $silent) ${last:-off}"
}

# flatten ELF FLAT: a kernel as it lies in memory, from where its first part lies.
flatten()
{
	python3 - "$1" "$2" <<-'EOT'
		import struct, sys
		elf = open(sys.argv[1], "rb").read()
		at, size, n = struct.unpack_from("<Q", elf, 32)[0], *struct.unpack_from("<HH", elf, 54)
		flat, start = bytearray(), None
		for i in range(n):
		    kind, _, offset, _, where, length = struct.unpack_from("<IIQQQQ", elf, at + i * size)
		    if kind != 1 or length == 0:
		        continue
		    start = where if start is None else start
		    flat.extend(bytes(max(0, where - start - len(flat))))
		    flat[where - start:where - start + length] = elf[offset:offset + length]
		open(sys.argv[2], "wb").write(flat)
	EOT
}

# It loads no ELF file, starts only with a control socket, and has a console only on a
# terminal. Its power-off and its keyboard controller's reset do not end it, nor a triple
# fault with ACPI.
run_stratovirt()
{
	local argv=("$program" -machine microvm -kernel "$work/flat" -initrd "$initrd" -m "$mib"
		-smp 1 -qmp "unix:$work/qmp,server,nowait" ${tty:+-serial stdio}
		-append "$words pci=off acpi=off reboot=t $(with_tty console=ttyS0 $silent) ${last:-reset}")

	[ -e "$work/flat" ] || flatten "$kernel" "$work/flat"
	rm -f "$work/qmp"
	if [ -n "$tty" ]; then
		"$@" script -qec "$(printf '%q ' "${argv[@]}")" /dev/null
	else
		"$@" "${argv[@]}"
	fi
}
