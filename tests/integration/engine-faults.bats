#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What goes wrong between an engine and the runtime: one clear error, a status that is not
# zero, nothing left (teardown checks that). On the fake driver.

# shellcheck disable=SC2016,SC2034,SC2086,SC2154 # inner shells; common.bash; options in words
KATA_TEST_HYPERVISOR=fake
load common

# refused TEXT COMMAND…: it fails with one line that has TEXT, and nothing was started.
refused()
{
	local text=$1

	shift
	run kata "$@" </dev/null
	[ "$status" = 1 ] && [[ $output == *"$text"* ]] && [ "${#lines[@]}" = 1 ] &&
		[ -z "$(ls -A "$KATA_ROOT")" ] && ! pgrep -x kata-standin && return
	echo "status $status: $output"
	return 1
}

@test "IDs that are none are refused by every command" {
	container_bundle "$bundle" -- true
	for bad in a/b .. . ../x /x "$(printf 'a%.0s' {1..1024})" -x --x 'a b' $'a\nb' '' x; do
		for command in "create --bundle $bundle --" "run --bundle $bundle --" \
			"start --" "state --" "kill --" "delete --" "delete --force --"; do
			refused "invalid container ID" $command "$bad"
		done
	done
}

@test "a pid file that cannot be written" {
	container_bundle "$bundle" -- true
	for command in create run "run --detach"; do
		refused /nonexistent/pid $command --bundle "$bundle" --pid-file /nonexistent/pid "$id"
		refused "Not a directory" $command --bundle "$bundle" --pid-file "$bundle/config.json/pid" "$id"
		refused "Is a directory" $command --bundle "$bundle" --pid-file "$bundle" "$id"
	done
	# What can be seen only when it is written: all is undone.
	mkdir "$BATS_TEST_TMPDIR/full"
	mount -t tmpfs -o size=4k,nr_inodes=2 tmpfs "$BATS_TEST_TMPDIR/full"
	: >"$BATS_TEST_TMPDIR/full/taken"
	run kata create --bundle "$bundle" --pid-file "$BATS_TEST_TMPDIR/full/pid" "$id" </dev/null
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *"pid file"*"No space left"* ]]
	umount "$BATS_TEST_TMPDIR/full"
	run ! kata state "$id"
	# What is no file stays what it is, and nobody waits for who would read it.
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	refused "$BATS_TEST_TMPDIR/pipe: cannot write" create --bundle "$bundle" --pid-file "$BATS_TEST_TMPDIR/pipe" "$id"
	[ -p "$BATS_TEST_TMPDIR/pipe" ]
	run -1 timeout 20 "$kata_runtime" --log "$BATS_TEST_TMPDIR/pipe" list
	[[ $output == *"$BATS_TEST_TMPDIR/pipe: cannot open the log"* ]]
}

@test "console sockets and terminals that do not fit" {
	container_bundle "$bundle" --terminal -- sh
	refused "$BATS_TEST_TMPDIR/none" create --bundle "$bundle" --console-socket "$BATS_TEST_TMPDIR/none" "$id"
	python3 -c 'import socket,sys; s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1])' "$BATS_TEST_TMPDIR/dead"
	refused "onnection refused" create --bundle "$bundle" --console-socket "$BATS_TEST_TMPDIR/dead" "$id"
	refused "console-socket" create --bundle "$bundle" "$id"
	refused "console-socket" run --detach --bundle "$bundle" "$id"
	refused "console socket" run --bundle "$bundle" --console-socket "$BATS_TEST_TMPDIR/dead" "$id"
	container_bundle "$bundle" -- sh
	refused "console socket" create --bundle "$bundle" --console-socket "$BATS_TEST_TMPDIR/dead" "$id"
}

@test "who has no rights is told so in a sentence" {
	container_bundle "$bundle" -- true
	for command in create run; do
		run -1 unshare --user --map-root-user "$kata_runtime" --config "$KATA_CONFIG" --root "$KATA_ROOT" \
			$command --bundle "$bundle" "$id" </dev/null
		[[ $output == "kata-runtime: root of a user namespace (a rootless engine) has no rights"* ]]
		[ "${#lines[@]}" = 1 ]
		[ -z "$(ls -A "$KATA_ROOT")" ]
	done
}

@test "descriptors cannot be preserved" {
	container_bundle "$bundle" -- true
	refused "preserve-fds" create --bundle "$bundle" --preserve-fds 1 "$id"
	refused "preserve-fds" create --bundle "$bundle" --preserve-fds x "$id"
	run -0 kata run --bundle "$bundle" --preserve-fds 0 --no-pivot --no-new-keyring "$id"
}

@test "of many that create one container, one wins" {
	container_bundle "$bundle" -- sleep 1000
	for n in {1..8}; do
		kata create --bundle "$bundle" "$id" </dev/null >/dev/null 2>"$BATS_TEST_TMPDIR/$n" 3>&- &
		pids[n]=$!
	done
	won=0
	for n in {1..8}; do
		if wait "${pids[n]}"; then
			won=$((won + 1))
		else
			grep -q "already exists" "$BATS_TEST_TMPDIR/$n"
			[ "$(wc -l <"$BATS_TEST_TMPDIR/$n")" = 1 ]
		fi
	done
	[ "$won" = 1 ]
	status_is "$id" created
	# Those of the others are on their way out.
	wait_for 5 eval '[ "$(pgrep -c -x kata-standin)" = 1 ]'
	kata start "$id"
	kata delete --force "$id"
}

@test "the caller dies between create and start" {
	container_bundle "$bundle" -- true
	sh -c '"$@" </dev/null >/dev/null & wait $!; kill -9 $$' sh "$kata_runtime" --config "$KATA_CONFIG" \
		--root "$KATA_ROOT" --log "$KATA_LOG" create --bundle "$bundle" --pid-file "$bundle.pid" "$id" 3>&- || :
	sleep 0.2
	status_is "$id" created
	kill -0 "$(cat "$bundle.pid")"
	# As with runc: it can rest before it begins, and others go into it.
	kata pause "$id"
	status_is "$id" paused
	run -1 kata start "$id"
	[[ $output == *"cannot start a container in the paused state" ]]
	run -1 kata delete "$id"
	kata resume "$id"
	status_is "$id" created
	[ "$(kata exec "$id" echo inside)" = inside ]
	kata pause "$id"
	kata delete --force "$id"
}

# nobody_left: no process of a sandbox.
nobody_left()
{
	local name

	for name in kata-standin kata-agent containerd-shim kata-runtime; do
		! pgrep -x "$name" >/dev/null || return 1
	done
}

# is_there: created, and what its pid file names lives.
is_there()
{
	status_is "$id" created && kill -0 "$(cat "$bundle.pid")"
} 2>/dev/null

@test "create is killed at every moment" {
	container_bundle "$bundle" -- sleep 1000
	there=0 undone=0
	for delay in $(seq 0 3 120); do
		"$kata_runtime" --config "$KATA_CONFIG" --root "$KATA_ROOT" --log "$KATA_LOG" create \
			--bundle "$bundle" --pid-file "$bundle.pid" "$id" </dev/null >/dev/null 2>&1 3>&- &
		sleep "$(printf '0.%03d' "$delay")"
		{
			kill -9 $! || :
			wait $! || :
		} 2>/dev/null
		# It was there at last or is gone at last, and nothing between. What seems to be there
		# may still be on its way out.
		wait_for 10 eval 'is_there || nobody_left'
		if nobody_left; then
			undone=$((undone + 1))
		else
			there=$((there + 1))
			kata delete --force "$id"
			wait_for 5 nobody_left
		fi
		run ! kata state "$id"
		rm -f "$bundle.pid"
	done
	echo "there $there, undone $undone"
	[ "$undone" -gt 3 ]
}

# created_in OPTIONS DIR: create while DIR is a small tmpfs: it succeeds, or fails for want of space.
created_in()
{
	local status=0 out=$BATS_TEST_TMPDIR/out

	mount -t tmpfs -o "$1" tmpfs "$2"
	kata create --bundle "$bundle" "$id" </dev/null >"$out" 2>&1 3>&- || status=$?
	if [ "$status" = 0 ]; then
		made=$((made + 1))
		kata delete --force "$id"
	else
		refused=$((refused + 1))
		[ "$status" = 1 ] && [ "$(wc -l <"$out")" = 1 ] && grep -q "No space left" "$out"
	fi
	wait_for 5 nobody_left
	[ -z "$(ls -A "$2")" ] || { ls -lR "$2"; return 1; }
	umount "$2"
}

@test "a full /run" {
	container_bundle "$bundle" -- true
	made=0 refused=0
	for dir in "$KATA_ROOT" /run/vc/vm /run/kata-containers/shared/sandboxes; do
		mkdir -p "$dir"
		for inodes in 1 2 3 4 5 6; do
			created_in "size=64k,nr_inodes=$inodes" "$dir"
		done
	done
	for size in 4k 8k 12k; do
		created_in "size=$size" "$KATA_ROOT"
	done
	echo "made $made, refused $refused"
	[ "$made" -ge 3 ]
	[ "$refused" -ge 10 ]
}

@test "what engines read: one JSON object for one error" {
	container_bundle "$bundle" -- true
	rm -rf "$bundle/rootfs"
	run -1 "$kata_runtime" --config "$KATA_CONFIG" --root "$KATA_ROOT" --log "$BATS_TEST_TMPDIR/log.json" \
		--log-format json create --bundle "$bundle" "$id" </dev/null
	python3 - "$BATS_TEST_TMPDIR/log.json" "$bundle/rootfs" <<-'E'
		import datetime, json, sys
		with open(sys.argv[1]) as f: o = json.load(f)
		assert o["level"] == "error" and sys.argv[2] in o["msg"], o
		datetime.datetime.fromisoformat(o["time"][:26])
	E
}

# Some 300 of them, each refused in milliseconds.
@test "every field of config.json wrong in turn" {
	container_bundle "$bundle" -- true
	python3 "$BATS_TEST_DIRNAME/wrong-config.py" "$bundle" "$KATA_ROOT" -- "$kata_runtime" \
		--config "$KATA_CONFIG" --root "$KATA_ROOT" create --bundle "$bundle" "$id"
}
