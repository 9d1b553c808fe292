#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Guests that attack kata-vmm from inside (tests/hostile), through every device that there
# is. What they break is theirs: the monitor goes on, says at most a few lines about each
# device, and the guest itself then finds all devices working.
# With KATA_VMM the monitor is that one: ./check runs all of it once more with the one that
# has sanitizers.

load vmm

setup()
{
	vmm_setup
	ip link show attacked >/dev/null 2>&1 || ip tuntap add attacked mode tap
}

# attack GUEST [WORD...]: with the devices of WORD beside the others.
attack()
{
	local guest=$1

	shift
	# A jailed process cannot be looked into for leaks.
	export ASAN_OPTIONS=detect_leaks=0
	boot_all "hostile-$guest" "$@"
	[ "$status" -eq 0 ]
	says "ok - $guest"
	! says "not ok"
	! says "Sanitizer"
	! says "runtime error"
	[ "$(grep -c stopped: <<<"$output")" -le $((8 * 7)) ]
	sha256sum --check --quiet "$BATS_TEST_TMPDIR/ro.sum"
}

@test "every field of every ring lied about" {
	attack rings --balloon reporting --net tap=attacked
}

@test "registers by all widths at all offsets" {
	attack registers --balloon reporting --net tap=attacked
}

@test "every I/O port" {
	attack ports --balloon reporting --net tap=attacked
}

@test "a flood of kicks, and a queue that is filled without an end" {
	cpus=2 attack kicks --balloon reporting --net tap=attacked
}

@test "devices reset by several processors at once, in their work" {
	cpus=3 attack resets --balloon reporting --net tap=attacked
}

@test "descriptors that change while they are read" {
	cpus=2 attack race --balloon reporting --net tap=attacked
}
