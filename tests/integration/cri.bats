#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Pods as Kubernetes has them: a real containerd with its CRI plug-in and the distribution's CNI
# plug-ins, driven by calls of the container runtime interface.

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=fake
load common
load ../lib/containerd
load ../lib/cri

eval "common_$(declare -f teardown)"

teardown()
{
	local status=0

	cri_stop || status=1
	common_teardown || status=1
	return "$status"
}

# setup_cri HYPERVISOR [KEY=VALUE…]
setup_cri()
{
	container_config "$KATA_CONFIG" "$@"
	container_bundle "$bundle" -- true
	cri_start "$BATS_TEST_TMPDIR/c" "$KATA_CONFIG"
	cri_images "$bundle"
}

# What containerd asked the shim, and the shim the agent for it, with names for the IDs; without
# what only looks and waits.
transcript()
{
	sed -nE 's,.*msg="the agent is asked: ([A-Za-z]*)".*,  agent: \1,p
s,.*msg="([A-Z][A-Za-z]* [0-9a-f]{64}( [0-9a-f]{64})?)".*,\1,p' "$containerd_dir/log" |
		sed -E "/^(Wait|State|Connect|Pids) /d
/agent: (WaitProcess|GetOOMEvent|ReadStd.*|CloseStdin)$/d
$(sed 's,^\([a-z]*\) \(.*\)$,s/\2/\1/,' "$BATS_TEST_TMPDIR/names")
s/ [0-9a-f]{64}/, an exec/"
}

@test "cri: what a pod of three containers asks of the shim and the agent" {
	setup_cri fake agent.enable_debug=true runtime.enable_debug=true
	cri "
pod = Pod(cri, 'pod')
one = pod.start('one', 'sleep', '1000')
two = pod.start('two', 'sleep', '1000')
three = pod.start('three', 'sh', '-c', 'exit 3')
assert cri.ended(three).exit_code == 3
assert cri.run(one, 'sh', '-c', 'echo hi; exit 4') == (4, 'hi', '')
cri('UpdateContainerResources', container_id=two, linux={'cpu_shares': 512})
assert cri('ContainerStats', container_id=two).stats.memory.working_set_bytes.value > 0
cri('RemoveContainer', container_id=three)
cri('StopContainer', container_id=two, timeout=0)
pod.end()
for name, id in {'pod': pod.id, 'one': one, 'two': two, 'three': three}.items():
    print(name, id)
" >"$BATS_TEST_TMPDIR/names"
	# What the shim writes containerd writes a moment later.
	ended() { transcript >"$BATS_TEST_TMPDIR/transcript" && [ "$(tail -n 1 "$BATS_TEST_TMPDIR/transcript")" = "Shutdown pod" ]; }
	wait_for 10 ended
	diff - "$BATS_TEST_TMPDIR/transcript" <<-'EOT'
		Create pod
		  agent: CreateSandbox
		  agent: CreateContainer
		Start pod
		  agent: StartContainer
		Create one
		  agent: CreateContainer
		Start one
		  agent: StartContainer
		Create two
		  agent: CreateContainer
		Start two
		  agent: StartContainer
		Create three
		  agent: CreateContainer
		Start three
		  agent: StartContainer
		Kill three
		Delete three
		  agent: RemoveContainer
		Shutdown three
		Exec one
		Start one, an exec
		  agent: ExecProcess
		Kill one, an exec
		Delete one, an exec
		Update two
		  agent: UpdateContainer
		Stats two
		  agent: StatsContainer
		Kill two
		  agent: SignalProcess
		Kill two
		Delete two
		  agent: RemoveContainer
		Shutdown two
		Kill one
		  agent: SignalProcess
		Kill one
		Delete one
		  agent: RemoveContainer
		Shutdown one
		Kill pod
		  agent: SignalProcess
		Kill pod
		Delete pod
		  agent: RemoveContainer
		Shutdown pod
	EOT
}

@test "cri: a pod with volumes, users, probes, streams, limits and ends in a machine" {
	setup_cri qemu runtime.disable_guest_seccomp=false
	cri_script cri_pod.py
	wait_for 10 eval '! pgrep qemu-system'
}

@test "cri: a container that cannot be made leaves its pod as it is" {
	setup_cri fake
	cri "
pod = Pod(cri, 'pod')
one = pod.start('one', 'sleep', '1000')
bad = pod.create('bad', '/no/such/program')
assert 'no such file' in cri.refused('StartContainer', container_id=bad).lower()
assert cri.state(bad).state == EXITED
cri('RemoveContainer', container_id=bad)
assert cri.out(one, 'echo', 'still there') == 'still there'
two = pod.start('two', 'sleep', '1000')
pod.end()
"
}
