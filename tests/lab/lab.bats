#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Inside the lab: what it promises is there. No container runs here, so nothing is
# compared before and after, which takes long on an emulated processor.

bats_require_minimum_version 1.5.0

# shellcheck source=tests/lib/container.bash
source "$BATS_TEST_DIRNAME/../lib/container.bash"

@test "KVM is measured as good, and check and kata-env say so" {
	export KATA_ROOT=$BATS_TEST_TMPDIR KATA_LOG=$BATS_TEST_TMPDIR/log KATA_CONFIG=$BATS_TEST_TMPDIR/config
	container_config "$KATA_CONFIG" qemu
	run -0 kata check
	echo "$output"
	[[ $output == *"KVM: usable"* ]]
	[[ $output == *"vhost-vsock: usable"* ]]
	[[ $output == *"vhost-net: usable"* ]]
	[[ $output == *"System is capable of running Kata Containers"* ]]
	[[ $output != *"software emulation"* ]]
	run -0 kata kata-env --json
	python3 - "$output" <<-'E'
		import json, sys
		host = json.loads(sys.argv[1])["Host"]
		assert host["VMContainerCapable"] is True, host
		assert host["SupportVSocks"] is True, host
	E
}

@test "control groups: version 2, with all controllers in groups that are made" {
	[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]
	mkdir /sys/fs/cgroup/lab-test
	run -0 cat /sys/fs/cgroup/lab-test/cgroup.controllers
	rmdir /sys/fs/cgroup/lab-test
	for controller in cpuset cpu io memory hugetlb pids; do
		[[ " $output " == *" $controller "* ]]
	done
}

@test "root may do everything, and has no more than this machine's files" {
	last=$(cat /proc/sys/kernel/cap_last_cap)
	printf -v all '%016x' $(((1 << (last + 1)) - 1))
	[ "$(awk '/^CapEff/ { print $2 }' /proc/self/status)" = "$all" ]
	echo changed >/etc/lab-test
	[ -z "$(ls -A "$LAB_OUT")" ]
	run -0 findmnt -n -o FSTYPE --target /run
	[ "$output" = tmpfs ]
	[ "$(ulimit -Hn)" -ge 1048576 ]
}

@test "networks: namespaces, veth, bridge, tap and tc" {
	ip netns add lab-test
	ip link add lab0 type veth peer name lab1 netns lab-test
	ip link add lab-bridge type bridge
	ip link set lab0 master lab-bridge
	ip tuntap add lab-tap mode tap vnet_hdr
	tc qdisc add dev lab-tap ingress
	tc filter add dev lab-tap parent ffff: protocol all u32 match u32 0 0 \
		action mirred egress redirect dev lab0
	ip link del lab-tap
	ip link del lab0
	ip link del lab-bridge
	ip netns del lab-test
	# Which ip has made a mount of.
	umount /run/netns
	rmdir /run/netns
	python3 - <<-'E'
		import fcntl, os
		# VHOST_SET_OWNER of both devices: the modules behind them work.
		for device in ("/dev/vhost-net", "/dev/vhost-vsock"):
		    fd = os.open(device, os.O_RDWR)
		    fcntl.ioctl(fd, 0xAF01)
		    os.close(fd)
	E
}

@test "disks: loop devices, ext4, erofs, overlay, and device-mapper" {
	dir=$BATS_TEST_TMPDIR
	mkdir "$dir"/{tree,ext4,erofs,up,work,over}
	echo hello >"$dir/tree/file"
	mke2fs -q -t ext4 -d "$dir/tree" "$dir/disk" 8M
	mount -o loop "$dir/disk" "$dir/ext4"
	mkfs.erofs "$dir/image" "$dir/tree" >/dev/null
	mount -t erofs -o loop "$dir/image" "$dir/erofs"
	mount -t overlay -o "lowerdir=$dir/erofs,upperdir=$dir/up,workdir=$dir/work" lab "$dir/over"
	cat "$dir/ext4/file" "$dir/over/file"
	echo changed >"$dir/over/file"
	[ "$(cat "$dir/erofs/file")" = hello ]
	umount "$dir/over" "$dir/erofs" "$dir/ext4"
	[ -c /dev/mapper/control ]
	grep -q device-mapper /proc/devices
}
