# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154 # common.bash and the tests set them
#
# Network namespaces for pods, with somebody to talk to, on addresses that are only there:
#
#	network_make [--bare]		# $pod with eth0, $out with br0 that it is joined to, where
#					# 10.9.0.1 and fd09::1 are and a server of net-echo at port 7;
#					# the pod's are 10.9.0.2 and fd09::2; --bare: no eth0 yet
#	network_add NAME N		# one more interface of the pod, at brN of $out with the
#					# network 10.9.N.0/24 and fd09:N::/64, in which it is 2
#	network_bundle DIR SCRIPT	# a container in $pod that runs SCRIPT; net-echo is in /bin
#	network_ask NS HOST …		# net-echo asks, in the namespace NS, at port 7
#	network_state			# devices, qdiscs, filters, addresses and routes of $pod
#	network_drop			# all of it goes

net_echo=$KATA_BUILD/tests/tools/net-echo

network_make()
{
	pod=pod-$id
	out=out-$id
	ip netns add "$pod"
	ip netns add "$out"
	ip -n "$pod" link set lo up
	ip -n "$out" link set lo up
	# Nobody else is there who could have an address.
	ip netns exec "$pod" sysctl -qw net.ipv6.conf.default.accept_dad=0
	ip netns exec "$out" sysctl -qw net.ipv6.conf.default.accept_dad=0
	[ "${1:-}" = --bare ] || network_first
	ip netns exec "$out" "$net_echo" serve 7 3>&- &
	network_server=$!
	until ip netns exec "$out" "$net_echo" ask 127.0.0.1 7 tcp 1 1 2>/dev/null; do
		kill -0 "$network_server" || return
		sleep 0.05
	done
}

network_first()
{
	network_add eth0 0
	ip -n "$pod" route add default via 10.9.0.1
	ip -n "$pod" -6 route add default via fd09::1
}

network_add()
{
	local v6=fd09:$2: state
	[ "$2" != 0 ] || v6=fd09:

	ip -n "$out" link add "br$2" type bridge
	ip -n "$out" addr add "10.9.$2.1/24" dev "br$2"
	ip -n "$out" addr add "$v6:1/64" dev "br$2" nodad
	ip -n "$pod" link add "$1" type veth peer name "p$2" netns "$out"
	ip -n "$out" link set "p$2" master "br$2" up
	ip -n "$out" link set "br$2" up
	ip -n "$pod" addr add "10.9.$2.2/24" dev "$1"
	ip -n "$pod" addr add "$v6:2/64" dev "$1" nodad
	ip -n "$pod" link set "$1" up
	# Its state, and its own address of IPv6, come a moment later.
	for _ in {1..500}; do
		state=$(ip -n "$pod" addr show dev "$1")
		[[ $state != *"state UP"*"inet6 fe80"* || $state == *tentative* ]] || break
		sleep 0.02
	done
}

network_bundle()
{
	container_bundle "$1" -- /bin/sh -c "$2" || return
	cp "$net_echo" "$1/rootfs/bin/net-echo"
	"$kata_tree/tests/lib/change_spec.py" "$1" "join('network', '/run/netns/$pod')"
}

network_ask()
{
	local ns=$1 host=$2

	shift 2
	ip netns exec "$ns" "$net_echo" ask "$host" 7 "$@" 2>&1
}

# What changes by itself is left out; so is a length of queues that the kernel makes up
# where a discipline comes to an interface that had none.
network_state()
{
	local device

	ip -n "$pod" -d link 2>/dev/null | sed 's/promiscuity.*//; s/ *\(qlen .*\)*$//'
	ip -n "$pod" addr 2>/dev/null | sed 's/ *\(qlen .*\)*$//'
	ip -n "$pod" route show table all
	ip -n "$pod" -6 route show table all
	tc -n "$pod" qdisc
	for device in $(ip -n "$pod" -br link | cut -d' ' -f1 | cut -d@ -f1); do
		tc -n "$pod" filter show dev "$device" ingress
	done
}

# network_settled: what comes by itself, a moment after an interface, has come.
network_settled()
{
	local before after

	after=$(network_state)
	for _ in {1..20}; do
		before=$after
		sleep 0.5
		after=$(network_state)
		[ "$after" != "$before" ] || return 0
	done
	return 1
}

# network_prepare: the first namespace that has a name leaves a mount for all that come.
network_prepare()
{
	ip netns add "first-$$"
	ip netns del "first-$$"
}

network_drop()
{
	kill "$network_server" 2>/dev/null || :
	wait "$network_server" 2>/dev/null || :
	ip netns del "$pod" || :
	ip netns del "$out" || :
}
