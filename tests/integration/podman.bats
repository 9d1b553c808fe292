#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The real Podman with the command line as its runtime: the same lines with runc or crun, and
# what is seen from inside is the same. On the fake driver; machines are in podman-vm.bats.
# What takes long has the tag "soak", and runs in `./check soak`.

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=fake
load common
load engines

eval "common_$(declare -f teardown)"

teardown()
{
	podman_stop
	common_teardown
}

begin()
{
	engine=podman_
	container_bundle "$bundle" -- true
	podman_start "$BATS_TEST_TMPDIR/p" "$bundle"
}

# typed COMMAND…: with a terminal; what it showed, without carriage returns.
typed()
{
	python3 -c 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))' \
		"$@" </dev/null | tr -d '\r\0'
}

state_of()
{
	podman_ inspect --format '{{.State.Status}} {{.State.ExitCode}}' "$1"
}

state_is()
{
	[ "$(state_of "$1")" = "$2" ]
}

@test "podman: run, each line with runc or crun and with kata" {
	begin
	mkdir "$BATS_TEST_TMPDIR/volume"
	echo outside >"$BATS_TEST_TMPDIR/volume/file"
	# Many options in one line, each seen from inside.
	same_as_peer --network none --user demo --cap-drop all --cap-add CHOWN --group-add 7 \
		--security-opt no-new-privileges --hostname box --env A=b --workdir /tmp \
		--umask 0077 --read-only --tmpfs /t:size=1m,mode=1777 --shm-size 2m --ulimit core=5:6 --ulimit nofile=512:1024 --ulimit nproc=1024:1024 \
		--pids-limit 77 --oom-score-adj 100 --tz Asia/Tokyo --add-host name:1.2.3.4 \
		-v "$BATS_TEST_TMPDIR/volume:/v:ro" -v named:/named --annotation a=b --label l=m \
		--sysctl net.ipv4.ip_forward=1 --device /dev/zero:/dev/naught box sh -c '
		exec 2>&1
		id; grep -E "^(Cap|NoNew)" /proc/self/status; hostname; cat /etc/hostname; echo $A $HOME; pwd; umask
		touch /file; touch /t/file && ls /t; stat -c %a /t
		df -k /t /dev/shm | awk "{ print \$2 }"; ulimit -c; ulimit -H -c; ulimit -n
		cat /proc/self/oom_score_adj; date +%Z; grep 1.2.3.4 /etc/hosts; cat /v/file; touch /v/new
		touch /named/new || ls -ld /named; cat /proc/sys/net/ipv4/ip_forward; ls -l /dev/naught | cut -c1-24
		ls /dev /sys/firmware; cat /proc/kcore | wc -c; echo $container'
}

@test "podman: run, how it starts and ends, with runc or crun and with kata" {
	begin
	same_as_peer --network none --init box cat /proc/1/comm
	same_as_peer --network none --security-opt mask=/etc/group --security-opt seccomp=unconfined \
		--cap-add SYS_PTRACE --privileged box sh -c 'cat /etc/group; grep -E "^(Cap|Seccomp:)" /proc/self/status'
	same_as_peer --network none --entrypoint '["echo", "words"]' --uidmap 0:100000:5000 --uts host \
		box "$(printf 'a  b\tc')"
	same_as_peer --network none --log-driver none box sh -c 'exit 7'
	# What cannot be run is told as Podman tells it, with its status.
	run -127 podman_ run --rm --network none box nosuch
	[[ $output == *'exec: "nosuch": executable file not found in $PATH: OCI runtime attempted to invoke a command that was not found' ]]
	run -126 podman_ run --rm --network none box /etc/passwd
	[[ $output == *'exec: "/etc/passwd": permission denied: OCI permission denied' ]]
	[ "$(head -c 3000000 /dev/zero | podman_ run --rm -i --network none box sh -c 'cat | wc -c')" = 3000000 ]
	[[ $(typed podman --root "$engines_dir/root" --runroot "$engines_dir/run" --tmpdir "$engines_dir/tmp" \
		run --rm -it --network none box sh -c 'tty; exit 3') == /dev/pts/0* ]]
}

@test "podman: the host's namespaces are refused, and nothing is left" {
	begin
	for kind in network pid ipc; do
		declare -A says=([network]="the host's network (--network host): give it a network of its own, and publish its ports (-p)"
			[pid]="the host's processes (--pid host): leave that out" [ipc]="the host's IPC (--ipc host): leave that out")
		options=(--network none --"$kind" host)
		[ "$kind" != network ] || options=(--network host)
		run -126 podman_ run --rm "${options[@]}" box true
		[[ $output == *"a container in a virtual machine cannot live in ${says[$kind]}"* ]]
	done
	run -0 podman_ ps -aq
	[ -z "$output" ]
	wait_for 5 eval '! pgrep -x kata-standin'
	run ! podman_ run --rm --network none --cgroups disabled box true
	[[ $output == *"not compatible with NoCgroups"* ]]
}

@test "podman: logs, exec, top, stats, cp, commit of a container that runs" {
	begin
	podman_ run -d --name c --network none --tmpfs /t \
		box sh -c 'echo out; echo err >&2; trap : TERM; while :; do sleep 0.1; done' >/dev/null
	logged() { [ "$(podman_ logs c 2>&1 | sort | xargs)" = "err out" ]; }
	wait_for 20 logged
	[ "$(podman_ ps --format '{{.Names}} {{.Image}}')" = "c localhost/box:latest" ]
	[ "$(podman_ inspect --format '{{.OCIRuntime}} {{.State.Status}}' c)" = "kata running" ]

	# Into the container, never into what stands for it.
	[ "$(podman_ exec -u 1000 -w /tmp -e A=b c sh -c 'id -u; pwd; echo $A; cat /proc/1/comm' | xargs)" = "1000 /tmp b sh" ]
	run -4 podman_ exec c sh -c 'exit 4'
	run -127 podman_ exec c nosuch
	podman_ exec -d c touch /tmp/detached
	there() { podman_ exec c ls /tmp | grep -qx detached; }
	wait_for 20 there
	[[ $(typed podman --root "$engines_dir/root" --runroot "$engines_dir/run" --tmpdir "$engines_dir/tmp" \
		exec -it c tty) == /dev/pts/* ]]

	# top by words looks at the host's processes, of which there is one; by ps's own in the guest.
	run -0 podman_ top c pid comm
	[ "${#lines[@]}" = 2 ]
	[[ ${lines[1]} == 1\ *kata-standin* ]]
	run -0 podman_ top c -o pid,args
	[[ $output == *"trap : TERM"* && $output != *standin* ]]
	[[ $(podman_ stats --no-stream --format '{{.Name}} {{.PIDs}}' c) =~ ^c\ [1-9] ]]

	# What lies in the root and in volumes is copied; what only the guest has mounted is refused.
	echo data >"$BATS_TEST_TMPDIR/data"
	podman_ cp "$BATS_TEST_TMPDIR/data" c:/tmp/data
	[ "$(podman_ exec c cat /tmp/data)" = data ]
	podman_ exec c sh -c 'echo guest >/tmp/guest; echo hidden >/t/hidden'
	podman_ cp c:/tmp/guest "$BATS_TEST_TMPDIR/guest"
	[ "$(cat "$BATS_TEST_TMPDIR/guest")" = guest ]
	run ! podman_ cp "$BATS_TEST_TMPDIR/data" c:/t/data
	run ! podman_ cp c:/t/hidden "$BATS_TEST_TMPDIR/hidden"
	run ! podman_ cp "$BATS_TEST_TMPDIR/data" c:/dev/shm/data
	[ "$(podman_ exec c ls /t)" = hidden ]
	podman_ commit -q c copy >/dev/null
	[ "$(podman_ run --rm --network none copy cat /tmp/guest)" = guest ]

}

# bats test_tags=soak
@test "podman: a container is paused, restarted, stopped, killed, and watched" {
	begin
	podman_ run -d --name c --network none --health-cmd 'test -e /healthy' --health-interval disable \
		box sh -c 'trap "exit 5" TERM; touch /healthy; while :; do sleep 0.1; done' >/dev/null
	healthy() { podman_ healthcheck run c; }
	wait_for 20 healthy
	podman_ exec c rm /healthy
	run -1 podman_ healthcheck run c
	podman_ pause c
	[ "$(podman_ ps --format '{{.Status}}' | cut -d' ' -f1)" = Paused ] || state_is c "paused 0"
	run -255 podman_ exec c true
	podman_ unpause c
	podman_ update --memory 100m c
	podman_ rename c d
	podman_ restart -t 5 d
	wait_for 10 state_is d "running 0"
	podman_ exec d true
	podman_ stop -t 10 d
	state_is d "exited 5"
	podman_ start d
	podman_ kill d
	[ "$(podman_ wait d)" = 137 ]
	[[ $(podman_ generate systemd d) == *"ExecStart=/usr/bin/podman start"* ]]
	podman_ start d
	podman_ rm -f -t 0 d

	podman_ create --name i --network none box sh -c 'read x; echo got $x; exit 6' >/dev/null
	podman_ init i
	state_is i "initialized 0"
	podman_ rm -f i
	podman_ run -d --name again --network none --restart on-failure:2 box sh -c 'exit 1' >/dev/null
	restarted() { [ "$(podman_ inspect --format '{{.RestartCount}} {{.State.Status}}' again)" = "2 exited" ]; }
	wait_for 40 restarted
	run ! podman_ container checkpoint again
	# Some are written by conmon's own helpers, later.
	all_told()
	{
		local event

		podman_ events --stream=false --format '{{.Status}}' >"$BATS_TEST_TMPDIR/events"
		for event in create init start exec pause unpause rename kill died remove; do
			grep -qx "$event" "$BATS_TEST_TMPDIR/events" || { echo "no $event"; return 1; }
		done
	}
	wait_for 20 all_told
}

# gone_and_told STATUS: Podman knows how it ended, starts it anew and removes it.
ends_and_starts()
{
	wait_for 20 state_is c "exited $1"
	podman_ start c
	state_is c "running 0"
	podman_ exec c true
}

@test "podman: a pod is restarted, and its containers end in order" {
	begin
	mkdir "$BATS_TEST_TMPDIR/v"
	podman_ pod create --name pod --share-parent=false --network none --infra-image box \
		--infra-command "sleep 1000" >/dev/null
	podman_ run -d --pod pod --name c -v "$BATS_TEST_TMPDIR/v:/v" box \
		sh -c 'trap "echo ended >>/v/ends; exit 5" TERM; echo begun >>/v/ends; while :; do sleep 0.1; done' >/dev/null
	wait_for 20 grep -q begun "$BATS_TEST_TMPDIR/v/ends"
	podman_ pod restart pod >/dev/null
	[ "$(xargs <"$BATS_TEST_TMPDIR/v/ends")" = "begun ended" ] || wait_for 20 eval \
		'[ "$(xargs <"$BATS_TEST_TMPDIR/v/ends")" = "begun ended begun" ]'
	state_is c "running 0"
	[ "$(pgrep -c -x kata-agent)" -ge 1 ] && [ "$(find /run/vc/sbs -mindepth 1 -maxdepth 1 -type d | wc -l)" = 1 ]
	podman_ pod rm -f -t 0 pod >/dev/null
}

# bats test_tags=soak
@test "podman: it is killed at each step, and can be told to remove all" {
	begin
	mv "$engines_dir/kata-runtime" "$engines_dir/real"
	cat >"$engines_dir/kata-runtime" <<-EOT
		#!/bin/bash
		verb=\$(cat "$engines_dir/verb" 2>/dev/null)
		if [ -n "\$verb" ] && [[ " \$* " == *" \$verb "* ]]; then
			rm "$engines_dir/verb"
			pkill -9 -f "^podman --root $engines_dir/root"
		fi
		exec "$engines_dir/real" "\$@"
	EOT
	chmod +x "$engines_dir/kata-runtime"
	nothing_left()
	{
		! pgrep -x kata-standin && ! pgrep -x kata-agent && ! pgrep -x conmon && [ -z "$(ls -A /run/vc/sbs)" ]
	} >/dev/null
	for verb in create start exec kill delete; do
		[[ $verb != [cs]* ]] || echo "$verb" >"$engines_dir/verb"
		podman_ run -d --name c --network none box sleep 1000 >/dev/null || :
		[[ $verb == [cs]* ]] || echo "$verb" >"$engines_dir/verb"
		case $verb in
		exec) podman_ exec c sleep 500 || : ;;
		kill)
			podman_ stop -t 1 c || :
			wait_for 20 state_is c "exited 137"
			;;
		delete) podman_ rm -f -t 0 c || : ;;
		esac
		[ ! -e "$engines_dir/verb" ]
		# With runc, too, one that Podman saw not yet created, or not yet started, is there, and
		# the next start says so.
		podman_ start c || [[ $verb == [cs]* ]]
		[[ $verb == [cs]* ]] || podman_ exec c true
		podman_ rm -f -t 0 c >/dev/null
		wait_for 20 nothing_left
	done
}

# bats test_tags=soak
@test "podman: its helpers and the sandbox are killed, and it tells the truth" {
	begin
	podman_ run -d --name c --network none box sleep 1000 >"$BATS_TEST_TMPDIR/id"
	long=$(cat "$BATS_TEST_TMPDIR/id")
	for victim in kata-agent containerd-shim kata-standin; do
		kill -9 "$(pgrep -o -x "$victim")"
		ends_and_starts 137
	done
	# Without conmon nobody learns the status; the container goes on until it is removed.
	kill -9 "$(pgrep -f "conmon.*$long" | head -n 1)"
	podman_ rm -f -t 0 c
	forgotten()
	{
		! pgrep -x kata-standin >/dev/null && ! pgrep -x kata-agent >/dev/null &&
			! pgrep -x containerd-shim >/dev/null && [ -z "$(ls -A /run/vc/sbs)" ]
	}
	wait_for 20 forgotten

	run -0 podman_ run --rm --name c --network none box echo fine
	[ "$output" = fine ]
	# No room for the container's own files.
	mount -t tmpfs -o size=4k,nr_inodes=3 full /run/vc/sbs
	: >/run/vc/sbs/taken
	run ! podman_ run --rm --name c --network none box true
	[[ $output == *"No space left on device"* ]]
	umount /run/vc/sbs
	run -0 podman_ ps -aq
	[ -z "$output" ]
}
