#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What machines of other people's monitors have beside the list of containers.bats, on a real
# KVM: KATA_TEST_CLOUD_HYPERVISOR, KATA_TEST_FIRECRACKER and KATA_TEST_JAILER name the programs,
# which are built elsewhere.

# shellcheck disable=SC2034,SC2154 # shared with common.bash
KATA_TEST_HYPERVISOR=firecracker
load ../integration/common

# Emulated processors take their time.
limit=150

# on_disk SCRIPT: in a container whose root file system is a disk of its own.
on_disk()
{
	timeout "$limit" "$KATA_BUILD/tests/integration/sandbox/disk-root" "$KATA_CONFIG" "$KATA_ROOT" \
		"$BATS_TEST_TMPDIR/disk" rw "$1"
}

@test "firecracker: a root file system that is plugged in, and written to" {
	needs KATA_TEST_FIRECRACKER
	container_config "$KATA_CONFIG" firecracker agent.dial_timeout=60
	container_bundle "$bundle" -- true
	mke2fs -q -t ext4 -d "$bundle/rootfs" "$BATS_TEST_TMPDIR/disk" 16M
	run -0 --separate-stderr on_disk 'grep -o ^/dev/vda./.ext4.rw /proc/mounts; echo hi >/new; exit 3'
	[ "$output" = $'/dev/vda / ext4 rw\nstatus 3\nremoved' ]
	[ "$(debugfs -R 'cat /new' "$BATS_TEST_TMPDIR/disk" 2>/dev/null)" = hi ]
}

@test "firecracker: a root that is plugged in, in its jailer's jail" {
	needs KATA_TEST_JAILER
	container_config "$KATA_CONFIG" firecracker jailer_path="\"$KATA_TEST_JAILER\"" \
		agent.dial_timeout=60
	container_bundle "$bundle" -- true
	mke2fs -q -t ext4 -d "$bundle/rootfs" "$BATS_TEST_TMPDIR/disk" 16M
	run -0 --separate-stderr on_disk 'echo hi >/new; exit 3'
	[ "$output" = $'status 3\nremoved' ]
	[ "$(debugfs -R 'cat /new' "$BATS_TEST_TMPDIR/disk" 2>/dev/null)" = hi ]
	[ -z "$(ls /run/vc/firecracker)" ]
}

# Writes 12 MiB to its root, and then the seconds that this took.
slow='begun=$(date +%s); dd if=/dev/zero of=/file bs=1M count=12 conv=fsync 2>/dev/null
	echo "took $(($(date +%s) - begun))"'
# 2 MiB a second, in bits.
rate=16777216

# as_slow FILE: as the rate has it, five seconds after what goes at once, by a clock of whole
# seconds; without one it is a moment.
as_slow()
{
	[ "$(sed -n 's/^took //p' "$1")" -ge 3 ]
}

# member NAME COMMAND…: its container joins $id's sandbox.
member()
{
	container_bundle "$bundle-$1" -- "${@:2}"
	"$kata_tree/tests/lib/change_spec.py" "$bundle-$1" "note('io.kubernetes.cri-o.ContainerType', 'container')
note('io.kubernetes.cri-o.SandboxID', '$id')"
}

@test "firecracker: a pod of two containers in a jail, disks with a rate" {
	needs KATA_TEST_JAILER
	container_config "$KATA_CONFIG" firecracker jailer_path="\"$KATA_TEST_JAILER\"" \
		disk_rate_limiter_bw_max_rate=$rate agent.dial_timeout=60
	container_bundle "$bundle" -- sh -c 'echo ready; exec sleep 1000'
	start_container "$id" "$bundle"
	wait_for "$limit" grep -q ready "$bundle.out"
	# Its root is the jail; a link to it reads "/", as it is that of a mount namespace.
	[ -e "/proc/$(pgrep -x firecracker)/root/kata.hvsock" ]
	member b sh -c "$slow; exit 4"
	code=0
	kata run --bundle "$bundle-b" "$id-b" </dev/null >"$bundle-b.out" || code=$?
	[ "$code" = 4 ]
	as_slow "$bundle-b.out"
	[ "$(pgrep -xc firecracker)" = 1 ]
	kata kill "$id" KILL
	ends_with 137 "$runner"
	[ -z "$(ls /run/vc/firecracker)" ]
}

@test "clh: an image that is persistent memory, huge pages, disks with a rate" {
	needs KATA_TEST_CLOUD_HYPERVISOR
	export KATA_KERNEL_DIR=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/kata-c/guest-kernel
	"$kata_tree/guest/image/make-image" "$BATS_TEST_TMPDIR/image" "$kata_agent" "$KATA_KERNEL_DIR"
	# All that the machine has; what was there before is the host's.
	pages=$(cat /proc/sys/vm/nr_hugepages)
	echo $((pages + 136)) >/proc/sys/vm/nr_hugepages
	container_config "$KATA_CONFIG" clh kernel="\"$KATA_KERNEL_DIR/vmlinux\"" image="\"$BATS_TEST_TMPDIR/image\"" \
		initrd='""' disable_image_nvdimm=false rootfs_type='"erofs"' shared_fs='"none"' enable_hugepages=true \
		disk_rate_limiter_bw_max_rate=$rate agent.dial_timeout=60
	container_bundle "$bundle" -- sh -c "cat /proc/cmdline; ls /sys/block; $slow; echo ready; exec sleep 1000"
	start_container "$id" "$bundle"
	wait_for "$limit" grep -q ready "$bundle.out"
	grep -q ' root=/dev/pmem0p1 ' "$bundle.out"
	grep -qx pmem0 "$bundle.out"
	as_slow "$bundle.out"
	[ "$(awk '/^HugePages_Free/ { print $2 }' /proc/meminfo)" -lt 120 ]
	kata kill "$id" KILL
	ends_with 137 "$runner"
	echo "$pages" >/proc/sys/vm/nr_hugepages
}
