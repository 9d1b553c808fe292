# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2016,SC2034 # agent.bash and bats' run set and use them; sh expands
#
# The agent as a local process that sees version 2 of control groups alone, as in a guest.

agent_view='umount -R /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit 1;'

load agent

@test "unified: device rules" {
	check_device_rules
	check_device_update
}

@test "unified: what the host's version 2 has" {
	run -0 oci_run '{"linux": {"cgroupsPath": "/kata-unified/c1", "resources": {
		"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}],
		"unified": {"cgroup.max.depth": "3", "hugetlb.2MB.rsvd.max": "2097152"}}}}' -- \
		sh -c 'cd /sys/fs/cgroup && cat hugetlb.2MB.max hugetlb.2MB.rsvd.max cgroup.max.depth'
	[ "$output" = $'4194304\n2097152\n3' ]
	oci_start -- sleep 1000
	call pause c1
	call resume c1
	call signal c1 "" 9
	[ "$(call wait c1)" = 137 ]
	call remove c1
	refused ENOENT 'unified "nosuch.max": the controller' oci_run '{"linux": {"resources": {"unified": {"nosuch.max": "1"}}}}' -- true
	refused EINVAL 'unified "../x": not the name' oci_run '{"linux": {"resources": {"unified": {"../x": "1"}}}}' -- true
	refused EINVAL 'unified "cgroup.procs": not' oci_run '{"linux": {"resources": {"unified": {"cgroup.procs": "1"}}}}' -- true
	refused EINVAL 'unified "hugetlb.2MB.max"' oci_run '{"linux": {"resources": {"unified": {"hugetlb.2MB.max": "x"}}}}' -- true
}
