#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The list of container tests (containers.bash) on each hypervisor, on a real KVM.
# KATA_TEST_CLOUD_HYPERVISOR, KATA_TEST_FIRECRACKER and KATA_TEST_STRATOVIRT name those that are
# built elsewhere and lie where the lab sees them (not below /tmp). StratoVirt's kernel is
# our own (guest/kernel/build, which must have been run).

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=qemu
load ../integration/common
load containers

# Others may have the processors that the lab is emulated on.
patient=(agent.dial_timeout=100 runtime.create_container_timeout=150)

# The machine uses the hardware and vhost-vsock, and holds the devices.
the_machine_of_qemu()
{
	local pid line

	pid=$(program_of "$id" qemu-system)
	line=$(tr '\0' ' ' <"/proc/$pid/cmdline")
	echo "$line"
	[[ $line == *accel=kvm* && $line == *" -cpu host"* && $line == *vhost-vsock-* ]]
	find "/proc/$pid/fd" -printf '%l\n' | grep -q anon_inode:kvm-vm
	find "/proc/$pid/fd" -printf '%l\n' | grep -q /dev/vhost-vsock
	# The kernel's view: this machine's processors, and threads that serve its vsock.
	[ -n "$(find /sys/kernel/debug/kvm -maxdepth 1 -name "$pid-*")" ]
}

# bats test_tags=soak
@test "qemu: the list of container tests" {
	hypervisor=qemu
	container_config "$KATA_CONFIG" qemu machine_type='"q35"' disable_vhost_net=true default_maxvcpus=3 "${patient[@]}"
	list qemu qemu-system-x86 the_machine_of_qemu
}

the_jail_of_dragonball()
{
	local vmm

	grep -q ' console=hvc0 ' "$bundle.out"
	vmm=$(program_of "$id" kata-vmm)
	# Everything was handed over: nothing is named on the command line, and nothing can be reached.
	run ! grep -a "$KATA_KERNEL\|/run/vc" "/proc/$vmm/cmdline"
	grep -qw 'Seccomp:	2' "/proc/$vmm/status"
	[ "$(find "/proc/$vmm/root/" -mindepth 1 | wc -l)" = 0 ]
	# With debug the guest's first words, its console and the agent are in the log.
	grep -q 'kata-vmm: .*Linux version' "$KATA_LOG"
	grep -q 'guest: .*virtio' "$KATA_LOG"
	wait_for 5 grep -q 'agent: ' "$KATA_LOG"
}

@test "dragonball: the list of container tests" {
	hypervisor=dragonball
	container_config "$KATA_CONFIG" dragonball enable_debug=true agent.enable_debug=true runtime.enable_debug=true \
		"${patient[@]}"
	list dragonball kata-vmm the_jail_of_dragonball
	# The monitor ended by itself or was told to; nobody was killed for want of an answer.
	run ! grep -i 'did not answer\|not understood' "$KATA_LOG"
}

@test "clh: the list of container tests" {
	needs KATA_TEST_CLOUD_HYPERVISOR
	hypervisor=clh
	container_config "$KATA_CONFIG" clh virtio_fs_daemon='"/usr/lib/qemu/virtiofsd"' \
		virtio_fs_extra_args='[]' default_maxvcpus=3 "${patient[@]}"
	list clh cloud-hyperviso
	run ! grep 'Cloud Hypervisor.*version' "$KATA_LOG"
}

@test "firecracker: the list of container tests" {
	needs KATA_TEST_FIRECRACKER
	hypervisor=firecracker
	container_config "$KATA_CONFIG" firecracker "${patient[@]}"
	list fc firecracker
	[ ! -e "$bundle/rootfs/kept" ]
	run ! grep 'Firecracker.*version' "$KATA_LOG"
}

the_words_of_stratovirt()
{
	# Parameters of this driver, among them the agent's log by a port of its own.
	grep -q ' virtio_mmio.device=.* agent.log_vport=1025\|agent.log_vport=1025 .*virtio_mmio.device=' "$bundle.out"
	# No warning of a version, which was tried.
	run ! grep 'StratoVirt.*version' "$KATA_LOG"
	"$kata_runtime" --config "$KATA_CONFIG" check --strict
}

@test "stratovirt: the list of container tests" {
	needs KATA_TEST_STRATOVIRT
	hypervisor=stratovirt
	export KATA_KERNEL_DIR=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/kata-c/guest-kernel
	container_prepare "$BATS_TEST_TMPDIR"
	container_config "$KATA_CONFIG" stratovirt path="\"$KATA_TEST_STRATOVIRT\"" \
		disable_block_device_use=false "${patient[@]}"
	list stratovirt stratovirt the_words_of_stratovirt
}
