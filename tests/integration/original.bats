#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# This runtime drives Kata's own agent, as a local process. It is built elsewhere,
# from Kata's sources: KATA_ORIGINAL_AGENT is the path of its kata-agent.

# shellcheck disable=SC2034,SC2154 # shared with common.bash
KATA_TEST_HYPERVISOR=fake
load common
load join

# shellcheck source=tests/lib/original.bash
source "$BATS_TEST_DIRNAME/../lib/original.bash"

@test "original: this runtime and the original agent, a local process" {
	needs KATA_ORIGINAL_AGENT
	# What it does to /dev must not be done to this machine's.
	cat >"$BATS_TEST_TMPDIR/agent" <<-EOT
		#!/bin/sh
		set -e
		mount -t tmpfs -o mode=755 tmpfs /dev
		mknod -m 666 /dev/null c 1 3
		mknod -m 666 /dev/zero c 1 5
		mknod -m 666 /dev/full c 1 7
		mknod -m 666 /dev/random c 1 8
		mknod -m 666 /dev/urandom c 1 9
		mknod -m 666 /dev/tty c 5 0
		mkdir /dev/pts /dev/shm
		mount -t devpts -o newinstance,ptmxmode=666 devpts /dev/pts
		ln -s pts/ptmx /dev/ptmx
		exec "$KATA_ORIGINAL_AGENT"
	EOT
	chmod 755 "$BATS_TEST_TMPDIR/agent"
	container_config "$KATA_CONFIG" fake
	sed -i "s|^path = .*|path = \"$BATS_TEST_TMPDIR/agent\"|" "$KATA_CONFIG"
	original_first
	original_more
	original_pod
}
