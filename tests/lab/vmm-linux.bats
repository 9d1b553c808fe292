#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The network, a disk and the balloon of the monitor, with Linux guests of busybox and a
# script. Files are in tests/lab/vmm-fs.bats, streams of vsock in tests/lab/vmm-vsock.bats.

# shellcheck disable=SC2154,SC2317 # shared with vmm.bash
load ../lib/vmm

# guest_initrd FILE MODULE…: with a guest that runs the script on standard input.
guest_initrd()
{
	local file=$1

	shift
	cat >"$dir/script" <<-'EOT'
		#!/bin/busybox sh
		/bin/busybox mkdir -p /proc /sys /dev /tmp
		/bin/busybox --install -s /bin
		mount -t proc proc /proc
		mount -t sysfs sysfs /sys
		mount -t devtmpfs dev /dev
		while read -r module; do insmod "/modules/$module"; done </modules.list
		exec </dev/hvc0 >/dev/hvc0 2>&1
		set -e
		trap 'poweroff -f' EXIT
	EOT
	cat >>"$dir/script"
	chmod +x "$dir/script"
	vmm_initrd "$file" init="$dir/script" bin/busybox="$(command -v busybox)" -- \
		"${vmm_modules[@]}" "$@"
}

console_says()
{
	grep -q "$1" "$dir/console"
}

@test "net and disk: ping, streams both ways at several sizes; copies, discard" {
	guest_initrd "$dir/initrd" failover net_failover virtio_net virtio_blk <<-'EOT'
		dd if=/dev/vda of=/dev/vda bs=64k count=64 seek=64 conv=fsync,notrunc 2>/dev/null
		blkdiscard -o 1048576 -l 2097152 /dev/vda
		echo 3 >/proc/sys/vm/drop_caches
		dd if=/dev/vda bs=1M skip=1 count=2 2>/dev/null | tr -d '\0' | wc -c >/tmp/left
		[ "$(cat /tmp/left)" = 0 ]
		[ "$(dd if=/dev/vda bs=1M skip=4 2>/dev/null | md5sum)" = "$(sed 's/.*sum=//; s/ .*/  -/' </proc/cmdline)" ]
		echo "the disk is well"
		[ "$(cat /sys/class/net/eth0/address)" = 02:00:00:00:00:07 ]
		[ "$(cat /sys/class/net/eth0/mtu)" = 9000 ]
		ifconfig eth0 10.7.0.2 netmask 255.255.255.0 up
		ping -c 3 -i 0.2 -w 20 10.7.0.1
		ping -c 2 -i 0.2 -w 20 -s 8900 10.7.0.1
		for mtu in 9000 1500 1280; do
			ifconfig eth0 mtu $mtu
			nc 10.7.0.1 5001 </dev/null >/tmp/data
			nc 10.7.0.1 5002 </tmp/data
			echo "streams at $mtu"
		done
		echo "all is well"
	EOT
	ip tuntap add lab-tap mode tap vnet_hdr
	ip addr add 10.7.0.1/24 dev lab-tap
	ip link set lab-tap mtu 9000 up
	head -c 1000000 /dev/urandom >"$dir/data"
	head -c 4M /dev/urandom >"$dir/disk"
	sum=$(md5sum <"$dir/disk")
	truncate -s 8M "$dir/disk"
	"$vmm_tree/tests/tools/vmm-streams.py" 10.7.0.1 "$dir/data" 3 3>&- &
	streams=$!
	vmm_start --initrd "$dir/initrd" --memory 128 --cpus 2 --disk "$dir/disk" \
		--cmdline "console=hvc0 quiet loglevel=4 panic=-1 sum=${sum%% *} " \
		--net tap=lab-tap,mac=02:00:00:00:00:07,mtu=9000
	vmm_end 0
	wait "$streams"
	console_says "the disk is well"
	console_says "all is well"
	[ "$(tail -c 4M "$dir/disk" | md5sum)" = "$sum" ]
	[ "$(head -c 1M "$dir/disk" | md5sum)" = "$(tail -c 4M "$dir/disk" | head -c 1M | md5sum)" ]
	[ $(($(stat -c '%b * 512' "$dir/disk"))) -le $((6 << 20)) ] # two were given back
	ip link del lab-tap
}

resident()
{
	awk '/^Rss:/ { print int($2 / 1024) }' "/proc/$vmm/smaps_rollup"
}

resident_at_most()
{
	[ "$(resident)" -le "$1" ]
}

@test "balloon: free pages come back by themselves, and others on request" {
	guest_initrd "$dir/initrd" virtio_balloon <<-'EOT'
		mount -t tmpfs -o size=100% tmp /tmp
		dd if=/dev/zero of=/tmp/a bs=1M count=40 2>/dev/null
		echo "filled"
		read -r word
		rm /tmp/a
		echo "freed"
		read -r word
		dd if=/dev/zero of=/tmp/a bs=1M count=40 2>/dev/null
		[ "$(md5sum </tmp/a)" = "$(dd if=/dev/zero bs=1M count=40 2>/dev/null | md5sum)" ]
		echo "all is well"
	EOT
	mkfifo "$dir/keys"
	"$KATA_BUILD/vmm/kata-vmm" --kernel "$vmm_kernel/vmlinux" --console stdio \
		--cmdline "console=hvc0 quiet loglevel=4 panic=-1" --initrd "$dir/initrd" \
		--memory 192 --balloon reporting --control "$dir/control" \
		<"$dir/keys" >"$dir/console" 2>"$dir/vmm.log" 3>&- &
	vmm=$!
	exec {keys}>"$dir/keys"
	"$vmm_tree/tests/tools/vmm-control.py" "$dir/control" "$vmm_limit" "leave $dir/freed" \
		"balloon 64" "wait balloon >= 64" stats "leave $dir/small" \
		"balloon 0" "wait balloon <= 0" "leave $dir/enough" >"$dir/answers" 2>&1 3>&- &
	control=$!
	vmm_wait console_says filled
	full=$(resident)
	[ "$full" -ge 40 ]

	echo go >&"$keys"
	vmm_wait console_says freed
	vmm_wait resident_at_most $((full - 24))
	touch "$dir/freed"
	vmm_wait grep -q "balloon=64 " "$dir/answers"
	[ "$(resident)" -lt "$full" ]
	touch "$dir/small"
	vmm_wait grep -qx "balloon=0" "$dir/answers"
	# What came back is whole, and empty.
	echo go >&"$keys"
	vmm_wait console_says "all is well"
	touch "$dir/enough"
	wait "$control"
	timeout "$vmm_limit" tail --pid="$vmm" -s 0.05 -f /dev/null
	wait "$vmm" || [ $? = 6 ] # it was left alone, or was done before
	vmm=
	exec {keys}>&-
}
