# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash

setup_suite()
{
	# shellcheck source=tests/lib/container.bash
	source "$BATS_TEST_DIRNAME/../lib/container.bash"
	# shellcheck source=tests/lib/network.bash
	source "$BATS_TEST_DIRNAME/../lib/network.bash"
	[ "${KATA_LAB:-}" = 1 ] || { echo "these tests run in the lab: tests/lab/run" >&2; return 1; }
	container_prepare "$BATS_SUITE_TMPDIR"
	network_prepare
	# Others may have the processors that the lab is emulated on. The verdict is
	# kept, and all tests find it.
	for _ in {1..5}; do
		! "$KATA_BUILD/tests/unit/hypervisor/kvm-probe" || return 0
	done
	echo "KVM does not measure well in the lab" >&2
	return 1
}
