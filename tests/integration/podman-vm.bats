#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The real Podman with machines: networks and names, pods, memory that runs out, disks.

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=qemu
load common
load engines

eval "common_$(declare -f teardown)"

teardown()
{
	[ -z "${disk:-}" ] || losetup -d "$disk"
	podman_stop
	common_teardown
}

begin()
{
	container_bundle "$bundle" -- true
	podman_start "$BATS_TEST_TMPDIR/p" "$bundle"
}

@test "podman: containers that name each other, a pod in one machine, memory that runs out" {
	begin
	podman_ network create --subnet 10.123.0.0/24 net1 >/dev/null
	podman_ run -d --name web --network net1 -p 18080:80 box \
		sh -c 'mkdir /www; hostname >/www/index.html; exec httpd -f -p 80 -h /www' >/dev/null
	name=$(podman_ inspect --format '{{.Config.Hostname}}' web)
	[ "$(podman_ run --rm --network net1 box sh -c 'until wget -qO- http://web/; do sleep 0.2; done')" = "$name" ]
	served() { [ "$(curl -s -m 5 http://127.0.0.1:18080/)" = "$name" ]; }
	wait_for 20 served
	# In the network of another: in its machine.
	[ "$(podman_ run --rm --network container:web box sh -c 'wget -qO- http://127.0.0.1/; cat /proc/sys/kernel/random/boot_id' | xargs)" \
		= "$name $(podman_ exec web cat /proc/sys/kernel/random/boot_id)" ]
	[ "$(pgrep -c qemu-system)" = 1 ]
	[ "$(podman_ exec web uname -r)" != "$(uname -r)" ]
	podman_ rm -f -t 0 web

	podman_ pod create --name pod --share net,ipc,uts -p 18081:81 >/dev/null
	podman_ run -d --pod pod --name one box sh -c 'mkdir /www; echo pod >/www/index.html; exec httpd -f -p 81 -h /www' >/dev/null
	tell='hostname; for n in ipc uts net; do readlink /proc/self/ns/$n; done; cat /proc/sys/kernel/random/boot_id'
	[ "$(podman_ run --rm --pod pod box sh -c "$tell")" = "$(podman_ exec one sh -c "$tell")" ]
	[ "$(podman_ exec one hostname)" = pod ]
	[ "$(pgrep -c qemu-system)" = 1 ]
	wait_for 20 eval '[ "$(curl -s -m 10 http://127.0.0.1:18081/)" = pod ]'
	podman_ pod stop -t 1 pod >/dev/null
	wait_for 5 eval '! pgrep qemu-system'
	# It may stumble over a directory that is no control group (engines_clear).
	podman_ pod rm -f -t 0 pod >/dev/null || :
	run ! podman_ container exists one

	run -137 podman_ run --name oom --memory 32m --network none box dd if=/dev/zero of=/dev/null bs=200M count=1
	[ "$(podman_ inspect --format '{{.State.ExitCode}} {{.State.OOMKilled}}' oom)" = "137 true" ]
}

@test "podman: a block device of the host is a disk of the machine" {
	container_config "$KATA_CONFIG" qemu 'machine_type="q35"'
	begin
	truncate -s 16M "$BATS_TEST_TMPDIR/disk"
	mkfs.ext4 -q "$BATS_TEST_TMPDIR/disk"
	disk=$(losetup -f --show "$BATS_TEST_TMPDIR/disk")
	run -0 podman_ run --rm --network none --cap-add SYS_ADMIN --security-opt seccomp=unconfined \
		--device "$disk:/dev/xblk:rwm" box sh -c \
		'ls -l /dev/xblk | cut -c1-10; mkdir /m; mount -t ext4 /dev/xblk /m && echo written >/m/file; umount /m'
	[[ $output == *brw-* ]] || { echo "$output"; false; }
	mkdir "$BATS_TEST_TMPDIR/m"
	mount -o ro "$disk" "$BATS_TEST_TMPDIR/m"
	[ "$(cat "$BATS_TEST_TMPDIR/m/file")" = written ]
	umount "$BATS_TEST_TMPDIR/m"
}
