# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2016 # agent.bash and bats' run set them; sh expands
#
# The agent as a local process: the OCI specification's fields, asserted from inside.

load agent

@test "oci: device rules" {
	check_device_rules
	check_device_update
}

# limit CONTROLLER V1-FILE V1-VALUE [V2-FILE V2-VALUE]: what is set on c1.
limit()
{
	if [ -e "/sys/fs/cgroup/$1/tasks" ]; then
		[ "$(tr '\n' ' ' <"/sys/fs/cgroup/$1/kata-oci/c1/$2")" = "$3 " ]
	elif [ $# -gt 3 ]; then
		[ "$(cat "/sys/fs/cgroup/kata-oci/c1/$4")" = "$5" ]
	fi
}

@test "oci: resources" {
	oci_start '{"linux": {"cgroupsPath": "/kata-oci/c1", "resources": {
		"memory": {"limit": 67108864, "reservation": 33554432, "swappiness": 7, "disableOOMKiller": true},
		"cpu": {"shares": 512, "quota": 20000, "period": 50000, "cpus": "0", "mems": "0"},
		"pids": {"limit": 77},
		"blockIO": {"throttleReadBpsDevice": [{"major": 7, "minor": 0, "rate": 1048576}],
			"throttleWriteIOPSDevice": [{"major": 7, "minor": 0, "rate": 100}]}}}}' -- sleep 1000
	limit memory memory.limit_in_bytes 67108864 memory.max 67108864
	limit memory memory.soft_limit_in_bytes 33554432 memory.low 33554432
	limit memory memory.swappiness 7
	limit memory memory.oom_control "oom_kill_disable 1 under_oom 0 oom_kill 0"
	limit cpu cpu.shares 512 cpu.weight 20
	limit cpu cpu.cfs_quota_us 20000 cpu.max "20000 50000"
	limit cpu cpu.cfs_period_us 50000
	limit cpuset cpuset.cpus 0 cpuset.cpus 0
	limit pids pids.max 77 pids.max 77
	limit blkio blkio.throttle.read_bps_device "7:0 1048576" \
		io.max "7:0 rbps=1048576 wbps=max riops=max wiops=100"
	limit blkio blkio.throttle.write_iops_device "7:0 100"
	printf '{"cpu": {"period": 100000, "quota": -1, "idle": 1}, "memory": {"limit": 16777216}}' \
		>"$BATS_TEST_TMPDIR/res.json"
	call update c1 --resources "$BATS_TEST_TMPDIR/res.json"
	limit cpu cpu.cfs_quota_us -1 cpu.max "max 100000"
	limit cpu cpu.cfs_period_us 100000
	limit cpu cpu.idle 1 cpu.idle 1
	limit memory memory.limit_in_bytes 16777216 memory.max 16777216
	printf '{"memory": {"limit": 4096, "checkBeforeUpdate": true}}' >"$BATS_TEST_TMPDIR/res.json"
	run -125 call update c1 --resources "$BATS_TEST_TMPDIR/res.json"
	[[ $output == *"that are in use"* ]]
	call remove c1
	refused EINVAL 'swappiness 101' oci_run '{"linux": {"resources": {"memory": {"swappiness": 101}}}}' -- true
	refused EINVAL 'unified "/x"' oci_run '{"linux": {"resources": {"unified": {"/x": "1"}}}}' -- true
}

nproc_list()
{
	awk '/^Cpus_allowed_list/ { print $2 }' /proc/self/status
}

@test "oci: how a process runs" {
	run -0 oci_run '{"domainname": "example.org", "hostname": "h", "process": {
		"user": {"uid": 0, "gid": 0, "umask": 63},
		"scheduler": {"policy": "SCHED_BATCH", "nice": 5},
		"ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": 0},
		"execCPUAffinity": {"initial": "0-1", "final": "0"}},
		"linux": {"personality": {"domain": "LINUX32"}}}' -- sh -c '
			umask; cat /proc/sys/kernel/domainname; hostname
			uname -m; cut -d" " -f19,41 /proc/$$/stat; ionice -p $$; grep Cpus_allowed_list /proc/self/status'
	echo "$output"
	[ "${lines[0]}" = 0077 ]
	[ "${lines[1]}" = example.org ]
	[ "${lines[2]}" = h ]
	[[ ${lines[3]} == i686 || ${lines[3]} == armv8l ]]
	[ "${lines[4]}" = "5 3" ] # SCHED_BATCH
	# That of processors is for further processes, which may have their own.
	[[ $output == *$'idle\nCpus_allowed_list:\t'"$(nproc_list)" ]]
	oci_start '{"process": {"execCPUAffinity": {"initial": "0-1", "final": "0"}},
		"linux": {"personality": {"domain": "LINUX32"}}}' -- sleep 1000
	run -0 call exec c1 e0 -- grep Cpus_allowed_list /proc/self/status
	[ "$output" = $'Cpus_allowed_list:\t0' ]
	if [ "$(nproc)" -gt 1 ]; then
		printf '{"cwd": "/", "args": ["grep", "Cpus_allowed_list", "/proc/self/status"], "execCPUAffinity": {"final": "1"}}' \
			>"$BATS_TEST_TMPDIR/process.json"
		run -0 call exec c1 e9 --process "$BATS_TEST_TMPDIR/process.json"
		[ "$output" = $'Cpus_allowed_list:\t1' ]
	fi
	printf '{"cwd": "/", "args": ["sh", "-c", "umask; uname -m"], "user": {"umask": 7}}' >"$BATS_TEST_TMPDIR/process.json"
	run -0 call exec c1 e1 --process "$BATS_TEST_TMPDIR/process.json"
	[[ $output == $'0007\n'* && $output != *64 ]]
	call remove c1
	refused EINVAL 'unknown domain "VMS"' oci_run '{"linux": {"personality": {"domain": "VMS"}}}' -- true
	refused EINVAL 'unknown policy "X"' oci_run '{"process": {"scheduler": {"policy": "X"}}}' -- true
	refused EINVAL 'unknown class "X"' oci_run '{"process": {"ioPriority": {"class": "X"}}}' -- true
	refused EINVAL 'rlimit RLIMIT_CORE is there twice' oci_run '{"process": {"rlimits": [
		{"type": "RLIMIT_CORE", "hard": 1, "soft": 1}, {"type": "RLIMIT_CORE", "hard": 1, "soft": 1}]}}' -- true
	refused EINVAL 'namespace ipc is there twice' oci_run '{"linux": {"namespaces": ["+", {"type": "ipc"}]}}' -- true
	refused EINVAL 'execCPUAffinity' oci_run '{"process": {"execCPUAffinity": {"final": "x"}}}' -- true
	[ -e /sys/kernel/security/apparmor ] || refused ENOSYS 'apparmorProfile "p": this kernel has no AppArmor' \
		oci_run '{"process": {"apparmorProfile": "p"}}' -- true
	[ -e /sys/fs/selinux ] || refused ENOSYS 'selinuxLabel "a:b:c:s0": this kernel has no SELinux' \
		oci_run '{"process": {"selinuxLabel": "a:b:c:s0"}}' -- true
	run -0 oci_run '{"process": {"apparmorProfile": "unconfined"}}' -- true
}

@test "oci: time, and namespaces by their paths" {
	oci_start '{"linux": {"namespaces": ["+", {"type": "time"}],
		"timeOffsets": {"boottime": {"secs": 86400000, "nanosecs": 1}, "monotonic": {"secs": 5}}}}' -- sleep 1000
	run -0 call exec c1 e1 -- cut -d. -f1 /proc/uptime
	[ "$output" -gt 86400000 ]
	pid=$(pgrep -nfx 'sleep 1000')
	# Another one enters them.
	for ns in ipc uts net time pid; do
		kind=$ns
		[ "$ns" != net ] || kind=network
		paths+=${paths:+,}'{"type": "'$kind'", "path": "/proc/'$pid'/ns/'$ns'"}'
	done
	python3 "$BATS_TEST_DIRNAME/oci.py" "$rootfs" '{"linux": {"namespaces": ['"$paths"', {"type": "mount"}]}}' \
		>"$BATS_TEST_TMPDIR/two.json"
	run -0 call run c2 --config "$BATS_TEST_TMPDIR/two.json" -- sh -c '
		for ns in ipc uts net time pid; do readlink /proc/self/ns/$ns; done; cut -d. -f1 /proc/uptime; ps | grep -c "sleep 1000"'
	echo "$output"
	i=0
	for ns in ipc uts net time pid; do
		[ "${lines[i++]}" = "$(readlink "/proc/$pid/ns/$ns")" ]
	done
	[ "${lines[5]}" -gt 86400000 ]
	call remove c1
	refused EINVAL 'unknown clock "x"' oci_run '{"linux": {"namespaces": ["+", {"type": "time"}],
		"timeOffsets": {"x": {"secs": 1}}}}' -- true
	refused EINVAL 'timeOffsets: want a time namespace' oci_run '{"linux": {"timeOffsets": {"boottime": {"secs": 1}}}}' -- true
}

@test "oci: what one container has mounted is in another as well" {
	admin='"process": {"capabilities": {"bounding": ["CAP_SYS_ADMIN"], "effective": ["CAP_SYS_ADMIN"], "permitted": ["CAP_SYS_ADMIN"]}}'
	mkdir -p "$rootfs/m n" "$rootfs/mnt"
	oci_start "{\"annotations\": {\"io.kubernetes.cri.container-name\": \"source\"}, $admin}" -- \
		sh -c 'sleep 0.5; mount -t tmpfs shared "/m n"; mkdir "/m n/sub"; mount -t tmpfs below "/m n/sub"; echo "of c1" >"/m n/sub/f"
			echo x >/file; mount --bind /file /mnt/../file; exec sleep 1000'
	python3 "$BATS_TEST_DIRNAME/oci.py" "$rootfs" >"$BATS_TEST_TMPDIR/two.json"
	shared()
	{
		echo --set "shared_mounts.$1.name=s$1" --set "shared_mounts.$1.src_ctr=$2" --set "shared_mounts.$1.dst_path=$4"
	}
	# One that is awaited, one whose container nobody knows.
	# shellcheck disable=SC2046
	run -0 call run c2 --config "$BATS_TEST_TMPDIR/two.json" $(shared 0 source x /new/place) \
		--set 'shared_mounts.0.src_path=/m n' $(shared 1 nobody x /none) --set shared_mounts.1.src_path=/x \
		$(shared 2 source x /at/file) --set shared_mounts.2.src_path=/file -- \
		sh -c 'cat /new/place/sub/f /at/file; test ! -e /none && awk "\$5 ~ /^.new/ { print \$5 }" /proc/self/mountinfo'
	[ "$output" = $'of c1\nx\n/new/place\n/new/place/sub' ]
	grep -q 'shared mount s1: nobody has nothing mounted at /x' "$log"
	# A link does not lead out of the container.
	ln -s /etc "$rootfs/link"
	ln -s ../../../../../../etc "$rootfs/mnt/up"
	# shellcheck disable=SC2046
	run -0 call run c3 --config "$BATS_TEST_TMPDIR/two.json" $(shared 0 source x /mnt/up/shared) \
		--set 'shared_mounts.0.src_path=/m n/' -- cat /etc/shared/sub/f
	[ "$output" = 'of c1' ]
	[ ! -e /etc/shared ]
	# shellcheck disable=SC2046
	refused EINVAL 'shared mount s0: "m n" at "/y": no absolute paths' call run c4 --config "$BATS_TEST_TMPDIR/two.json" \
		$(shared 0 source x /y) --set 'shared_mounts.0.src_path=m n' -- true
	# shellcheck disable=SC2046
	refused EINVAL 'shared mount s0: /etc/passwd/y: /etc/passwd: Not a directory' call run c4 --config "$BATS_TEST_TMPDIR/two.json" \
		$(shared 0 source x /etc/passwd/y) --set 'shared_mounts.0.src_path=/m n' -- true
	call remove c1
}
