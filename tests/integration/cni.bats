#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The distribution's CNI plug-ins, called as an engine calls them, and a machine in the
# namespace that they furnish. What is the host to them is a namespace, too.

# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=qemu
load common
load ../lib/network

plugins=/usr/lib/cni

# The plug-ins' networks: N is 10.4.N.0/24 and fd04:N::/64.
ipam()
{
	local routes=${2:-}

	echo '"ipam": { "type": "host-local", "dataDir": "'"$BATS_TEST_TMPDIR"'/ipam",
		"ranges": [[{ "subnet": "10.4.'"$1"'.0/24" }], [{ "subnet": "fd04:'"$1"'::/64" }]],
		"routes": [ '"$routes"' ] }'
}

# cni COMMAND PLUGIN INTERFACE NETWORK KEYS: its answer.
cni()
{
	CNI_COMMAND=$1 CNI_CONTAINERID=$id CNI_NETNS=/run/netns/$pod CNI_IFNAME=$3 CNI_PATH=$plugins \
		ip netns exec "$out" "$plugins/$2" \
		<<<"{ \"cniVersion\": \"0.4.0\", \"name\": \"$4\", \"type\": \"$2\", $5 }"
}

# ask NS HOST PORT …: net-echo asks there.
ask() { ip netns exec "$1" "$net_echo" ask "${@:2}"; }

# Whom the plug-ins' host is joined with: mN leads to it, and to the network of an uplink.
make_far()
{
	local n

	far=far-$id
	ip netns add "$far"
	ip -n "$far" link set lo up
	ip netns exec "$far" sysctl -qw net.ipv6.conf.default.accept_dad=0
	for n in 2 3 5; do
		ip -n "$out" link add "m$n" type veth peer name "f$n" netns "$far"
		ip -n "$out" link set "m$n" up
		ip -n "$far" link set "f$n" up
		ip -n "$far" addr add "10.4.$n.1/24" dev "f$n"
		ip -n "$far" addr add "fd04:$n::1/64" dev "f$n" nodad
	done
	ip -n "$out" addr add 10.4.5.254/24 dev m5
	ip -n "$out" addr add fd04:5::254/64 dev m5 nodad
	ip netns exec "$far" "$net_echo" serve 7 3>&- &
	far_server=$!
	wait_for 5 ask "$far" 127.0.0.1 7 tcp 1 1
}

teardown()
{
	local status=0

	[ "${BATS_TEST_COMPLETED:-}" = 1 ] || cat "$bundle"/rootfs/told* "$bundle.out" >&2 2>/dev/null || :
	kata delete --force "$id" 2>/dev/null || :
	kill "$far_server" || :
	wait "$far_server" || :
	network_drop
	ip netns del "$far" || :
	leftovers_compare "$BATS_TEST_TMPDIR/before" || status=1
	[ "$status" = 0 ] && [ "${BATS_TEST_COMPLETED:-}" = 1 ] || tail -n 50 "$KATA_LOG" >&2 || :
	return "$status"
}

default='{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }'
mappings='"runtimeConfig": { "portMappings": [
	{ "hostPort": 8080, "containerPort": 7, "protocol": "tcp" },
	{ "hostPort": 8081, "containerPort": 7, "protocol": "udp" }] },
	"capabilities": { "portMappings": true }'
# A megabyte each second.
rates='"ingressRate": 8000000, "ingressBurst": 80000, "egressRate": 8000000, "egressBurst": 80000'

# eth0 has the chain that engines give it; each other one a kind of its own.
furnish()
{
	result=$(cni ADD bridge eth0 net0 '"bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true, '"$(ipam 0 "$default")")
	cni ADD portmap eth0 net0 "$mappings, \"prevResult\": $result" >/dev/null
	cni ADD bandwidth eth0 net0 "$rates, \"prevResult\": $result" >/dev/null
	cni ADD firewall eth0 net0 "\"prevResult\": $result" >/dev/null
	cni ADD ptp net1 net1 "$(ipam 1)" >/dev/null
	cni ADD macvlan net2 net2 "\"master\": \"m2\", $(ipam 2)" >/dev/null
	# Some kernels have no such interfaces.
	ipvlan=
	if ip -n "$out" link add ipvl type ipvlan 2>/dev/null link m3; then
		ip -n "$out" link del ipvl
		ipvlan=yes
		cni ADD ipvlan net3 net3 "\"master\": \"m3\", $(ipam 3)" >/dev/null
	fi
}

unfurnish()
{
	[ -z "$ipvlan" ] || cni DEL ipvlan net3 net3 "\"master\": \"m3\", $(ipam 3)"
	cni DEL macvlan net2 net2 "\"master\": \"m2\", $(ipam 2)"
	cni DEL ptp net1 net1 "$(ipam 1)"
	cni DEL firewall eth0 net0 "\"prevResult\": $result"
	cni DEL bandwidth eth0 net0 "$rates"
	cni DEL portmap eth0 net0 "$mappings"
	cni DEL bridge eth0 net0 '"bridge": "cni0", "isGateway": true, "ipMasq": true, '"$(ipam 0)"
}

# sent DEVICE: bytes that its discipline has let out.
sent() { tc -n "$out" -s qdisc show dev "$1" root | awk '$1 == "Sent" { print $2 }'; }

# Routes as different programs print them.
plain() { sed -E 's/ proto [a-z]+//; s/ +/ /g; s/ $//' | sort; }

@test "cni: bridge, portmap, bandwidth, firewall, ptp, macvlan, ipvlan" {
	local asks='' n before began

	network_make --bare
	make_far
	furnish
	network_settled
	before=$(network_state)
	for n in 1 2 3; do
		[ "$n" != 3 ] || [ "$ipvlan" ] || continue
		asks+="net-echo ask 10.4.$n.1 7 tcp 3 1000 && net-echo ask fd04:$n::1 7 tcp 3 1000 &&
net-echo ask 10.4.$n.1 7 udp 3 1000 && net-echo ask fd04:$n::1 7 udp 3 1000 && echo $n &&"
	done
	# 10.4.5.1 knows no way back but to the address that the pod's is hidden behind.
	network_bundle "$bundle" "net-echo serve 7 & { $asks net-echo ask 10.4.0.1 7 tcp 3 1000 &&
net-echo ask 10.4.5.1 7 tcp 3 1000 && net-echo ask fd04:5::1 7 udp 3 1000 && echo well
} >/told 2>&1; ip route >/told-r
until net-echo ask 127.0.0.1 7 tcp 1 1; do sleep 0.1; done; touch /ready; wait"
	kata run --detach --bundle "$bundle" "$id" </dev/null >"$bundle.out" 2>&1 3>&-
	wait_for 40 test -e "$bundle/rootfs/ready"
	[ "$(xargs <"$bundle/rootfs/told")" = "1 2 ${ipvlan:+3 }well" ]
	diff <(ip -n "$pod" route | plain) <(plain <"$bundle/rootfs/told-r")

	# Into the container: by its addresses, and by ports of the host.
	for n in 0 1; do
		ask "$out" "10.4.$n.2" 7 tcp 3 1000
		ask "$out" "fd04:$n::2" 7 udp 3 1000
	done
	ask "$far" 10.4.2.2 7 tcp 3 1000
	ask "$far" fd04:2::2 7 tcp 3 1000
	[ -z "$ipvlan" ] || ask "$far" 10.4.3.2 7 tcp 3 1000
	ask "$far" 10.4.5.254 8080 tcp 3 1000
	ask "$far" fd04:5::254 8080 tcp 3 1000
	ask "$far" 10.4.5.254 8081 udp 3 1000
	ask "$out" 127.0.0.1 8080 tcp 3 1000
	run -1 ask "$far" 10.4.5.254 8082 tcp 1 1

	# A megabyte each way cannot be there and back before its second.
	veth=$(basename "$(ip netns exec "$out" sh -c 'echo /sys/class/net/cni0/brif/*')")
	ifb=$(ip -n "$out" -br link show type ifb | cut -d' ' -f1)
	began=${EPOCHREALTIME/./}
	ask "$out" 10.4.0.2 7 tcp 1 1000000
	[ $((${EPOCHREALTIME/./} - began)) -ge 900000 ]
	[ "$(sent "$veth")" -gt 1000000 ]
	[ "$(sent "$ifb")" -gt 1000000 ]

	# The firewall is the host's: the guest does not get around it.
	ip netns exec "$out" iptables -I CNI-ADMIN -d 10.4.0.2 -p tcp --dport 7 -j REJECT
	run -1 ask "$far" 10.4.5.254 8080 tcp 1 1

	kata delete --force "$id"
	diff <(echo "$before") <(network_state)
	unfurnish
	[ "$(ip -n "$pod" -br link | cut -d' ' -f1)" = lo ]
	run -1 grep -E '^(veth|bwp|ifb)' <(ip -n "$out" -br link)
	# One file for each address.
	run -1 grep -E '/[0-9a-f:]+[.:][0-9a-f.:]+$' <(find "$BATS_TEST_TMPDIR/ipam" -type f)
	run -1 grep -F -e '10.4.0.2:7' -e fd04::2 \
		<(ip netns exec "$out" iptables-save; ip netns exec "$out" ip6tables-save)
}
