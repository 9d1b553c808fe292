# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154 # agent.bash and bats' run set them
#
# Kata's own kata-agent-ctl drives this agent. It is built elsewhere, from
# Kata's sources; KATA_AGENT_CTL is its path.

load agent

# shellcheck disable=SC2034 # for agent.bash
agent_view='mount -t tmpfs tmpfs /run/kata-containers;'

# ctl COMMAND…: prints the answers.
ctl()
{
	timeout 30 "$KATA_AGENT_CTL" -l info connect -n true --server-address "unix://$socket" -c "$@" 2>&1
}

# ctl_refused CODE TEXT COMMAND
ctl_refused()
{
	run -1 ctl "$3"
	echo "$output"
	[[ $output == *"code: $1, message: "*"$2"* ]]
}

@test "agent-ctl: the original's client" {
	[ -n "${KATA_AGENT_CTL:-}" ] || skip "KATA_AGENT_CTL is not set"
	run -0 ctl Check Version GetGuestDetails
	[[ $output == *"status: SERVING"*"grpc_version: "*"storage_handlers: "*'\"virtio-fs\"'* ]]
	run -0 ctl 'CreateSandbox json://{"hostname": "h", "sandbox_id": "sb1"}' ListInterfaces ListRoutes \
		GetMetrics 'GetVolumeStats json://{"volume_guest_path": "/tmp"}' ReseedRandomDev \
		'OnlineCPUMem json://{}' \
		"CopyFile json://{\"src\": \"$rootfs/etc/passwd\", \"dest\": \"/run/kata-containers/shared/containers/f\"}"
	[[ $output == *'name: \"lo\"'*"kata_guest_meminfo"*"unit: INODES"* ]]
	nsenter -t "$agent" -m cmp /run/kata-containers/shared/containers/f "$rootfs/etc/passwd"
	ctl_refused INVALID_ARGUMENT 'empty update interface request' 'UpdateInterface json://{}'
	ctl_refused INVALID_ARGUMENT 'empty update routes request' 'UpdateRoutes json://{}'
	ctl_refused INVALID_ARGUMENT 'empty add arp neighbours request' 'AddARPNeighbors json://{}'
	ctl_refused FAILED_PRECONDITION "the clock is the host's" SetGuestDateTime
	ctl_refused INVALID_ARGUMENT 'no container nosuch' 'StartContainer json://{"container_id": "nosuch"}'
	# What it sends to a container that another client has made.
	call create c1 --rootfs "$rootfs" -- sleep 1000
	run -0 ctl 'StartContainer json://{"container_id": "c1"}' 'StatsContainer json://{"container_id": "c1"}' \
		'PauseContainer json://{"container_id": "c1"}' 'ResumeContainer json://{"container_id": "c1"}' \
		'SignalProcess json://{"container_id": "c1", "exec_id": "c1", "signal": 9}' \
		'WaitProcess json://{"container_id": "c1", "exec_id": "c1"}'
	[[ $output == *"cgroup_stats"*"status: 137"* ]]
	ctl DestroySandbox
	eventually ended "$agent"
}
