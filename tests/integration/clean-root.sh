#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# ./demo from a bare clone in a clean Debian 12 with nothing preinstalled: the
# first thing that a new user does. Prints TAP. Needs root, debootstrap and git.
#
# All of it happens in mount and process namespaces of their own, so that
# nothing is left however it ends.
set -euo pipefail

tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=tests/lib/leftovers.bash
. "$tree/tests/lib/leftovers.bash"

tests=0
output=${1:-/nonexistent}/output

# check WHAT COMMAND…: one test. What the last demo said follows a failure.
check()
{
	local what=$1

	shift
	tests=$((tests + 1))
	if "$@"; then
		echo "ok $tests - $what"
		return 0
	fi
	echo "not ok $tests - $what"
	sed 's/^/# /' "$output" "$output.err" 2>/dev/null || :
}

# The package sources of this machine that are Debian 12's own.
sources()
{
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' |
		awk '$2 ~ /^bookworm(-updates|-security)?$/' | sort -u
}

make_root()
{
	local mirror

	mirror=$(sources | awk '$2 == "bookworm" && !n++ { print $1 }')
	debootstrap --variant=minbase bookworm "$root" "${mirror:-http://deb.debian.org/debian}" \
		>"$output" 2>"$output.err" || return 1
	rm -f "$root"/etc/apt/sources.list
	sources | sed 's/^/deb /' >"$root/etc/apt/sources.list.d/debian.list"
	apt-config dump | grep -i '^Acquire::.*Proxy' >"$root/etc/apt/apt.conf.d/90proxy" || :

	# Some programs look for the mount point that / is on a real machine.
	mount --bind "$root" "$root"
	mount -t proc proc "$root/proc"
	mount --rbind /sys "$root/sys"
	mount --rbind /dev "$root/dev"
	mount -t tmpfs tmpfs "$root/run"
	mount -t tmpfs tmpfs "$root/tmp"
	git -c safe.directory='*' clone -q --no-hardlinks "$tree" "$root/root/kata c"
}

# demo ARGUMENT…: in the clean root, with a bare environment.
demo()
{
	local status=0 start=$SECONDS

	timeout -k 10 400 env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM="${TERM:-dumb}" \
		chroot "$root" "/root/kata c/demo" "$@" >"$output" 2>"$output.err" || status=$?
	took=$((SECONDS - start))
	return "$status"
}

said()
{
	grep -q "$1" "$output"
}

shows_both_kernels()
{
	said "the host runs *Linux $(uname -r)\$" && said 'this guest runs *Linux 6\.1\.' &&
		! said "this guest runs *Linux $(uname -r)"
}

tells_before_it_installs()
{
	awk '/will be installed/ { told = 1 } /^  qemu-system-.* the hypervisor/ && told { why = 1 }
		/installing .* packages/ { exit !why } END { exit !why }' "$output.err"
}

prints_only()
{
	[ "$(cat "$output")" = "$1" ]
}

ends_with()
{
	local status=0

	demo "${@:2}" || status=$?
	[ "$status" = "$1" ]
}

uses_own_kernel()
{
	local made=$root/root/.cache/kata-c

	# As if guest/kernel/build had made it, whose result looks the same.
	cp -r "$made/kernel" "$made/guest-kernel"
	demo -- true && grep -q 'kernel is the one that guest/kernel/build made' "$output.err"
}

a_fraction()
{
	[ $((took * 2)) -lt "$first" ]
}

# Whether no file below the directories given changed since $root.stamp.
untouched()
{
	local changed

	changed=$(find "$@" -xdev -newer "$root.stamp" -not -name '*.pyc' -not -name __pycache__)
	[ -z "$changed" ] || { echo "# changed: $changed"; return 1; }
}

# In a process namespace of its own, where orphans become children of this
# script, nothing but the script and this subshell can be running.
only_this_test()
{
	local pid names

	names=$(for pid in /proc/[0-9]*; do
		[[ ${pid#/proc/} == "$$" || ${pid#/proc/} == "$BASHPID" ]] || cat "$pid/comm"
	done)
	[ -z "$names" ] || { echo "# still running: $names"; return 1; }
}

inside()
{
	mount -t proc proc /proc
	check "a clean root is made" make_root
	[ -x "$root/root/kata c/demo" ] || return 0
	LEFTOVERS_DIRS=$root/run/vc:$root/run/kata-containers:$root/run/kata:$root/tmp
	leftovers_kept+=("${leftovers_kept[@]/#/$root}")
	leftovers_snapshot "$root.before"

	check "./demo" demo
	check "the container has another kernel than the host" shows_both_kernels
	check "it tells what it installs and why before it does" tells_before_it_installs
	echo "# from nothing: $took s"
	first=$took
	check "the exit status is the container's" ends_with 7 -- sh -c 'exit 7'
	touch "$root.stamp"
	check "stdin is the container's" demo -- cat <<<hi
	check "stdout is the container's and nothing else" prints_only hi
	echo "# again: $took s"
	check "again takes a fraction of the first time" a_fraction
	check "/etc and /usr stay as they are" untouched "$root/etc" "$root/usr"
	check "the guest's own kernel is used once it is there" uses_own_kernel
	check "a hypervisor that does not exist" ends_with 2 --hypervisor nosuch -- true
	check "no process is left" only_this_test
	check "nothing else is left" leftovers_compare "$root.before"
	echo "1..$tests"
}

if [ $# = 1 ]; then
	root=$1/root
	inside
	exit 0
fi

[ "$(id -u)" = 0 ] || { echo "Bail out! clean-root.sh needs root"; exit 1; }
scratch=$(mktemp -d /var/tmp/kata-c-clean-root.XXXXXX)
# Its mounts are gone with the namespace; should one not be, it is not entered.
trap 'rm -rf --one-file-system "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
unshare --mount --pid --fork --kill-child --propagation private "$0" "$scratch" &
wait $!
