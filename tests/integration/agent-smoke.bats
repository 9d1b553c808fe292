# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154 # agent.bash and bats' run set them
#
# The agent as a local process: what no client would send does it no harm.

load agent

@test "smoke: odd requests are answered, all of them" {
	local seed

	for seed in 1 2 3; do
		start_container c1 -- sleep 1000
		timeout 60 "$KATA_BUILD/tests/tools/agent-smoke" "$socket" "$seed" 500
		run call remove c1 # one of the requests may have done it
	done
	run -0 in_container -- echo fine
	[ "$output" = fine ]
}
