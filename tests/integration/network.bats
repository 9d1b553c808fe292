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

	cat "$BATS_TEST_TMPDIR"/*/rootfs/told-asked >&2 2>/dev/null || :
	[ "${BATS_TEST_COMPLETED:-}" = 1 ] || tail -n 30 "$KATA_LOG" >&2
	for name in $(kata list -q); do
		kata delete --force "$name" || :
	done
	ip netns del "next-$id" 2>/dev/null || :
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
	network_bundle "$BATS_TEST_TMPDIR/$1" "net-echo serve 7 & $2
		until net-echo ask 127.0.0.1 7 tcp 1 1; do sleep 0.1; done; touch /ready; wait"
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

# in_pod NAME COMMAND…: its output, by exec.
in_pod()
{
	local name=$1

	shift
	kata exec "$id-$name" "$@" </dev/null
}

# shows NAME PATTERN COMMAND…: whether the output of COMMAND in the container is like that.
shows()
{
	local name=$1 pattern=$2 output

	shift 2
	output=$(in_pod "$name" "$@")
	# shellcheck disable=SC2053
	[[ $output == $pattern ]]
}

# A container of its own file system's scripts, with a server, that is created and no more.
create_pod()
{
	network_bundle "$BATS_TEST_TMPDIR/$1" "exec net-echo serve 7"
	[ -z "${2:-}" ] || "$kata_tree/tests/lib/change_spec.py" "$BATS_TEST_TMPDIR/$1" "$2"
	kata create --bundle "$BATS_TEST_TMPDIR/$1" "$id-$1" </dev/null \
		>"$BATS_TEST_TMPDIR/$1.out" 2>&1 3>&- || { cat "$BATS_TEST_TMPDIR/$1.out" >&2; return 1; }
}

@test "network: interfaces that come between create and start, change, and go (hot plug)" {
	container_config "$KATA_CONFIG" qemu 'machine_type="q35"'
	network_make --bare
	create_pod one
	network_first
	kata start "$id-one"
	wait_for 10 network_ask "$out" 10.9.0.2 tcp 1 1000
	shows one '*inet 10.9.0.2/24 *inet6 fd09::2/64 *' ip addr show dev eth0
	in_pod one net-echo ask fd09::1 7 tcp 3 1000
	in_pod one net-echo ask 10.9.0.1 7 udp 3 1000

	# One more, while the first has traffic.
	network_ask "$out" 10.9.0.2 tcp 200 1000 &
	network_add net1 1
	wait_for 10 shows one '*inet 10.9.1.2/24 *' ip addr
	wait $!
	wait_for 5 network_ask "$out" 10.9.1.2 tcp 1 1000
	shows one '*: net1: *' ip link

	# What changes there changes in the guest.
	ip -n "$pod" addr add 10.9.1.77/24 dev net1
	ip -n "$pod" route add 10.78.0.0/16 via 10.9.1.1
	ip -n "$pod" route add blackhole 10.79.0.0/16
	ip -n "$pod" link set net1 mtu 1280
	wait_for 5 shows one '*blackhole 10.79.0.0/16*' ip route
	shows one '*10.78.0.0/16 via 10.9.1.1 dev net1*' ip route
	wait_for 5 shows one '*mtu 1280*inet 10.9.1.77/24*' ip addr show dev net1
	network_ask "$out" 10.9.1.77 tcp 1 1000
	ip -n "$pod" route del blackhole 10.79.0.0/16
	ip -n "$pod" route del 10.78.0.0/16
	ip -n "$pod" addr del 10.9.1.2/24 dev net1

	# It goes, and nothing of it stays; the other one is as it was.
	ip -n "$pod" link del net1
	ip -n "$out" link del br1
	wait_for 10 shows one '!(*net1*)' ip link
	wait_for 5 shows one '!(*10.78*)' ip route
	network_ask "$out" 10.9.0.2 tcp 3 1000
	kata delete --force "$id-one"
	[[ $(network_state) != *@(ingress|_kata)* ]]
}

@test "network: an interface that a hook makes, on a machine that takes none later" {
	network_make --bare
	cat >"$BATS_TEST_TMPDIR/hook" <<-EOT
		$(declare -f network_first network_add)
		pod=$pod out=$out
		network_first
	EOT
	create_pod one "hook('prestart', 'exec bash $BATS_TEST_TMPDIR/hook')"
	# Of the tap nobody but the guest hears.
	[[ $(ip -n "$pod" addr show dev tap0_kata) != *inet6* ]]
	kata start "$id-one"
	wait_for 10 network_ask "$out" 10.9.0.2 tcp 1 1000
	shows one '*inet 10.9.0.2/24 *inet6 fd09::2/64 *' ip addr show dev eth0
	in_pod one net-echo ask fd09::1 7 tcp 3 1000
	in_pod one net-echo ask 10.9.0.1 7 udp 3 1000
	network_add net1 1
	wait_for 5 grep -q 'interface net1: it has come after the boot, and hypervisor .*qemu.* cannot' "$KATA_LOG"
	ip -n "$pod" link del net1
	kata delete --force "$id-one"
	[[ $(network_state) != *@(ingress|_kata)* ]]
}

# dial HOST PORT TEXT: in the pod's namespace on the host; TEXT and an end are said, what comes back
# is printed up to its end.
dial()
{
	ip netns exec "$pod" timeout 100 python3 - "$@" <<-'E'
		import socket, sys
		try:
		    s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 60)
		    s.sendall(sys.argv[3].encode())
		    s.shutdown(socket.SHUT_WR)
		    said = b""
		    while more := s.recv(65536):
		        said += more
		    print(said.decode())
		except (ConnectionResetError, BrokenPipeError):
		    print("reset")
	E
}

@test "network: who connects to the loopback of the pod's namespace reaches the guest's" {
	network_make
	# One who is there already keeps his port, as Docker's resolver does.
	ip netns exec "$pod" "$net_echo" serve 8 3>&- &
	local other=$! i
	begin_pod one 'while :; do echo one line | nc -l -p 80 || sleep 1; done & :'
	# It is there when the agent has said that it can.
	wait_for 10 network_ask "$pod" 127.0.0.1 tcp 1 10
	network_ask "$pod" 127.0.0.1 tcp 20 1000
	network_ask "$pod" ::1 tcp 20 1000
	network_ask "$pod" 127.0.0.1 tcp 2 1000000
	for ((i = 0; i < 20; i++)); do
		network_ask "$pod" ::1 tcp 2 3000 3>&- &
		asking[i]=$!
	done
	for ((i = 0; i < 20; i++)); do
		wait "${asking[i]}"
	done
	# Ends are said one by one.
	wait_for 10 eval '[ "$(dial 127.0.0.1 80 question)" = "one line" ]'
	[ "$(dial ::1 7 'answer me')" = "answer me" ]
	[ "$(dial 127.0.0.1 9 x)" = reset ]
	ip netns exec "$pod" "$net_echo" ask 127.0.0.1 8 tcp 3 100
	run -1 ip netns exec "$out" "$net_echo" ask 127.0.0.1 80 tcp 1 1
	# It has left nothing, and nobody answers there any more.
	[ "$(grep -c 'do not reach the guest' "$KATA_LOG")" = 0 ]
	kata delete --force "$id-one"
	run -1 ip netns exec "$pod" "$net_echo" ask 127.0.0.1 7 tcp 1 1
	ip netns exec "$pod" "$net_echo" ask 127.0.0.1 8 tcp 1 100
	kill "$other"
	wait "$other" || :
}

@test "network: kinds of interfaces, models, limits" {
	local before name

	network_make
	# From the other side's: a macvlan and a macvtap, whose node nobody has made.
	ip -n "$out" link add base type veth peer name far
	ip -n "$out" link set base up
	ip -n "$out" link set far up
	ip -n "$out" addr add 10.9.3.1/24 dev far
	ip -n "$out" addr add 10.9.4.1/24 dev far
	ip -n "$out" link add mv0 link base type macvlan mode bridge
	ip -n "$out" link add mt0 link base type macvtap mode bridge
	for name in mv0:3 mt0:4; do
		ip -n "$out" link set "${name%:*}" netns "$pod"
		ip -n "$pod" addr add "10.9.${name#*:}.2/24" dev "${name%:*}"
		ip -n "$pod" link set "${name%:*}" up
	done
	network_settled
	before=$(network_state)
	container_config "$KATA_CONFIG" qemu rx_rate_limiter_max_rate=40000000 \
		tx_rate_limiter_max_rate=20000000
	begin_pod one "$tell"
	for name in 10.9.0.2 10.9.3.2 10.9.4.2; do
		network_ask "$out" "$name" tcp 3 1000
		network_ask "$out" "$name" udp 2 1000
	done
	# The limits are the kernel's where the monitor has none.
	run -0 tc -n "$pod" qdisc
	[[ $output == *"qdisc tbf "*" dev tap0_kata root "*" rate 40Mbit "* ]]
	[[ $output == *"qdisc tbf "*" dev eth0 root "*" rate 20Mbit "* ]]
	kata delete --force "$id-one"
	diff <(echo "$before") <(network_state)

	# A macvtap on the interface, which gets back all it had; also from delete.
	ip -n "$pod" link del mt0
	ip -n "$pod" link del mv0
	network_settled
	before=$(network_state)
	container_config "$KATA_CONFIG" qemu 'runtime.internetworking_model="macvtap"'
	begin_pod two "$tell"
	network_ask "$out" 10.9.0.2 tcp 3 1000
	network_ask "$out" fd09::2 udp 3 1000
	in_pod two net-echo ask 10.9.0.1 7 tcp 3 100000
	[[ $(told two) == *"$(ip -n "$out" -br neigh show 10.9.0.2 | tr -s ' ' | cut -d' ' -f3)"* ]]
	kill -9 "$(program_of "$id-two" containerd-shim)"
	wait_for 5 machine_gone "$id-two"
	kata delete --force "$id-two"
	diff <(echo "$before") <(network_state)
}

# A guest with the programs and the modules of the packet filter; sets $filter_kernel, $filter_initrd.
make_filter_guest()
{
	local tree=$BATS_TEST_TMPDIR/tree programs=(/usr/sbin/xtables-legacy-multi
		/usr/lib/*/xtables/libxt_{standard,tcp}.so) file name

	filter_kernel=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/kata-c/kernel-filter
	filter_initrd=$BATS_TEST_TMPDIR/initrd.img
	"$kata_tree/tests/lib/filter-kernel" "$filter_kernel"
	"$kata_tree/guest/image/make-initrd" "$filter_initrd" "$kata_agent" "$filter_kernel"
	for file in "${programs[@]}" $(ldd "${programs[@]}" | grep -o '/[^ ]*' | grep -v ':$'); do
		mkdir -p "$tree${file%/*}"
		cp -L "$file" "$tree$file"
	done
	for name in ip{,6}tables-{save,restore}; do
		ln -s xtables-legacy-multi "$tree/usr/sbin/$name"
	done
	(cd "$tree" && find . -mindepth 1 | sort | cpio --quiet -o -H newc -R 0:0) >>"$filter_initrd"
}

# rules TARGET: what becomes of connections to port 7.
rules()
{
	printf '%s\n' '*filter' ':INPUT ACCEPT [0:0]' ':FORWARD ACCEPT [0:0]' ':OUTPUT ACCEPT [0:0]' \
		"-A INPUT -p tcp -m tcp --dport 7 -j $1" COMMIT
}

# shim_socket PATH …: the sandbox itself, by its management socket.
shim_socket()
{
	curl -sS --fail-with-body --max-time 60 --unix-socket "$KATA_ROOT/$id-one/shim-monitor.sock" \
		"${@:2}" "http://shim$1"
}

@test "network: the guest's packet filter, by the command and by the shim's socket" {
	make_filter_guest
	container_config "$KATA_CONFIG" qemu kernel="\"$filter_kernel/vmlinux\"" initrd="\"$filter_initrd\""
	network_make
	begin_pod one :
	network_ask "$out" 10.9.0.2 tcp 1 10
	network_ask "$out" fd09::2 tcp 1 10
	rules DROP >"$BATS_TEST_TMPDIR/drop"
	rules ACCEPT >"$BATS_TEST_TMPDIR/accept"

	# One family and not the other.
	run -0 kata iptables set --sandbox-id "$id-one" "$BATS_TEST_TMPDIR/drop"
	[ -z "$output" ]
	run -0 kata iptables get --sandbox-id "$id-one"
	[[ $output == *"-A INPUT -p tcp -m tcp --dport 7 -j DROP"* ]]
	run -0 kata iptables get --sandbox-id "$id-one" --v6
	[[ $output != *DROP* ]]
	run -124 timeout 1 ip netns exec "$out" "$net_echo" ask 10.9.0.2 7 tcp 1 10
	network_ask "$out" fd09::2 tcp 1 10

	# The other, by the socket that kata-monitor and people with curl use.
	run -0 shim_socket /ip6tables -X PUT --data-binary "@$BATS_TEST_TMPDIR/drop"
	run -0 kata iptables get --v6 --sandbox-id "$id-one"
	[[ $output == *"--dport 7 -j DROP"* ]]
	run -124 timeout 1 ip netns exec "$out" "$net_echo" ask fd09::2 7 tcp 1 10
	run -0 shim_socket /iptables -X PUT --data-binary "@$BATS_TEST_TMPDIR/accept"
	run -0 shim_socket /iptables
	[[ $output == *"--dport 7 -j ACCEPT"* && $output != *DROP* ]]
	network_ask "$out" 10.9.0.2 tcp 1 10

	# What is wrong changes nothing, and is said.
	echo nonsense >"$BATS_TEST_TMPDIR/bad"
	run -1 kata iptables set --sandbox-id "$id-one" "$BATS_TEST_TMPDIR/bad"
	[[ $output == *"iptables-restore: "* ]]
	run -22 shim_socket /iptables -X PUT --data-binary "@$BATS_TEST_TMPDIR/bad"
	[[ $output == *"iptables-restore: "* ]]
	run -0 kata iptables set --v6 --sandbox-id "$id-one" - <"$BATS_TEST_TMPDIR/accept"
	network_ask "$out" fd09::2 tcp 1 10
	run -1 kata iptables get --sandbox-id "none-$id"
	[[ $output == *"none-$id"* ]]
	kata delete --force "$id-one"
}

@test "network: what cannot be is one clear error, and nothing is left" {
	local before

	network_make
	# Somebody filters there already.
	tc -n "$pod" qdisc add dev eth0 ingress
	before=$(network_state)
	network_bundle "$BATS_TEST_TMPDIR/one" :
	run -1 kata run --bundle "$BATS_TEST_TMPDIR/one" "$id-one"
	[[ $output == *"network: interface eth0: somebody filters what comes in there already"* ]]
	diff <(echo "$before") <(network_state)
	tc -n "$pod" qdisc del dev eth0 ingress

	# No namespace.
	"$kata_tree/tests/lib/change_spec.py" "$BATS_TEST_TMPDIR/one" "join('network', '/run/netns/none-$id')"
	run -1 kata run --bundle "$BATS_TEST_TMPDIR/one" "$id-one"
	[[ $output == *"/run/netns/none-$id: No such file or directory"* ]]
	[ -z "$(kata list -q)" ]
}

@test "network: a guest that sends frames of nonsense, as anybody, disturbs nobody" {
	local before

	network_make
	before=$(network_state)
	# A neighbour on the same bridge.
	ip netns add "next-$id"
	ip -n "$out" link add p9 type veth peer name eth0 netns "next-$id"
	ip -n "$out" link set p9 master br0 up
	ip -n "next-$id" addr add 10.9.0.9/24 dev eth0
	ip -n "next-$id" link set eth0 up
	network_bundle "$BATS_TEST_TMPDIR/one" 'net-echo serve 7 & touch /ready
		for i in 1 2 3; do net-rubbish eth0 300 $i; done >/told-asked 2>&1; touch /done; wait'
	cp "$KATA_BUILD/tests/tools/net-rubbish" "$BATS_TEST_TMPDIR/one/rootfs/bin/"
	"$kata_tree/tests/lib/change_spec.py" "$BATS_TEST_TMPDIR/one" \
		'[s.append("CAP_NET_RAW") for s in process["capabilities"].values()]'
	kata run --detach --bundle "$BATS_TEST_TMPDIR/one" "$id-one" </dev/null >/dev/null 2>&1 3>&-
	wait_for 40 test -e "$BATS_TEST_TMPDIR/one/rootfs/ready"
	while [ ! -e "$BATS_TEST_TMPDIR/one/rootfs/done" ]; do
		network_ask "next-$id" 10.9.0.1 tcp 10 1000
	done
	ip netns del "next-$id"
	# The guest's kernel has let a good part of it through, with and without segments.
	run -0 awk '{ taken += $2; segmented += $4 } END { print (taken > 400), (segmented > 40) }' \
		"$BATS_TEST_TMPDIR/one/rootfs/told-asked"
	[ "$output" = "1 1" ]
	[ -n "$(program_of "$id-one" qemu-system)" ]
	network_ask "$out" 10.9.0.2 tcp 5 10000
	[ "$(wc -l <"$KATA_LOG")" -lt 100 ]
	kata delete --force "$id-one"
	diff <(echo "$before") <(network_state)
}
