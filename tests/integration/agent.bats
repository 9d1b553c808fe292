# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154 # agent.bash and bats' run set them
#
# The agent as a local process: sandbox, containers, their ends and errors.

load agent

@test "agent: health, version, details" {
	[ "$(call check)" = 1 ]
	[[ $(call version) == "0.0.1 "* ]]
	run -0 call details
	[[ $output == *"seccomp 1"* && $output == *"storage virtio-fs"* ]]
}

@test "agent: it writes its options and version, and refuses others" {
	run -0 "$KATA_BUILD/guest/agent/kata-agent" --version
	[[ $output == *"version: "* ]]
	run -1 "$KATA_BUILD/guest/agent/kata-agent" init
	[[ $output == *"first process of a machine"* ]]
	run -1 "$KATA_BUILD/guest/agent/kata-agent" --nosuch
	[[ $output == *usage* ]]
	run -1 env KATA_AGENT_SERVER_ADDR=http://x "$KATA_BUILD/guest/agent/kata-agent"
	[[ $output == *'server address "http://x"'* ]]
	run -1 env KATA_AGENT_LOG_LEVEL=loud "$KATA_BUILD/guest/agent/kata-agent"
	[[ $output == *'unknown level "loud"'* ]]
}

@test "agent: exit status, stdout and stderr apart" {
	run -0 in_container -- echo hello
	[ "$output" = hello ]
	run -7 in_container -- sh -c 'exit 7'
	run -0 --separate-stderr in_container -- sh -c 'echo out; echo err >&2'
	[ "$output" = out ]
	[ "$stderr" = err ]
	run -143 in_container -- sh -c 'sleep 100 & kill -TERM $!; wait $!'
}

@test "agent: 10 MiB through stdin and stdout" {
	head -c 10485760 /dev/urandom >"$BATS_TEST_TMPDIR/data"
	want=$(sha256sum <"$BATS_TEST_TMPDIR/data")
	[ "$(in_container -- sha256sum <"$BATS_TEST_TMPDIR/data")" = "$want" ]
	[ "$(in_container -- cat <"$BATS_TEST_TMPDIR/data" | sha256sum)" = "$want" ]
}

@test "agent: a program that cannot run, as engines know it" {
	refused ENOENT 'exec: "nosuch": executable file not found in $PATH' in_container -- nosuch
	refused ENOENT 'no such file or directory' in_container -- /no/such
	refused EACCES 'exec: "/etc/passwd": permission denied' in_container -- /etc/passwd
	refused EACCES 'permission denied' in_container -- /bin
	printf 'not a program\n' >"$rootfs/bin/text"
	chmod 755 "$rootfs/bin/text"
	call create c1 --rootfs "$rootfs" -- /bin/text
	run -125 call start c1
	[[ $output == *'exec /bin/text: exec format error'* ]]
	call remove c1
}

@test "agent: bad requests have clear errors" {
	refused EINVAL 'invalid container id "a"' call create a --rootfs "$rootfs"
	refused EINVAL 'invalid container id "../x"' call create ../x --rootfs "$rootfs"
	refused EINVAL 'no container nosuch' call start nosuch
	refused EINVAL 'no container nosuch' call remove nosuch
	refused EINVAL 'no container nosuch' call wait nosuch
	refused ENOENT "root $BATS_TEST_TMPDIR/none" call create c1 --rootfs "$BATS_TEST_TMPDIR/none"
	refused EINVAL 'root.path' call create c1 --rootfs relative
	refused EINVAL 'cwd "tmp"' in_container --cwd tmp
	refused EINVAL 'unknown namespace type "nosuch"' in_container --namespace nosuch
	refused ENOENT '/no/ns' in_container --namespace ipc:/no/ns
	refused EINVAL 'unknown rlimit "RLIMIT_X"' in_container --rlimit RLIMIT_X=1:1
	refused EINVAL 'cgroupsPath' in_container --cgroup ../../x
	refused ENOENT '/no/source' in_container --mount bind:/no/source:/mnt:bind
	refused ENOENT 'mount nosuchfs' in_container --mount nosuchfs:x:/mnt
	refused EINVAL "Bad value for 'size'" in_container --mount tmpfs:tmpfs:/mnt:size=nonsense
	refused EINVAL 'unknown driver "nosuch"' in_container --storage nosuch:x:y:/run/x
	refused EACCES 'sysctl "vm.swappiness"' in_container --sysctl vm.swappiness=1
	refused EINVAL 'device /dev/x: unknown type "z"' in_container --device z:/dev/x:1:3
	# Nothing of all these is left.
	run -0 in_container -- echo fine
}

@test "agent: an id is taken until its container is removed" {
	start_container c1 -- sleep 100
	refused EEXIST 'container c1 exists already' call create c1 --rootfs "$rootfs" -- true
	run -0 call exec c1 e1 -- echo still here
	[ "$output" = "still here" ]
	call remove c1
	run -0 in_container -- true
}

@test "agent: a container is started once" {
	start_container c1 -- sleep 100
	run -125 call start c1
	[[ $output == *"started already"* ]]
	call remove c1
}

@test "agent: removal while it runs kills all of it" {
	start_container c1 -- sh -c 'for i in 1 2 3; do sleep 1000 & done; trap "" TERM INT; wait'
	call exec-start c1 e1 -- sleep 1000
	pgrep -fx 'sleep 1000'
	call remove c1
	none_runs 'sleep 1000'
	[ "$(agent_mounts)" = "$mounts" ]
}

@test "agent: removal of a container that was not started" {
	call create c1 --rootfs "$rootfs" -- sleep 100
	call remove c1
	[ "$(agent_mounts)" = "$mounts" ]
}

@test "agent: a created container does not hold the streams of others" {
	start_container c1 -- cat
	call create c2 --rootfs "$rootfs" -- true
	call close-stdin c1
	[ "$(call wait c1)" = 0 ]
}

@test "agent: two containers at once" {
	start_container c1 --hostname one -- sh -c 'sleep 0.3; hostname'
	start_container c2 --hostname two -- sh -c 'sleep 0.3; hostname'
	[ "$(call pump c1 </dev/null)" = one ]
	[ "$(call pump c2 </dev/null)" = two ]
}

@test "agent: the sandbox's namespaces are shared" {
	call create-sandbox sb1 podname
	[ "$(call run c1 --rootfs "$rootfs" --hostname mine -- hostname)" = podname ]
	start_container c1 -- sh -c 'echo "$(for ns in ipc uts pid; do readlink /proc/self/ns/$ns; done)"; sleep 100'
	one=$(call read c1)
	start_container c2 -- sh -c 'echo "$(for ns in ipc uts pid; do readlink /proc/self/ns/$ns; done)"; sleep 100'
	two=$(call read c2)
	[ "$(head -n 2 <<<"$one")" = "$(head -n 2 <<<"$two")" ]
	[ "$(tail -n 1 <<<"$one")" != "$(tail -n 1 <<<"$two")" ]
	# Those of a sandbox that is created again are for what comes then: agent-rpc.bats.
}

@test "agent: a pid namespace for the whole sandbox" {
	call create-sandbox sb1 podname
	start_container c1 --sandbox-pidns -- sleep 1000
	start_container c2 --sandbox-pidns -- sh -c 'sleep 2000 & wait'
	eventually pgrep -fx 'sleep 2000'
	run -0 call exec c1 e1 -- ps
	[[ $output == *"sleep 1000"* && $output == *"sleep 2000"* ]]
	# The end of a container's first process is the end of its others.
	call signal c2 c2 9
	[ "$(call wait c2)" = 137 ]
	eventually none_runs 'sleep 2000'
	pgrep -fx 'sleep 1000'
}

@test "agent: the sandbox's pid namespace is that of its first container" {
	start_container c1 -- sleep 1000
	start_container c2 -- sleep 2000
	start_container c3 --sandbox-pidns -- sleep 3000
	run -0 call exec c3 e1 -- ps
	[[ $output == *"sleep 1000"* && $output != *"sleep 2000"* ]]
}

@test "agent: storages are mounted once and released with their last holder" {
	dir=$BATS_TEST_TMPDIR/eph
	start_container c1 --storage "ephemeral:tmpfs:tmpfs:$dir:size=1m,fsgid=2000" \
		--mount "bind:$dir:/data:rbind" -- sh -c 'echo one >/data/file; sleep 100'
	eventually call exec c1 e1 -- test -s /data/file
	[ "$(call run c2 --rootfs "$rootfs" --storage "ephemeral:tmpfs:tmpfs:$dir" \
		--mount "bind:$dir:/data:rbind,ro" -- sh -c 'cat /data/file; stat -c %g /data')" = $'one\n2000' ]
	agent_mounts | grep -qx "$dir"
	call remove c1
	[ "$(agent_mounts)" = "$mounts" ]
	[ ! -e "$dir" ]
}

@test "agent: a storage that binds, and one that fails" {
	mkdir "$BATS_TEST_TMPDIR/src"
	echo content >"$BATS_TEST_TMPDIR/src/file"
	place=$BATS_TEST_TMPDIR/place
	[ "$(in_container --storage "bind:$BATS_TEST_TMPDIR/src::$place" \
		--mount "bind:$place/file:/etc/conf:bind,ro" -- cat /etc/conf)" = content ]
	refused ENOENT "storage $place (bind)" in_container \
		--storage "ephemeral:tmpfs:tmpfs:$BATS_TEST_TMPDIR/t" --storage "bind:/no/such::$place"
	[ "$(agent_mounts)" = "$mounts" ]
}

@test "agent: destroying the sandbox ends everything" {
	call create-sandbox sb1 podname --storage "ephemeral:tmpfs:tmpfs:$BATS_TEST_TMPDIR/shm"
	start_container c1 -- sleep 1000
	start_container c2 -- sleep 1000
	call create c3 --rootfs "$rootfs" -- true
	call destroy-sandbox
	eventually ended "$agent"
	none_runs 'sleep 1000'
	[ ! -e "$socket" ]
}

@test "agent: SIGTERM ends it with all that it holds" {
	start_container c1 --storage "ephemeral:tmpfs:tmpfs:$BATS_TEST_TMPDIR/eph" -- sleep 3000
	call create c2 --rootfs "$rootfs" -- true
	kill "$agent"
	eventually ended "$agent"
	none_runs 'sleep 3000'
	[ ! -e "$BATS_TEST_TMPDIR/eph" ]
}

@test "agent: what dies with a killed agent" {
	start_container c1 --user 1000:1000 -- sleep 3000
	call exec-start c1 e1 -- sleep 3000
	call create c2 --rootfs "$rootfs" -- sleep 3000
	kill -9 "$agent"
	eventually ended "$agent"
	eventually none_runs 'sleep 3000'
	eventually find /sys/fs/cgroup -type d \( -name c1 -o -name c2 \) -exec rmdir {} +
}
