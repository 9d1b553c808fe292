#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The real StratoVirt, beside the list of containers.bats, and the real acrn-dm as far as it
# comes without its hypervisor. Both are built elsewhere and lie where the lab sees them (not below /tmp):
#
#	KATA_TEST_STRATOVIRT	StratoVirt 2.4, with its microvm
#	KATA_TEST_ACRN_DM	acrn-dm 3.3
#
# Their kernel and initrd are our own (guest/kernel/build, which must have been run).

# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=stratovirt
load ../integration/common

# Emulated processors take their time.
limit=200

own=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/kata-c/guest-kernel

setup_file()
{
	[ -n "${KATA_TEST_STRATOVIRT:-}" ] || return 0
	# shellcheck source=tests/lib/container.bash
	source "$BATS_TEST_DIRNAME/../lib/container.bash"
	export KATA_KERNEL_DIR=$own
	container_prepare "$BATS_FILE_TMPDIR"
}

@test "stratovirt: a guest that does not come up" {
	needs KATA_TEST_STRATOVIRT
	# A guest that panics ends, because reboot=t is what this machine understands.
	container_config "$KATA_CONFIG" stratovirt path="\"$KATA_TEST_STRATOVIRT\"" \
		kernel="\"$own/vmlinux\"" kernel_params='"rdinit=/nonexistent init=/nonexistent"' agent.dial_timeout=60
	container_bundle "$bundle" -- true
	run ! kata run --bundle "$bundle" "$id"
	[[ $output == *"last words: "*"panic"* ]]
}

@test "acrn-dm: the real one takes the command line up to its hypervisor" {
	needs KATA_TEST_ACRN_DM
	local words

	mapfile -t words <"$BATS_TEST_DIRNAME/../unit/hypervisor/golden/acrn/plain.args"
	# Up to the machine's name; the rest is acrnctl's.
	for i in "${!words[@]}"; do
		[[ ${words[i]} != sbx-* ]] || break
		words[i]=${words[i]//\/k\/image/$KATA_CONFIG}
		words[i]=${words[i]//\/k\/bzImage/$KATA_CONFIG}
	done
	run timeout 30 "$KATA_TEST_ACRN_DM" "${words[@]:1:i}"
	echo "$output"
	[ "$status" != 0 ]
	[[ $output == *acrn_hsm* || $output == *"vm_create"* ]]
	run ! grep -i 'usage\|invalid' <<<"$output"
	# A name that is too long is what it says before that.
	run timeout 30 "$KATA_TEST_ACRN_DM" "${words[@]:1:i-1}" sbx-0123456789ab
	[[ $output == *"exceeds the maximum length: 15"* ]]
}
