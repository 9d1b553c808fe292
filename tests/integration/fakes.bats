#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The sandbox on the fakes of monitors (tests/fakes), as root: jails, journals and what is left
# when something dies. No machine runs, so no KVM is needed; a guest says nothing.

# shellcheck disable=SC2034,SC2154 # shared with common.bash
KATA_TEST_HYPERVISOR=firecracker
load common
load fakes

# configure KEY=VALUE…: Firecracker in its jail, both being fakes.
configure()
{
	container_config "$KATA_CONFIG" firecracker path="\"$fakes/firecracker\"" \
		jailer_path="\"$fakes/jailer\"" kernel="\"$KATA_KERNEL\"" initrd="\"$KATA_INITRD\"" \
		agent.dial_timeout=8 "$@"
	truncate -s 1M "$BATS_TEST_TMPDIR/disk"
	made_kvm=
	pretend_kvm
}

boots()
{
	exec "$KATA_BUILD/tests/integration/sandbox/disk-root" "$KATA_CONFIG" "$KATA_ROOT" \
		"$BATS_TEST_TMPDIR/disk" rw true
}

in_jail()
{
	compgen -G '/run/vc/firecracker/*/root/kata.hvsock' >/dev/null
}

@test "firecracker: its jail is made of what the machine needs, and is gone with it" {
	configure
	# The agent never answers: the jail was there, and is gone with the sandbox. While it is looked
	# at nobody clears it.
	boots 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	runner=$!
	wait_for 20 in_jail
	kill -STOP "$runner"
	jail=$(compgen -G '/run/vc/firecracker/*/root/kata.hvsock')
	root=${jail%/kata.hvsock}
	[ -f "$root/vmlinux" ] && [ -f "$root/drive_7" ]
	[ -p "$root/logs.fifo" ] && [ -p "$root/metrics.fifo" ]
	[ "$(stat -c %a "$root")" = 700 ]
	kill -CONT "$runner"
	code=0
	wait "$runner" || code=$?
	[ "$code" = 1 ]
	cat "$BATS_TEST_TMPDIR/err"
	grep -q "the agent did not answer" "$BATS_TEST_TMPDIR/err"
	[ -z "$(ls /run/vc/firecracker)" ]
}

@test "firecracker: kill -9 while it boots: delete clears the jail from the journal" {
	configure agent.reconnect_timeout_ms=1000
	sed -i 's/^dial_timeout.*/dial_timeout = 100/' "$KATA_CONFIG"
	boots 3>&- &
	runner=$!
	wait_for 20 in_jail
	sandbox=$(ls "$KATA_ROOT")
	kill -9 "$runner"
	wait "$runner" || :
	[ -n "$(ls /run/vc/firecracker)" ]
	kata delete --force "$sandbox"
	[ -z "$(ls /run/vc/firecracker)" ]
	wait_for 5 eval '! pgrep -f tests/fakes/firecracker'
}

@test "clh: whatever is wrong is told in time, and leaves nothing" {
	KATA_TEST_HYPERVISOR=clh
	pretend_kvm
	faults_of cloud-hypervisor virtio_fs_daemon='"/usr/lib/qemu/virtiofsd"' virtio_fs_extra_args='[]' \
		-- start=die start=hang vmm.ping=die vmm.ping=garbage vm.create=die vm.create=refuse \
		vm.boot=die vm.boot=half
}

@test "firecracker: whatever is wrong is told in time, and leaves nothing, its jail neither" {
	pretend_kvm
	faults_of firecracker jailer_path="\"$fakes/jailer\"" -- jailer=die start=die start=hang boot=die boot=refuse /=die /=half
}

@test "clh, firecracker: taps of another network namespace are theirs" {
	local pod=pod-$$

	pretend_kvm
	ip netns add "$pod"
	ip link add "v$$" type veth peer name eth0 netns "$pod"
	ip -n "$pod" addr add 10.77.0.2/24 dev eth0
	ip -n "$pod" link set eth0 up mtu 1400
	leftovers_snapshot "$BATS_TEST_TMPDIR/before"
	container_bundle "$bundle" -- true
	"$kata_tree/tests/lib/change_spec.py" "$bundle" "join('network', '/run/netns/$pod')"
	export KATA_FAKE_LOG=$BATS_TEST_TMPDIR/asked
	for driver in clh=cloud-hypervisor firecracker=firecracker; do
		: >"$KATA_FAKE_LOG"
		container_config "$KATA_CONFIG" "${driver%=*}" path="\"$fakes/${driver#*=}\"" agent.dial_timeout=4
		[ "$driver" != clh=cloud-hypervisor ] || sed -i 's,^\[agent.kata\],virtio_fs_daemon = "/usr/lib/qemu/virtiofsd"\nvirtio_fs_extra_args = []\n&,' "$KATA_CONFIG"
		ends_in "the agent did not answer within 4000 ms; the guest's console: a guest boots"
		[ "$(ip -n "$pod" -o link | wc -l)" = 2 ]
	done
	ip netns del "$pod"
	# Which ip has made a mount of, unless others have namespaces there.
	umount /run/netns 2>/dev/null || :
	rmdir /run/netns 2>/dev/null || :
}

# What the real ones answered is in tests/fakes/recorded; replay.py --record writes it anew.
@test "the fakes of Firecracker and Cloud Hypervisor answer as the real ones did" {
	made_kvm=
	for fake in firecracker cloud-hypervisor; do
		timeout 150 "$kata_tree/tests/fakes/replay.py" "$kata_tree/tests/fakes/$fake" \
			"$kata_tree/tests/fakes/recorded/$fake.json" "$KATA_KERNEL"
	done
}
