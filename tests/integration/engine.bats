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
	timeout --foreground -k 5 150 python3 "$BATS_TEST_DIRNAME/engine.py" "$@" "$kata_runtime" \
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
	for victim in "kill -9 \$($(program_by_others) $id containerd-shim)" 'kill -9 $(pgrep -o -x kata-agent)'; do
		status=0
		: >"$bundle.out"
		engine --do "$(when_ready "$victim")" >"$bundle.out" || status=$?
		[ "$status" = 137 ]
	done
}

@test "engine: a terminal by console socket, and its size" {
	# A new size travels beside what is typed and may come later.
	container_bundle "$bundle" --terminal -- sh -c 'stty size; printf "resized? "; read x; n=0
		until [ "$(stty size)" = "40 120" ] || [ $n = 200 ]; do n=$((n + 1)); sleep 0.05; done
		stty size; echo got $x; exit 4'
	printf 'yes\n' >"$BATS_TEST_TMPDIR/typed"
	python3 - "$bundle/config.json" <<-'E'
		import json, sys
		with open(sys.argv[1]) as f: c = json.load(f)
		c["process"]["consoleSize"] = dict(height=31, width=97)
		with open(sys.argv[1], "w") as f: json.dump(c, f)
	E
	run -4 engine --console --size 40x120 --input "$BATS_TEST_TMPDIR/typed"
	[[ ${output//$'\r'} == "31 97"*"resized? yes"*"40 120"*"got yes"* ]]
}

@test "engine: what is stopped holds no machine, and is there until it is deleted" {
	container_bundle "$bundle" -- sh -c 'exit 3'
	run -3 engine --no-delete
	wait_for 5 status_is "$id" stopped
	wait_for 5 eval '! pgrep -x kata-agent'
	pgrep -x containerd-shim
	run ! kata kill "$id" 0
	[[ $output == *"container not running"* ]]
	run ! kata kill "$id" KILL
	[[ $output == *"container not running"* ]]
	run ! kata start "$id"
	[[ $output == *"has stopped"* ]]
	run -0 kata list
	[[ ${lines[1]} == "$id"*stopped* ]]
	run -0 kata ps "$id"
	[ "$output" = "UID PID PPID C STIME TTY TIME CMD" ]
	run -0 kata ps -f json "$id"
	[ "$output" = null ]
	run -0 kata delete "$id"
	wait_for 5 eval '! pgrep -x containerd-shim'
}

@test "run --keep leaves what has stopped" {
	container_bundle "$bundle" -- sh -c 'exit 5'
	run -5 kata run --keep --bundle "$bundle" "$id"
	status_is "$id" stopped
	wait_for 5 eval '! pgrep -x kata-agent'
	kata delete "$id"
}

@test "a detached run is killed and deleted by others" {
	container_bundle "$bundle" -- sh -c 'echo ready; exec sleep 1000'
	kata run --detach --bundle "$bundle" --pid-file "$bundle.pid" "$id" </dev/null >"$bundle.out" 3>&-
	wait_for 10 grep -q ready "$bundle.out"
	pid=$(cat "$bundle.pid")
	[ "$(readlink "/proc/$pid/exe")" = "$(realpath "$KATA_BUILD/host/standin/kata-standin")" ]
	run -0 kata state "$id"
	[[ $output == *"\"pid\": $pid,"* && $output == *'"status": "running"'* ]]
	run ! kata delete "$id"
	[[ $output == *"that is not stopped: running"* ]]
	run ! kata start "$id"
	[[ $output == *"already running"* ]]
	run ! kata run --detach --bundle "$bundle" "$id"
	[[ $output == *"already exists"* ]]
	kata kill "$id" KILL
	wait_for 5 status_is "$id" stopped
	kata delete "$id"
	run ! kata state "$id"
	run ! kata kill "$id"
	[[ $output == *"does not exist"* ]]
}

@test "delete --force takes created and running ones, and tells those who wait" {
	container_bundle "$bundle" -- sh -c 'echo ready; exec sleep 1000'
	kata create --bundle "$bundle" "$id" </dev/null >/dev/null 3>&-
	status_is "$id" created
	kata delete --force "$id"
	run ! kata state "$id"
	start_container "$id" "$bundle"
	wait_for 10 grep -q ready "$bundle.out"
	kata delete --force "$id"
	ends_with 137 "$runner"
	[ ! -s "$bundle.err" ]
	kata run --detach --bundle "$bundle" "$id" </dev/null >/dev/null 3>&-
	kill -9 "$(program_of "$id" containerd-shim-kata-v2)"
	wait_for 5 status_is "$id" stopped
	run -0 kata ps "$id"
	[ "$output" = "UID PID PPID C STIME TTY TIME CMD" ]
	kata delete --force "$id"
	kata delete --force "$id"
	# Many at once, by crun's pattern: one that runs does not keep the others.
	for n in a b; do
		kata run --detach --bundle "$bundle" "$id-$n" </dev/null >/dev/null 3>&-
	done
	run -1 kata delete --regex --force "$id-["
	[[ $output == *"flag --regex: \"$id-[\": "* ]]
	kata kill "$id-a" KILL
	wait_for 5 status_is "$id-a" stopped
	run -1 kata delete --regex "^$id-[ab]$"
	[[ $output == *"cannot delete container $id-b that is not stopped: running" ]]
	run ! kata state "$id-a"
	kata delete -r --force "^$id-"
	run ! kata state "$id-b"
	kata delete --regex "^$id-"
}

@test "the specification counts as it was at create, and the program waits for start" {
	container_bundle "$bundle" -- sh -c 'echo first >/told; exec sleep 1000'
	kata create --bundle "$bundle" "$id" </dev/null >/dev/null 3>&-
	[ ! -e "$bundle/rootfs/told" ]
	sed -i 's/first/second/' "$bundle/config.json"
	kata start "$id"
	wait_for 10 test -s "$bundle/rootfs/told"
	[ "$(cat "$bundle/rootfs/told")" = first ]
	kata delete --force "$id"
	# The ID is free again. Without a process there is nothing to start.
	"$kata_tree/tests/lib/change_spec.py" "$bundle" "del c['process']"
	run -1 kata create --bundle "$bundle" "$id" </dev/null
	[[ $output == *process* ]]
	run ! kata state "$id"
}

# lives_in PID KIND: the namespace of a process.
lives_in()
{
	readlink "/proc/$1/ns/$2"
}

@test "the adopted process lives where the container does" {
	mkdir "$BATS_TEST_TMPDIR/volume"
	echo inside >"$BATS_TEST_TMPDIR/volume/file"
	container_bundle "$bundle" -- sleep 1000
	ln -s /etc "$bundle/rootfs/link"
	mkdir "$bundle/rootfs/data"
	unshare --net sleep 1000 3>&- &
	other=$!
	wait_for 5 eval '[ "$(lives_in $other net)" != "$(lives_in $$ net)" ]'
	python3 - "$bundle/config.json" "$BATS_TEST_TMPDIR/volume" "$other" <<-'E'
		import json, sys
		path, volume, pid = sys.argv[1:]
		with open(path) as f: c = json.load(f)
		c["hostname"] = "box"
		c["mounts"] += [dict(source=volume, destination="/data", type="bind", options=["rbind"]),
		                dict(source=volume, destination="/nosuch", type="bind", options=["rbind"])]
		c["linux"]["namespaces"] = [dict(type=t) for t in ("pid", "ipc", "uts", "mount")]
		c["linux"]["namespaces"].append(dict(type="network", path=f"/proc/{pid}/ns/net"))
		with open(path, "w") as f: json.dump(c, f)
	E
	kata create --bundle "$bundle" --pid-file "$bundle.pid" "$id" </dev/null >/dev/null 3>&-
	pid=$(cat "$bundle.pid")
	[ "$(lives_in "$pid" net)" = "$(lives_in "$other" net)" ]
	for kind in pid ipc uts mnt; do
		[ "$(lives_in "$pid" $kind)" != "$(lives_in $$ $kind)" ]
	done
	[ "$(nsenter -t "$pid" -u hostname)" = box ]
	grep -q "^NSpid:.*[[:space:]]1$" "/proc/$pid/status"
	[ "$(cat "/proc/$pid/root/data/file")" = inside ]
	[ "$(nsenter -t "$pid" -m -p -r /bin/busybox cat /proc/1/comm)" = kata-standin ]
	# Nothing of the host's tree is left in it: the root, the volume, /proc, and what covers
	# /dev and /sys, which are in the machine.
	[ "$(nsenter -t "$pid" -m -p -r /bin/busybox grep -c . /proc/mounts)" -le 6 ]
	for dir in dev sys; do
		[ "$(ls "/proc/$pid/root/$dir")" = what-this-container-has-is-in-its-machine ]
	done
	grep -q '^CapEff:[[:space:]]0*$' "/proc/$pid/status"
	kata delete --force "$id"
	kill "$other"
}

@test "the adopted process mounts nothing on the host, and has a loopback device" {
	volume=$BATS_TEST_TMPDIR/volume
	mkdir -p "$volume/below" "$BATS_TEST_TMPDIR/other"
	echo deep >"$BATS_TEST_TMPDIR/other/file"
	container_bundle "$bundle" -- sleep 1000
	mkdir "$bundle/rootfs/data"
	python3 - "$bundle/config.json" "$volume" "$BATS_TEST_TMPDIR/other" <<-'E'
		import json, sys
		path, volume, other = sys.argv[1:]
		with open(path) as f: c = json.load(f)
		c["mounts"] += [dict(source=volume, destination="/data", type="bind", options=["rbind"]),
		                dict(source=other, destination="/data/below", type="bind", options=["rbind"])]
		c["linux"]["namespaces"] = [dict(type=t) for t in ("pid", "network", "ipc", "uts", "mount")]
		with open(path, "w") as f: json.dump(c, f)
	E
	kata create --bundle "$bundle" --pid-file "$bundle.pid" "$id" </dev/null >/dev/null 3>&-
	pid=$(cat "$bundle.pid")
	[ "$(cat "/proc/$pid/root/data/below/file")" = deep ]
	# Nor does it tell of the host's paths.
	read -r -d '' -a args < <(tr '\0' ' ' <"/proc/$pid/cmdline") || :
	[ "${#args[@]}" = 2 ]
	[ "${args[0]##*/}" = kata-standin ]
	[ "${args[1]}" = "$id" ]
	run ! grep -F "$volume" /proc/self/mountinfo
	run -0 nsenter -t "$pid" -n ip -o link show lo
	[[ $output == *"LOOPBACK,UP"* ]]
	kata delete --force "$id"
}
