#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Hooks of the host: who is called when, with what, and what comes of those that fail.
# The order is proven on a machine in run.bats; here, on the fake driver, all else.

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=fake
load common

# hooked HOOKS -- COMMAND…: run it with hooks, a Python expression; `sh(TEXT)` is a hook
# that is a script, with $T for a directory of the test.
hooked()
{
	local hooks=$1

	shift 2
	container_bundle "$bundle" -- "$@" || return 99
	T=$BATS_TEST_TMPDIR python3 - "$bundle/config.json" "$hooks" <<-'END' || return 99
		import json, os, sys
		env = ["PATH=" + os.environ["PATH"], "T=" + os.environ["T"]]
		sh = lambda text, **more: dict(path="/bin/sh", args=["sh", "-c", text], env=env, **more)
		c = json.load(open(sys.argv[1]))
		c["hooks"] = eval(sys.argv[2])
		c["annotations"] = {"org.example.key": "a value"}
		json.dump(c, open(sys.argv[1], "w"))
	END
	timeout --foreground -k 5 "$limit" "$kata_runtime" --config "$KATA_CONFIG" --root "$KATA_ROOT" \
		--log "$KATA_LOG" run --bundle "$bundle" "$id"
}

@test "hooks: all kinds, in order, with the state" {
	run -3 hooked '{kind: [sh("cat >$T/%s.%d; echo %s.%d >>$T/order; : >rootfs/%s.%d" % (kind, i, kind, i, kind, i)) for i in (0, 1)]
		for kind in ("poststop", "poststart", "createContainer", "createRuntime", "prestart")}' \
		-- sh -c 'until [ -e /poststart.1 ]; do sleep 0.1; done; exit 3'
	[ "$(tr '\n' ' ' <"$BATS_TEST_TMPDIR/order")" = "prestart.0 prestart.1 createRuntime.0 createRuntime.1 createContainer.0 createContainer.1 poststart.0 poststart.1 poststop.0 poststop.1 " ]
	python3 -c '
import json, sys
status = dict(prestart="creating", createRuntime="creating", createContainer="creating", poststart="running", poststop="stopped")
for kind in status:
    state = json.load(open(f"{sys.argv[1]}/{kind}.1"))
    assert state["id"] == sys.argv[2] and state["bundle"] == sys.argv[3], state
    assert state["status"] == status[kind] and state["ociVersion"], state
    assert state["annotations"] == {"org.example.key": "a value"}, state
    assert ("pid" in state) == (kind != "poststop") and state.get("pid", 2) > 1, state
' "$BATS_TEST_TMPDIR" "$id" "$bundle"
}

# What a hook mounts: createRuntime on the host, for all to see; createContainer for the
# container alone.
@test "hooks: what they mount is in the container" {
	mkdir -p "$bundle/rootfs/a" "$bundle/rootfs/b"
	run -0 hooked 'dict(
		createRuntime=[sh("mount -t tmpfs t rootfs/a && echo runtime >rootfs/a/f")],
		createContainer=[sh("mount -t tmpfs t rootfs/b && echo container >rootfs/b/f")],
		poststop=[sh("umount rootfs/a && echo unmounted >$T/unmounted")])' -- cat /a/f /b/f
	[ "$output" = $'runtime\ncontainer' ]
	[ "$(cat "$BATS_TEST_TMPDIR/unmounted")" = unmounted ]
	[ ! -e "$bundle/rootfs/b/f" ]
}

@test "hooks: one that fails undoes what was begun, poststop included" {
	local kind

	for kind in prestart createRuntime createContainer poststart; do
		rm -f "$BATS_TEST_TMPDIR"/{order,ran}
		run -1 hooked "dict(poststop=[sh('echo poststop >>\$T/order')], $kind=[
			sh('echo 0 >>\$T/order'), sh('echo 1 >>\$T/order; echo sorry >&2; exit 4'), sh('echo 2 >>\$T/order')])" \
			-- sleep 100
		[[ $output == *"hooks.${kind}[1] (/bin/sh): ended with status 4: sorry"* ]]
		[ "$(tr '\n' ' ' <"$BATS_TEST_TMPDIR/order")" = "0 1 poststop " ]
		run -1 kata state "$id"
	done
}

@test "hooks: one that is not there, one that is late" {
	run -1 hooked 'dict(createRuntime=[dict(path="/nonexistent/hook")])' -- true
	[[ $output == *"hooks.createRuntime[0] (/nonexistent/hook): cannot be run: No such file or directory"* ]]
	run -1 hooked 'dict(prestart=[dict(path="relative")])' -- true
	[[ $output == *'hooks.prestart[0].path: must be an absolute path, not "relative"'* ]]
	run -1 hooked 'dict(prestart=[sh("sleep 100 & echo $! >$T/child; wait", timeout=3)])' -- true
	[[ $output == *"hooks.prestart[0] (/bin/sh): did not end within 3 s and was killed"* ]]
	wait_for 5 not_there "$(cat "$BATS_TEST_TMPDIR/child")"
	# What fails after the end is for the log.
	run -0 hooked 'dict(poststop=[sh("echo bad luck >&2; exit 1"), sh("echo 2 >$T/second")])' -- true
	[ -e "$BATS_TEST_TMPDIR/second" ]
	grep -q 'hooks.poststop\[0\] (/bin/sh): ended with status 1: bad luck' "$KATA_LOG"
}

not_there()
{
	! kill -0 "$1" 2>/dev/null
}

@test "hooks: the shim is killed while one runs" {
	local child

	hooked 'dict(createRuntime=[sh("sleep 100 & echo $! >$T/child.new; mv $T/child.new $T/child; wait")])' \
		-- true >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	runner=$!
	wait_for 20 test -e "$BATS_TEST_TMPDIR/child"
	child=$(cat "$BATS_TEST_TMPDIR/child")
	kill -0 "$child"
	kill -9 "$(program_of "$id" containerd-shim)"
	wait_for 10 not_there "$child"
	ends_with 1 "$runner"
	kata delete --force "$id"
}

@test "hooks: given up while one runs" {
	hooked 'dict(prestart=[sh("sleep 100 & echo $! >$T/child.new; mv $T/child.new $T/child; wait")],
		poststop=[sh("echo >$T/stopped")])' -- true >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	runner=$!
	wait_for 20 test -e "$BATS_TEST_TMPDIR/child"
	kill -TERM "$(program_of "$id" kata-runtime)"
	ends_with 143 "$runner"
	wait_for 10 not_there "$(cat "$BATS_TEST_TMPDIR/child")"
	[ -e "$BATS_TEST_TMPDIR/stopped" ]
}

# What the shim would have run, whoever clears up after it runs: once, with the state.
@test "hooks: poststop when the shim was killed" {
	local stop='poststop=[sh("cat >>$T/state; echo >>$T/stopped")]'

	hooked "dict($stop)" -- sleep 100 >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	runner=$!
	wait_for 20 status_is "$id" running
	kill -9 "$(program_of "$id" containerd-shim)"
	ends_with 1 "$runner"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/stopped")" = 1 ]

	kata create --bundle "$bundle" "$id" </dev/null >/dev/null 2>&1 3>&-
	kata start "$id"
	kill -9 "$(program_of "$id" containerd-shim)"
	wait_for 20 status_is "$id" stopped
	[ "$(wc -l <"$BATS_TEST_TMPDIR/stopped")" = 1 ]
	run -0 kata delete "$id"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/stopped")" = 2 ]
	[ "$(grep -o '"status":"stopped"' <<<"$(tr -d ' ' <"$BATS_TEST_TMPDIR/state")" | wc -l)" = 2 ]

	# containerd asks a program, which knows no task any more; and one that fails keeps nothing.
	sed -i 's|echo >>$T/stopped|echo >>$T/stopped; exit 3|' "$bundle/config.json"
	kata create --bundle "$bundle" "$id" </dev/null >/dev/null 2>&1 3>&-
	kill -9 "$(program_of "$id" containerd-shim)"
	"$kata_shim" -namespace test -address '' -root "$KATA_ROOT" -config "$KATA_CONFIG" -id "$id" \
		-bundle "$bundle" delete >/dev/null
	[ "$(wc -l <"$BATS_TEST_TMPDIR/stopped")" = 3 ]
}
