# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with common.bash and the tests
#
# The whole runtime on the fakes of monitors (tests/fakes): no machine runs, and a guest
# never answers. fakes.bats has those that need nothing of the host, the lab those that need
# vhost-vsock.

fakes=$kata_tree/tests/fakes

# As if KVM had measured well: nothing here asks it for anything.
pretend_kvm()
{
	local key dev

	[ -e /dev/kvm ] || { mknod /dev/kvm c 1 3; made_kvm=yes; }
	dev=$(stat -c '%t %T %i %Z' /dev/kvm)
	read -r -a key <<<"$dev"
	mkdir -p /run/kata-containers
	[ ! -e /run/kata-containers/kvm-probe ] ||
		cp /run/kata-containers/kvm-probe "$BATS_TEST_TMPDIR/kvm-probe"
	printf 'kvm-probe-2 %s %d:%d %s %s\n1 9999\npretended\n' \
		"$(cat /proc/sys/kernel/random/boot_id)" "0x${key[0]}" "0x${key[1]}" "${key[2]}" "${key[3]}" \
		>/run/kata-containers/kvm-probe
}

teardown()
{
	[ -z "${made_kvm:-}" ] || rm /dev/kvm
	rm -f /run/kata-containers/kvm-probe
	[ ! -e "$BATS_TEST_TMPDIR/kvm-probe" ] ||
		cp "$BATS_TEST_TMPDIR/kvm-probe" /run/kata-containers/kvm-probe
	leftovers_compare "$BATS_TEST_TMPDIR/before"
}

# ends_in PATTERN [FAULT]: `run` fails with these words, in time, and nothing is left.
ends_in()
{
	local begun=$SECONDS output status=0

	output=$(KATA_FAKE_FAULT=${2:-} timeout -k 5 90 "$kata_runtime" --config "$KATA_CONFIG" --root "$KATA_ROOT" \
		--log "$KATA_LOG" run --bundle "$bundle" "$id" </dev/null 2>&1 3>&-) || status=$?
	echo "${2:-no fault}: $status after $((SECONDS - begun)) s: $output"
	[ "$status" = 1 ]
	[[ $output == *$1* ]]
	leftovers_compare "$BATS_TEST_TMPDIR/before"
}

# A program that is not there, and one for a processor that is none.
strangers()
{
	container_config "$KATA_CONFIG" "$KATA_TEST_HYPERVISOR" "${settings[@]}" path='"/nonexistent/monitor"'
	ends_in "hypervisor.$KATA_TEST_HYPERVISOR.path /nonexistent/monitor"
	head -c 4096 "$kata_agent" >"$BATS_TEST_TMPDIR/foreign"
	printf '\xfe\xfe' | dd of="$BATS_TEST_TMPDIR/foreign" bs=1 seek=18 conv=notrunc status=none
	chmod 755 "$BATS_TEST_TMPDIR/foreign"
	container_config "$KATA_CONFIG" "$KATA_TEST_HYPERVISOR" "${settings[@]}" path="\"$BATS_TEST_TMPDIR/foreign\""
	ends_in "$BATS_TEST_TMPDIR/foreign: a program for another processor"
}

# has_started N: the log knows of more machines than N that were started.
has_started()
{
	[ "$(grep -c ": started: " "$KATA_LOG")" -gt "$1" ]
}

# faults_of PROGRAM KEY=VALUE… -- FAULT…: whatever is wrong with the PROGRAM of $fakes, it is told
# within the time that an agent has, and nothing is left. $quick: only what differs between drivers.
faults_of()
{
	local name=$1 settings=() fault victim status starts

	shift
	while [ "$1" != -- ]; do
		settings+=("$1")
		shift
	done
	shift
	settings+=(agent.dial_timeout="${dial:-4}")
	container_bundle "$bundle" -- true
	[ -n "${quick:-}" ] || strangers

	container_config "$KATA_CONFIG" "$KATA_TEST_HYPERVISOR" "${settings[@]}" path="\"$fakes/$name\""
	ends_in "the agent did not answer within ${dial:-4}000 ms; the guest's console: a guest boots"
	for fault; do
		# Who says what is wrong may take longer to begin than a guest to be missed.
		case $fault in
		*=hang)
			sed -i "s/^dial_timeout.*/dial_timeout = ${dial:-2}/" "$KATA_CONFIG"
			ends_in "did not " "$fault"
			;;
		*)
			sed -i 's/^dial_timeout.*/dial_timeout = 60/' "$KATA_CONFIG"
			ends_in "$KATA_TEST_HYPERVISOR ($fakes/" "$fault"
			;;
		esac
	done

	# Killed while the guest boots: the monitor, and then the shim with all that knows of it.
	sed -i 's/^dial_timeout.*/dial_timeout = 60/' "$KATA_CONFIG"
	for victim in monitor ${quick:+--} shim; do
		[ "$victim" != -- ] || break
		starts=$(grep -c ": started: " "$KATA_LOG" || :)
		start_container "$id" "$bundle"
		# Not the process that is asked for its version.
		wait_for 20 has_started "$starts"
		sleep 0.5
		if [ "$victim" = monitor ]; then
			kill -9 "$(pgrep -o -f "^[^ ]*python3 .*$fakes/$name")"
		else
			kill -9 "$(program_of "$id" containerd-shim)"
		fi
		status=0
		wait "$runner" || status=$?
		echo "killed $victim: $status: $(cat "$bundle.err")"
		[ "$status" = 1 ]
		kata delete --force "$id" || :
		leftovers_compare "$BATS_TEST_TMPDIR/before"
	done
}
