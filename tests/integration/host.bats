#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Where a real machine is on its host: its control group, and the hooks around it.

# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=qemu
load common

@test "host: the machine lives in the control group, and hooks are run around it" {
	local top=test-kata-${EPOCHREALTIME/[.,]/} group name pid

	group=/$top/box

	container_bundle "$bundle" -- sh -c 'echo ready; read -r line; echo "$line"'
	"$kata_tree/tests/lib/change_spec.py" "$bundle" '
linux["cgroupsPath"] = "'"$group"'"
hook("prestart", "echo prestart >>$T/order")
hook("createRuntime", "cat /proc/$(tr , \\\\n | sed -n s/.*pid..//p)/cgroup >$T/groups; echo createRuntime >>$T/order")
hook("createContainer", "echo createContainer >>$T/order; echo given >rootfs/etc/given")
hook("poststart", "echo poststart >>$T/order")
hook("poststop", "echo poststop >>$T/order")' T="$BATS_TEST_TMPDIR"
	mkfifo "$BATS_TEST_TMPDIR/in"
	timeout --foreground -k 5 "$limit" "$kata_runtime" --config "$KATA_CONFIG" --root "$KATA_ROOT" \
		--log "$KATA_LOG" run --bundle "$bundle" "$id" <"$BATS_TEST_TMPDIR/in" \
		>"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	runner=$!
	exec 4>"$BATS_TEST_TMPDIR/in"
	wait_for 60 grep -q ready "$BATS_TEST_TMPDIR/out"
	for name in qemu-system virtiofsd; do
		for pid in $(pgrep -x "$name.*"); do
			grep -q ":$group\$" "/proc/$pid/cgroup"
		done
	done
	grep -q ":$group\$" "$BATS_TEST_TMPDIR/groups"
	grep -q "\"$group\"" "$KATA_ROOT/$id/state.json"
	[ "$(tr '\n' ' ' <"$BATS_TEST_TMPDIR/order")" = "prestart createRuntime createContainer poststart " ]
	echo bye >&4
	exec 4>&-
	ends_with 0 "$runner"
	grep -q bye "$BATS_TEST_TMPDIR/out"
	[ "$(tail -n 1 "$BATS_TEST_TMPDIR/order")" = poststop ]
	wait_for 5 eval '[ -z "$(find /sys/fs/cgroup -name "$top" -print -quit 2>/dev/null)" ]'
}

@test "host: a killed machine's control group goes with it" {
	local top=test-kata-${EPOCHREALTIME/[.,]/} group

	group=/$top/box

	container_bundle "$bundle" -- sleep 1000
	"$kata_tree/tests/lib/change_spec.py" "$bundle" 'linux["cgroupsPath"] = "'"$group"'"'
	start_container "$id" "$bundle"
	wait_for 60 status_is "$id" running
	kill -9 "$(program_of "$id" containerd-shim)"
	ends_with 1 "$runner"
	kata delete --force "$id"
	wait_for 5 eval '[ -z "$(find /sys/fs/cgroup -path "*$group" -print -quit 2>/dev/null)" ]'
	# Others come and go beside it while it looks.
	find /sys/fs/cgroup -depth -name "$top" -exec rmdir {} + || :
}
