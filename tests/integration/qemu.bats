#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# QEMU's machines: sizes that follow the containers, disks that are plugged in, roots
# from an image, and what cannot be had.

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=qemu
load common

# limits MEMORY QUOTA: of the bundle's container, per 100 ms.
limits()
{
	python3 - "$bundle/config.json" "$1" "$2" <<-'E'
		import json, sys
		path, memory, quota = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
		spec = json.load(open(path))
		spec["linux"]["resources"] = {"memory": {"limit": memory}, "cpu": {"quota": quota, "period": 100000}}
		json.dump(spec, open(path, "w"))
	E
}

report='grep MemTotal /proc/meminfo; grep -c ^processor /proc/cpuinfo; cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max'

# in_mib: the MemTotal that was printed.
in_mib()
{
	echo $(($(awk '/MemTotal/ { print $2 }' <<<"$output") / 1024))
}

@test "microvm: the limits of the container size the machine at its start, and its control group" {
	container_config "$KATA_CONFIG" qemu
	container_bundle "$bundle" -- sh -c "$report"
	limits 134217728 100000
	run -0 kata run --bundle "$bundle" "$id"
	[ "${lines[1]}" = 2 ]
	[ "${lines[2]}" = 134217728 ]
	[ "${lines[3]}" = "100000 100000" ]
	# 256 and 128, less what the kernel keeps for itself.
	[ "$(in_mib)" -gt 300 ] && [ "$(in_mib)" -lt 384 ]
}

@test "q35: processors and memory are plugged in for the container, and by update" {
	container_config "$KATA_CONFIG" qemu machine_type='"q35"'
	container_bundle "$bundle" -- sh -c "$report; while [ ! -e /go ]; do sleep 0.1; done; $report"
	limits 134217728 100000
	kata create --bundle "$bundle" "$id" </dev/null >>"$bundle.out" 2>&1
	kata start "$id"
	wait_for 30 grep -q '^100000 100000' "$bundle.out"
	output=$(cat "$bundle.out")
	[ "$(sed -n 2p "$bundle.out")" = 2 ]
	[ "$(sed -n 3p "$bundle.out")" = 134217728 ]
	[ "$(in_mib)" -gt 300 ] && [ "$(in_mib)" -lt 384 ]
	: >"$bundle.out"
	kata update --memory 268435456 "$id"
	touch "$bundle/rootfs/go"
	wait_for 30 status_is "$id" stopped
	output=$(cat "$bundle.out")
	[ "$(grep -c 268435456 "$bundle.out")" = 1 ]
	[ "$(in_mib)" -gt 428 ] && [ "$(in_mib)" -lt 512 ]
	# Each time it was waited for until the guest said that it has it.
	run -0 grep 'instead of' "$KATA_LOG"
	run -1 grep -E 'has not taken|not known when' "$KATA_LOG"
	kata delete "$id"
}

@test "pc: memory comes and goes through virtio-mem" {
	container_config "$KATA_CONFIG" qemu machine_type='"pc"' enable_virtio_mem=true
	container_bundle "$bundle" -- sh -c "$report"
	limits 134217728 100000
	run -0 kata run --bundle "$bundle" "$id"
	[ "${lines[1]}" = 2 ]
	[ "$(in_mib)" -gt 300 ] && [ "$(in_mib)" -lt 384 ]
}

# loop_disk NAME: a disk of the host on a file of that name; prints its node.
loop_disk()
{
	local node

	head -c 1048576 /dev/zero >"$BATS_TEST_TMPDIR/$1"
	printf '%s' "$1" | dd of="$BATS_TEST_TMPDIR/$1" conv=notrunc status=none
	node=$(losetup --find --show "$BATS_TEST_TMPDIR/$1")
	echo "$node" >>"$BATS_TEST_TMPDIR/loops"
	echo "$node"
}

eval "common_$(declare -f teardown)"

teardown()
{
	[ ! -e "$BATS_TEST_TMPDIR/loops" ] || xargs -n 1 losetup -d <"$BATS_TEST_TMPDIR/loops"
	common_teardown
}

# disks DEVICE READONLY-DEVICE BIND: in the bundle as /dev/one, /dev/two and /dev/three.
disks()
{
	python3 - "$bundle/config.json" "$@" <<-'E'
		import json, os, sys
		path, one, two, three = sys.argv[1:]
		spec = json.load(open(path))
		rules = []
		spec["linux"]["devices"] = []
		for node, name, access in ((one, "one", "rwm"), (two, "two", "r")):
		    n = os.stat(node).st_rdev
		    spec["linux"]["devices"].append({"path": "/dev/" + name, "type": "b",
		        "major": os.major(n), "minor": os.minor(n), "fileMode": 0o660, "uid": 0, "gid": 0})
		    rules.append({"allow": True, "type": "b", "major": os.major(n), "minor": os.minor(n),
		        "access": access})
		spec["linux"].setdefault("resources", {})["devices"] = [{"allow": False, "access": "rwm"}] + rules
		spec["mounts"].append({"destination": "/dev/three", "type": "bind", "source": three,
		    "options": ["bind", "ro"]})
		json.dump(spec, open(path, "w"))
	E
}

@test "disks of the host: by linux.devices, read-only by their rule, and by a bind mount" {
	one=$(loop_disk first) two=$(loop_disk second) three=$(loop_disk third)
	script='cd /dev; for d in one two three; do head -c 6 $d; echo; done
		printf wrote >one; sync
		for d in two three; do ! printf no >$d || echo written to $d; done; ls -l one | cut -c 1-10'
	for keys in "machine_type=\"q35\"" "block_device_driver=\"virtio-scsi\""; do
		container_config "$KATA_CONFIG" qemu "$keys"
		container_bundle "$bundle" -- sh -c "$script"
		disks "$one" "$two" "$three"
		run -0 --separate-stderr kata run --bundle "$bundle" "$id"
		[ "${lines[0]}" = first ] || [ "${lines[0]}" = wrote ]
		[ "${lines[1]}" = second ]
		[ "${lines[2]}" = third ]
		[ "${lines[3]}" = brw-rw---- ]
		[ "$(head -c 5 "$BATS_TEST_TMPDIR/first")" = wrote ]
	done
}

@test "disks of the host: a machine that takes none says so, a privileged container gets none" {
	one=$(loop_disk first)
	container_config "$KATA_CONFIG" qemu
	container_bundle "$bundle" -- sh -c 'ls /dev/one'
	disks "$one" "$one" /dev/null
	run -1 kata run --bundle "$bundle" "$id"
	[[ $output == *"device /dev/one: is a block device of the host, and no disk can be plugged into this machine"* ]]
	sed -i 's/{"allow": false, "access": "rwm"}/{"allow": true, "access": "rwm"}/' "$bundle/config.json"
	run -1 kata run --bundle "$bundle" "$id"
	[[ $output == *"/dev/one: No such file"* ]]
}

@test "a root file system that is a disk, as containerd's snapshotters have it" {
	container_bundle "$bundle" -- true
	mke2fs -q -t ext4 -d "$bundle/rootfs" "$BATS_TEST_TMPDIR/disk" 32M
	container_config "$KATA_CONFIG" qemu machine_type='"q35"' disable_block_device_use=false
	run -0 --separate-stderr timeout 60 "$KATA_BUILD/tests/integration/sandbox/disk-root" "$KATA_CONFIG" \
		"$KATA_ROOT" "$BATS_TEST_TMPDIR/disk" rw 'grep vda /proc/mounts; echo hi > /new; exit 3'
	[ "$output" = $'/dev/vda / ext4 rw,relatime 0 0\nstatus 3\nremoved' ]
	# What was written is in it; and nothing else is, when nobody may.
	container_config "$KATA_CONFIG" qemu block_device_driver='"virtio-scsi"' disable_block_device_use=false \
		shared_fs='"none"'
	run -0 --separate-stderr timeout 60 "$KATA_BUILD/tests/integration/sandbox/disk-root" "$KATA_CONFIG" \
		"$KATA_ROOT" "$BATS_TEST_TMPDIR/disk" ro 'grep sda /proc/mounts; cat /new; echo no > /new || echo refused'
	[ "$output" = $'/dev/sda / ext4 ro,relatime 0 0\nhi\nrefused\nstatus 0\nremoved' ]
	[ ! -d "/run/kata-containers/shared/sandboxes/disk-root" ]
}

# volume ACTION [OPTION…]: of the path that the container names.
volume()
{
	local action=$1

	shift
	kata direct-volume "$action" --volume-path "$BATS_TEST_TMPDIR/volume" "$@"
}

@test "a direct volume: the guest mounts what a storage plugin names" {
	one=$(loop_disk first)
	mke2fs -q -F -t ext4 "$BATS_TEST_TMPDIR/first" 1M
	mkdir "$BATS_TEST_TMPDIR/volume"
	run -1 volume stats
	[[ $output == *"$BATS_TEST_TMPDIR/volume is no direct volume" ]]
	run -1 volume add --mount-info '{"device":"sda"}'
	[[ $output == *'device: "sda" is no absolute path' ]]
	volume add --mount-info "{\"volume-type\":\"block\",\"device\":\"$one\",\"fstype\":\"ext4\",
		\"options\":[\"noatime\"],\"metadata\":{\"fsGroup\":\"1000\"}}"
	run -1 volume stats
	[[ $output == *"the volume $BATS_TEST_TMPDIR/volume is in no sandbox" ]]
	container_bundle "$bundle" -- sh -c 'grep " /data " /proc/mounts; stat -c %g /data; echo hi >/data/new; sync; read -r line'
	python3 "$kata_tree/tests/lib/change_spec.py" "$bundle" "c['mounts'].append({'destination': '/data',
'type': 'bind', 'source': '$BATS_TEST_TMPDIR/volume', 'options': ['rbind', 'rw']})"
	container_config "$KATA_CONFIG" qemu machine_type='"q35"'
	mkfifo "$BATS_TEST_TMPDIR/in"
	exec 4<>"$BATS_TEST_TMPDIR/in"
	kata run --bundle "$bundle" "$id" <&4 >"$bundle.out" 2>&1 3>&- &
	runner=$!
	wait_for 60 grep -q 1000 "$bundle.out"
	[[ $(cat "$bundle.out") == "/dev/"*" /data ext4 rw,noatime 0 0"$'\n1000' ]]
	run -0 volume stats
	python3 -c 'import json, sys
usage = json.loads(sys.argv[1])["usage"]
assert 500000 < usage[0]["total"] <= 1048576 and usage[0]["unit"] == 1, usage' "$output"
	run -1 volume resize --size 0
	echo >&4
	exec 4>&-
	ends_with 0 "$runner"
	[ "$(debugfs -R 'cat /new' "$BATS_TEST_TMPDIR/first" 2>/dev/null)" = hi ]
	[ -z "$(ls -A "$BATS_TEST_TMPDIR/volume")" ]
	run -1 volume stats
	[[ $output == *"sandbox $id, which has the volume, is not running" ]]
	volume remove
	run -1 volume stats
	[[ $output == *"is no direct volume" ]]
}
