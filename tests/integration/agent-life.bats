# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034,SC2154,SC2016 # agent.bash and bats' run set them; sh expands
#
# The agent as a local process over a long life: nothing grows, nothing hangs.

load agent

agent_patience=20

# What the agent holds: descriptors, children, mounts, groups.
holdings()
{
	echo "$(find "/proc/$agent/fd" -mindepth 1 | wc -l) descriptors"
	echo "$(pgrep -P "$agent" | wc -l) children"
	echo "$(agent_mounts | wc -l) mounts"
	echo "$(find /sys/fs/cgroup -type d -name 'c1*' | wc -l) groups"
}

# no_more THAN: it holds no more than it did. That of a call which has just ended may not have
# been let go of yet.
no_more()
{
	paste -d' ' <(holdings) - <<<"$1" | awk '$1 > $3 { print; more = 1 } END { exit more }'
}

# memory FIELD: of the agent, in kB.
memory()
{
	awk -v field="$1:" '$1 == field { sum += $2 } END { print sum }' "/proc/$agent/smaps_rollup"
}

@test "life: 500 containers leave nothing behind" {
	call rounds c1 10 --rootfs "$rootfs" -- /bin/true
	before=$(holdings)
	kilobytes=$(memory Private_Dirty)
	call rounds c1 500 --rootfs "$rootfs" -- /bin/true
	eventually no_more "$before"
	echo "private: $kilobytes kB, then $(memory Private_Dirty) kB"
	[ "$(memory Private_Dirty)" -le $((kilobytes + 64)) ]
}

@test "life: 1 GiB of output reaches a slow reader, and the agent stays small" {
	start_container c1 -- sh -c 'yes 0123456789abcdef | head -c 1073741824'
	call pump c1 </dev/null | {
		# The container writes meanwhile what the pipes take.
		head -c 65536 >/dev/null
		sleep 1
		cat
	} | tail -c +1 | cmp - <(yes 0123456789abcdef | head -c 1073741824 | tail -c +65537)
	[ "${PIPESTATUS[*]}" = "0 0 0 0" ]
	grep VmHWM "/proc/$agent/status"
	[ "$(awk '/VmHWM/ { print $2 }' "/proc/$agent/status")" -lt 8192 ]
	call remove c1
}

@test "life: any child may be killed at any time" {
	call rounds c1 3 --rootfs "$rootfs" -- /bin/true
	before=$(holdings)
	for i in {1..30}; do
		call create c1 --rootfs "$rootfs" -- sleep 1000 2>/dev/null &
		sleep "0.00$((i % 10))"
		pkill -9 -P "$agent" || :
		wait $! || :
		if call start c1 2>/dev/null; then
			call exec-start c1 e1 -- sleep 1000 2>/dev/null &
			sleep "0.00$((i % 7))"
			pkill -9 -P "$agent" || :
			wait $! || :
		fi
		call remove c1 2>/dev/null || :
		[ "$(call check)" = 1 ]
	done
	run -0 in_container -- echo fine
	[ "$output" = fine ]
	eventually no_more "$before"
}

@test "life: what a job mounted before it was killed goes" {
	local base=$BATS_TEST_TMPDIR/storages

	mkdir "$base"
	mounted() { agent_mounts | grep -qx "$base/one"; }
	unmounted() { ! agent_mounts | grep -q "$base"; }
	call create c1 --rootfs "$rootfs" --storage "ephemeral:tmpfs:tmpfs:$base/one" \
		--storage "overlayfs:overlay:overlay:$base/two:lowerdir=/usr/bin,io.katacontainers.fs-opt.overlay-rw" \
		--storage "blk:02/00:ext4:$base/three" -- true 2>"$BATS_TEST_TMPDIR/said" &
	eventually mounted
	sleep 0.1
	pkill -9 -P "$agent"
	wait $! && return 1
	grep 'error EIO: the helper process died' "$BATS_TEST_TMPDIR/said"
	eventually unmounted
	[ "$(agent_mounts)" = "$mounts" ]
	[ ! -e /run/kata-containers/c1/overlay ]
	# The name is free, and the place can be used.
	run -0 call run c1 --rootfs "$rootfs" --storage "ephemeral:tmpfs:tmpfs:$base/one" --mount "bind:$base/one:/d:bind" -- \
		sh -c 'grep -c " /d tmpfs" /proc/mounts'
	[ "$output" = 1 ]
}

@test "life: groups nested deeper than the agent has descriptors go with their container" {
	prlimit --pid "$agent" --nofile=100:100
	call create c1 --rootfs "$rootfs" --cgroup "/kata-c-nest-$BATS_ROOT_PID" --bare --mount proc:proc:/proc \
		--mount "cgroup:cgroup:/sys/fs/cgroup:rw" -- sh -c 'cd /sys/fs/cgroup/pids 2>/dev/null || cd /sys/fs/cgroup
		i=0; while [ $i -lt 400 ]; do mkdir x && cd x || exit 1; i=$((i + 1)); done; echo nested; exec sleep 1000'
	call start c1
	run -0 call read c1
	[ "$output" = nested ]
	[ "$(find /sys/fs/cgroup -path "*kata-c-nest-$BATS_ROOT_PID*" -type d | wc -l)" -gt 400 ]
	call remove c1
	[ -z "$(find /sys/fs/cgroup -name "kata-c-nest-$BATS_ROOT_PID")" ]
}

@test "life: out of order" {
	refused EINVAL 'no container c1' call exec c1 e1 -- true
	call create c1 --rootfs "$rootfs" -- sleep 1000
	run -125 call pause nosuch
	call start c1
	run -125 call start c1
	refused EEXIST 'exists already' call create c1 --rootfs "$rootfs"
	call exec-start c1 e1 -- sleep 1000
	refused EEXIST 'process e1 exists already' call exec-start c1 e1 -- true
	refused ENOENT 'no process e2' call wait c1 e2
	refused ENOENT 'no process e2' call close-stdin c1 e2
	call signal c1 c1 0
	refused EINVAL 'no signal 99' call signal c1 c1 99
	call signal c1 c1 9
	[ "$(call wait c1)" = 137 ]
	run -125 call exec c1 e3 -- true
	[[ $output == *"container c1 has ended"* ]]
	[ "$(call wait c1)" = 137 ]
	call remove c1
	refused EINVAL 'no container c1' call remove c1
	refused EINVAL 'no container c1' call wait c1
}

@test "life: 10 000 orphans are reaped" {
	local socket=$BATS_TEST_TMPDIR/first.sock pid

	# The first process of a pid namespace gets all orphans in it.
	KATA_AGENT_SERVER_ADDR=unix://$socket unshare -m -p -f --propagation private \
		"$KATA_BUILD/guest/agent/kata-agent" >"$BATS_TEST_TMPDIR/first.log" 2>&1 3>&- &
	eventually test -S "$socket"
	pid=$(pgrep -P $!)
	nsenter -p -t "$pid" busybox sh -c 'i=0; while [ $i -lt 10000 ]; do (true & true & true & true & true &); i=$((i + 5)); done'
	none_is_zombie() { [ -z "$(pgrep -P "$pid" --runstates Z)" ]; }
	eventually none_is_zombie
	[ "$(call check)" = 1 ]
	call destroy-sandbox
	wait $!
}
