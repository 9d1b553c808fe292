#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The shim's command line as containerd uses it. No task is created here: that
# the Task service does its work is seen by the tests of kata-runtime, its client.

# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # each test has its own; shared with common.bash
KATA_TEST_HYPERVISOR=fake
load common

# shim ARGUMENT…: in the bundle, as containerd starts it.
shim()
{
	(cd "$bundle" && timeout 60 "$kata_shim" -namespace test -address '' -root "$KATA_ROOT" \
		-config "$KATA_CONFIG" -id "$id" "$@" 3>&-)
}

gone()
{
	! kill -0 "$1" 2>/dev/null
}

@test "shim: version, info and mistakes" {
	run -0 "$kata_shim" --version
	[[ $output == 'Kata Containers containerd shim (C): id: "io.containerd.kata.v2", version: '*', commit: '* ]]
	run -0 "$kata_shim" -info
	[[ $output == *io.containerd.kata.v2* ]]
	run -2 "$kata_shim" -nosuch
	[ "${lines[0]}" = "containerd-shim-kata-v2: flag provided but not defined: -nosuch" ]
	run -1 "$kata_shim" -id "$id" start
	[ "$output" = "shim namespace cannot be empty" ]
}

@test "shim: start serves, a signal ends it" {
	container_bundle "$bundle" -- true
	run -0 shim start
	[ "$output" = "unix://$KATA_ROOT/$id/shim.sock" ]
	[ "$(cat "$bundle/address")" = "$output" ]
	[ "$(cat "$bundle/monitor_address")" = "unix://$KATA_ROOT/$id/shim-monitor.sock" ]
	[ -S "$KATA_ROOT/$id/shim-monitor.sock" ]
	pid=$(cat "$bundle/shim.pid")
	[ -S "$KATA_ROOT/$id/shim.sock" ]
	[ "$(ps -o sid= -p "$pid" | tr -d ' ')" = "$pid" ]
	run -1 shim start
	[ "$output" = "container $id already exists" ]
	kill -TERM "$pid"
	wait_for 5 gone "$pid"
	[ ! -e "$KATA_ROOT/$id" ]
	[ ! -e "$bundle/address" ]
	[ ! -e "$bundle/monitor_address" ]
	[ ! -e "$bundle/shim.pid" ]
}

@test "shim: the log goes to containerd's FIFO" {
	container_bundle "$bundle" -- true
	mkfifo "$bundle/log"
	exec 7<>"$bundle/log"
	run -0 shim start
	read -r -t 60 line <&7
	exec 7>&-
	[[ $line == 'time="20'*'Z" level=info msg="'*"serving sandbox $id\" name=containerd-shim-v2 pid="*" sandbox=$id source=containerd-kata-shim-v2" ]]
	kill -TERM "$(cat "$bundle/shim.pid")"
	wait_for 5 test ! -e "$KATA_ROOT/$id"
}

@test "shim: named for a hypervisor it takes its configuration" {
	local bin=$BATS_TEST_TMPDIR/bin defaults=$BATS_TEST_TMPDIR/share/defaults/kata-containers named
	mkdir -p "$bin" "$defaults"
	cp "$kata_shim" "$bin/containerd-shim-kata-v2"
	ln -s containerd-shim-kata-v2 "$bin/containerd-shim-kata-odd-v2"
	cp "$KATA_CONFIG" "$defaults/configuration.toml"
	cp "$KATA_CONFIG" "$defaults/configuration-odd.toml"
	container_bundle "$bundle" -- true
	for named in yes no; do
		environment=()
		[ "$named" = yes ] || environment=(KATA_CONF_FILE="$KATA_CONFIG")
		(cd "$bundle" && env "${environment[@]}" timeout 60 "$bin/containerd-shim-kata-odd-v2" \
			-namespace test -address '' -root "$KATA_ROOT" -id "$id" start 3>&-)
		run grep -zx -- "-config=$defaults/configuration-odd.toml" "/proc/$(cat "$bundle/shim.pid")/cmdline"
		[ "$status" = "$([ "$named" = yes ] && echo 0 || echo 1)" ]
		# It takes shim.pid along, at last.
		pid=$(cat "$bundle/shim.pid")
		kill -TERM "$pid"
		wait_for 5 gone "$pid"
		[ ! -e "$KATA_ROOT/$id" ]
	done
	# Without one it still tells who it is.
	ln -s containerd-shim-kata-v2 "$bin/containerd-shim-kata-nosuch-v2"
	run -0 "$bin/containerd-shim-kata-nosuch-v2" --version
}

@test "shim: start without a usable bundle leaves nothing" {
	mkdir "$bundle"
	run -1 shim start
	[[ $output == "$bundle/config.json: "* ]]
	[ ! -e "$KATA_ROOT/$id" ]
	container_bundle "$bundle" -- true
	id=../evil
	run -1 shim start
	[[ $output == "invalid container ID '../evil'"* ]]
}

@test "shim: delete after a shim that was killed, and again" {
	container_bundle "$bundle" -- true
	run -0 shim start
	kill -KILL "$(cat "$bundle/shim.pid")"
	wait_for 5 gone "$(cat "$bundle/shim.pid")"
	for _ in 1 2; do
		shim -bundle "$bundle" delete >"$BATS_TEST_TMPDIR/response"
		# field 2, exit_status: 137
		[ "$(head -c 3 "$BATS_TEST_TMPDIR/response" | od -An -tx1 | tr -d ' \n')" = 108901 ]
		[ ! -e "$KATA_ROOT/$id" ]
	done
}

@test "shim: a shim that was killed before its first task does not keep the ID" {
	container_bundle "$bundle" -- true
	run -0 shim start
	kill -KILL "$(cat "$bundle/shim.pid")"
	wait_for 5 gone "$(cat "$bundle/shim.pid")"
	run -0 shim start
	kill -TERM "$(cat "$bundle/shim.pid")"
	wait_for 5 test ! -e "$KATA_ROOT/$id"
}

@test "shim: a container of a pod gets the address of its pod's shim" {
	container_bundle "$bundle" -- sleep 1000
	start_container "$id" "$bundle"
	wait_for 10 status_is "$id" running
	pod=$id id=$id-member
	python3 - "$bundle/config.json" "$pod" <<-'EOT'
		import json, sys
		path, pod = sys.argv[1:]
		spec = json.load(open(path))
		spec["annotations"] = {
		    "io.kubernetes.cri.container-type": "container",
		    "io.kubernetes.cri.sandbox-id": pod,
		}
		json.dump(spec, open(path, "w"))
	EOT
	run -0 shim start
	[ "$output" = "unix://$KATA_ROOT/$pod/shim.sock" ]
	[ ! -e "$KATA_ROOT/$id" ]
	id=$pod
	kata kill "$pod" KILL
	ends_with 137 "$runner"
	id=$pod-member
	run -1 shim start
	[[ $output == *"container $pod does not exist" ]]
}
