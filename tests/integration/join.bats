#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Several containers in one sandbox, by command line: who joins whom, and who goes when.
# What they share is proven on a machine in pod.bats.

# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=fake
load common
load join

@test "join: by a namespace of a container that runs" {
	local kind

	bundle_for one '' exec sleep 1000
	begin one
	for kind in network ipc uts pid; do
		bundle_for two "$(in_ns one "$kind")" exec sleep 1000
		begin two
		[ "$(readlink "$KATA_ROOT/$id-two")" = "$id-one" ]
		[ "$(listed)" = "$id-one $id-two " ]
		run -0 kata state "$id-two"
		[[ $output == *'"status": "running"'* ]]
		[[ $output == *"\"bundle\": \"$BATS_TEST_TMPDIR/two\""* ]]
		kata kill "$id-two" KILL
		wait_for 10 status_is "$id-two" stopped
		[ "$(kata state "$id-one" | grep -c running)" = 1 ]
		kata delete "$id-two"
		[ ! -L "$KATA_ROOT/$id-two" ]
		run -1 kata state "$id-two"
	done
	kata delete --force "$id-one"
	[ -z "$(listed)" ]
}

@test "join: by annotation, of every engine" {
	local keys

	bundle_for one '' exec sleep 1000
	begin one
	for keys in "io.kubernetes.cri.container-type io.kubernetes.cri.sandbox-id" \
		"io.kubernetes.cri-o.ContainerType io.kubernetes.cri-o.SandboxID" \
		"io.kubernetes.docker.type io.kubernetes.sandbox.id"; do
		bundle_for two "note('${keys% *}', 'container'); note('${keys#* }', '$id-one')" exec sleep 1000
		begin two
		[ "$(readlink "$KATA_ROOT/$id-two")" = "$id-one" ]
		kata delete --force "$id-two"
	done
	kata delete --force "$id-one"
}

@test "join: sandboxes that are not there" {
	bundle_for two "note('io.kubernetes.cri-o.ContainerType', 'container')
note('io.kubernetes.cri-o.SandboxID', 'nobody')" true
	run -1 kata run --bundle "$BATS_TEST_TMPDIR/two" "$id-two"
	[[ $output == *"container $id-two: its sandbox nobody does not exist"* ]]
	bundle_for two "join('network', '/proc/4000000/ns/net')" true
	run -1 kata run --bundle "$BATS_TEST_TMPDIR/two" "$id-two"
	[[ $output == *"linux.namespaces["*"].path: /proc/4000000/ns/net: No such file or directory"* ]]
	# A stranger's is nobody's sandbox, and the host's own is refused.
	unshare --net sleep 1000 3>&- &
	runner=$!
	wait_for 5 not_ours "$runner"
	bundle_for two "join('network', '/proc/$runner/ns/net'); join('ipc', '/proc/self/ns/ipc')" true
	run -1 kata run --bundle "$BATS_TEST_TMPDIR/two" "$id-two"
	[[ $output == *"cannot live in the host's IPC (--ipc host): leave that out"* ]]
	bundle_for two "join('network', '/proc/$runner/ns/net')" true
	run -0 kata run --bundle "$BATS_TEST_TMPDIR/two" "$id-two"
	kill "$runner"
	wait "$runner" || :
	# Of two at once there is none.
	bundle_for one '' exec sleep 1000
	bundle_for three '' exec sleep 1000
	begin one
	begin three
	bundle_for two "$(in_ns one network; in_ns three ipc)" true
	run -1 kata run --bundle "$BATS_TEST_TMPDIR/two" "$id-two"
	[[ $output == *"linux.namespaces: they are of two sandboxes, $id-one and $id-three"* ]]
	kata delete --force "$id-one"
	kata delete --force "$id-three"
}

not_ours()
{
	[ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

@test "join: the first goes first, the last takes all along" {
	local status=0

	bundle_for one '' 'read -r line'
	mkfifo "$BATS_TEST_TMPDIR/in"
	exec 4<>"$BATS_TEST_TMPDIR/in"
	kata run --bundle "$BATS_TEST_TMPDIR/one" --pid-file "$BATS_TEST_TMPDIR/one.pid" "$id-one" \
		<&4 >"$BATS_TEST_TMPDIR/one.out" 2>&1 3>&- &
	runner=$!
	wait_for 20 grep -q ready "$BATS_TEST_TMPDIR/one.out"
	bundle_for two "$(in_ns one network ipc)" exec sleep 1000
	bundle_for three "$(in_ns one uts)" 'read -r line; exit 4'
	wait_for 5 test -s "$BATS_TEST_TMPDIR/one.pid"
	begin two
	# An attached one deletes itself alone, too.
	kata run --bundle "$BATS_TEST_TMPDIR/three" "$id-three" <<<go >"$BATS_TEST_TMPDIR/three.out" || status=$?
	[ "$status" = 4 ]
	[ "$(listed)" = "$id-one $id-two " ]
	echo go >&4
	ends_with 0 "$runner"
	exec 4>&-
	[ "$(listed)" = "$id-two " ]
	run -1 kata state "$id-one"
	run -1 kata delete "$id-one"
	[[ $output == *"container $id-one does not exist"* ]]
	[ "$(kata state "$id-two" | grep -c running)" = 1 ]
	# It can be joined by those that are left, but for its pid namespace.
	bundle_for four "$(in_ns two pid)" true
	run -1 kata run --bundle "$BATS_TEST_TMPDIR/four" "$id-four"
	[[ $output == *"only the pid namespace of the sandbox's first container can be shared, not that of $id-two"* ]]
	bundle_for four "$(in_ns two ipc)" exec sleep 1000
	begin four
	run -1 kata delete "$id-two"
	kata delete --force "$id-two"
	kata delete --force "$id-four"
	[ -z "$(ls -A "$KATA_ROOT")" ]
}

@test "join: eight at once, two of one name, and nothing is left" {
	local i status=0 pids=() taken=0

	bundle_for one '' exec sleep 1000
	begin one
	for i in {1..8}; do
		bundle_for "m$i" "$(in_ns one network ipc uts)" exec sleep 1000
	done
	for i in 1 2 3 4 5 6 7 8 8; do
		kata run --detach --bundle "$BATS_TEST_TMPDIR/m$i" "$id-m$i" </dev/null \
			>"$BATS_TEST_TMPDIR/m$i.$((${#pids[@]})).out" 2>&1 3>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || { taken=$((taken + 1)); status=$?; }
	done
	[ "$taken" = 1 ]
	grep -q "container $id-m8 already exists" "$BATS_TEST_TMPDIR"/m8.*.out
	[ "$(listed)" = "$id-m1 $id-m2 $id-m3 $id-m4 $id-m5 $id-m6 $id-m7 $id-m8 $id-one " ]
	# That of the loser is on its way out.
	wait_for 5 eval '[ "$(pgrep -c kata-standin)" = 9 ]'
	pids=()
	for i in one m{1..8}; do
		kata delete --force "$id-$i" 3>&- &
		pids+=($!)
	done
	wait "${pids[@]}"
	[ -z "$(ls -A "$KATA_ROOT")" ]
}

@test "join: what fails or is given up leaves the others alone" {
	bundle_for one '' exec sleep 1000
	begin one
	# A program that is not there, hooks that fail, a pid file that cannot be written.
	bundle_for two "$(in_ns one network); process['args'] = ['/nonexistent']" true
	run ! kata run --bundle "$BATS_TEST_TMPDIR/two" "$id-two"
	[[ $output == *nonexistent* ]]
	bundle_for two "$(in_ns one network)
hook('createRuntime', 'echo sorry >&2; exit 1')" true
	run -1 kata run --bundle "$BATS_TEST_TMPDIR/two" "$id-two"
	[[ $output == *"in sandbox $id-one: hooks.createRuntime[0] (/bin/sh): ended with status 1: sorry"* ]]
	[ "$(listed)" = "$id-one " ]
	# Killed while it is made.
	bundle_for two "$(in_ns one network)
hook('createRuntime', 'echo >\$T/hook; sleep 1000')" true
	kata run --bundle "$BATS_TEST_TMPDIR/two" "$id-two" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	runner=$!
	wait_for 20 test -e "$BATS_TEST_TMPDIR/hook"
	kill -9 "$(program_of "$id-two" kata-runtime)"
	wait "$runner" || :
	wait_for 20 only_one
	# Killed while it waits for its end.
	bundle_for two "$(in_ns one network)" exec sleep 1000
	kata run --bundle "$BATS_TEST_TMPDIR/two" "$id-two" >"$BATS_TEST_TMPDIR/two.out" 2>&1 3>&- &
	runner=$!
	wait_for 20 grep -q ready "$BATS_TEST_TMPDIR/two.out"
	kill -9 "$(program_of "$id-two" kata-runtime)"
	wait "$runner" || :
	wait_for 20 only_one
	kata delete --force "$id-one"
}

only_one()
{
	[ "$(listed)" = "$id-one " ] && [ ! -L "$KATA_ROOT/$id-two" ]
}

@test "join: the sandbox process is killed" {
	bundle_for one '' exec sleep 1000
	begin one
	bundle_for two "$(in_ns one network)" exec sleep 1000
	begin two
	kill -9 "$(program_of "$id-one" containerd-shim)"
	wait_for 10 status_is "$id-two" stopped
	wait_for 10 status_is "$id-one" stopped
	bundle_for three "note('io.kubernetes.cri-o.ContainerType', 'container')
note('io.kubernetes.cri-o.SandboxID', '$id-one')" true
	run -1 kata run --bundle "$BATS_TEST_TMPDIR/three" "$id-three"
	[[ $output == *"container $id-three: its sandbox $id-one has ended"* ]]
	kata delete "$id-one"
	[ "$(listed)" = "$id-two " ]
	kata delete "$id-two"
	# A link that leads nowhere keeps nobody from its name.
	ln -s gone "$KATA_ROOT/$id-two"
	bundle_for two '' true
	kata run --bundle "$BATS_TEST_TMPDIR/two" "$id-two"
	ln -s gone "$KATA_ROOT/$id-two"
	kata delete --force "$id-two"
	[ -z "$(ls -A "$KATA_ROOT")" ]
}

@test "join: hooks of a sandbox's containers when all of it goes" {
	bundle_for one "hook('poststop', 'echo one >>\$T/stopped')" exec sleep 1000
	begin one
	bundle_for two "$(in_ns one network)
hook('prestart', 'readlink /proc/\$(grep -o pid..[0-9]* | cut -d: -f2)/ns/net >\$T/net')
hook('createContainer', 'readlink /proc/self/ns/net >>\$T/net; readlink /proc/self/ns/uts >\$T/uts')
hook('poststop', 'echo two >>\$T/stopped')" exec sleep 1000
	begin two
	# Hooks find the network of the process that stands for it.
	[ "$(sort -u "$BATS_TEST_TMPDIR/net")" = "$(readlink "/proc/$(cat "$BATS_TEST_TMPDIR/one.pid")/ns/net")" ]
	[ "$(cat "$BATS_TEST_TMPDIR/uts")" = "$(readlink "/proc/$(cat "$BATS_TEST_TMPDIR/two.pid")/ns/uts")" ]
	kill -TERM "$(program_of "$id-one" containerd-shim)"
	wait_for 10 test ! -e "$KATA_ROOT/$id-one"
	wait_for 10 test ! -L "$KATA_ROOT/$id-two"
	[ "$(sort "$BATS_TEST_TMPDIR/stopped" | tr '\n' ' ')" = "one two " ]
}

@test "join: a root file system that only its caller sees" {
	local private=$BATS_TEST_TMPDIR/private

	bundle_for one '' exec sleep 1000
	# As Podman keeps those of its containers.
	mkdir "$private"
	mount --bind "$private" "$private"
	mount --make-private "$private"
	begin one
	bundle_for two "$(in_ns one network); c['root']['path'] = '$private/root'" \
		'cat /etc/name; exec sleep 1000'
	mkdir "$private/root"
	mount --bind "$BATS_TEST_TMPDIR/two/rootfs" "$private/root"
	begin two
	wait_for 10 grep -qx two "$BATS_TEST_TMPDIR/two.out"
	kata delete --force "$id-two"
	kata delete --force "$id-one"
	umount "$private/root" "$private"
}
