#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What only a machine of its own shows of the specification: limits by version 2
# of control groups, device rules by BPF, filters of the guest's kernel.

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=qemu
load common

setup_file()
{
	container_prepare "$BATS_FILE_TMPDIR"
}

# configure [JSON…]: merge into the bundle's config.json, as oci.py does.
configure()
{
	python3 "$BATS_TEST_DIRNAME/oci.py" rootfs "$(cat "$bundle/config.json")" "$@" >"$BATS_TEST_TMPDIR/new.json"
	mv "$BATS_TEST_TMPDIR/new.json" "$bundle/config.json"
}

@test "the guest keeps the specification's limits, rules and filters" {
	container_config "$KATA_CONFIG" qemu runtime.disable_guest_seccomp=false
	container_bundle "$bundle" --no-terminal -- sh -c '
		umask; cat /proc/sys/kernel/domainname; cut -d. -f1 /proc/uptime
		cd /sys/fs/cgroup
		for f in memory.max memory.low memory.swap.max memory.high cpu.max cpu.weight pids.max; do
			[ ! -e $f ] || echo $f $(cat $f)
		done
		grep -E "^(Seccomp|NoNewPrivs):" /proc/self/status
		mkdir /tmp/x 2>&1
		mknod /tmp/mem c 1 1 && head -c 1 /tmp/mem 2>&1
		mknod /tmp/null c 1 3 && echo gone >/tmp/null && echo null works'
	configure '{"domainname": "example.org",
		"process": {"user": {"umask": 63}, "noNewPrivileges": false,
			"capabilities": {"bounding": ["CAP_MKNOD"], "effective": ["CAP_MKNOD"], "permitted": ["CAP_MKNOD"]}},
		"linux": {
			"namespaces": ["+", {"type": "time"}], "timeOffsets": {"boottime": {"secs": 86400000}},
			"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
				"syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}]},
			"resources": {
				"memory": {"limit": 67108864, "reservation": 33554432, "swap": 67108864},
				"cpu": {"shares": 512, "quota": 20000, "period": 50000},
				"pids": {"limit": 77},
				"unified": {"memory.high": "50331648"}}}}'
	run -0 timeout --foreground -k 5 "$limit" "$kata_runtime" --config "$KATA_CONFIG" --root "$KATA_ROOT" \
		--log "$KATA_LOG" run --bundle "$bundle" "$id"
	echo "$output"
	[ "${lines[0]}" = 0077 ]
	[ "${lines[1]}" = example.org ]
	[ "${lines[2]}" -ge 86400000 ]
	for line in 'memory.max 67108864' 'memory.low 33554432' 'memory.high 50331648' 'cpu.max 20000 50000' \
		'cpu.weight 20' 'pids.max 77' $'NoNewPrivs:\t0' $'Seccomp:\t2' 'null works'; do
		grep -qxF "$line" <<<"$output"
	done
	[[ $output == *"'/tmp/x': Permission denied"* ]]
	[[ $output == *'/tmp/mem: Operation not permitted'* ]]
}
