#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The life cycle of the OCI runtime specification in real machines, driven as an engine
# does it; engine.bats has more of it on the fake driver.

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=qemu
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

# adopted STATUS [OPTION…]: the engine's status, with the container's output in $bundle.out.
adopted()
{
	local expected=$1 status=0

	shift
	engine "$@" >"$bundle.out" || status=$?
	[ "$status" = "$expected" ] || { echo "status $status instead of $expected" >&2; return 1; }
}

@test "create, start, signal, exit: the adopted process is the container" {
	container_bundle "$bundle" -- sh -c 'uname -r; trap "echo got; exit 7" USR1; echo ready; while :; do sleep 0.1; done'
	adopted 7 --do "$(when_ready 'kill -USR1 $PID')"
	[ "$(sed -n 1p "$bundle.out")" != "$(uname -r)" ]
	[ "$(tail -n 1 "$bundle.out")" = got ]
}

@test "the machine ends with the container, and delete ends the rest" {
	container_bundle "$bundle" -- sh -c 'exit 255'
	adopted 255 --no-delete
	wait_for 10 eval '[ -z "$(program_of "$id" qemu-system-)" ]'
	status_is "$id" stopped
	[ -n "$(program_of "$id" containerd-shim-kata-v2)" ]
	kata delete "$id"
	run ! kata state "$id"
}

# killed NAME: a program of the sandbox, while the container runs.
killed()
{
	container_bundle "$bundle" -- sh -c 'echo ready; exec sleep 1000'
	: >"$bundle.out"
	adopted 137 --do "$(when_ready "kill -9 \$($(program_by_others) $id $1)")"
}

@test "the adopted process ends with 137 when the shim is killed" {
	killed containerd-shim-kata-v2
}

@test "the adopted process ends with 137 when QEMU is killed" {
	killed qemu-system-
}

@test "the adopted process ends with 137 when virtiofsd is killed" {
	killed virtiofsd
}

@test "when the adopted process is killed, so is the container" {
	container_bundle "$bundle" -- sh -c 'echo ready; exec sleep 1000'
	adopted 137 --no-delete --do "$(when_ready 'kill -9 $PID')"
	wait_for 10 status_is "$id" stopped
	wait_for 10 eval '[ -z "$(program_of "$id" qemu-system-)" ]'
	kata delete "$id"
}

@test "what the guest kills for its memory ends with 137" {
	container_bundle "$bundle" -- tail /dev/zero
	python3 - "$bundle/config.json" <<-'EOF'
		import json, sys
		with open(sys.argv[1]) as f: c = json.load(f)
		c["linux"]["resources"].update(memory=dict(limit=33554432, swap=33554432))
		with open(sys.argv[1], "w") as f: json.dump(c, f)
	EOF
	adopted 137
}

@test "a terminal by console socket, deleted by force while it runs" {
	container_bundle "$bundle" --terminal -- sh -c 'printf "resized? "; read x; n=0
		until [ "$(stty size)" = "40 120" ] || [ $n = 200 ]; do n=$((n + 1)); sleep 0.05; done
		stty size; echo ready; exec sleep 1000'
	printf 'yes\n' >"$BATS_TEST_TMPDIR/typed"
	adopted 137 --console --size 40x120 --input "$BATS_TEST_TMPDIR/typed" \
		--do "$(when_ready "'$kata_runtime' --config '$KATA_CONFIG' --root '$KATA_ROOT' delete --force \$ID")"
	grep -q "40 120" "$bundle.out"
}
