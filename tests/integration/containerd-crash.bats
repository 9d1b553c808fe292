#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# kill -9 of whoever has a part in a container's life, while it is created, runs, has a further
# process and is deleted: containerd knows within seconds what has become of it, hears of its
# end, and what deletes it then leaves nothing.

# shellcheck disable=SC2034,SC2154 # shared with common.bash
KATA_TEST_HYPERVISOR=fake
load common
load ../lib/containerd

containerd_tests

# A containerd that starts $spec, and $events, what it tells of it.
begin()
{
	container_bundle "$bundle" -- "$@"
	spec=$bundle/config.json
	python3 "$kata_tree/tests/lib/change_spec.py" "$bundle" "c['root']['path'] = '$bundle/rootfs'"
	events=$BATS_TEST_TMPDIR/events
	containerd_start "$BATS_TEST_TMPDIR/c" "$KATA_CONFIG"
	containerd_listen "$events"
}

run_spec()
{
	ctr_ run --detach --null-io --runtime io.containerd.kata.v2 --config "$spec" "$1"
}

# It has ended, and containerd may have thrown it away, too.
is_over()
{
	local status

	status=$(ctr_ tasks ls | awk -v id="$1" '$1 == id { print $3 }')
	[ "$status" = STOPPED ] || [ -z "$status" ]
}

# told ID TOPIC [WORD]: an event.
told()
{
	grep "/tasks/$2 " "$events" | grep -F "\"container_id\":\"$1\"" | grep -q -- "${3:-}"
}

# The processes of the only sandbox that there is.
shim_of()
{
	cat "$containerd_dir"/state/io.containerd.runtime.v2.task/default/"$1"/shim.pid
}

# The child that has one; what else the shim has forked for a moment has none.
machine_of()
{
	local pid

	for pid in $(pgrep -P "$(shim_of "$1")" containerd-shim); do
		! pgrep -P "$pid" >/dev/null || echo "$pid"
	done
}

agent_of()
{
	pgrep -P "$(pgrep -P "$(machine_of "$1")")" kata-agent
}

nothing_is_left()
{
	[ ! -e "/run/vc/sbs/$1" ] && [ ! -e "/run/vc/vm/$1" ] &&
		[ ! -e "/run/kata-containers/shared/sandboxes/$1" ] && ! pgrep -x kata-agent >/dev/null
}

# ends_badly PID: a child of this shell (of which a `run` would know nothing).
ends_badly()
{
	local status=0

	wait "$1" || status=$?
	[ "$status" != 0 ] && [ "$status" != 127 ]
}

# What a client does when it hears of the end.
clear_away()
{
	ctr_ tasks rm "$1" >/dev/null 2>&1 || :
	ctr_ containers rm "$1"
	wait_for 10 nothing_is_left "$1"
}

@test "containerd: who is killed while a container runs, with a further process" {
	local victim name client
	begin sleep 1000
	for victim in shim machine agent; do
		name=$id-$victim
		run_spec "$name"
		ctr_ tasks exec --exec-id e "$name" sleep 1000 3>&- 2>/dev/null &
		client=$!
		wait_for 10 told "$name" exec-started
		kill -9 "$("${victim}_of" "$name")"
		wait_for 10 is_over "$name"
		wait_for 10 told "$name" exit '"exit_status":137'
		# Who waits for the process hears of its end, or that nobody knows it any more.
		ends_badly "$client"
		clear_away "$name"
		wait_for 10 told "$name" delete
		[ "$(grep -c "/tasks/exit .*\"container_id\":\"$name\",\"id\":\"$name\"" "$events")" = 1 ]
	done
}

@test "containerd: it is killed itself while a container runs" {
	local shim
	begin sh -c 'trap "exit 7" USR1; : >/ready; while :; do sleep 0.1; done'
	run_spec "$id"
	wait_for 10 test -e "$bundle/rootfs/ready"
	shim=$(shim_of "$id")
	kill -9 "$listener" "$containerd"
	wait "$containerd" || :
	containerd_again "$KATA_CONFIG"
	containerd_listen "$events"
	wait_for 10 task_is "$id" RUNNING
	[ "$(shim_of "$id")" = "$shim" ]
	run -3 ctr_ tasks exec --exec-id e "$id" sh -c 'exit 3'
	# Its end, while nobody listens, and then that of who would have told.
	kill -9 "$listener" "$containerd"
	wait "$containerd" || :
	pkill -USR1 -P "$(agent_of "$id")"
	wait_for 10 grep -q '"status": *"stopped"' "/run/vc/sbs/$id/state.json"
	containerd_again "$KATA_CONFIG"
	containerd_listen "$events"
	wait_for 10 task_is "$id" STOPPED
	run ctr_ tasks rm "$id"
	[[ $output == *"exit code 7"* ]]
	clear_away "$id"
	wait_for 5 told "$id" delete '"exit_status":7'
}

@test "containerd: who is killed while a container is created" {
	local victim name client held=$BATS_TEST_TMPDIR/held agent=$BATS_TEST_TMPDIR/agent
	printf '#!/bin/sh\n: >%s\nwhile [ -e %s ]; do sleep 0.1; done\nexec %s "$@"\n' \
		"$held" "$held" "$kata_agent" >"$agent"
	chmod +x "$agent"
	container_config "$KATA_CONFIG" fake "path=\"$agent\""
	begin true
	for victim in shim machine containerd; do
		name=$id-$victim
		rm -f "$held"
		run_spec "$name" 3>&- 2>"$BATS_TEST_TMPDIR/said" &
		client=$!
		wait_for 10 test -e "$held"
		case $victim in
		containerd)
			kill -9 "$listener" "$containerd"
			wait "$containerd" || :
			containerd_again "$KATA_CONFIG"
			containerd_listen "$events"
			;;
		*) kill -9 "$("${victim}_of" "$name")" ;;
		esac
		ends_badly "$client"
		ctr_ containers rm "$name" 2>/dev/null || :
		wait_for 10 nothing_is_left "$name"
		run -0 ctr_ tasks ls -q
		[ -z "$output" ]
	done
	rm -f "$held"
}

@test "containerd: who is killed while a container is deleted" {
	local victim name client before pid held=$BATS_TEST_TMPDIR/held
	heard_delete() { tail -n "+$(($1 + 1))" "$containerd_dir/log" | grep -q 'topic=/tasks/delete'; }
	begin true
	python3 "$kata_tree/tests/lib/change_spec.py" "$bundle" \
		"hook('poststop', ': >$held; while [ ! -e $held.go ]; do sleep 0.1; done')"
	for victim in shim containerd; do
		name=$id-$victim
		rm -f "$held" "$held.go"
		run_spec "$name"
		wait_for 10 task_is "$name" STOPPED
		ctr_ tasks rm "$name" >/dev/null 2>&1 3>&- &
		client=$!
		wait_for 10 test -e "$held"
		if [ "$victim" = containerd ]; then
			kill -9 "$listener" "$containerd"
			wait "$containerd" || :
			: >"$held.go"
			before=$(wc -l <"$containerd_dir/log")
			containerd_again "$KATA_CONFIG"
			# It may hear of the end before anybody can listen to it.
			wait_for 10 heard_delete "$before"
			# This containerd has a shim without a task and makes no use of it: after a
			# minute it ends by itself, and at once when it is told to.
			! nothing_is_left "$name" || break
			pid=$(pgrep -f "containerd-shim-kata-v2 .*-id=$name" | head -n 1)
			[ -z "$pid" ] || kill -TERM "$pid" || :
		else
			kill -9 "$(shim_of "$name")"
			: >"$held.go"
		fi
		wait "$client" || :
		wait_for 10 is_over "$name"
		clear_away "$name"
	done
}

# kill_of VICTIM ID: a child of the sandbox's shim, when it is there. By its command line: what is
# asked for its version has the same name.
kill_of()
{
	wait_for 20 pkill -9 -P "$(shim_of "$2")" -f "$1.*$2"
}

no_machine()
{
	nothing_is_left "$1" && ! pgrep -x virtiofsd >/dev/null && ! pgrep qemu-system >/dev/null
}

@test "containerd: a machine's monitor or its file server is killed, at the boot and later" {
	local victim name client
	container_config "$KATA_CONFIG" qemu
	begin sleep 1000
	for victim in qemu-system virtiofsd; do
		name=$id-$victim
		run_spec "$name" >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
		client=$!
		wait_for 10 test -e "/run/vc/sbs/$name/state.json"
		kill_of "$victim" "$name"
		ends_badly "$client"
		grep "was killed by signal 9" "$BATS_TEST_TMPDIR/said"
		ctr_ containers rm "$name" 2>/dev/null || :
		wait_for 10 no_machine "$name"

		run_spec "$name"
		ctr_ tasks exec --exec-id e "$name" sleep 1000 3>&- 2>/dev/null &
		client=$!
		wait_for 30 told "$name" exec-started
		kill_of "$victim" "$name"
		wait_for 10 is_over "$name"
		wait_for 10 told "$name" exit '"exit_status":137'
		ends_badly "$client"
		clear_away "$name"
		wait_for 10 told "$name" delete
		wait_for 10 no_machine "$name"
		[ "$(grep -c "/tasks/exit .*\"container_id\":\"$name\",\"id\":\"$name\"" "$events")" = 1 ]
	done
}
