#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What goes over a pod's network: whose frames, how large, how many connections, by which way;
# and what becomes of it when interfaces come and go meanwhile.

# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=qemu
load common
load ../lib/network

teardown()
{
	local status=0

	[ "${BATS_TEST_COMPLETED:-}" = 1 ] || tail -n 30 "$KATA_LOG" >&2
	kata delete --force "$id" 2>/dev/null || :
	[ -z "${watcher:-}" ] || kill "$watcher" 2>/dev/null || :
	network_drop
	[ -z "${other:-}" ] || ip netns del "$other" || :
	leftovers_compare "$BATS_TEST_TMPDIR/before" || status=1
	return "$status"
}

in_guest() { kata exec "$id" "$@" </dev/null; }

# Somebody else at the pod's bridge: 10.9.0.3.
make_other()
{
	other=other-$id
	ip netns add "$other"
	ip -n "$other" link add eth0 type veth peer name q0 netns "$out"
	ip -n "$out" link set q0 master br0 up
	ip -n "$other" addr add 10.9.0.3/24 dev eth0
	ip -n "$other" link set eth0 up
}

mac_of() { ip netns exec "$pod" cat "/sys/class/net/$1/address"; }

# frames DEVICE WAY: their sums.
frames() { awk -v d="$1" -v w="$2" '$1 == d && $2 == w { print $6 }' "$BATS_TEST_TMPDIR/frames" | sort; }

no_tap2() { [[ $(ip -n "$pod" -br link 2>/dev/null) != *tap2* ]]; }

machine_gone() { [ -z "$(program_of "$id" qemu-system)" ]; }

@test "network: the guest's frames and nobody else's; sizes, routes, a thousand connections" {
	local n device busy doomed

	container_config "$KATA_CONFIG" qemu 'machine_type="q35"'
	network_make
	network_add net1 1
	make_other
	ip -n "$out" link set p0 mtu 9000
	ip -n "$pod" link set eth0 mtu 9000
	ip -n "$out" link set p1 mtu 1280
	ip -n "$pod" link set net1 mtu 1280
	# Defaults, the better one first, and one that both interfaces share for IPv6.
	ip -n "$pod" route add default via 10.9.1.1 metric 100
	ip -n "$pod" -6 route add default via fd09:1::1 metric 2048
	ip -n "$out" addr add 10.200.0.1/32 dev lo
	network_bundle "$bundle" "exec net-echo serve 7"
	kata run --detach --bundle "$bundle" "$id" </dev/null >"$bundle.out" 2>&1 3>&-
	wait_for 40 network_ask "$out" 10.9.0.2 tcp 1 1
	[ "$(in_guest sh -c 'ip route; ip -6 route' | grep default | sed -E 's/ proto [a-z]+//; s/ +/ /g; s/ (pref|metric 1024).*//; s/ $//' | sort)" = \
		"$( (ip -n "$pod" route; ip -n "$pod" -6 route) | grep default | sed -E 's/ proto [a-z]+//; s/ +/ /g; s/ (pref|metric 1024).*//; s/ $//' | sort)" ]

	# As large as can be, and larger.
	network_ask "$out" 10.9.0.2 udp 3 8972
	network_ask "$out" 10.9.1.2 udp 3 1252
	network_ask "$out" 10.9.1.2 udp 3 4000
	network_ask "$out" 10.9.1.2 tcp 1 300000
	in_guest sh -c 'net-echo ask 10.9.0.1 7 udp 3 8972 && net-echo ask 10.9.1.1 7 tcp 1 300000 &&
		net-echo ask fd09:1::1 7 udp 3 4000 && net-echo ask 10.200.0.1 7 tcp 3 1000'

	# What is seen on the host while somebody else is busy, too.
	ip netns exec "$pod" "$BATS_TEST_DIRNAME/frames.py" "$BATS_TEST_TMPDIR/frames" \
		eth0 net1 tap0_kata tap1_kata 3>&- &
	watcher=$!
	wait_for 10 test -e "$BATS_TEST_TMPDIR/frames"
	network_ask "$other" 10.9.0.1 tcp 20 1000
	network_ask "$other" 10.9.0.2 tcp 3 1000
	network_ask "$out" 10.9.1.2 tcp 3 1000
	network_ask "$out" fd09:1::2 udp 3 1000
	in_guest sh -c 'net-echo ask 10.9.0.1 7 tcp 3 1000; net-echo ask 10.200.0.1 7 tcp 3 1000'
	sleep 0.5
	kill "$watcher"
	wait "$watcher"
	# To the guest comes what is for it or for all …
	run -1 awk -v a="$(mac_of eth0)" -v b="$(mac_of net1)" '
		function all(mac) { return substr(mac, 2, 1) ~ /[13579bdf]/ }
		$1 == "tap0_kata" && $2 == "out" && $3 != a && !all($3) { print; bad = 1 }
		$1 == "tap1_kata" && $2 == "out" && $3 != b && !all($3) { print; bad = 1 }
		END { exit !bad }' "$BATS_TEST_TMPDIR/frames"
	[ "$(frames tap0_kata out | wc -l)" -gt 20 ]
	[ "$(frames tap1_kata out | wc -l)" -gt 10 ]
	# … as it came; what it sends leaves by its own interface, once, and is all that does.
	for n in 0 1; do
		device=$([ $n = 0 ] && echo eth0 || echo net1)
		diff <(frames "$device" in) <(frames "tap${n}_kata" out)
		# But for what the kernel of the namespace says to routers by itself (IPv6, to groups).
		[ -z "$(comm -23 <(frames "tap${n}_kata" in) <(frames "$device" out))" ]
		comm -13 <(frames "tap${n}_kata" in) <(frames "$device" out) >"$BATS_TEST_TMPDIR/own"
		run -1 grep -v "^$device out 33:33:.* 86dd " \
			<(grep -F -f "$BATS_TEST_TMPDIR/own" "$BATS_TEST_TMPDIR/frames")
		[ "$(frames "$device" out | wc -l)" -gt 10 ]
	done

	# At once, out of the guest and into it.
	in_guest net-echo hold 10.9.0.1 7 1000
	ip netns exec "$out" "$net_echo" hold fd09::2 7 200

	# Interfaces come and go five times under traffic of another, and of their own.
	ip netns exec "$out" "$net_echo" ask 10.9.0.2 7 tcp 400 2000 >"$BATS_TEST_TMPDIR/busy" 2>&1 3>&- &
	busy=$!
	for n in 1 2 3 4 5; do
		network_add net2 2
		wait_for 15 network_ask "$out" 10.9.2.2 tcp 1 1000
		ip netns exec "$out" "$net_echo" ask 10.9.2.2 7 tcp 1000 1000 >/dev/null 2>&1 3>&- &
		doomed=$!
		sleep 0.1
		ip -n "$pod" link del net2
		ip -n "$out" link del br2
		kill "$doomed" 2>/dev/null || :
		wait "$doomed" || :
		# The guest has let go of it, too.
		wait_for 15 no_tap2
	done
	wait "$busy"
	cat "$BATS_TEST_TMPDIR/busy"
	in_guest net-echo ask 10.9.1.1 7 tcp 3 1000
	run -1 in_guest sh -c 'ip link | grep net2'

	# A namespace that has gone, after a shim that has: one of its name is another's.
	kill -9 "$(program_of "$id" containerd-shim)"
	wait_for 5 machine_gone
	ip netns del "$pod"
	ip netns add "$pod"
	ip -n "$pod" link add eth0 type veth peer name p0
	tc -n "$pod" qdisc add dev eth0 ingress
	kata delete --force "$id"
	[[ $(tc -n "$pod" qdisc) == *ingress* ]]
}
