#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# All that lies above the driver table, on the fake driver: the real agent as a
# process of this host. Fast; what is promised for machines is proven in
# run.bats and faults.bats.

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=fake
load common

@test "fake: exit status" {
	run -7 in_container -- sh -c 'exit 7'
}

@test "fake: stdin, stdout and stderr are apart" {
	in_container -- sh -c 'cat; echo err >&2' >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" <<<hi
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = hi ]
	[ "$(cat "$BATS_TEST_TMPDIR/err")" = err ]
}

@test "fake: 10 MiB through stdin and stdout" {
	head -c 10485760 /dev/urandom >"$BATS_TEST_TMPDIR/data"
	in_container -- cat <"$BATS_TEST_TMPDIR/data" >"$BATS_TEST_TMPDIR/out"
	cmp "$BATS_TEST_TMPDIR/data" "$BATS_TEST_TMPDIR/out"
}

@test "fake: a terminal" {
	container_bundle "$bundle" --terminal -- sh
	python3 "$BATS_TEST_DIRNAME/terminal.py" "$kata_runtime" --config "$KATA_CONFIG" --root "$KATA_ROOT" --log "$KATA_LOG" run --bundle "$bundle" "$id"
}

@test "fake: a terminal whose output is for a file" {
	container_bundle "$bundle" --terminal -- \
		sh -c 'stty size; printf "a\r\n"; until [ -e /go ]; do sleep 0.1; done; printf "end\r"'
	# The caller has one, though no descriptor leads to it.
	in_terminal() { script -qec "stty rows 33 cols 44; $*" /dev/null </dev/null; }
	runtime="'$kata_runtime' --config '$KATA_CONFIG' --root '$KATA_ROOT' --log '$KATA_LOG'"
	in_terminal "$runtime run --bundle '$bundle' '$id' </dev/null >'$bundle.out' 2>&1" 3>&- &
	caller=$!
	wait_for 20 grep -qs a "$bundle.out"
	in_terminal "$runtime exec --tty '$id' sh -c 'test -t 1 && echo lines; touch /go' </dev/null >'$bundle.exec'"
	cmp "$bundle.exec" <(echo lines)
	ends_with 0 "$caller"
	cmp "$bundle.out" <(printf '33 44\na\r\nend\r')
}

@test "fake: mounts of the bundle, in read-only ones, in fresh places; a variable told twice" {
	container_bundle "$bundle" -- sh -c 'ls /here/config.json /ro/in/config.json; stat -c %a /fresh/deep
		touch /ro/x 2>&1; env | grep ONE='
	"$kata_tree/tests/lib/change_spec.py" "$bundle" "
tmpfs = lambda at, *o: {'destination': at, 'type': 'tmpfs', 'source': 'tmpfs', 'options': list(o)}
bind = lambda at: {'destination': at, 'type': 'bind', 'source': '.', 'options': ['rbind', 'ro']}
c['mounts'] += [bind('/here'), tmpfs('/ro', 'ro'), bind('/ro/in'), tmpfs('/fresh/deep', 'nosuid')]
c['process']['env'] += ['ONE=first', 'ONE=last']"
	run -0 kata run --bundle "$bundle" "$id"
	diff - <(echo "$output") <<-'EOT'
		/here/config.json
		/ro/in/config.json
		1777
		touch: /ro/x: Read-only file system
		ONE=last
	EOT
}

@test "fake: own process namespace, host name and control group" {
	run -0 in_container -- sh -c 'echo $$; hostname; ls /proc | grep -c "^[0-9]*$"'
	[ "${lines[0]}" = 1 ]
	[ "${lines[2]}" -le 4 ]
}

@test "fake: DNS and hosts are the engine's, for the container and for the guest itself" {
	local agent

	printf 'nameserver 10.9.0.1\n# M\xfcnchen\nsearch pod.example\n\noptions ndots:5\n' >"$BATS_TEST_TMPDIR/resolv.conf"
	printf '127.0.0.1 localhost\n10.9.0.2 box\n' >"$BATS_TEST_TMPDIR/hosts"
	container_bundle "$bundle" -- sh -c 'cat /etc/resolv.conf /etc/hosts; hostname; exec sleep 1000'
	"$kata_tree/tests/lib/change_spec.py" "$bundle" "
c['hostname'] = 'box'
for name in ('resolv.conf', 'hosts'):
    c['mounts'].append({'destination': '/etc/' + name, 'type': 'bind',
	'options': ['rbind', 'ro'], 'source': '$BATS_TEST_TMPDIR/' + name})"
	start_container "$id" "$bundle"
	wait_for 10 grep -qx box "$bundle.out"
	cat "$BATS_TEST_TMPDIR"/{resolv.conf,hosts} - <<<box | cmp - "$bundle.out"
	agent=$(grep -l "/run/vc/vm/$id/" /proc/[0-9]*/environ | cut -d/ -f3 | head -n1)
	# What is no text of the protocol's is left out there.
	nsenter -t "$agent" -m cat /run/kata-containers/sandbox/resolv.conf | cmp - <(grep -av nchen "$BATS_TEST_TMPDIR/resolv.conf")
	kata kill "$id" KILL
	ends_with 137 "$runner"
}

@test "fake: the shim is killed" {
	container_bundle "$bundle" -- sh -c 'echo ready; exec sleep 1000'
	start_container "$id" "$bundle"
	wait_for 10 grep -q ready "$bundle.out"
	kill -9 "$(program_of "$id" containerd-shim-kata-v2)"
	ends_with 1 "$runner"
	[[ $(cat "$bundle.err") == *containerd-shim-kata-v2* ]]
}

# unborn: the shim of a container serves, and the runtime has not got as far as to ask it
# for anything; a test that was too slow to see that begins anew.
unborn()
{
	local state=$KATA_ROOT/$id/state.json

	container_bundle "$bundle" -- sleep 1000
	for _ in {1..20}; do
		start_container "$id" "$bundle"
		until [ -S "$KATA_ROOT/$id/shim.sock" ]; do kill -0 "$runner"; done
		kill -STOP "$runner"
		wait_for 10 eval '[ -S "$KATA_ROOT/$id/shim-monitor.sock" ] || [ -e "'"$state"'" ]'
		[ -e "$state" ] || return 0
		kill -CONT "$runner"
		wait_for 10 kata kill "$id" KILL
		wait "$runner" || :
	done
	return 1
}

@test "fake: the shim is killed before it has a sandbox" {
	unborn
	kill -9 "$(program_of "$id" containerd-shim-kata-v2)"
	kill -CONT "$runner"
	ends_with 1 "$runner"
	[[ $(cat "$bundle.err") == *containerd-shim-kata-v2* ]]
	[ ! -e "$KATA_ROOT/$id" ]
	# And nobody is there who could clear up: then it is by force.
	unborn
	kill -9 "$(program_of "$id" containerd-shim-kata-v2)"
	kill -9 "$runner"
	wait "$runner" || :
	run ! kata state "$id"
	[ -e "$KATA_ROOT/$id" ]
	# What was killed may still be about to end.
	wait_for 5 eval 'kata delete --force "$id" && [ ! -e "$KATA_ROOT/$id" ]'
}

# Garbage in its state file: only by force, and then all that is found goes; the shim, if it
# lives, first.
@test "fake: a state that cannot be read is cleared by force" {
	local state=$KATA_ROOT/$id/state.json dead

	for dead in no yes; do
		container_bundle "$bundle" -- sleep 1000
		kata create --bundle "$bundle" "$id" </dev/null >"$bundle.out" 2>&1 3>&- || { cat "$bundle.out"; return 1; }
		kata start "$id"
		[ "$dead" = no ] || kill -9 "$(program_of "$id" containerd-shim)"
		echo '{"version": 1, "id": ' >"$state"
		run -1 kata delete "$id"
		[[ $output == *"$state: "* ]]
		run -1 kata state "$id"
		run -0 kata delete --force "$id"
		[ ! -e "$KATA_ROOT/$id" ] && [ ! -e "/run/vc/vm/$id" ]
		[ -z "$(program_of "$id" containerd-shim)" ]
		# An empty one, as after a loss of power; and the ID is free.
		mkdir "$KATA_ROOT/$id"
		: >"$state"
		run -1 kata delete "$id"
		run -0 kata delete --force "$id"
		[ ! -e "$KATA_ROOT/$id" ]
		# What is no file, or more than one could be.
		mkdir -p "$state"
		run -1 kata delete "$id"
		[[ $output == *"$state: is a directory" ]]
		run -0 kata delete --force "$id"
		mkdir "$KATA_ROOT/$id"
		truncate -s 1G "$state"
		run -1 kata delete "$id"
		[[ $output == *"$state: larger than "* ]]
		run -0 kata delete --regex --force "^$id$"
		[ ! -e "$KATA_ROOT/$id" ]
	done
}

@test "fake: twenty containers one after another" {
	container_bundle "$bundle" -- echo again
	for _ in {1..20}; do
		run -0 kata run --bundle "$bundle" "$id"
		[ "$output" = again ]
	done
}

@test "fake: five containers at once" {
	local n
	for n in {1..5}; do
		container_bundle "$bundle-$n" -- sh -c "sleep 0.5; echo $n; exit $n"
		start_container "$id-$n" "$bundle-$n"
		runners[n]=$runner
	done
	for n in {1..5}; do
		ends_with "$n" "${runners[n]}"
		[ "$(cat "$bundle-$n.out")" = "$n" ]
	done
}

@test "fake: control groups that cannot be" {
	local path top=test-kata-${EPOCHREALTIME/[.,]/}

	for path in / /a/../../b "$(printf 'n%.0s' {1..256})" no:such:slice; do
		container_bundle "$bundle" -- true
		"$kata_tree/tests/lib/change_spec.py" "$bundle" "linux['cgroupsPath'] = '$path'"
		run -1 kata run --bundle "$bundle" "$id"
		[[ $output == *cgroupsPath* ]]
		run -1 kata state "$id"
	done
	# One that others live in: clearing up would kill them.
	sleep 1000 3>&- &
	runner=$!
	while read -r _ path type _; do
		[[ $type == cgroup* ]] || continue
		mkdir "$path/$top"
		cat "$path/cpuset.cpus" >"$path/$top/cpuset.cpus" 2>/dev/null || :
		cat "$path/cpuset.mems" >"$path/$top/cpuset.mems" 2>/dev/null || :
		echo "$runner" >"$path/$top/cgroup.procs"
	done </proc/self/mounts
	"$kata_tree/tests/lib/change_spec.py" "$bundle" "linux['cgroupsPath'] = '/$top'"
	run -1 kata run --bundle "$bundle" "$id"
	[[ $output == *"linux.cgroupsPath: 1 processes live in the control group /$top already"* ]]
	kill -0 "$runner"
	kill "$runner"
	wait "$runner" || :
	# Others come and go beside it while it looks.
	find /sys/fs/cgroup -depth -name "$top" -exec rmdir {} + || :
}

@test "fake: a paused container is deleted by force" {
	container_bundle "$bundle" --no-terminal -- sleep 1000
	kata run --detach --bundle "$bundle" "$id" </dev/null >/dev/null 3>&-
	run -0 kata pause "$id"
	run -0 timeout -k 5 90 "$kata_runtime" --root "$KATA_ROOT" --log "$KATA_LOG" delete --force "$id"
}
