# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash

setup_suite()
{
	# shellcheck source=tests/lib/container.bash
	source "$BATS_TEST_DIRNAME/../lib/container.bash"
	# shellcheck source=tests/lib/network.bash
	source "$BATS_TEST_DIRNAME/../lib/network.bash"
	[ "$(id -u)" = 0 ] || { echo "the integration tests need root" >&2; return 1; }
	container_prepare "$BATS_SUITE_TMPDIR"
	network_prepare
}
