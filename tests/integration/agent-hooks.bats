# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2016 # agent.bash and bats' run set them; sh expands
#
# The agent as a local process: hooks, the specification's and the guest's.

load agent

# hook KIND [COMMAND]: a program that notes its kind, its words and the state that it gets.
hook()
{
	local file=$BATS_TEST_TMPDIR/$1.sh

	printf '#!/bin/sh\n{ echo "%s $* $WORD"; cat; echo; } >>%s\n%s\n' "$1" "$BATS_TEST_TMPDIR/seen" "${2:-}" >"$file"
	chmod 755 "$file"
	printf '"%s": [{"path": "%s", "args": ["%s", "arg"], "env": ["WORD=w", "PATH=/usr/bin:/bin"]%s}]' \
		"$1" "$file" "$1" "${3:-}"
}

@test "hooks: those of the specification, in their order" {
	mkdir "$rootfs/hooks"
	printf '#!/bin/sh\ncat >/hooks/state\necho "$0 $(id -u)" >/hooks/start\n' >"$rootfs/hooks/start.sh"
	chmod 755 "$rootfs/hooks/start.sh"
	python3 "$BATS_TEST_DIRNAME/oci.py" "$rootfs" '{"annotations": {"a\"b": "c\nd"}, "hooks": {'"
		$(hook prestart), $(hook createRuntime), $(hook createContainer), $(hook poststart), $(hook poststop),
		"'"startContainer": [{"path": "/hooks/start.sh"}]}}' >"$BATS_TEST_TMPDIR/config.json"
	call create c1 --config "$BATS_TEST_TMPDIR/config.json" -- sleep 1000
	[ "$(grep -c ' arg w$' "$BATS_TEST_TMPDIR/seen")" = 3 ]
	[ ! -e "$rootfs/hooks/state" ]
	call start c1
	eventually test -s "$rootfs/hooks/start"
	grep -q poststart "$BATS_TEST_TMPDIR/seen"
	run -1 grep -q poststop "$BATS_TEST_TMPDIR/seen"
	pid=$(pgrep -nfx 'sleep 1000')
	call remove c1
	[ "$(grep ' arg w$' "$BATS_TEST_TMPDIR/seen" | cut -d' ' -f1 | tr '\n' ' ')" = \
		'prestart createRuntime createContainer poststart poststop ' ]
	python3 - "$BATS_TEST_TMPDIR/seen" "$rootfs/hooks/state" "$pid" <<-'EOF'
		import json
		import sys
		lines = open(sys.argv[1]).read().splitlines() + [open(sys.argv[2]).read()]
		states = [json.loads(line) for line in lines if line.startswith("{")]
		assert [s["status"] for s in states] == [
		    "creating", "creating", "creating", "running", "stopped", "created"], states
		for s in states:
		    assert s["id"] == "c1" and s["bundle"] == "/run/kata-containers/c1", s
		    assert s["annotations"] == {'a"b': "c\nd"} and s["ociVersion"] == "1.2.0", s
		for s in states[0], states[1], states[3]:
		    assert s["pid"] == int(sys.argv[3]), s
		assert "pid" not in states[4]
	EOF
}

@test "hooks: the bundle holds the specification" {
	run -125 oci_run '{"annotations": {"a": "b"}, "linux": {"resources": {"memory": {"limit": 67108864}, "pids": {"limit": 0}},
		"devices": [{"path": "/dev/zero0", "type": "c", "major": 0, "minor": 5}]},
		"hooks": {'"$(hook prestart "pwd -P >>$BATS_TEST_TMPDIR/pwd; cp config.json $BATS_TEST_TMPDIR/spec.json; exit 1")"'}}' -- sh -c 'echo "a b"'
	[ "$(cat "$BATS_TEST_TMPDIR/pwd")" = /run/kata-containers/c1 ]
	[ ! -e /run/kata-containers/c1 ]
	python3 - "$BATS_TEST_TMPDIR/spec.json" "$rootfs" <<-'EOF'
		import json
		import sys
		spec = json.load(open(sys.argv[1]))
		assert spec["ociVersion"] == "1.2.0" and spec["root"] == {"path": sys.argv[2]}, spec
		assert spec["process"]["args"] == ["sh", "-c", 'echo "a b"'], spec["process"]
		assert spec["process"]["user"] == {"uid": 0, "gid": 0} and spec["process"]["terminal"] is False
		assert "CAP_CHOWN" in spec["process"]["capabilities"]["bounding"]
		assert spec["annotations"] == {"a": "b"}
		assert spec["linux"]["resources"] == {"memory": {"limit": 67108864}, "pids": {"limit": 0}}, spec["linux"]
		assert spec["linux"]["devices"][0]["major"] == 0
		assert {"type": "pid"} in spec["linux"]["namespaces"]
		assert spec["mounts"][0]["options"] == ["nosuid", "noexec", "nodev"]
		assert spec["hooks"]["prestart"][0]["args"] == ["prestart", "arg"]
	EOF
}

@test "hooks: one that fails or hangs ends the creation" {
	run -125 oci_run '{"hooks": {'"$(hook prestart 'echo broken >&2; exit 3')"'}}' -- true
	[[ $output == *"prestart: hook $BATS_TEST_TMPDIR/prestart.sh: status 3: broken"* ]]
	run -125 oci_run '{"hooks": {'"$(hook createContainer 'kill -9 $$')"'}}' -- true
	[[ $output == *'createContainer: hook '*': signal 9'* ]]
	refused ETIMEDOUT 'createRuntime: hook ' \
		oci_run '{"hooks": {'"$(hook createRuntime 'sleep 3600; :' ', "timeout": 1')"'}}' -- true
	eventually none_runs 'sleep 3600'
	refused ENOENT 'prestart: hook: /no/such' oci_run '{"hooks": {"prestart": [{"path": "/no/such"}]}}' -- true
	# As runc's: without an environment of its own it has the process's.
	oci_run '{"hooks": {"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", "echo $MINE >/hook-env"]}]},
		"process": {"env": ["PATH=/bin", "MINE=yes"]}}' -- true
	[ "$(cat "$rootfs/hook-env")" = yes ]
	run -125 oci_run '{"hooks": {"startContainer": [{"path": "/bin/false", "args": ["false"]}]}}' -- true
	[[ $output == *'startContainer: hook /bin/false: status 1'* ]]
	call remove c1
	# What comes after is told, and no more.
	run -0 oci_run '{"hooks": {'"$(hook poststart 'exit 1'), $(hook poststop 'exit 1')"'}}' -- echo fine
	[ "$output" = fine ]
	grep -q 'poststop: hook .*: status 1, ignoring' "$log"
	# Its first process dies while a hook runs.
	python3 "$BATS_TEST_DIRNAME/oci.py" "$rootfs" '{"hooks": {'"$(hook prestart 'kill -9 $(sed "s/.*\"pid\":\([0-9]*\).*/\1/;t;d" '"$BATS_TEST_TMPDIR/seen"' | tail -n 1); sleep 0.3')"'}}' \
		>"$BATS_TEST_TMPDIR/config.json"
	run -125 call create c1 --config "$BATS_TEST_TMPDIR/config.json"
	[[ $output == *"died while it was set up"* ]]
	run -0 in_container -- echo fine
}

@test "hooks: those of the guest" {
	guest=$BATS_TEST_TMPDIR/guest-hooks
	mkdir -p "$guest"/{prestart,poststop}
	for kind in prestart poststop; do
		printf '#!/bin/sh\necho "$0 $*" >>%s/seen\n' "$guest" >"$guest/$kind/10-one"
		cp "$guest/$kind/10-one" "$guest/$kind/20-two"
		cp "$guest/$kind/10-one" "$guest/$kind/30-not-executable"
		chmod 755 "$guest/$kind"/[12]*
		ln -s 10-one "$guest/$kind/40-link"
	done
	call create-sandbox sb1 pod --hook-path "$guest"
	run -0 in_container -- true
	[ "$(sed 's|.*/||' "$guest/seen")" = $'10-one prestart\n20-two prestart\n10-one poststop\n20-two poststop' ]
}
