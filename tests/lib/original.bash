# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2016,SC2154 # for inner shells; common.bash and bats' run set them
#
# What this runtime asks of the original's agent, wherever that runs. The test has
# written $KATA_CONFIG; $patience is how many seconds it waits for things.

# original_first: one container, from run to its status.
original_first()
{
	container_bundle "$bundle" -- sh -c 'read -r x; echo "out $x"; echo err >&2; id -u; exit 7'
	run -7 --separate-stderr kata run --bundle "$bundle" "$id" <<<hello
	[ "${lines[0]}" = "out hello" ] && [ "${lines[1]}" = 0 ] && [ "$stderr" = err ]
}

# original_more: others, each of which is its sandbox.
original_more()
{
	container_bundle "$bundle" -- md5sum
	head -c 3000000 /dev/urandom >"$BATS_TEST_TMPDIR/data"
	[ "$(kata run --bundle "$bundle" "$id" <"$BATS_TEST_TMPDIR/data")" = "$(md5sum <"$BATS_TEST_TMPDIR/data")" ]
	container_bundle "$bundle" -- sh -c 'head -c 3000000 /dev/zero'
	[ "$(kata run --bundle "$bundle" "$id" </dev/null | md5sum)" = "$(head -c 3000000 /dev/zero | md5sum)" ]
	container_bundle "$bundle" -- /nosuch
	run ! kata run --bundle "$bundle" "$id" </dev/null
	[[ $output == *nosuch* ]] && [[ $output != *backtrace* ]]
}

# original_streams ID: megabytes through further processes, one that is killed, and one that is not there.
original_streams()
{
	head -c 3000000 /dev/urandom >"$BATS_TEST_TMPDIR/data"
	[ "$(kata exec "$1" md5sum <"$BATS_TEST_TMPDIR/data")" = "$(md5sum <"$BATS_TEST_TMPDIR/data")" ]
	[ "$(kata exec "$1" head -c 3000000 /dev/zero </dev/null | md5sum)" = "$(head -c 3000000 /dev/zero | md5sum)" ]
	run -137 kata exec --cwd /tmp --env A=b "$1" sh -c 'pwd; echo $A; kill -9 $$' </dev/null
	[ "${lines[*]}" = "/tmp b" ]
	run -255 kata exec "$1" /nosuch </dev/null
	[[ $output == *nosuch* ]] && [[ $output != *backtrace* ]]
}

# original_pod: two containers in one sandbox, and all that is done to them.
original_pod()
{
	mkdir "$BATS_TEST_TMPDIR/volume"
	echo from the host >"$BATS_TEST_TMPDIR/volume/in"
	bundle_for one \
		"c['mounts'].append({'source': '$BATS_TEST_TMPDIR/volume', 'destination': '/volume', 'type': 'bind', 'options': ['rbind', 'rw']})" \
		'cat /volume/in; echo from the guest >/volume/out; exec sleep 1000'
	begin one
	wait_for "${patience:-10}" grep -q 'from the host' "$BATS_TEST_TMPDIR/one.out"
	wait_for "${patience:-10}" grep -q 'from the guest' "$BATS_TEST_TMPDIR/volume/out"
	bundle_for two "$(in_ns one network ipc uts)" 'trap "exit 9" TERM; while :; do sleep 0.1; done'
	begin two
	run -5 kata exec "$id-one" sh -c 'echo inside; exit 5' </dev/null
	[[ $output == *inside* ]]
	[ "$(echo words | kata exec "$id-two" cat)" = words ]
	original_streams "$id-one"
	run script -qec "stty rows 40 cols 100; $kata_runtime --config $KATA_CONFIG --root $KATA_ROOT --log $KATA_LOG \
		exec -t $id-one sh -c 'test -t 0; echo "terminal $?"; sleep 0.3; stty size; exit 3'" /dev/null </dev/null
	echo "$output"
	[ "$status" = 3 ] && [[ $output == *"terminal 0"*"40 100"* ]]
	kata events --stats "$id-one" | grep -q '"pids":{"current":[1-9]'
	kata pause "$id-two"
	status_is "$id-two" paused
	kata resume "$id-two"
	kata update --memory 67108864 "$id-two"
	kata kill "$id-two" TERM
	wait_for "${patience:-20}" status_is "$id-two" stopped
	kata delete "$id-two"
	kata kill "$id-one" KILL
	wait_for "${patience:-20}" status_is "$id-one" stopped
	kata delete "$id-one"
}
