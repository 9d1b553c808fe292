#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Commands of kata-runtime that need no machine.

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=qemu
load common

path_of()
{
	case $1 in
	qemu) echo /usr/bin/qemu-system-x86_64 ;;
	clh) echo /usr/bin/cloud-hypervisor ;;
	fc) echo /usr/bin/firecracker ;;
	dragonball) realpath -e "$KATA_BUILD/vmm/kata-vmm" 2>/dev/null || echo /usr/libexec/kata-containers/kata-vmm ;;
	stratovirt) echo /usr/bin/stratovirt ;;
	acrn) echo /usr/bin/acrn-dm ;;
	esac
}

@test "kata-env answers with each of the six behind the symbolic link" {
	for hypervisor in qemu clh fc dragonball stratovirt acrn; do
		ln -sf "$kata_tree/config/configuration-$hypervisor.toml" "$BATS_TEST_TMPDIR/configuration.toml"
		run -0 --separate-stderr "$kata_runtime" --config "$BATS_TEST_TMPDIR/configuration.toml" kata-env
		echo "$hypervisor: $output $stderr"
		[ "$(awk -v RS= '/\[Hypervisor\]/' <<<"$output" | grep Path | head -n 1)" = "  Path = \"$(path_of $hypervisor)\"" ]
		[ "$(awk -v RS= '/\[Hypervisor\]/' <<<"$output" | grep -c Path)" = 3 ]
		[ "$(awk -v RS= '/\[Runtime.Config\]/' <<<"$output" | grep '    Path')" = "    Path = \"$kata_tree/config/configuration-$hypervisor.toml\"" ]
		[ "$(grep -c . <<<"$stderr")" -le 1 ]
	done
}

@test "kata-env has the original's tables and keys in the original's order" {
	expected="Kernel Path Parameters Meta Version Image Path Initrd Path Hypervisor MachineType Version Path
		BlockDeviceDriver EntropySource SharedFS VirtioFSDaemon SocketPath Msize9p MemorySlots HotPlugVFIO
		ColdPlugVFIO PCIeRootPort PCIeSwitchPort Debug Hypervisor.SecurityInfo Rootless DisableSeccomp
		GuestHookPath EnableAnnotations ConfidentialGuest Runtime Path GuestSeLinuxLabel Debug Trace
		DisableGuestSeccomp DisableNewNetNs SandboxCgroupOnly Runtime.Config Path Runtime.Version OCI
		Runtime.Version.Version Semver Commit Major Minor Patch Host Kernel Architecture VMContainerCapable
		SupportVSocks Host.Distro Name Version Host.CPU Vendor Model CPUs Host.Memory Total Free Available
		Agent Debug Trace"
	run -0 --separate-stderr kata kata-env
	[ "$(sed -n 's/^ *\[\(.*\)\]$/\1/p; s/^ *\([A-Za-z0-9]*\) = .*/\1/p' <<<"$output" | xargs)" = "$(xargs <<<"$expected")" ]
	run -0 --separate-stderr kata env --json
	python3 -c 'import json,sys; e=json.loads(sys.argv[1]); assert list(e)==["Kernel","Meta","Image","Initrd","Hypervisor","Runtime","Host","Agent"], list(e)' "$output"
}

@test "check says what this host can do" {
	run kata check
	echo "$output"
	[[ $output == *KVM* ]]
	[[ $output == *"System is capable of running Kata Containers"* ]]
	[[ $output == *"System can currently create Kata Containers"* ]]
	[ "$status" = 0 ]
}

# A KVM that cannot run a stock kernel in time is not to be used, whatever its
# device promises: what `check` says of it must agree with a measurement.
@test "check measures KVM" {
	probe=$KATA_BUILD/tests/unit/hypervisor/kvm-probe
	[ -x "$probe" ]
	run kata check
	if [ ! -e /dev/kvm ]; then
		[[ $output == *"/dev/kvm"* ]]
	elif "$probe" >"$BATS_TEST_TMPDIR/probe"; then
		[[ $output != *"software emulation"* ]]
	else
		cat "$BATS_TEST_TMPDIR/probe"
		[[ $output == *"software emulation"* ]]
	fi
}

# The judge is a stock kernel: a usable KVM boots it to its first program within
# seconds, one that is not usable does not.
@test "what the probe says of KVM, a stock kernel confirms" {
	verdict=0
	"$KATA_BUILD/tests/unit/hypervisor/kvm-probe" || verdict=$?
	[ "$verdict" -le 1 ]
	booted=1
	timeout 8 qemu-system-x86_64 -M microvm,accel=kvm,acpi=on,rtc=on,x-option-roms=off -cpu host \
		-m 256 -nodefaults -no-user-config -no-reboot -display none -serial stdio \
		-kernel "$KATA_KERNEL" -initrd "$KATA_INITRD" -append "console=ttyS0 reboot=t panic=-1" \
		</dev/null >"$BATS_TEST_TMPDIR/console" 2>&1 || :
	grep -q "Run /init as init process" "$BATS_TEST_TMPDIR/console" && booted=0
	tail -n 3 "$BATS_TEST_TMPDIR/console"
	[ "$verdict" = "$booted" ]
}

@test "usage errors name the thing and need no configuration" {
	KATA_CONFIG=/nonexistent/configuration.toml
	run ! kata nosuchcommand
	[[ $output == *nosuchcommand* ]]
	run ! kata run --nosuchflag
	[[ $output == *nosuchflag* ]]
	run ! kata run
	[[ $output == *run* ]]
	run -0 kata --help
	run -0 kata run --help
	run -0 kata version
	[[ ${lines[0]} == "kata-runtime  : "* ]]
	[[ ${lines[1]} == "   commit   : "* ]]
	[[ ${lines[2]} == "   OCI specs: "* ]]
	run -0 kata --version
}

@test "a configuration that is missing or wrong is named with line and column" {
	container_bundle "$bundle" -- true
	KATA_CONFIG=/nonexistent/configuration.toml
	run ! kata run --bundle "$bundle" "$id"
	[[ $output == */nonexistent/configuration.toml* ]]
	KATA_CONFIG=$BATS_TEST_TMPDIR/bad.toml
	printf '[hypervisor.qemu]\ndefault_vcpus = "two"\n' >"$KATA_CONFIG"
	run ! kata run --bundle "$bundle" "$id"
	[[ $output == *bad.toml:2:*default_vcpus* ]]
	printf '[hypervisor.nosuch]\n' >"$KATA_CONFIG"
	run ! kata run --bundle "$bundle" "$id"
	[[ $output == *nosuch* ]]
}

@test "a hypervisor without a driver or a program says so" {
	for hypervisor in clh fc stratovirt acrn; do
		container_bundle "$bundle" -- true
		KATA_CONFIG=$kata_tree/config/configuration-$hypervisor.toml
		run ! kata run --bundle "$bundle" "$id"
		echo "$output"
		[[ $output == *"has no driver"* || $output == *".path /usr/bin/"*": No such file or directory" ]]
		[ "${#lines[@]}" = 1 ]
	done
}

@test "spec makes a bundle's config.json and never overwrites one" {
	mkdir "$bundle"
	run -0 kata spec --bundle "$bundle"
	python3 -c 'import json,sys; s=json.load(open(sys.argv[1])); assert s["process"]["args"]==["sh"] and s["root"]["path"]=="rootfs", s' "$bundle/config.json"
	run ! kata spec --bundle "$bundle"
	[[ $output == *config.json*exists* ]]
}

@test "kata-vmm: the manual page has all of its options, and no others" {
	local page=$kata_tree/docs/man/kata-vmm.8

	run -0 "$KATA_BUILD/vmm/kata-vmm" --help
	[ "$(grep -oE -e '--[a-z-]+' <<<"$output" | sort -u)" = \
		"$(grep -oE 'Fl -[a-z-]+' "$page" | sed 's/Fl /-/' | sort -u)" ]
}
