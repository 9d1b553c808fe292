#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The pod's network with each monitor that needs a real KVM: the built-in one, and those of
# others, KATA_TEST_FIRECRACKER, KATA_TEST_CLOUD_HYPERVISOR and KATA_TEST_STRATOVIRT, which
# are built elsewhere; and QEMU, where the kernel moves its packets. TCP and UDP both ways,
# IPv4 and IPv6, with an interface that is there from the start or comes after the boot.

# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=dragonball
load ../integration/common
load ../lib/network
load ../lib/containerd

# Emulated processors take their time.
limit=150

teardown()
{
	local status=0 name

	[ -e "$BATS_TEST_TMPDIR/before" ] || return 0
	[ "${BATS_TEST_COMPLETED:-}" = 1 ] || tail -n 40 "$KATA_LOG" >&2 || :
	[ -z "${containerd:-}" ] || end_containerd || :
	for name in $(kata list -q); do
		kata delete --force "$name" || :
	done
	network_drop
	leftovers_compare "$BATS_TEST_TMPDIR/before" || status=1
	return "$status"
}

# asks NS HOST: all there is to ask.
asks()
{
	network_ask "$1" "$2" tcp 5 1000 && network_ask "$1" "$2" udp 3 1200 &&
		network_ask "$1" "$2" tcp 1 200000
}

# both_ways: a container of $KATA_CONFIG's in $pod, and who is in $out.
both_ways()
{
	network_bundle "$bundle" 'net-echo serve 7 & ip addr >/a; {
net-echo ask 10.9.0.1 7 tcp 5 1000 && net-echo ask fd09::1 7 tcp 3 1000 &&
net-echo ask 10.9.0.1 7 udp 3 1200 && net-echo ask 10.9.0.1 7 tcp 1 200000 && echo asked; } 2>&1
cat /a; until net-echo ask 127.0.0.1 7 tcp 1 1; do sleep 0.1; done; echo ready; wait'
	start_container "$id" "$bundle"
	wait_for "$limit" grep -q ready "$bundle.out"
	grep -q '^asked$' "$bundle.out"
	grep -q 'inet 10.9.0.2/24 ' "$bundle.out"
	grep -q "link/ether $(ip -n "$pod" -br link show eth0 | tr -s ' ' | cut -d' ' -f3) " "$bundle.out"
	asks "$out" 10.9.0.2
	asks "$out" fd09::2
	# The pod's loopback, by the agent's vsock or hybrid vsock.
	wait_for 20 network_ask "$pod" 127.0.0.1 tcp 1 10
	network_ask "$pod" 127.0.0.1 tcp 5 1000
	network_ask "$pod" ::1 tcp 1 200000
}

# begin_bare: a container of $KATA_CONFIG's whose interface comes between create and start.
begin_bare()
{
	network_make --bare
	network_bundle "$bundle" 'net-echo serve 7'
	kata create --bundle "$bundle" "$id" </dev/null >"$bundle.out" 2>&1 3>&-
	network_first
	kata start "$id"
	wait_for 20 network_ask "$out" 10.9.0.2 tcp 1 100
}

end_containerd()
{
	ctr_ tasks kill --signal KILL "$id"
	wait_for 20 ctr_ tasks delete "$id"
	ctr_ containers delete "$id"
	containerd_stop
	containerd=
}

@test "network: qemu, whose packets the kernel moves, both ways" {
	network_make
	container_config "$KATA_CONFIG" qemu agent.dial_timeout=60
	both_ways
	[ -n "$(find "/proc/$(program_of "$id" qemu-system)/fd" -lname /dev/vhost-net)" ]
}

@test "network: the built-in monitor, an interface that comes after the boot" {
	container_config "$KATA_CONFIG" dragonball agent.dial_timeout=60
	begin_bare
	asks "$out" 10.9.0.2
	asks "$out" fd09::2
	kata exec "$id" net-echo ask 10.9.0.1 7 tcp 3 1000 </dev/null
	kata exec "$id" net-echo ask fd09::1 7 udp 3 1000 </dev/null
}

@test "network: the built-in monitor, both ways, and over an ipvlan" {
	network_make
	ip -n "$out" link add base type veth peer name far
	ip -n "$out" link set base up
	ip -n "$out" link set far up
	ip -n "$out" addr add 10.9.3.1/24 dev far
	ip -n "$out" link add ipv0 link base type ipvlan mode l2
	ip -n "$out" link set ipv0 netns "$pod"
	ip -n "$pod" addr add 10.9.3.2/24 dev ipv0
	ip -n "$pod" link set ipv0 up
	container_config "$KATA_CONFIG" dragonball agent.dial_timeout=60
	both_ways
	asks "$out" 10.9.3.2
	kata exec "$id" net-echo ask 10.9.3.1 7 tcp 3 1000 </dev/null
	kata exec "$id" net-echo ask 10.9.3.1 7 udp 3 1200 </dev/null
	kata delete --force "$id"
	[[ $(network_state) != *@(ingress|_kata)* ]]
}

@test "network: the built-in monitor under containerd, a network that comes by its process" {
	network_make --bare
	container_config "$KATA_CONFIG" dragonball agent.dial_timeout=60
	container_bundle "$bundle" -- true
	cp "$net_echo" "$bundle/rootfs/bin/"
	containerd_start "$BATS_TEST_TMPDIR/c" "$KATA_CONFIG"
	containerd_image "$bundle"
	ctr_ run --detach --snapshotter native --runtime io.containerd.kata.v2 \
		example.org/busybox:1 "$id" /bin/net-echo serve 7
	# The namespace has a name from now on, and the jail has not left it.
	ip netns del "$pod"
	ip netns attach "$pod" "$(ctr_ tasks ls | awk -v id="$id" '$1 == id { print $2 }')"
	network_first
	wait_for 20 network_ask "$out" 10.9.0.2 tcp 1 100
	asks "$out" fd09::2
	end_containerd
}

@test "network: firecracker, both ways" {
	needs KATA_TEST_FIRECRACKER
	network_make
	container_config "$KATA_CONFIG" firecracker agent.dial_timeout=60
	both_ways
	kata delete --force "$id"
	[[ $(network_state) != *@(ingress|_kata)* ]]
}

@test "network: firecracker, an interface that comes after the boot" {
	needs KATA_TEST_FIRECRACKER
	container_config "$KATA_CONFIG" firecracker agent.dial_timeout=60
	begin_bare
	asks "$out" fd09::2
	kill -9 "$(program_of "$id" containerd-shim)"
	kata delete --force "$id"
	[[ $(network_state) != *@(ingress|_kata)* ]]
}

# 512 KiB a second, in bits; what is sent at once is a second's worth. Without it is a moment.
rate=4194304
with_a_rate()
{
	local begun

	network_bundle "$bundle" 'net-echo serve 7 & echo ready; wait'
	start_container "$id" "$bundle"
	wait_for "$limit" network_ask "$out" 10.9.0.2 tcp 1 100
	begun=$SECONDS
	network_ask "$out" 10.9.0.2 tcp 1 2500000
	echo "took $((SECONDS - begun)) s"
	[ $((SECONDS - begun)) -ge 3 ]
}

@test "network: firecracker, an interface with a rate" {
	needs KATA_TEST_FIRECRACKER
	network_make
	container_config "$KATA_CONFIG" firecracker rx_rate_limiter_max_rate=$rate tx_rate_limiter_max_rate=$rate \
		agent.dial_timeout=60
	with_a_rate
}

@test "network: clh, an interface with a rate" {
	needs KATA_TEST_CLOUD_HYPERVISOR
	network_make
	container_config "$KATA_CONFIG" clh virtio_fs_daemon='"/usr/lib/qemu/virtiofsd"' \
		virtio_fs_extra_args='[]' net_rate_limiter_bw_max_rate=$rate agent.dial_timeout=60
	with_a_rate
}

@test "network: clh, both ways, and an interface that is plugged in" {
	needs KATA_TEST_CLOUD_HYPERVISOR
	network_make
	container_config "$KATA_CONFIG" clh virtio_fs_daemon='"/usr/lib/qemu/virtiofsd"' \
		virtio_fs_extra_args='[]' agent.dial_timeout=60
	both_ways
	network_add net1 1
	wait_for 30 network_ask "$out" 10.9.1.2 tcp 1 100
	asks "$out" fd09:1::2
}

@test "network: stratovirt, both ways" {
	needs KATA_TEST_STRATOVIRT
	network_make
	container_config "$KATA_CONFIG" stratovirt path="\"$KATA_TEST_STRATOVIRT\"" \
		kernel="\"${XDG_CACHE_HOME:-$HOME/.cache}/kata-c/guest-kernel/vmlinux\"" \
		agent.dial_timeout=120
	both_ways
}
