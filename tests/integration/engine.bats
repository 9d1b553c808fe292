#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The life cycle as engines drive it: create and start apart, the process in the pid file
# adopted and waited for. On the fake driver; what only a machine shows is in lifecycle.bats.

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=fake
load common

# engine [OPTION…]: the bundle's container, from create to delete.
engine()
{
	timeout --foreground -k 5 90 python3 "$BATS_TEST_DIRNAME/engine.py" "$@" "$kata_runtime" \
		--config "$KATA_CONFIG" --root "$KATA_ROOT" --log "$KATA_LOG" -- "$bundle" "$id"
}

# Once the container has said "ready", do this ($PID and $ID are set).
when_ready()
{
	echo "until grep -q ready '$bundle.out'; do sleep 0.05; done; $1"
}

@test "engine: the adopted process ends with the container's status" {
	for status in 0 1 7 255; do
		container_bundle "$bundle" -- sh -c "echo out; exit $status"
		run "-$status" engine
		[ "$output" = out ]
	done
}

@test "engine: signals to the adopted process are the container's" {
	container_bundle "$bundle" -- sh -c 'trap "echo got; exit 9" USR1; echo ready; while :; do sleep 0.1; done'
	status=0
	engine --do "$(when_ready 'kill -USR1 $PID')" >"$bundle.out" || status=$?
	[ "$status" = 9 ]
	[ "$(cat "$bundle.out")" = $'ready\ngot' ]
}

@test "engine: without the adopted process there is no container" {
	container_bundle "$bundle" -- sh -c 'echo ready; exec sleep 1000'
	status=0
	engine --no-delete --do "$(when_ready 'kill -9 $PID')" >"$bundle.out" || status=$?
	[ "$status" = 137 ]
	wait_for 5 status_is "$id" stopped
	run -0 kata state "$id"
	[[ $output == *'"pid": 0,'* ]]
	run -0 kata delete "$id"
	run ! kata state "$id"
	[[ $output == *"does not exist"* ]]
}

@test "engine: the adopted process ends with the sandbox" {
	container_bundle "$bundle" -- sh -c 'echo ready; exec sleep 1000'
	for victim in containerd-shim-kata-v2 kata-agent; do
		status=0
		engine --do "$(when_ready 'kill -9 $(pgrep -o -x '"${victim:0:15}"')')" >"$bundle.out" || status=$?
		[ "$status" = 137 ]
	done
}
