# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2034,SC2154 # agent.bash and bats' run set or use them
#
# Kata's own kata-agent-ctl drives this agent: every call that it offers. It is
# built elsewhere, from Kata's sources; KATA_AGENT_CTL is its path.

load agent

# It looks for its template below /opt, and for images it asks skopeo and umoci;
# these two put what the test wants where an image would be.
agent_unshare=-n
agent_view='ip link set lo up; ip link add first address 02:00:00:00:00:01 type veth peer second;
	mount -t tmpfs tmpfs /run/kata-containers; mount -t tmpfs tmpfs /opt;
	mount --bind "$BATS_FILE_TMPDIR/sbin" /usr/sbin;'

setup_file()
{
	[ -n "${KATA_AGENT_CTL:-}" ] || return 0
	agent_rootfs "$BATS_FILE_TMPDIR/image"
	mkdir -p "$BATS_FILE_TMPDIR"/{sbin,bin}
	printf '#!/bin/sh\necho rules\n' >"$BATS_FILE_TMPDIR/sbin/iptables-save"
	printf '#!/bin/sh\nread -r line; echo "set $line"\n' >"$BATS_FILE_TMPDIR/sbin/iptables-restore"
	printf '#!/bin/sh\n' >"$BATS_FILE_TMPDIR/bin/skopeo"
	printf '#!/bin/sh\ncp -a "$WANTED"/. "$4"\n' >"$BATS_FILE_TMPDIR/bin/umoci"
	chmod 755 "$BATS_FILE_TMPDIR"/*bin/*
}

setup()
{
	[ -n "${KATA_AGENT_CTL:-}" ] || skip "KATA_AGENT_CTL is not set"
	agent_setup
}

teardown()
{
	[ -z "${agent:-}" ] || agent_teardown
}

# ctl COMMAND…: prints the answers. It sees the files that the agent sees.
ctl()
{
	PATH=$BATS_FILE_TMPDIR/bin:$PATH WANTED=$BATS_TEST_TMPDIR/bundle \
		timeout 30 nsenter -t "$agent" -m "$KATA_AGENT_CTL" -l info connect -n true \
		--server-address "unix://$socket" -c "$@" 2>&1
}

# as_bytes TEXT: as its answers print them.
as_bytes()
{
	printf %b "$1" | od -An -v -tu1 -w10000 | sed 's/^ */[/; s/  */, /g; s/$/]/'
}

# ctl_refused CODE TEXT COMMAND
ctl_refused()
{
	run -1 ctl "$3"
	grep -E 'response received|RpcStatus' <<<"$output"
	[[ $output == *"code: $1, message: "*"$2"* ]]
}

# answers TEXT COMMAND…: all succeed, and that is said.
answers()
{
	run ctl "${@:2}"
	grep -E 'response received|^ERROR|^ ' <<<"$output"
	[ "$status" = 0 ]
	[[ $output == *"$1"* ]]
}

@test "agent-ctl: the original's client: the guest" {
	answers "status: SERVING" Check
	answers 'grpc_version: \"0.0.1\"' Version
	answers ', \"virtio-fs\",' GetGuestDetails
	answers 'extra_features: [\"seccomp\"]' GetGuestDetails
	answers 'name: \"lo\"' 'CreateSandbox json://{"hostname": "h", "sandbox_id": "sb1"}' ListInterfaces
	answers kata_guest_meminfo GetMetrics
	answers "unit: INODES" 'GetVolumeStats json://{"volume_guest_path": "/tmp"}'
	answers "" 'ReseedRandomDev json://{"data": [115, 101, 101, 100]}' 'OnlineCPUMem json://{}'
	ctl_refused INVALID_ARGUMENT 'a seed of 0 bytes' ReseedRandomDev
	ctl_refused FAILED_PRECONDITION "the memory is the host's" MemHotplugByProbe
	ctl_refused FAILED_PRECONDITION "the memory is the host's" AddSwap
	ctl_refused FAILED_PRECONDITION "the clock is the host's" SetGuestDateTime
	ctl_refused UNIMPLEMENTED 'mem-agent is not supported' 'MemAgentMemcgSet json://{}'
	ctl_refused UNIMPLEMENTED 'mem-agent is not supported' 'MemAgentCompactSet json://{}'

	answers "" "CopyFile json://{\"src\": \"$rootfs/etc/passwd\", \"dest\": \"/run/kata-containers/shared/containers/f\"}" \
		"CopyFile json://{\"src\": \"$rootfs/etc\", \"dest\": \"/run/kata-containers/shared/containers/d\"}" \
		"CopyFile json://{\"src\": \"$rootfs/bin/sh\", \"dest\": \"/run/kata-containers/shared/containers/l\"}"
	nsenter -t "$agent" -m sh -ec 'cd /run/kata-containers/shared/containers; cmp f "$1"; test -d d; readlink l' - \
		"$rootfs/etc/passwd"

	ctl_refused INVALID_ARGUMENT 'empty update interface request' UpdateInterface
	answers 'mtu: 1400' 'UpdateInterface json://{"interface": {"device": "eth0", "name": "eth0", "mtu": 1400,
		"hwAddr": "02:00:00:00:00:01", "IPAddresses": [{"family": 0, "address": "10.1.0.2", "mask": "24"}]}}'
	ctl_refused INVALID_ARGUMENT 'empty update routes request' UpdateRoutes
	answers 'gateway: \"10.1.0.1\"' 'UpdateRoutes json://{"routes": {"Routes": [{"gateway": "10.1.0.1", "device": "eth0"}]}}' \
		ListRoutes
	ctl_refused INVALID_ARGUMENT 'empty add arp neighbours request' AddARPNeighbors
	answers "" 'AddARPNeighbors json://{"neighbors": {"ARPNeighbors": [{"device": "eth0", "state": 128,
		"lladdr": "02:00:00:00:00:09", "toIPAddress": {"family": 0, "address": "10.1.0.9"}}]}}'
	[[ $(nsenter -t "$agent" -n ip neigh) == *"10.1.0.9 dev eth0 lladdr 02:00:00:00:00:09 PERMANENT"* ]]
	answers "$(as_bytes 'rules\n')" GetIptables
	answers "$(as_bytes 'set x\n')" 'SetIptables json://{"is_ipv6": false, "data": [120, 10]}'

	printf 'package agent_policy\ndefault AllowRequestsFailingPolicy := true\n' >"$BATS_TEST_TMPDIR/policy"
	answers "" "SetPolicy json://{\"policy_file\": \"$BATS_TEST_TMPDIR/policy\"}" Check
	ctl DestroySandbox
	eventually ended "$agent"
}

@test "agent-ctl: the original's client: a container" {
	c='"container_id": "container1"'
	init="$c, \"exec_id\": \"container1\""
	ctl_refused INVALID_ARGUMENT 'no container container1' "StartContainer json://{$c}"
	nsenter -t "$agent" -m mkdir -p /opt/kata/share/defaults/kata-containers/agent-ctl
	mkdir "$BATS_TEST_TMPDIR/bundle"
	mv "$rootfs" "$BATS_TEST_TMPDIR/bundle/rootfs"
	python3 "$BATS_TEST_DIRNAME/oci.py" rootfs '{"process": {"args": ["sh", "-c", "echo out; echo err >&2; read x; echo $x"]}}' \
		>"$BATS_TEST_TMPDIR/bundle/config.json"
	nsenter -t "$agent" -m cp "$BATS_TEST_TMPDIR/bundle/config.json" \
		/opt/kata/share/defaults/kata-containers/agent-ctl/oci_config.json

	answers "" 'CreateContainer json://{"image": "example.org/x", "id": "container1"}' "StartContainer json://{$c}"
	answers "data: $(as_bytes 'out\n')" "ReadStdout json://{$init, \"len\": 100}"
	answers "data: $(as_bytes 'err\n')" "ReadStderr json://{$init, \"len\": 100}"
	answers cgroup_stats "StatsContainer json://{$c}"
	answers "" "UpdateContainer json://{$c, \"resources\": {\"Pids\": {\"Limit\": 50}}}" \
		"PauseContainer json://{$c}" "ResumeContainer json://{$c}"

	e="$c, \"exec_id\": \"e1\""
	answers "" "ExecProcess json://{$e, \"process\": {\"Terminal\": true, \"Cwd\": \"/\", \"Env\": [\"PATH=/bin\"],
		\"Args\": [\"sh\", \"-c\", \"read x; stty size; kill -9 \$\$\"]}}" \
		"TtyWinResize json://{$e, \"row\": 40, \"column\": 100}" "WriteStdin json://{$e, \"data\": [120, 10]}" \
		"WaitProcess json://{$e}"
	[[ $output == *"status: 137"* ]]
	answers "$(as_bytes '40 100\r\n' | tr -d '[]')" "ReadStdout json://{$e, \"len\": 100}"

	e="$c, \"exec_id\": \"e2\""
	answers "status: 0" "ExecProcess json://{$e, \"process\": {\"Cwd\": \"/\", \"Env\": [\"PATH=/bin\"], \"Args\": [\"cat\"]}}" \
		"CloseStdin json://{$e}" "WaitProcess json://{$e}"
	e="$c, \"exec_id\": \"e3\""
	answers "status: 143" "ExecProcess json://{$e, \"process\": {\"Cwd\": \"/\", \"Env\": [\"PATH=/bin\"], \"Args\": [\"sleep\", \"1000\"]}}" \
		"SignalProcess json://{$e, \"signal\": 15}" "WaitProcess json://{$e}"

	timeout 20 nsenter -t "$agent" -m "$KATA_AGENT_CTL" -l info connect -n true \
		--server-address "unix://$socket" -c GetOOMEvent >"$BATS_TEST_TMPDIR/oom" 2>&1 3>&- &
	answers "" "UpdateContainer json://{$c, \"resources\": {\"Memory\": {\"Limit\": 16777216, \"Swap\": 16777216}}}"
	e="$c, \"exec_id\": \"e4\""
	answers "" "ExecProcess json://{$e, \"process\": {\"Cwd\": \"/\", \"Env\": [\"PATH=/bin\"],
		\"Args\": [\"dd\", \"if=/dev/zero\", \"of=/dev/null\", \"bs=64M\", \"count=1\"]}}" "WaitProcess json://{$e}"
	wait $!
	[[ $(<"$BATS_TEST_TMPDIR/oom") == *'container_id: \"container1\"'* ]]

	answers "status: 0" "WriteStdin json://{$init, \"data\": [104, 105, 10]}" "WaitProcess json://{$init}"
	answers "" "RemoveContainer json://{$c}"
	ctl_refused INVALID_ARGUMENT 'no container container1' "RemoveContainer json://{$c}"
}
