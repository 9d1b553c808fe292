#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What the monitor can still do once guest code runs, as the host sees it.

# shellcheck disable=SC2154,SC2317 # shared with vmm.bash
load ../lib/vmm

@test "the jail holds all threads; a forbidden call ends the monitor, and the log names it" {
	printf '#!/bin/busybox sh\nexec /bin/busybox sleep 1000\n' >"$dir/script"
	chmod +x "$dir/script"
	vmm_initrd "$dir/initrd" init="$dir/script" bin/busybox="$(command -v busybox)" --
	for kind in loop vcpu; do
		vmm_start --initrd "$dir/initrd" --memory 128
		confined() { [ "$(grep -lx $'Seccomp:\t2' "/proc/$vmm/task"/*/status | wc -l)" -ge 2 ]; }
		vmm_wait confined

		# Nothing of the host is within reach, nor mounted.
		[ -z "$(ls -A "/proc/$vmm/root/")" ]
		[ "$(wc -l <"/proc/$vmm/mountinfo")" = 1 ]
		for task in "/proc/$vmm/task"/*; do
			for line in $'CapEff:\t0000000000000000' $'CapPrm:\t0000000000000000' \
				$'NoNewPrivs:\t1' $'Seccomp:\t2' $'Uid:\t65534\t65534\t65534\t65534'; do
				grep -qxF "$line" "$task/status"
			done
		done
		for ns in mnt net ipc uts cgroup; do
			[ "$(readlink "/proc/$vmm/ns/$ns")" != "$(readlink "/proc/$$/ns/$ns")" ]
		done
		grep -q "^Max core file size *0 *0 " "/proc/$vmm/limits"
		for fd in "/proc/$vmm/fd"/*; do
			[ ! -d "$fd" ]
		done

		thread=$vmm
		[ "$kind" = loop ] || thread=$(find "/proc/$vmm/task" -mindepth 1 -maxdepth 1 \
			-printf '%f\n' | grep -vx "$vmm" | sort -n | head -n 1)
		"$KATA_BUILD/tests/tools/inject-call" "$thread" 59
		vmm_end 159 # SIGSYS
		grep -q "forbidden system call execve(0x0, 0x0, 0x0, …) by a $kind thread" "$dir/vmm.log"
	done
}
