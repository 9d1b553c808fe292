#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Streams between the host and a Linux guest over the monitor's own vsock. Both ends are
# programs of tests/tools, where it is said what each word means.

# shellcheck disable=SC2154,SC2317 # shared with vmm.bash
load ../lib/vmm

host()
{
	timeout "$vmm_limit" "$KATA_BUILD/tests/tools/vsock-host" "$dir/v" "$@"
}

descriptors()
{
	find "/proc/$vmm/fd" -mindepth 1 | wc -l
}

@test "vsock: streams both ways, many, slow, refused and broken" {
	vmm_initrd "$dir/initrd" init="$KATA_BUILD/tests/tools/vsock-guest" -- "${vmm_modules[@]}" \
		vsock vmw_vsock_virtio_transport_common vmw_vsock_virtio_transport
	vmm_start --initrd "$dir/initrd" --memory 256 --vsock "$dir/v"
	host wait "$vmm_limit"
	before=$(descriptors)

	# Who connects for the guest has one socket, and root's way past owners of sockets.
	doorman=$(tr -d ' ' <"/proc/$vmm/task/$vmm/children")
	[ "$(find "/proc/$doorman/fd" -mindepth 1 -printf '%f ')" = "2 3 " ]
	grep -qx $'CapPrm:\t0000000000000002' "/proc/$doorman/status"
	grep -qx $'CapEff:\t0000000000000002' "/proc/$doorman/status"
	grep -qx $'NoNewPrivs:\t1' "/proc/$doorman/status"
	grep -qx $'Seccomp:\t2' "/proc/$doorman/status" || # a sanitizer's calls are not known
		grep -q "built under a sanitizer" "$dir/vmm.log"
	[ "$(readlink "/proc/$doorman/ns/net")" != "$(readlink "/proc/$$/ns/net")" ]

	host sink 2000000
	host source 2000000
	host call 77 200000
	host refused 99
	host nobody
	host rude
	host echo 1000 100
	host slow 1500000
	host sleeper 1500000

	# A client that dies in the middle takes nobody with it.
	run timeout -s KILL 0.3 "$KATA_BUILD/tests/tools/vsock-host" "$dir/v" source 1000000000
	[ "$status" = 137 ]
	host rubbish
	host sink 100000

	quiet() { [ "$(descriptors)" = "$before" ]; }
	vmm_wait quiet
	host off
	vmm_end 0
	gone() { [ ! -e "$dir/v" ]; }
	vmm_wait gone # by the process that made the guest's connections
}

@test "vsock: the monitor is killed: clients see the end, and nothing is left" {
	vmm_initrd "$dir/initrd" init="$KATA_BUILD/tests/tools/vsock-guest" --
	vmm_start --initrd "$dir/initrd" --memory 128 --vsock "$dir/v"
	vmm_wait test -S "$dir/v"
	# The guest is not even up: the client waits, for it or for the end.
	timeout "$vmm_limit" "$KATA_BUILD/tests/tools/vsock-host" "$dir/v" nobody 3>&- &
	client=$!
	sleep 0.5
	kill -9 "$vmm"
	wait "$vmm" || :
	vmm=
	wait "$client" # it says: nobody
	gone() { [ ! -e "$dir/v" ]; }
	vmm_wait gone
}
