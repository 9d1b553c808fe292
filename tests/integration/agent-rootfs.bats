# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154 # agent.bash and bats' run set them
#
# The agent as a local process: a container's file system and control groups.

load agent

@test "rootfs: the usual mounts and devices" {
	run -0 in_container -- sh -c 'cut -d" " -f2,3 /proc/mounts; ls /dev'
	for mount in '/proc proc' '/dev tmpfs' '/dev/pts devpts' '/dev/mqueue mqueue' '/sys sysfs'; do
		[[ $output == *"$mount"* ]]
	done
	for device in null zero full random urandom tty ptmx fd stdin stdout stderr; do
		grep -qx "$device" <<<"$output"
	done
	run -0 in_container -- sh -c 'echo gone >/dev/null; head -c 3 /dev/zero | wc -c; stat -c %t:%T /dev/null'
	[ "$output" = $'3\n1:3' ]
}

@test "rootfs: nothing of the host shows" {
	echo secret >"$BATS_TEST_TMPDIR/secret"
	run -1 in_container -- cat "$BATS_TEST_TMPDIR/secret"
	run -0 in_container -- sh -c 'ls /..; cat /proc/self/mountinfo'
	[[ $output != *"$BATS_TEST_TMPDIR/secret"* ]]
	# What the container mounts or makes in memory does not appear outside.
	run -0 in_container --caps bep=CAP_SYS_ADMIN -- sh -c 'mount -t tmpfs none /tmp && touch /tmp/x'
	[ ! -e "$rootfs/tmp/x" ]
}

@test "rootfs: read-only" {
	run -0 in_container -- touch /written
	[ -e "$rootfs/written" ]
	run -1 in_container --read-only -- touch /again
	[[ $output == *"Read-only file system"* ]]
	run -0 in_container --read-only -- sh -c 'touch /dev/shm/x'
	run -1 in_container --read-only-path /etc -- touch /etc/x
	[[ $output == *"Read-only file system"* ]]
	run -0 in_container --read-only-path /nosuch --mask /nosuch -- true
}

@test "rootfs: masked paths" {
	echo secret >"$rootfs/etc/secret"
	mkdir "$rootfs/secrets"
	echo secret >"$rootfs/secrets/one"
	run -0 in_container --mask /etc/secret --mask /secrets --mask /proc/cpuinfo -- \
		sh -c 'cat /etc/secret; ls /secrets; wc -c </proc/cpuinfo'
	[ "$output" = 0 ]
	run -1 in_container --mask /secrets --caps bep=CAP_DAC_OVERRIDE -- touch /secrets/x
	# Directories share what covers them; a path that is told twice is covered once.
	run -0 in_container --mask /secrets --mask /tmp --mask /secrets --mask /etc/secret --mask /etc/secret -- \
		sh -c 'set -- $(stat -c %d /secrets /tmp); [ "$1" = "$2" ]; grep -c "/secrets\|/etc/secret" /proc/mounts'
	[ "$output" = 2 ]
	rm -r "$rootfs/proc"
	ln -s /secrets "$rootfs/proc"
	run ! in_container -- true
	[[ $output == *"mount proc at /proc: it must be mounted on ordinary directory"* ]]
}

@test "rootfs: tmpfs with its options" {
	run -0 in_container --caps bep=CAP_DAC_OVERRIDE --mount tmpfs:tmpfs:/t:size=64k,mode=1750,uid=5,nosuid,noexec -- \
		sh -c 'stat -c "%a %u" /t; grep " /t " /proc/mounts; dd if=/dev/zero of=/t/f bs=1k count=100 2>&1 | head -n 1'
	[[ ${lines[0]} == "1750 5" ]]
	[[ ${lines[1]} == *nosuid*noexec*size=64k* ]]
	[[ ${lines[2]} == *"No space left"* ]]
	# Without a mode it takes over that of the directory.
	mkdir -m 711 "$rootfs/kept"
	run -0 in_container --mount tmpfs:tmpfs:/kept -- stat -c %a /kept
	[ "$output" = 711 ]
}

@test "rootfs: a tmpfs that starts with what it covers" {
	mkdir -p "$rootfs/data/deep/er"
	echo content >"$rootfs/data/deep/er/file"
	chown 5:6 "$rootfs/data/deep/er/file" "$rootfs/data/deep"
	chmod 4751 "$rootfs/data/deep/er/file"
	ln -s /etc/shadow "$rootfs/data/link"
	mkfifo "$rootfs/data/fifo"
	run -0 in_container --caps bep=CAP_DAC_OVERRIDE --mount tmpfs:tmpfs:/data:tmpcopyup,ro -- sh -c 'cd /data
		cat deep/er/file; stat -c "%a %u %g" deep/er/file deep; readlink link; ls'
	[ "$output" = $'content\n4751 5 6\n755 5 6\n/etc/shadow\ndeep\nlink' ]
	run -1 in_container --caps bep=CAP_DAC_OVERRIDE --mount tmpfs:tmpfs:/data:tmpcopyup,ro -- touch /data/new
	[[ $output == *"Read-only file system"* ]]
	run -0 in_container --mount tmpfs:tmpfs:/data:tmpcopyup -- touch /data/new
	[ ! -e "$rootfs/data/new" ]
	refused ENOSPC 'copy up' in_container --mount tmpfs:tmpfs:/bin:tmpcopyup,size=64k
}

@test "rootfs: binds" {
	src=$BATS_TEST_TMPDIR/src
	mkdir -p "$src/sub"
	echo one >"$src/file"
	run -0 in_container --mount "bind:$src:/new/dir:rbind" --mount "bind:$src/file:/etc/new.conf:bind" -- \
		sh -c 'cat /new/dir/file /etc/new.conf; echo two >/new/dir/file'
	[ "$output" = $'one\none' ]
	[ "$(cat "$src/file")" = two ]
	run -1 in_container --mount "bind:$src:/d:rbind,ro" -- touch /d/x
	[[ $output == *"Read-only file system"* ]]
	run -0 in_container --mount "bind:$src:/d:rbind,nosuid,nodev,noexec" -- grep ' /d ' /proc/mounts
	[[ $output == *nosuid,nodev,noexec* ]]
	refused EINVAL 'is no absolute path' in_container --mount bind:src:/d:bind
	refused EINVAL '/etc/passwd: Not a directory' in_container --mount "bind:$src:/etc/passwd:bind"
}

@test "rootfs: attributes of what is below, and propagation" {
	src=$BATS_TEST_TMPDIR/src
	mkdir -p "$src"
	nsenter -m -t "$agent" sh -c "mount -t tmpfs one $src && mkdir $src/sub && mount -t tmpfs two $src/sub && mount --make-shared $src/sub"
	try='touch /d/x 2>/dev/null && echo top; touch /d/sub/x 2>/dev/null && echo sub; cut -d" " -f2,4 /proc/mounts | grep -E "^/d(/| )"
		grep " /d/sub " /proc/self/mountinfo | cut -d" " -f7'
	run -0 in_container --mount "bind:$src:/d:rbind,ro" -- sh -c "$try"
	echo "$output"
	[[ $output == sub$'\n/d ro,'* ]]
	run -0 in_container --mount "bind:$src:/d:rbind,rro,rnoexec,rnosuid,rnodev,rnoatime" -- sh -c "$try"
	[[ $output == "/d ro,nosuid,nodev,noexec,noatime"*$'\n/d/sub ro,nosuid,nodev,noexec,noatime'* ]]
	run -0 in_container --mount "bind:$src:/d:rbind,rro,rw" -- sh -c "$try"
	[[ $output == top$'\n/d rw,'*$'\n/d/sub ro,'* ]]
	run -0 in_container --mount "bind:$src:/d:bind" -- sh -c 'ls -A /d/sub | wc -l; ! grep " /d/sub " /proc/mounts'
	[ "$output" = 0 ]
	run -0 in_container --mount "bind:$src:/d:rbind,rslave" -- sh -c "$try"
	[[ $output == *master:* && $output != *shared:* ]]
	run -0 in_container --mount "bind:$src:/d:rbind,rshared" -- sh -c "$try"
	[[ $output == *shared:* ]]
	run -0 in_container --mount "bind:$src:/d:rbind,rprivate" -- sh -c "$try"
	[[ $output != *shared:* && $output != *master:* ]]
}

@test "rootfs: binds whose files belong to others inside" {
	local map='[{"containerID": 0, "hostID": 7000, "size": 10}]' users='[{"containerID": 0, "hostID": 100000, "size": 100}]'

	src=$BATS_TEST_TMPDIR/mapped
	mkdir -p "$src/sub"
	in_agent() { nsenter -t "$agent" -m "$@"; }
	in_agent mount -t tmpfs tmpfs "$src"
	in_agent sh -c "mkdir $src/sub && mount -t tmpfs tmpfs $src/sub && echo x >$src/a && echo x >$src/sub/b && chown 3:4 $src/a"
	bind() { # OPTIONS MAPPINGS [JSON]
		oci_run '{"mounts": ["+", {"destination": "/d", "type": "bind", "source": "'"$src"'",
			"options": ['"$1"'] '"$2"'}]}' "${3:-{\}}" -- sh -c 'stat -c "%u %g" /d/a; stat -c "%u %g" /d/sub/b; touch /d/new && stat -c "%u %g" /d/new; rm -f /d/new'
	}
	# Without a user namespace, by mappings of its own.
	run -0 bind '"rbind"' ', "uidMappings": '"$map"', "gidMappings": '"$map"
	[[ $output == $'7003 7004\n0 0'* ]]
	run -0 bind '"rbind", "ridmap"' ', "uidMappings": '"$map"', "gidMappings": '"$map"
	[[ $output == $'7003 7004\n7000 7000'* ]]
	# In one, by its own: what is root's outside is root's inside.
	userns='{"linux": {"namespaces": ["+", {"type": "user"}], "uidMappings": '"$users"', "gidMappings": '"$users"'}}'
	chown 100000:100000 "$rootfs"
	run -0 bind '"rbind", "ridmap"' '' "$userns"
	[ "$output" = $'3 4\n0 0\n0 0' ]
	run -0 bind '"rbind"' '' "$userns"
	[[ $output == $'65534 65534\n65534 65534'* ]]
	refused EINVAL 'mount /d: idmap without mappings and without a user namespace' bind '"bind", "idmap"' ''
	refused EINVAL 'mount /d: uidMappings and gidMappings go together' bind '"bind"' ', "uidMappings": '"$map"
	refused EINVAL 'mount /d: only a bind can map IDs' oci_run '{"mounts": ["+", {"destination": "/d", "type": "tmpfs",
		"source": "tmpfs", "options": ["idmap"]}]}' -- true
	refused EINVAL 'its file system cannot map IDs' oci_run '{"mounts": ["+", {"destination": "/d", "type": "bind",
		"source": "/proc/sys", "options": ["bind"], "uidMappings": '"$map"', "gidMappings": '"$map"'}]}' -- true
	# Of a label that no module of this kernel knows nothing comes.
	if ! grep -q selinuxfs /proc/filesystems; then
		run -1 oci_run '{"linux": {"mountLabel": "system_u:object_r:container_file_t:s0:c1,c2"}}' -- grep context= /proc/mounts
	fi
	in_agent umount "$src/sub" "$src"
}

@test "rootfs: devices of a container that can make none" {
	local users='[{"containerID": 0, "hostID": 100000, "size": 100}]'

	chown 100000:100000 "$rootfs"
	run -0 oci_run '{"linux": {"namespaces": ["+", {"type": "user"}], "uidMappings": '"$users"', "gidMappings": '"$users"',
		"devices": ["+", {"path": "/dev/elsewhere/full", "type": "c", "major": 1, "minor": 7, "uid": 10, "gid": 11, "fileMode": 416},
			{"path": "/dev/ram", "type": "b", "major": 1, "minor": 5}],
		"resources": {"devices": [{"allow": true, "access": "rwm"}]}}}' -- sh -c '
		stat -c "%u %g %a %t %T %F" /dev/elsewhere/full /dev/ram
		cat /dev/null; head -c 3 /dev/zero | wc -c
		echo x 2>&1 >/dev/elsewhere/full
		grep -cE "^[^ ]+ /dev/(null|elsewhere/full|ram) [^ ]+ rw,nosuid,noexec," /proc/mounts'
	[[ $output == $'10 11 640 1 7 character special file\n0 0 666 1 5 block special file\n3\n'*'No space left'*$'\n3' ]]
	[ -z "$(nsenter -t "$agent" -m sh -c 'ls -d /run/kata-nodes-* 2>/dev/null; grep kata-nodes /proc/mounts')" ]
}

@test "rootfs: a mount point behind a link stays inside" {
	mkdir "$BATS_TEST_TMPDIR/outside"
	ln -s "$BATS_TEST_TMPDIR/outside" "$rootfs/absolute"
	ln -s "../../../../../../../../..$BATS_TEST_TMPDIR/outside" "$rootfs/relative"
	mkdir -p "$rootfs$BATS_TEST_TMPDIR"
	run -0 in_container --mount tmpfs:tmpfs:/absolute/x --mount tmpfs:tmpfs:/relative/y -- \
		sh -c "touch /absolute/x/f /relative/y/f; ls $BATS_TEST_TMPDIR/outside"
	[ "$output" = $'x\ny' ]
	[ -z "$(ls "$BATS_TEST_TMPDIR/outside")" ]
	[ "$(agent_mounts)" = "$mounts" ]
}

@test "rootfs: a file's link that leads nowhere yet" {
	echo 'nameserver 1.2.3.4' >"$BATS_TEST_TMPDIR/resolv.conf"
	ln -s ../run/resolve/stub.conf "$rootfs/etc/resolv.conf"
	run -0 in_container --mount "bind:$BATS_TEST_TMPDIR/resolv.conf:/etc/resolv.conf:bind,ro" -- \
		cat /etc/resolv.conf /run/resolve/stub.conf
	[ "$output" = $'nameserver 1.2.3.4\nnameserver 1.2.3.4' ]
	ln -s loop2 "$rootfs/loop1"
	ln -s loop1 "$rootfs/loop2"
	refused EINVAL '/loop1: Too many' in_container --mount tmpfs:tmpfs:/loop1
}

@test "rootfs: /proc is not to be covered" {
	refused EACCES 'inside /proc' in_container --mount tmpfs:tmpfs:/proc/sys
	ln -s /proc "$rootfs/door"
	refused EACCES 'inside /proc' in_container --mount tmpfs:tmpfs:/door/sys
	echo cpu >"$BATS_TEST_TMPDIR/cpuinfo"
	run -0 in_container --mount "bind:$BATS_TEST_TMPDIR/cpuinfo:/proc/cpuinfo:bind" -- cat /proc/cpuinfo
	[ "$output" = cpu ]
	# A /dev/null that is none cannot be used to read what is masked.
	run -125 in_container --bare --mount proc:proc:/proc --mount "bind:$BATS_TEST_TMPDIR:/dev:bind" \
		--mask /etc/passwd
}

@test "rootfs: devices of the specification" {
	run -0 in_container --device c:/dev/mine/:1:5 --device p:/dev/pipe:0:0 -- \
		sh -c 'stat -c "%F %t:%T %a" /dev/mine; stat -c %F /dev/pipe'
	[ "$output" = $'character special file 1:5 640\nfifo' ]
	echo x >"$rootfs/file"
	refused EEXIST 'device /file' in_container --device c:/file:1:5
}

@test "rootfs: sysctls of the container's namespaces" {
	run -0 in_container --sysctl kernel.shmmni=1234 --sysctl fs.mqueue.msg_max=7 -- \
		cat /proc/sys/kernel/shmmni /proc/sys/fs/mqueue/msg_max
	[ "$output" = $'1234\n7' ]
	[ "$(cat /proc/sys/kernel/shmmni)" != 1234 ]
	refused ENOENT 'sysctl net.nosuch' in_container --sysctl net.nosuch=1
	refused EINVAL 'is no name' in_container --sysctl net/../kernel.hostname=x
}

@test "rootfs: a user namespace" {
	chown -R 100000:100000 "$rootfs"
	run -0 in_container --namespace user --map 0:100000:65536 -- \
		sh -c 'id -u; cat /proc/self/uid_map; echo x >/dev/null && ls /dev/zero; touch /owned'
	[[ ${lines[0]} == 0 ]]
	[[ ${lines[1]} == *100000*65536* ]]
	[ "$(stat -c %u "$rootfs/owned")" = 100000 ]
	start_container c1 --namespace user --map 0:100000:65536 -- sleep 100
	run -0 call exec c1 e1 -- id -u
	[ "$output" = 0 ]
	refused EINVAL 'without uid_map' call create c2 --rootfs "$rootfs" --namespace user
}

# knob V1-CONTROLLER V1-FILE V2-FILE: the value in the container's group.
knob()
{
	if [ -e "/sys/fs/cgroup/$1/kata-test/c1/$2" ]; then
		cat "/sys/fs/cgroup/$1/kata-test/c1/$2"
	else
		cat "/sys/fs/cgroup/kata-test/c1/$3"
	fi
}

@test "cgroup: limits, update, statistics" {
	start_container c1 --cgroup /kata-test/c1 --memory 33554432 --pids 50 --quota 50000 -- sleep 1000
	[ "$(knob memory memory.limit_in_bytes memory.max)" = 33554432 ]
	[ "$(knob pids pids.max pids.max)" = 50 ]
	call update c1 --memory 67108864 --pids 60
	[ "$(knob memory memory.limit_in_bytes memory.max)" = 67108864 ]
	[ "$(knob pids pids.max pids.max)" = 60 ]
	run -0 call stats c1
	[[ $output == *"limit 67108864"* && $output == *"pids 1"* ]]
	[[ $output == *$'\nmemory.'* && $output == *$'\nhugetlb 2MB 0'* && $output == *$'\nnet lo '* ]]
	call remove c1
	[ -z "$(find /sys/fs/cgroup -name 'kata-test')" ]
}

@test "cgroup: systemd's form of a path, and parents that others made" {
	mkdir -p /sys/fs/cgroup/memory/kata-parent 2>/dev/null || mkdir -p /sys/fs/cgroup/kata-parent
	start_container c1 --cgroup kata-parent:x:c1 -- sleep 1000
	[ -n "$(find /sys/fs/cgroup -path '*/kata-parent/x-c1')" ]
	call remove c1
	[ "$(find /sys/fs/cgroup -name kata-parent | wc -l)" = 1 ]
	# Others come and go beside it while it looks.
	find /sys/fs/cgroup -name kata-parent -exec rmdir {} + || :
}

@test "cgroup: who lives in a group already is not killed with a container" {
	start_container c1 --cgroup /kata-test/c1 -- sleep 1000
	refused EBUSY 'cgroupsPath /kata-test: 1 processes live there already' \
		call create c2 --rootfs "$rootfs" --cgroup /kata-test -- true
	call exec c1 e1 -- true
	call remove c1
	[ -z "$(find /sys/fs/cgroup -name 'kata-test')" ]
}

@test "cgroup: too many processes, too much memory" {
	start_container c1 --pids 4 -- sh -c 'for i in 1 2 3 4 5 6; do sleep 1000 & done; wait'
	eventually grep -q . <(call read-error c1)
	call remove c1
	start_container c1 --memory 16777216 -- sleep 1000
	call exec-start c1 e1 -- sh -c 'tail /dev/zero'
	[ "$(call oom)" = c1 ]
	[ "$(call wait c1 e1)" = 137 ]
}

@test "cgroup: pause and resume" {
	start_container c1 -- sh -c 'while :; do echo x; sleep 0.05; done'
	[ -n "$(call read c1)" ]
	call pause c1
	run -125 call pause c1
	# Nothing could come of it before its time is up.
	refused EBUSY 'container c1 is paused' call exec c1 e1 -- true
	while [ -n "$(timeout 0.3 "$KATA_BUILD/tests/tools/agent-call" "$socket" read c1)" ]; do :; done
	call resume c1
	[ -n "$(call read c1)" ]
	run -125 call resume c1
	# A paused container can be removed, started or not.
	call pause c1
	call remove c1
	call create c1 --rootfs "$rootfs" -- true
	call pause c1
	refused EBUSY 'container c1 is paused' call start c1
	call resume c1
	call start c1
	call pause c1 2>/dev/null || : # it has ended, perhaps
	call remove c1
}
