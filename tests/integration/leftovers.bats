# SPDX-License-Identifier: Apache-2.0
#
# The check that nothing is left behind can fail.

bats_require_minimum_version 1.5.0
load ../lib/leftovers

setup()
{
	export LEFTOVERS_WAIT=0
	LEFTOVERS_DIRS=$BATS_TEST_TMPDIR/dir
	mkdir "$LEFTOVERS_DIRS"
	leftovers_snapshot "$BATS_TEST_TMPDIR/before"
}

# left TEXT: the comparison fails and says TEXT.
left()
{
	run -1 leftovers_compare "$BATS_TEST_TMPDIR/before"
	echo "$output"
	[[ $output == *"left behind: $1"* ]]
}

gone()
{
	export LEFTOVERS_WAIT=30
	leftovers_compare "$BATS_TEST_TMPDIR/before"
}

# until_there FILE: what was started in the background has come as far as to make it.
until_there()
{
	for _ in {1..600}; do
		[ ! -e "$1" ] || return 0
		sleep 0.1
	done
	return 1
}

@test "leftovers: nothing" {
	# Of groups that others make meanwhile, too.
	gone
	run -1 leftovers_compare /nonexistent
}

@test "leftovers: a process" {
	cp "$(command -v sleep)" "$BATS_TEST_TMPDIR/containerd-shim-kata-v2"
	"$BATS_TEST_TMPDIR/containerd-shim-kata-v2" 600 3>&- &
	until [ "/proc/$!/exe" -ef "$BATS_TEST_TMPDIR/containerd-shim-kata-v2" ]; do sleep 0.05; done
	left "process $! "
	kill $!
	wait $! || :
	gone
}

@test "leftovers: a zombie" {
	cp "$(command -v sleep)" "$BATS_TEST_TMPDIR/qemu-system-x86_64"
	python3 -c 'import os, subprocess, sys, time
p = subprocess.Popen([sys.argv[1], "0"]); os.waitid(os.P_PID, p.pid, os.WEXITED | os.WNOWAIT)
open(sys.argv[2], "w"); time.sleep(600)' \
		"$BATS_TEST_TMPDIR/qemu-system-x86_64" "$BATS_TEST_TMPDIR/there" 3>&- &
	until_there "$BATS_TEST_TMPDIR/there"
	left "process "
	kill $!
	wait $! || :
	gone
}

@test "leftovers: a mount" {
	mount -t tmpfs tmpfs "$LEFTOVERS_DIRS"
	left "mount $LEFTOVERS_DIRS tmpfs"
	umount "$LEFTOVERS_DIRS"
	gone
}

@test "leftovers: a socket" {
	python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); time.sleep(600)' "$BATS_TEST_TMPDIR/socket" 3>&- &
	until_there "$BATS_TEST_TMPDIR/socket"
	left "socket $BATS_TEST_TMPDIR/socket"
	kill $!
	wait $! || :
	gone
}

@test "leftovers: a control group" {
	local group
	group=$(awk '$3 ~ /^cgroup/ { print $2 }' /proc/mounts | tail -n 1)/leftovers-test
	mkdir "$group"
	left "cgroup $group"
	rmdir "$group"
	gone
}

@test "leftovers: of control groups not those that are made beside the own one" {
	local group

	group=$(awk '$3 ~ /^cgroup/ { print $2 }' /proc/mounts | tail -n 1)/leftovers-test
	mkdir -p "$group/own"
	export before=$BATS_TEST_TMPDIR/before2
	# As its first process, for a shell's $$ is that of the test in all that it forks.
	run -1 bash -c ". '$BATS_TEST_DIRNAME/../lib/leftovers.bash'
		echo \$\$ >'$group/own/cgroup.procs'
		leftovers_snapshot '$before'
		mkdir -p '$group/beside/below' '$group/own/below'
		leftovers_compare '$before'"
	rmdir "$group"/{own/below,beside/below,own,beside} "$group"
	# What others make meanwhile is told, too.
	[[ $output == *"left behind: cgroup $group/own/below"* && $output != *"/beside"* ]]
	gone
}

@test "leftovers: a file" {
	touch "$LEFTOVERS_DIRS/file"
	left "file $LEFTOVERS_DIRS/file"
	rm "$LEFTOVERS_DIRS/file"
	mkdir -p /run/kata-containers/leftovers-test
	left "file /run/kata-containers/leftovers-test"
	rmdir /run/kata-containers/leftovers-test
	gone
}

@test "leftovers: a network device" {
	ip link add leftovers0 type veth peer name leftovers1
	left "netdev leftovers0"
	ip link delete leftovers0
	gone
}
