#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What is wrong with a pod's network is said, and on the host nothing of it stays. The
# monitor ends at once: all of this is before a machine.

# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # shared with common.bash
KATA_TEST_HYPERVISOR=qemu
load common
load ../lib/network

# A monitor that has a version, and then tells what is there for it, and ends.
broken_monitor()
{
	cat >"$BATS_TEST_TMPDIR/monitor" <<-EOT
		#!/bin/sh
		[ "\$1" != --version ] || exec /usr/bin/qemu-system-x86_64 --version
		tc -n pod-$id filter show dev eth0 ingress >>$BATS_TEST_TMPDIR/seen
		tc -n pod-$id qdisc show | grep tbf >>$BATS_TEST_TMPDIR/seen
		[ ! -e $BATS_TEST_TMPDIR/meanwhile ] || sh $BATS_TEST_TMPDIR/meanwhile
		exit 3
	EOT
	chmod 755 "$BATS_TEST_TMPDIR/monitor"
	container_config "$KATA_CONFIG" qemu path="\"$BATS_TEST_TMPDIR/monitor\"" "$@"
}

teardown()
{
	local status=0

	[ -z "${pod:-}" ] || network_drop
	leftovers_compare "$BATS_TEST_TMPDIR/before" || status=1
	[ "${BATS_TEST_COMPLETED:-}" = 1 ] && [ "$status" = 0 ] || tail -n 30 "$KATA_LOG" >&2 || :
	return "$status"
}

# fails_with PATTERN: `run` does, in words like these.
fails_with()
{
	local output status=0

	output=$(timeout 90 "$kata_runtime" --config "$KATA_CONFIG" --root "$KATA_ROOT" --log "$KATA_LOG" \
		run --bundle "$bundle" "$id" </dev/null 2>&1 3>&-) || status=$?
	echo "$status: $output"
	[ "$status" = 1 ]
	# shellcheck disable=SC2053
	[[ $output == $1 ]]
}

@test "network: no such namespace, and what is none" {
	container_bundle "$bundle" -- true
	"$kata_tree/tests/lib/change_spec.py" "$bundle" "join('network', '/run/netns/none-$id')"
	fails_with "*/run/netns/none-$id*"
	touch "$BATS_TEST_TMPDIR/file"
	"$kata_tree/tests/lib/change_spec.py" "$bundle" "join('network', '$BATS_TEST_TMPDIR/file')"
	fails_with "*$BATS_TEST_TMPDIR/file*"
	"$kata_tree/tests/lib/change_spec.py" "$bundle" "join('network', '/proc/self/ns/uts')"
	fails_with "*/proc/self/ns/uts*"
}

@test "network: who filters there already keeps his filters" {
	local before

	broken_monitor
	network_make
	network_bundle "$bundle" true
	tc -n "$pod" qdisc add dev eth0 ingress
	before=$(network_state)
	fails_with "*interface eth0: somebody filters what comes in there already*"
	diff <(echo "$before") <(network_state)
	tc -n "$pod" qdisc del dev eth0 ingress

	# Somebody's tap of our name is his.
	ip -n "$pod" tuntap add dev tap0_kata mode tap
	before=$(network_state)
	fails_with '*status 3*'
	diff <(echo "$before") <(network_state)
}

@test "network: more interfaces than the machine has places" {
	local before i

	broken_monitor machine_type='"microvm"'
	network_make
	network_bundle "$bundle" true
	for i in {1..15}; do
		echo "link add a$i type veth peer name b$i"
	done >"$BATS_TEST_TMPDIR/links"
	ip -n "$pod" -batch "$BATS_TEST_TMPDIR/links"
	before=$(network_state)
	fails_with '*a machine of type microvm has room for 24 devices, and this one would have 34, of which 31 are network cards*'
	[ ! -e "$BATS_TEST_TMPDIR/seen" ]
	diff <(echo "$before") <(network_state)
}

@test "network: fifty rounds leave the namespace as it was" {
	local before i

	broken_monitor rx_rate_limiter_max_rate=10000000 tx_rate_limiter_max_rate=10000000
	network_make
	network_add net1 1
	network_bundle "$bundle" true
	before=$(network_state)
	for i in {1..50}; do
		fails_with '*status 3*' >"$BATS_TEST_TMPDIR/round" || { cat "$BATS_TEST_TMPDIR/round"; false; }
	done
	diff <(echo "$before") <(network_state)
	[ ! -e "/run/vc/vm/$id" ]
	# In each of them there was something to undo: filters, and limits both ways of both.
	[ "$(grep -c 'Egress Redirect to device tap0_kata' "$BATS_TEST_TMPDIR/seen")" = 50 ]
	[ "$(grep -c tbf "$BATS_TEST_TMPDIR/seen")" = 200 ]
}

@test "network: an interface that has got another name meanwhile" {
	broken_monitor tx_rate_limiter_max_rate=10000000
	network_make
	network_bundle "$bundle" true
	echo "ip -n $pod link set eth0 down name other && ip -n $pod link set other up" \
		>"$BATS_TEST_TMPDIR/meanwhile"
	fails_with '*status 3*'
	grep -q mirred "$BATS_TEST_TMPDIR/seen"
	[[ $(ip -n "$pod" -br link) == *other* ]]
	[[ $(tc -n "$pod" qdisc) != *@(ingress|tbf)* ]]
}

@test "network: interfaces that vanish while it is looked at" {
	local i busy output status

	broken_monitor
	network_make
	network_bundle "$bundle" true
	while :; do
		ip -n "$pod" link add gone0 type veth peer name gone1 && ip -n "$pod" link set gone0 up &&
			ip -n "$pod" link set gone1 up && ip -n "$pod" link del gone0
	done >/dev/null 2>&1 3>&- &
	busy=$!
	for i in {1..12}; do
		fails_with '@(*status 3*|*interface gone[01]: *)' || { kill "$busy"; false; }
	done
	kill "$busy"
	wait "$busy" || :
	[[ $(network_state) != *@(ingress|_kata)* ]]
}
