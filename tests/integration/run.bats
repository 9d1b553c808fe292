#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# A container in its own virtual machine, by `kata-runtime run`.

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=qemu
load common

@test "the container runs on the guest's kernel, not the host's" {
	run -0 in_container -- uname -r
	[ -n "$output" ]
	[ "$output" != "$(uname -r)" ]
	[ "$output" = "$(strings "$KATA_KERNEL" | sed -n 's/^Linux version \([^ ]*\).*/\1/p' | head -n 1)" ]
}

@test "the exit status is the container's" {
	run -7 in_container -- sh -c 'exit 7'
}

@test "stdin, stdout and stderr are apart" {
	in_container -- sh -c 'cat; echo err >&2' >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" <<<hi
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = hi ]
	[ "$(cat "$BATS_TEST_TMPDIR/err")" = err ]
}

@test "10 MiB come through stdout unharmed" {
	head -c 10485760 /dev/urandom >"$BATS_TEST_TMPDIR/data"
	container_bundle "$bundle" -- cat /data
	cp "$BATS_TEST_TMPDIR/data" "$bundle/rootfs/data"
	kata run --bundle "$bundle" "$id" >"$BATS_TEST_TMPDIR/out" </dev/null
	cmp "$BATS_TEST_TMPDIR/data" "$BATS_TEST_TMPDIR/out"
}

@test "10 MiB go through a pipe to stdin unharmed" {
	head -c 10485760 /dev/urandom >"$BATS_TEST_TMPDIR/data"
	dd if="$BATS_TEST_TMPDIR/data" bs=64K status=none | in_container -- sha256sum >"$BATS_TEST_TMPDIR/out"
	[ "$(cut -d' ' -f1 "$BATS_TEST_TMPDIR/out")" = "$(sha256sum <"$BATS_TEST_TMPDIR/data" | cut -d' ' -f1)" ]
}

@test "regular files keep their offsets" {
	printf 'skipped\nread\n' >"$BATS_TEST_TMPDIR/in"
	printf 'before\n' >"$BATS_TEST_TMPDIR/out"
	{
		head -c 8 >/dev/null
		in_container -- cat
		echo after
	} <"$BATS_TEST_TMPDIR/in" >>"$BATS_TEST_TMPDIR/out"
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = $'before\nread\nafter' ]
	exec 4<>"$BATS_TEST_TMPDIR/both"
	echo one >&4
	in_container -- echo two >&4 </dev/null
	echo three >&4
	exec 4>&-
	[ "$(cat "$BATS_TEST_TMPDIR/both")" = $'one\ntwo\nthree' ]
}

@test "sockets serve as stdin and stdout" {
	container_bundle "$bundle" -- tr a-z A-Z
	python3 - "$kata_runtime" --config "$KATA_CONFIG" --root "$KATA_ROOT" --log "$KATA_LOG" run --bundle "$bundle" "$id" <<-'E'
		import socket, subprocess, sys
		ours, theirs = socket.socketpair()
		p = subprocess.Popen(sys.argv[1:], stdin=theirs, stdout=theirs)
		theirs.close()
		ours.sendall(b"shout\n")
		ours.shutdown(socket.SHUT_WR)
		ours.settimeout(60)
		got = b""
		while chunk := ours.recv(100):
		    got += chunk
		assert got == b"SHOUT\n", got
		assert p.wait(60) == 0
	E
}

@test "the flags of inherited descriptors stay as they are" {
	container_bundle "$bundle" -- true
	python3 - "$kata_runtime" --config "$KATA_CONFIG" --root "$KATA_ROOT" --log "$KATA_LOG" run --bundle "$bundle" "$id" <<-'E'
		import fcntl, os, subprocess, sys
		r, w = os.pipe()
		r2, w2 = os.pipe()
		p = subprocess.Popen(sys.argv[1:], stdin=r, stdout=w2, stderr=w2)
		assert p.wait(60) == 0
		for fd in (r, w2):
		    assert not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK, fd
	E
}

@test "a closed stdin is an empty one" {
	container_bundle "$bundle" -- sh -c 'cat; echo done'
	run -0 sh -c 'exec "$@" <&-' sh "$kata_runtime" --config "$KATA_CONFIG" --root "$KATA_ROOT" --log "$KATA_LOG" run --bundle "$bundle" "$id"
	[ "$output" = "done" ]
}

@test "a reader that goes away does not stop the container" {
	container_bundle "$bundle" -- sh -c 'yes | head -c 1000000; exit 5'
	run -0 bash -c '"$@" | head -c 1 >/dev/null; [ "${PIPESTATUS[0]}" = 5 ]' bash "$kata_runtime" --config "$KATA_CONFIG" --root "$KATA_ROOT" --log "$KATA_LOG" run --bundle "$bundle" "$id"
}

@test "a reader that goes away ends the writer" {
	container_bundle "$bundle" -- sh -c 'yes; echo $? >&2'
	timeout 90 "$kata_runtime" --config "$KATA_CONFIG" --root "$KATA_ROOT" --log "$KATA_LOG" \
		run --bundle "$bundle" "$id" </dev/null 2>"$bundle.err" | head -c 1 >/dev/null
	[ "$(cat "$bundle.err")" = 141 ]
}

@test "a background process that keeps stdout open does not hold the container" {
	run -3 in_container -- sh -c 'sleep 1000 & echo out; exit 3'
	[ "$output" = out ]
}

@test "a terminal: size, resize, echo, Ctrl-C" {
	container_bundle "$bundle" --terminal -- sh
	python3 "$BATS_TEST_DIRNAME/terminal.py" "$kata_runtime" --config "$KATA_CONFIG" --root "$KATA_ROOT" --log "$KATA_LOG" run --bundle "$bundle" "$id"
}

@test "signals are forwarded to the container" {
	container_bundle "$bundle" -- sh -c 'trap "echo got; exit 9" USR1; echo ready; while :; do sleep 0.1; done'
	start_container "$id" "$bundle"
	wait_for 30 grep -q ready "$bundle.out"
	kill -USR1 "$runner"
	ends_with 9 "$runner"
	[ "$(cat "$bundle.out")" = $'ready\ngot' ]
}

@test "the environment, directory, user and host name of the specification" {
	run -0 in_container --cwd /tmp --env COLOUR=blue --user 1000:1000 -- sh -c 'echo $COLOUR $(pwd) $(id -u):$(id -g)'
	[ "$output" = "blue /tmp 1000:1000" ]
}

@test "the container has its own processes, mounts and control group" {
	run -0 in_container -- sh -c 'echo $$; ls /proc | grep -c "^[0-9]*$"; cat /proc/self/cgroup; cat /proc/1/comm'
	[ "${lines[0]}" = 1 ]
	[ "${lines[1]}" -le 4 ]
	[ "${lines[2]}" = "0::/" ]
}

@test "limits hold in the guest, volumes come from the host" {
	mkdir -p "$BATS_TEST_TMPDIR/tree"
	echo hello >"$BATS_TEST_TMPDIR/tree/file"
	container_bundle "$bundle" -- sh -c 'cd /sys/fs/cgroup; cat memory.max pids.max cpu.max
		cat /data/file; echo back >/data/new; touch /ro/x 2>/dev/null || echo ro; stat -c %a /t
		exec tail /dev/zero'
	python3 - "$bundle/config.json" "$BATS_TEST_TMPDIR/tree" <<-'EOF'
		import json, sys
		path, tree = sys.argv[1:]
		with open(path) as f: c = json.load(f)
		c["linux"]["resources"].update(memory=dict(limit=33554432, swap=33554432), pids=dict(limit=20),
		                               cpu=dict(quota=50000, period=100000))
		for to, options in (("/data", ["rbind"]), ("/ro", ["rbind", "ro"])):
		    c["mounts"].append(dict(source=tree, destination=to, type="bind", options=options))
		c["mounts"].append(dict(source="tmpfs", destination="/t", type="tmpfs"))
		with open(path, "w") as f: json.dump(c, f)
	EOF
	run -137 kata run --bundle "$bundle" "$id" </dev/null
	[ "$output" = $'33554432\n20\n50000 100000\nhello\nro\n1777' ]
	[ "$(cat "$BATS_TEST_TMPDIR/tree/new")" = back ]
}

@test "capabilities are those of the specification" {
	run -0 in_container -- sh -c 'grep CapEff /proc/self/status'
	eff=${output##*[[:space:]]}
	[ $((16#$eff)) != 0 ]
	[ $((16#$eff & 1 << 21)) = 0 ] # no CAP_SYS_ADMIN
}

@test "files that the container writes are in the bundle" {
	run -0 in_container -- sh -c 'echo kept >/root/file'
	[ "$(cat "$bundle/rootfs/root/file")" = kept ]
}

@test "two containers at once, each in its own machine" {
	container_bundle "$bundle" -- sh -c 'echo a; cat /proc/sys/kernel/random/boot_id; exec sleep 1000'
	start_container "$id" "$bundle"
	first=$runner
	container_bundle "$bundle-2" -- sh -c 'echo b; cat /proc/sys/kernel/random/boot_id; exec sleep 1000'
	start_container "$id-2" "$bundle-2"
	second=$runner
	wait_for 40 eval '[ "$(cat "$bundle.out" "$bundle-2.out" | wc -l)" = 4 ]'
	[ "$(sed -n 2p "$bundle.out")" != "$(sed -n 2p "$bundle-2.out")" ]
	run -0 kata list --quiet
	[ "$output" = "$id"$'\n'"$id-2" ]
	run -0 kata kill "$id" KILL
	ends_with 137 "$first"
	status_is "$id-2" running
	kata kill "$id-2" KILL
	ends_with 137 "$second"
}

@test "state, list and kill of a running container" {
	container_bundle "$bundle" -- sh -c 'echo ready; exec sleep 1000'
	start_container "$id" "$bundle"
	wait_for 30 status_is "$id" running
	kata state "$id" >"$BATS_TEST_TMPDIR/state"
	python3 - "$BATS_TEST_TMPDIR/state" "$id" "$bundle" <<-'E'
		import json, os, sys
		s = json.load(open(sys.argv[1]))
		assert s["id"] == sys.argv[2] and s["bundle"] == sys.argv[3], s
		assert s["ociVersion"].startswith("1."), s
		assert s["status"] == "running", s
		os.kill(s["pid"], 0)
	E
	run -0 kata list
	[[ ${lines[0]} == ID* ]]
	[[ ${lines[1]} == "$id "*running*"$bundle "* ]]
	run ! kata delete "$id"
	[[ $output == *running* ]]
	status_is "$id" running
	run -0 kata kill "$id" 9
	ends_with 137 "$runner"
	run ! kata state "$id"
	[[ $output == *"$id"*"does not exist"* ]]
}

@test "state answers while the machine boots" {
	boots_for_ever agent.dial_timeout=100
	container_bundle "$bundle" -- true
	start_container "$id" "$bundle"
	# Had it waited for the boot, it would have found none.
	wait_for 5 status_is "$id" creating
	kill -TERM "$runner"
	ends_with 143 "$runner"
}

@test "the same ID twice is refused and the first lives on" {
	container_bundle "$bundle" -- sh -c 'echo ready; exec sleep 1000'
	start_container "$id" "$bundle"
	wait_for 30 status_is "$id" running
	container_bundle "$bundle-2" -- true
	run ! kata run --bundle "$bundle-2" "$id"
	[[ $output == *"$id"*"already exists"* ]]
	status_is "$id" running
	kata kill "$id" KILL
	ends_with 137 "$runner"
}

@test "a command that does not exist is named" {
	run -127 in_container -- nosuchcommand
	[[ $output == *nosuchcommand* ]]
}

@test "a file that cannot be executed is named" {
	run -126 in_container -- /etc/passwd
	[[ $output == *"/etc/passwd"* ]]
}
