#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The shim under a real containerd, by ctr: every call of the Task service, and the events.

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=qemu
load common
load ../lib/containerd

containerd_tests

# run_task ID [OPTION…] -- COMMAND…
run_task()
{
	local name=$1 options=()

	shift
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	ctr_ run --detach --snapshotter native --runtime io.containerd.kata.v2 "${options[@]}" \
		example.org/busybox:1 "$name" "$@"
}

# The topics of a container's events, as containerd's log has them; all tasks are of it.
topics()
{
	sed -n 's,.*msg="event forwarded".* topic=/tasks/\([a-z-]*\) .*,\1,p' \
		"$BATS_TEST_TMPDIR/c/log" | xargs
}

topics_are()
{
	[ "$(topics)" = "$1" ]
}

setup_containerd()
{
	container_config "$KATA_CONFIG" "$1"
	container_bundle "$bundle" -- true
	containerd_start "$BATS_TEST_TMPDIR/c" "$KATA_CONFIG"
	containerd_image "$bundle"
}

@test "containerd: a task's whole life in a machine, and its events" {
	setup_containerd qemu
	run_task "$id" --memory-limit 67108864 -- \
		sh -c 'i=0; while :; do i=$((i+1)); echo $i >/tmp/m; mv /tmp/m /tmp/n; sleep 0.05; done'
	task_is "$id" RUNNING
	run -3 ctr_ tasks exec --exec-id e1 "$id" sh -c 'until [ -e /tmp/n ]; do sleep 0.1; done; echo hi; exit 3'
	[ "$output" = hi ]
	ctr_ tasks pause "$id"
	task_is "$id" PAUSED
	run -1 ctr_ tasks exec --exec-id e2 "$id" true
	[[ $output == *"container $id is paused"* ]]
	ctr_ tasks resume "$id"
	before=$(ctr_ tasks exec --exec-id e3 "$id" cat /tmp/n)
	after=$before
	for _ in {1..50}; do
		[ "$after" = "$before" ] || break
		after=$(ctr_ tasks exec --exec-id e4 "$id" cat /tmp/n)
	done
	[ "$after" -gt "$before" ]
	ctr_ tasks metrics --format json "$id" >"$BATS_TEST_TMPDIR/metrics"
	python3 - "$BATS_TEST_TMPDIR/metrics" <<-'EOT'
		import json, sys
		m = json.load(open(sys.argv[1]))
		assert m["pids"]["current"] >= 1, m
		assert m.get("cpu", {}).get("usage", {}).get("total", 0) > 0 or m["cpu"]["usage_usec"] > 0, m
		usage = m["memory"]["usage"]
		assert isinstance(usage, int) or usage["limit"] == 67108864, m
		assert (usage["usage"] if isinstance(usage, dict) else usage) > 0, m
	EOT
	# More than there is: the group's memory runs out, and the process is killed.
	run ctr_ tasks exec --exec-id e5 "$id" dd if=/dev/zero of=/dev/null bs=100M count=1
	wait_for 10 grep -q 'topic=/tasks/oom' "$BATS_TEST_TMPDIR/c/log"
	# Unless memory ran out once more, before that of the first one was free.
	ctr_ tasks kill --signal KILL "$id" || :
	wait_for 10 task_is "$id" STOPPED
	run ctr_ tasks rm "$id"
	[[ $output == *"exit code 137"* ]]
	ctr_ containers rm "$id"
	wait_for 10 grep -q 'topic=/tasks/delete' "$BATS_TEST_TMPDIR/c/log"
	run topics
	echo "$output"
	[[ $output == "create start exec-added exec-started exit paused resumed exec-added exec-started exit"*" exit delete" ]]
	[ "$(grep -o oom <<<"$output" | wc -l)" -ge 1 ]
	for topic in create start paused resumed delete; do
		[ "$(grep -ow "$topic" <<<"$output" | wc -l)" = 1 ]
	done
	# Each process that was added has ended once, and so has the task.
	[ "$(grep -o exec-started <<<"$output" | wc -l)" = "$(($(grep -ow exit <<<"$output" | wc -l) - 1))" ]
	# As Docker asks for the host's network.
	run ! run_task "$id-host" --with-ns network:/proc/self/ns/net -- true
	[[ $output == *"/proc/self/ns/net is the host's network"* ]]
	ctr_ containers rm "$id-host" 2>/dev/null || :
}

@test "containerd: a snapshot's layers are the disks of a machine that shares no files" {
	local snapshots=$BATS_TEST_TMPDIR/c/root/io.containerd.snapshotter.v1.overlayfs

	container_config "$KATA_CONFIG" qemu shared_fs='"none"' block_device_driver='"virtio-scsi"'
	container_bundle "$bundle" -- true
	containerd_start "$BATS_TEST_TMPDIR/c" "$KATA_CONFIG"
	containerd_snapshotter=overlayfs containerd_image "$bundle"
	rm -rf /var/lib/kata-containers/images
	ctr_ run --detach --snapshotter overlayfs --runtime io.containerd.kata.v2 example.org/busybox:1 "$id" sleep 1000
	run -0 ctr_ tasks exec --exec-id e1 "$id" \
		sh -c 'echo new >/etc/new; rm /etc/group; head -n 1 /proc/mounts; ls /etc'
	[[ ${lines[0]} == "overlay / overlay rw,"* ]]
	[[ $output == *$'\nnew\n'*passwd* ]] && [[ $output != *group* ]]
	# One image for the layer, and what is written lies beside the snapshot's own, whose
	# end it has.
	[ "$(find /var/lib/kata-containers/images -name '*.erofs' | wc -l)" = 1 ]
	[ "$(find "$snapshots" -name kata-c.img | wc -l)" = 1 ]
	[ -z "$(find "$snapshots" -path '*/fs/etc/new')" ]
	# Unless memory ran out once more, before that of the first one was free.
	ctr_ tasks kill --signal KILL "$id" || :
	wait_for 10 task_is "$id" STOPPED
	run ctr_ tasks rm "$id"
	ctr_ containers rm "$id"
	gone() { [ -z "$(find "$snapshots" -name kata-c.img)" ]; }
	wait_for 10 gone
}

@test "containerd: what happens while it is away is told when it is back" {
	setup_containerd fake
	mkfifo "$BATS_TEST_TMPDIR/go"
	run_task "$id" --mount type=bind,src="$BATS_TEST_TMPDIR",dst=/t,options=rbind -- sh -c 'read x </t/go; exit 5'
	task_is "$id" RUNNING
	wait_for 10 topics_are "create start"
	wait_for 10 grep -q "^time=.* level=info msg=\"container $id runs\" container=$id name=containerd-shim-v2 .* sandbox=$id " \
		"$BATS_TEST_TMPDIR/c/log"
	containerd_stop
	echo x >"$BATS_TEST_TMPDIR/go"
	wait_for 10 grep -q '"status": *"stopped"' "/run/vc/sbs/$id/state.json"
	containerd_again "$KATA_CONFIG"
	wait_for 10 topics_are "create start exit"
	task_is "$id" STOPPED
	run ctr_ tasks rm "$id"
	[[ $output == *"exit code 5"* ]]
	ctr_ containers rm "$id"
	wait_for 10 topics_are "create start exit delete"
}
