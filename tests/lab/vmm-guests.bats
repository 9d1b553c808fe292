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
	tap=
}

teardown()
{
	[ -z "$tap" ] || ip link del "$tap"
	[ -z "$loop" ] || losetup --detach "$loop"
}

@test "rng gives bytes, other ones each time" {
	boot guest-rng --rng
	[ "$status" -eq 0 ]
	says "ok - rng"
}

@test "console: what is typed comes in, what is printed goes out" {
	console=stdio boot guest-console <<<"typed words"
	[ "$status" -eq 0 ]
	says "ok - console"
	says "heard: typed words"
	[ "$(grep -E '^[0-9]{4}[.]{123}$' <<<"$output" | tr -d .)" = "$(seq -f %04.0f 0 511)" ]
}

@test "balloon: what is given up is empty when it comes back" {
	boot guest-balloon --balloon reporting
	[ "$status" -eq 0 ]
	says "ok - balloon: what was given up is empty, and nothing else is"
	says "ok - balloon: free pages that are reported are empty, and good for use"
}

# Sends back the first frame of segments that comes out of the tap, with what is said of it.
reflect()
{
	python3 - "$1" 3>&- <<-'EOT'
		import socket, struct, sys
		PACKET_VNET_HDR = 15
		s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
		s.setsockopt(263, PACKET_VNET_HDR, 1)
		s.bind((sys.argv[1], 0x0800))
		s.settimeout(60)
		print("ready", flush=True)
		while True:
		    frame = s.recv(65536)
		    header, mac, ip, rest = frame[:10], frame[10:24], frame[24:44], frame[44:]
		    if header[1] == 1:
		        break
		print(f"a frame of {len(frame) - 10} bytes, segments of {struct.unpack_from('<H', header, 4)[0]}")
		ip = ip[:12] + ip[16:20] + ip[12:16]
		s.send(header + mac[6:12] + mac[:6] + mac[12:] + ip + rest)
	EOT
}

@test "net: frames of all sizes, also into small buffers; segments stay together" {
	local reflector

	ip tuntap add lab-guest mode tap vnet_hdr
	tap=lab-guest
	ip addr add 10.7.0.1/24 dev lab-guest
	ip link set lab-guest up
	# The guest answers to nobody who looks for it, which a slow host would do.
	ip neigh replace 10.7.0.2 lladdr 02:00:00:00:00:07 dev lab-guest nud permanent
	reflect lab-guest >"$BATS_TEST_TMPDIR/reflected" 3>&- &
	reflector=$!
	until grep -q ready "$BATS_TEST_TMPDIR/reflected"; do sleep 0.1; done
	boot guest-net --net tap=lab-guest,mac=02:00:00:00:00:07
	[ "$status" -eq 0 ]
	wait "$reflector"
	grep -qx "a frame of 9054 bytes, segments of 1448" "$BATS_TEST_TMPDIR/reflected"
	says "ok - net: frames of all sizes go out and come in"
	says "ok - net: the same into small buffers, after a reset"
	says "ok - net: segments go out and come in as one frame"
	says "ok - net: frames and headers of nonsense harm nobody"
}

@test "vsock: a call of the guest's, echoed; another, refused" {
	local host

	python3 - "$BATS_TEST_TMPDIR/v_7" 3>&- <<-'EOT' &
		import socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.bind(sys.argv[1])
		s.listen()
		s.settimeout(100)
		peer = s.accept()[0]
		peer.settimeout(100)
		while data := peer.recv(10000):
		    peer.sendall(data)
	EOT
	host=$!
	until [ -S "$BATS_TEST_TMPDIR/v_7" ]; do sleep 0.1; done
	boot guest-vsock --vsock "$BATS_TEST_TMPDIR/v,cid=42"
	[ "$status" -eq 0 ]
	says "ok - vsock: a port without a program is refused"
	says "ok - vsock: all that a program of the host sends back comes back"
	wait "$host"
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
