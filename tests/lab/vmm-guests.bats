#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Guests without a kernel (tests/guests), each proving one claim about kata-vmm.

# shellcheck disable=SC2030,SC2031 # run sets status and output
load vmm

setup()
{
	vmm_setup
	loop=
}

teardown()
{
	[ -z "$loop" ] || losetup --detach "$loop"
}

@test "rng gives bytes, other ones each time" {
	boot guest-rng --rng
	[ "$status" -eq 0 ]
	says "ok - rng"
}

# keeps DISK WORDS: the guest's claim about a disk, and what lies in the file afterwards.
keeps()
{
	boot guest-blk --disk "$1" --disk "$BATS_TEST_TMPDIR/ro,ro"
	[ "$status" -eq 0 ]
	says "ok - blk: reads, writes, flushes, knows its end and its name"
	says "ok - blk: the same by tables of descriptors, after a reset"
	says "ok - blk: what is discarded or zeroed is empty"
	says "ok - blk: a read-only disk is read, not written"
	# What it wrote last, eight times 64 KiB, as tests/guests/blk.c fills it.
	python3 - "${1%%,*}" <<-'EOT'
		import sys
		data = open(sys.argv[1], "rb").read()
		for n in range(8):
		    part = bytes((i * 7 + (i >> 9) + n) & 255 for i in range(65536))
		    assert data[n * 65536:(n + 1) * 65536] == part, n
		assert data[8 * 65536:] == bytes(len(data) - 8 * 65536)
	EOT
	sha256sum --check --quiet "$BATS_TEST_TMPDIR/ro.sum"
}

@test "a disk keeps what is written, on a file and on a block device; a read-only one stays" {
	local began

	make_disks
	keeps "$BATS_TEST_TMPDIR/disk"
	make_disks
	loop=$(losetup --find --show "$BATS_TEST_TMPDIR/disk")
	keeps "$loop"
	dd if=/dev/zero of="$loop" bs=1M count=1 conv=fsync status=none
	keeps "$loop,direct"
	# Over 40 requests; a second's worth are free.
	dd if=/dev/zero of="$loop" bs=1M count=1 conv=fsync status=none
	began=$(date +%s%N)
	keeps "$loop,iops=15"
	[ $((($(date +%s%N) - began) / 1000000)) -ge 1500 ]
}

@test "what is no disk is refused before a guest runs" {
	head -c 1000 /dev/zero >"$BATS_TEST_TMPDIR/odd"
	boot guest-rng --rng --disk "$BATS_TEST_TMPDIR/odd"
	[ "$status" -eq 1 ]
	says "disk vda: its 1000 bytes are not whole sectors of 512"
	boot guest-rng --rng --disk /dev/null,id=null
	[ "$status" -eq 1 ]
	says "disk null: neither a regular file nor a block device"
}
