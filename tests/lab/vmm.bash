# SPDX-License-Identifier: Apache-2.0
# What the tests of kata-vmm with guests without a kernel share.
# shellcheck disable=SC2030,SC2031,SC2154 # run sets status and output

# The monitor under test: KATA_VMM, if another build than the others' is to be tried.
vmm_setup()
{
	[ -n "${KATA_LAB:-}" ] || skip "only in the lab (tests/lab/run)"
	vmm=${KATA_VMM:-${KATA_BUILD:?}/vmm/kata-vmm}
}

# A mebibyte to write to; another with a word in it that stays as it is.
make_disks()
{
	rm -f "$BATS_TEST_TMPDIR/disk" "$BATS_TEST_TMPDIR/ro"
	truncate --size=1M "$BATS_TEST_TMPDIR/disk" "$BATS_TEST_TMPDIR/ro"
	printf read-only | dd of="$BATS_TEST_TMPDIR/ro" conv=notrunc status=none
	sha256sum "$BATS_TEST_TMPDIR/ro" >"$BATS_TEST_TMPDIR/ro.sum"
}

# boot GUEST WORD...: sets status and output. With its standard input where $console is stdio.
boot()
{
	local guest

	guest=$(echo "$KATA_BUILD"/tests/*/"$1")
	shift
	run timeout --kill-after=5 90 "$vmm" --kernel "$guest" --memory 64 --cpus "${cpus:-1}" \
		--console "${console:-none}" --debug "$@"
	echo "$output"
}

says()
{
	grep -qF -- "$1" <<<"$output"
}

# boot_all GUEST [WORD...]: with every device that needs nothing but itself, and those of WORD.
boot_all()
{
	local guest=$1

	shift
	make_disks
	rm -f "$BATS_TEST_TMPDIR/vsock"
	boot "$guest" --disk "$BATS_TEST_TMPDIR/disk" --disk "$BATS_TEST_TMPDIR/ro,ro" --rng \
		--vsock "$BATS_TEST_TMPDIR/vsock" "$@"
}
