#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# QEMU's machines with PCI on a real KVM, with the agent reached over vhost-vsock;
# qemu.bats has the microvm.

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; for common.bash
KATA_TEST_HYPERVISOR=qemu
load ../integration/common

# Others may have the processors that the lab is emulated on.
patient=(agent.dial_timeout=150 runtime.create_container_timeout=150)

# on_kvm ID: its QEMU uses the hardware and vhost-vsock, and holds the devices.
on_kvm()
{
	local pid line

	pid=$(program_of "$1" qemu-system)
	line=$(tr '\0' ' ' <"/proc/$pid/cmdline")
	echo "$line"
	[[ $line == *accel=kvm* && $line == *" -cpu host"* && $line == *vhost-vsock-* ]]
	find "/proc/$pid/fd" -printf '%l\n' | grep -q anon_inode:kvm-vm
	find "/proc/$pid/fd" -printf '%l\n' | grep -q /dev/vhost-vsock
	# The kernel's view: this machine's processors, and threads that serve its vsock.
	[ -n "$(find /sys/kernel/debug/kvm -maxdepth 1 -name "$pid-*")" ]
}

# started: a container of the configuration that counts in a shared file, on KVM.
started()
{
	container_bundle "$bundle" -- sh -c 'echo from inside >/file
		grep " / virtiofs " /proc/mounts; i=0
		while :; do i=$((i + 1)); echo $i >/count; sleep 0.1; done'
	kata create --bundle "$bundle" "$id" </dev/null >"$bundle.out" 2>&1 ||
		{ cat "$bundle.out" && tail -n 20 "$KATA_LOG" && return 1; }
	kata start "$id"
	wait_for 60 test -s "$bundle/rootfs/count"
	on_kvm "$id"
	grep -q virtiofs "$bundle.out"
	[ "$(cat "$bundle/rootfs/file")" = "from inside" ]
}

@test "q35 on KVM: a container's life over vhost-vsock, and kill -9 of QEMU" {
	local count

	container_config "$KATA_CONFIG" qemu machine_type='"q35"' disable_vhost_net=true "${patient[@]}"
	started
	run -7 kata exec "$id" sh -c 'cat /file; echo more >/more; exit 7'
	[ "$output" = "from inside" ]
	[ "$(cat "$bundle/rootfs/more")" = more ]
	# 256 MiB, and as many that are plugged in, which a slow guest sees a moment later.
	kata update --memory 268435456 "$id"
	run -0 kata exec "$id" sh -c 'i=0
		while [ $(sed -n "s/^MemTotal: *\([0-9]*\) kB/\1/p" /proc/meminfo) -lt 400000 ]; do
			i=$((i + 1)); [ $i -lt 100 ] || exit 1; sleep 0.1
		done'

	kata pause "$id"
	status_is "$id" paused
	count=$(cat "$bundle/rootfs/count")
	sleep 1
	[ "$(cat "$bundle/rootfs/count")" = "$count" ]
	kata resume "$id"
	moved() { [ "$(cat "$bundle/rootfs/count")" != "$count" ]; }
	wait_for 60 moved

	kill -9 "$(program_of "$id" qemu-system)"
	wait_for 60 status_is "$id" stopped
	kata delete --force "$id"
}
