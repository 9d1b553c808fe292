#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Containers with the real StratoVirt, and the real acrn-dm as far as it comes without its
# hypervisor. Both are built elsewhere and lie where the lab sees them (not below /tmp):
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

eval "common_$(declare -f setup)"
setup()
{
	common_setup
	[ -z "${KATA_TEST_STRATOVIRT:-}" ] ||
		container_config "$KATA_CONFIG" stratovirt path="\"$KATA_TEST_STRATOVIRT\"" \
			kernel="\"$own/vmlinux\"" disable_block_device_use=false agent.dial_timeout=120
}

# comes PATTERN: it is in the output of the container at $bundle, whose `run` is $runner.
comes()
{
	local deadline=$((SECONDS + limit))

	until grep -q "$1" "$bundle.out"; do
		if [ "$SECONDS" -ge "$deadline" ] || ! kill -0 "$runner"; then
			tail -n 20 "$bundle.out" "$bundle.err" "$KATA_LOG"
			return 1
		fi
		sleep 0.3
	done
}

# joins BUNDLE DEVICE: its container goes into $id's machine, with a block device.
joins()
{
	python3 - "$1/config.json" "$id" "$2" <<-'E'
		import json, os, sys
		spec = json.load(open(sys.argv[1]))
		spec.setdefault("annotations", {}).update({
			"io.kubernetes.cri-o.ContainerType": "container",
			"io.kubernetes.cri-o.SandboxID": sys.argv[2]})
		st = os.stat(sys.argv[3])
		spec["linux"]["devices"] = [{"path": "/dev/x", "type": "b", "major": os.major(st.st_rdev),
			"minor": os.minor(st.st_rdev)}]
		json.dump(spec, open(sys.argv[1], "w"))
	E
}

@test "stratovirt: a container's life, a disk that comes and goes, and kill -9 of the monitor" {
	needs KATA_TEST_STRATOVIRT
	"$kata_runtime" --config "$KATA_CONFIG" check --strict
	container_bundle "$bundle" -- sh -c 'cat /proc/mounts; cat /proc/cmdline; echo ready; exec sleep 1000'
	start_container "$id" "$bundle"
	comes '^ready'
	# Shared files as the root, and parameters of this driver.
	grep -q ' / virtiofs ' "$bundle.out"
	grep -q ' virtio_mmio.device=.* agent.log_vport=1025\|agent.log_vport=1025 .*virtio_mmio.device=' "$bundle.out"
	run -3 kata exec "$id" sh -c 'echo from exec; exit 3'
	[ "$output" = "from exec" ]
	[ "$(echo in and out | kata exec "$id" cat)" = "in and out" ]
	# No warning of a version, which was tried; the agent's log by a port of its own.
	run ! grep 'StratoVirt.*version' "$KATA_LOG"

	truncate -s 8M "$BATS_TEST_TMPDIR/disk"
	for round in 1 2; do
		head -c 4096 /dev/urandom | tee "$BATS_TEST_TMPDIR/data" |
			dd of="$BATS_TEST_TMPDIR/disk" conv=notrunc status=none
		loop=$(losetup --find --show "$BATS_TEST_TMPDIR/disk")
		container_bundle "$bundle-$round" -- sh -c 'head -c 4096 /dev/x; exit 4'
		joins "$bundle-$round" "$loop"
		code=0
		kata run --bundle "$bundle-$round" "$id-$round" </dev/null >"$BATS_TEST_TMPDIR/out" || code=$?
		losetup --detach "$loop"
		[ "$code" = 4 ]
		cmp "$BATS_TEST_TMPDIR/data" "$BATS_TEST_TMPDIR/out"
	done
	[ "$(pgrep -xc stratovirt)" = 1 ]
	kill -9 "$(pgrep -x stratovirt)"
	code=0
	wait "$runner" || code=$?
	[ "$code" != 0 ]
	kata delete --force "$id" || :
}

@test "stratovirt: exit status and signals, and a guest that does not come up" {
	needs KATA_TEST_STRATOVIRT
	in_container -- sh -c 'exit 7' && false || [ $? = 7 ]
	container_bundle "$bundle" -- sh -c 'trap "exit 9" TERM; echo ready; sleep 1000 & wait'
	start_container "$id" "$bundle"
	comes '^ready'
	kata kill "$id" TERM
	ends_with 9 "$runner"

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
