#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The pod's network in a real machine: what its namespace holds is the guest's, both ways,
# and the namespace is as it was when the machine has gone.

# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=qemu
load common
load ../lib/network

teardown()
{
	local status=0 name

	cat "$BATS_TEST_TMPDIR"/*/rootfs/told-asked >&2 || :
	for name in $(kata list -q); do
		kata delete --force "$name" || :
	done
	network_drop
	leftovers_compare "$BATS_TEST_TMPDIR/before" || status=1
	[ "$status" = 0 ] || tail -n 50 "$KATA_LOG" >&2 || :
	return "$status"
}

# What a container tells of its network, into /told.
tell='ip addr >/a; ip route >/r; ip -6 route >/r6; mv /r /told-r; mv /r6 /told-r6; mv /a /told'

# begin_pod NAME SCRIPT: a container with a server that runs it; it is told when that is done.
begin_pod()
{
	network_bundle "$BATS_TEST_TMPDIR/$1" "net-echo serve 7 & $2; sleep 0.1; touch /ready; wait"
	kata run --detach --bundle "$BATS_TEST_TMPDIR/$1" "$id-$1" </dev/null \
		>"$BATS_TEST_TMPDIR/$1.out" 2>&1 3>&- || { cat "$BATS_TEST_TMPDIR/$1.out" >&2; return 1; }
	wait_for 40 test -e "$BATS_TEST_TMPDIR/$1/rootfs/ready"
}

machine_gone() { [ -z "$(program_of "$1" qemu-system)" ]; }

told() { cat "$BATS_TEST_TMPDIR/$1/rootfs/told$2"; }

@test "network: an interface of the pod, both ways, with its addresses and routes" {
	local before

	network_make
	ip -n "$pod" link set eth0 mtu 1400
	ip -n "$pod" route add 10.77.0.0/16 via 10.9.0.1 metric 50
	ip -n "$pod" neigh add 10.9.0.99 lladdr 02:00:00:00:00:99 dev eth0 nud permanent
	before=$(network_state)
	begin_pod one "$tell; arp -n >/told-arp || cat /proc/net/arp >/told-arp; cd /; {
net-echo ask 10.9.0.1 7 tcp 20 1000 && net-echo ask fd09::1 7 tcp 5 1000 &&
net-echo ask 10.9.0.1 7 udp 5 1300 && net-echo ask fd09::1 7 udp 5 1300 &&
net-echo ask 10.9.0.1 7 tcp 1 1000000 && echo well; } >/told-asked 2>&1"
	[ "$(told one -asked)" = well ]

	# From outside into the container.
	network_ask "$out" 10.9.0.2 tcp 20 1000
	network_ask "$out" fd09::2 tcp 5 1000
	network_ask "$out" 10.9.0.2 udp 5 1300
	network_ask "$out" fd09::2 udp 5 1300

	# Name, hardware address, size, addresses, routes, neighbours as in the namespace.
	run -0 told one
	[[ $output == *"eth0: <"*"UP"*"mtu 1400"* ]]
	[[ $output == *"link/ether $(ip -n "$pod" -br link show eth0 | tr -s ' ' | cut -d' ' -f3) "* ]]
	[[ $output == *"inet 10.9.0.2/24 "* ]]
	[[ $output == *"inet6 fd09::2/64 "* ]]
	run -0 told one -r
	[[ $output == *"default via 10.9.0.1 dev eth0"* ]]
	[[ $output == *"10.77.0.0/16 via 10.9.0.1 dev eth0"* ]]
	run -0 told one -r6
	[[ $output == *"default via fd09::1 dev eth0"* ]]
	run -0 told one -arp
	[[ $output == *"10.9.0.99"*"02:00:00:00:00:99"* ]]

	# It is redirected, and afterwards it is not.
	[[ $(tc -n "$pod" filter show dev eth0 ingress) == *"mirred (Egress Redirect to device tap0_kata)"* ]]
	kata delete --force "$id-one"
	diff <(echo "$before") <(network_state)

	# A shim that is killed leaves the filters; delete takes them away.
	begin_pod two :
	network_ask "$out" 10.9.0.2 tcp 1 10
	kill -9 "$(program_of "$id-two" containerd-shim)"
	wait_for 5 machine_gone "$id-two"
	[[ $(tc -n "$pod" qdisc) == *ingress* ]]
	kata delete --force "$id-two"
	diff <(echo "$before") <(network_state)
}
