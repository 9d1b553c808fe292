# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The shared check that nothing is left behind. What the host holds is written
# down before a test and compared after it:
#
#	load ../lib/leftovers			# bats; a script sources leftovers.bash
#	leftovers_snapshot "$before"
#	...
#	leftovers_compare "$before"		# 1 and one line for each leftover
#
# Seen are: processes (by program name and by control group, zombies too),
# mounts, named unix sockets, control groups, network devices, and what lies in
# the directories that the product writes to. Only what appeared since the
# snapshot counts. tests/lib/apart keeps out what others start meanwhile.
#
# LEFTOVERS_WAIT   seconds that leftovers_compare gives things to go (default 30)
# LEFTOVERS_DIRS   further directories to look into, separated by colons

# Programs that a sandbox consists of, for [[ =~ ]]. A zombie is only known by
# the 15 characters that the kernel keeps: "containerd-shim".
leftovers_programs='^(kata-(runtime|agent|monitor|standin|vmm)|containerd-shim(-kata-v2)?|qemu-system-.*|cloud-hypervisor|firecracker|jailer|stratovirt|acrn-dm|acrnctl|virtiofsd)$'

# Directories of the product. Those that it makes once and keeps, as a package
# would, are no leftovers; whatever lies in them is.
leftovers_dirs=(/run/vc /run/kata-containers /run/kata /run/containerd/s /dev/shm)
leftovers_kept=(/run/vc /run/vc/sbs /run/vc/vm /run/vc/firecracker /run/kata /run/kata-containers
	/run/kata-containers/shared /run/kata-containers/shared/sandboxes
	/run/kata-containers/shared/direct-volumes
	/run/kata-containers/kvm-probe /run/kata-containers/programs /run/containerd/s)

# One line per process: "process PID START-TIME NAME". The start time keeps a
# reused PID apart from the process that had it before.
leftovers_processes()
{
	local dir pid name groups stat argv0

	for dir in /proc/[0-9]*; do
		pid=${dir#/proc/}
		# A process may end between any two lines here; then it is no leftover.
		{ read -r stat <"$dir/stat"; } 2>/dev/null || continue
		name=${stat#*\(}
		name=${name%)*}
		argv0=
		{ IFS= read -r -d '' argv0 <"$dir/cmdline"; } 2>/dev/null || :
		# argv[0] has the whole name, and the name of a program run by descriptor.
		[ -z "$argv0" ] || name=${argv0##*/}
		if ! [[ $name =~ $leftovers_programs ]]; then
			groups=
			{ IFS= read -r -d '' groups <"$dir/cgroup"; } 2>/dev/null || :
			[[ $groups == *[/_-]kata* ]] || continue
		fi
		read -r -a stat <<<"${stat##*) }"
		echo "process $pid ${stat[19]} $name"
	done
}

# One line for each thing that is there, "KIND WHAT". In a shell without the trap
# that bats sets: it takes a hundred times as long as the commands of a loop. And with
# few processes: each takes a tenth of a second where processors are emulated.
leftovers_list()
(
	set +T
	trap - DEBUG
	leftovers_processes
	# /run/netns is iproute2's, for all namespaces with a name.
	# Mount point and type; a mount stacked on the same place is a second line. Of sockets
	# not the names that the kernel makes up for clients ("@00a1f").
	awk 'FNR == 1 { file++ }
		file == 1 { for (i = 7; $i != "-"; i++); if ($5 != "/run/netns") print "mount", $5, $(i + 1) }
		file == 2 && FNR > 1 && $8 != "" && $8 !~ /^@[0-9a-f]+$/ && !seen[$8]++ { print "socket", $8 }
		file == 3 && FNR > 2 { sub(/:.*/, ""); gsub(/ /, ""); print "netdev", $0 }' \
		/proc/self/mountinfo /proc/net/unix /proc/net/dev
	# A service that systemd starts meanwhile is not of our making; nor are the groups of unit
	# tests, which may run beside.
	find /sys/fs/cgroup -mindepth 1 -type d -not -name '*.service' -not -name 'session-*' \
		-not -path '*/kata-c-test-*' \
		-printf 'cgroup %p\n' 2>/dev/null || :
	IFS=: read -r -a extra <<<"${LEFTOVERS_DIRS:-}"
	dirs=()
	for dir in "${leftovers_dirs[@]}" "${extra[@]}"; do
		[ ! -e "$dir" ] || dirs+=("$dir")
	done
	printf -v kept 'file %s\n' "${leftovers_kept[@]}"
	# Not through mounts: those are listed above. What programs said of themselves is kept.
	find ${dirs[@]+"${dirs[@]}"} -xdev -not -path '*/run/kata-containers/programs/*' -printf 'file %p\n' 2>/dev/null | grep -vxF "${kept%$'\n'}" || :
)

# Drops from the lines on standard input the control groups in which somebody
# lives: those are of others, and where they are ours, the process is listed. And those
# beside the one in which this shell lives, with what is in them: who put it there
# makes one for each command.
leftovers_ours()
{
	local kind what others=/

	while read -r kind what; do
		if [ "$kind" = cgroup ]; then
			[[ $what/ != "$others"/* ]] || continue
			if grep -sqx "$$" "${what%/*}"/*/cgroup.procs; then
				others=$what
				continue
			fi
			[ -z "$(find "$what" -name cgroup.procs -exec cat {} + 2>&1)" ] || continue
		fi
		echo "$kind $what"
	done
}

# leftovers_new FILE: what is there and was not when FILE was written.
leftovers_new()
{
	leftovers_list | LC_ALL=C sort | LC_ALL=C comm -13 "$1" - | leftovers_ours
}

# Write what is there now to the file $1.
leftovers_snapshot()
{
	leftovers_list | LC_ALL=C sort >"$1"
}

# Compare with the snapshot in the file $1. Things on their way out get
# LEFTOVERS_WAIT seconds; what comes in that time is of others and does not
# count. Returns 0 when all is gone, otherwise 1 after one line on standard
# error for each thing left.
leftovers_compare()
{
	local deadline=$((SECONDS + ${LEFTOVERS_WAIT:-30})) left

	[ -s "$1" ] || { echo "leftovers: no snapshot in $1" >&2; return 1; }
	left=$(leftovers_new "$1")
	while [ -n "$left" ]; do
		if [ "$SECONDS" -ge "$deadline" ]; then
			echo "left behind: ${left//$'\n'/$'\nleft behind: '}" >&2
			return 1
		fi
		sleep 0.1
		left=$(leftovers_new "$1" | LC_ALL=C comm -12 - <(echo "$left"))
	done
}

# leftovers_clear FILE: what one test has left must not be in the way of the next. Only where
# nobody else can have made what is new.
leftovers_clear()
{
	local left

	left=$(leftovers_new "$1")
	awk '$1 == "process" { print $2 }' <<<"$left" | xargs -r kill -9
	awk '$1 == "mount" && $2 ~ "^/run/(vc|kata)" { print $2 }' <<<"$left" | sort -r | xargs -r -n 1 umount -l
	# Groups can be removed when their processes are gone.
	for _ in {1..50}; do
		leftovers_new "$1" | grep -q '^process' || break
		sleep 0.1
	done
	awk '$1 == "cgroup" { print $2 }' <<<"$left" | sort -r | xargs -r rmdir
	awk '$1 == "file" && $2 ~ "^/run/(vc|kata)" { print $2 }' <<<"$left" | sort | xargs -r rm -rf --one-file-system
} 2>/dev/null
