#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Several containers in one real machine: what they share, what each has for itself, and
# that one may go while others stay.

# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=qemu
load common
load join

# Its namespaces, host name and root, as a container tells them.
tell='for n in net ipc uts pid mnt; do echo $n $(readlink /proc/self/ns/$n); done >/new; hostname >>/new; cat /etc/name >>/new; mv /new /told'

# told NAME LINE: what it told.
told()
{
	sed -n "$2p" "$BATS_TEST_TMPDIR/$1/rootfs/told"
}

same() { [ "$(told "$1" "$3")" = "$(told "$2" "$3")" ]; }

@test "pod: containers by namespace path and by annotation in one machine" {
	local name top=test-kata-${EPOCHREALTIME/[.,]/} group

	group=/$top/pod

	bundle_for one "c['hostname'] = 'the-pod'; linux['cgroupsPath'] = '$group'" "$tell; exec sleep 1000"
	begin one
	bundle_for two "$(in_ns one network ipc uts); del c['hostname']" "$tell; exec sleep 1000"
	bundle_for three "note('io.kubernetes.cri-o.ContainerType', 'container')
note('io.kubernetes.cri-o.SandboxID', '$id-one'); linux['cgroupsPath'] = '/$top/other'
hook('prestart', 'echo >\$T/prestart')" "$tell; read -r line; exit 3"
	# A namespace that is not the pod's: it is in the pod's network all the same.
	ip netns add "other-$id"
	bundle_for four "$(in_ns one pid); join('network', '/run/netns/other-$id')" "ps >/ps; $tell; exec sleep 1000"
	begin two
	mkfifo "$BATS_TEST_TMPDIR/in"
	exec 4<>"$BATS_TEST_TMPDIR/in"
	kata run --bundle "$BATS_TEST_TMPDIR/three" "$id-three" <&4 >"$BATS_TEST_TMPDIR/three.out" 2>&1 3>&- &
	runner=$!
	wait_for 20 grep -q ready "$BATS_TEST_TMPDIR/three.out"
	[ -e "$BATS_TEST_TMPDIR/prestart" ]
	begin four

	# One machine, in whose control group all of them are.
	[ "$(pgrep -c qemu-system)" = 1 ]
	[ "$(listed)" = "$id-four $id-one $id-three $id-two " ]
	for name in $(pgrep 'qemu-system|kata-standin'); do
		grep -q ":$group\$" "/proc/$name/cgroup"
	done

	# network, ipc, uts: one for all; pid: on request; mounts and root: each its own.
	for name in two three four; do
		wait_for 5 test -s "$BATS_TEST_TMPDIR/$name/rootfs/told"
		same one "$name" 1
		same one "$name" 2
		same one "$name" 3
		run ! same one "$name" 5
		[ "$(told "$name" 6)" = the-pod ]
		[ "$(told "$name" 7)" = "$name" ]
	done
	ip netns del "other-$id"
	grep -q "container $id-four: it names the network namespace /run/netns/other-$id and has the pod's" "$KATA_LOG"
	[ "$(grep -c "container $id-two: it " "$KATA_LOG")" = 0 ]
	run ! same one two 4
	run ! same one three 4
	same one four 4
	[ "$(grep -c 'sleep 1000' "$BATS_TEST_TMPDIR/four/rootfs/ps")" -ge 1 ]

	# One goes by itself, one is killed by its stand-in's death; the others stay.
	echo go >&4
	exec 4>&-
	ends_with 3 "$runner"
	kill -9 "$(cat "$BATS_TEST_TMPDIR/two.pid")"
	wait_for 10 status_is "$id-two" stopped
	kata delete "$id-two"
	[ "$(listed)" = "$id-four $id-one " ]
	status_is "$id-one" running
	# With the first goes the pid namespace that was its.
	kata kill "$id-one" KILL
	wait_for 10 status_is "$id-four" stopped
	wait_for 10 machine_gone
	kata delete "$id-one"
	kata delete "$id-four"
	[ -z "$(ls -A "$KATA_ROOT")" ]
	wait_for 5 eval '[ -z "$(find /sys/fs/cgroup -name "$top" -print -quit 2>/dev/null)" ]'
}

machine_gone()
{
	! pgrep qemu-system >/dev/null
}
