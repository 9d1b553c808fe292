# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What ./demo and ./check do alike: tell what they are at, keep the noise of a
# long step in a log, install packages. All that is told goes to standard error.

setup_tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
setup_name=${0##*/}
setup_log=/dev/null
setup_child=

say()
{
	echo "$setup_name: $*" >&2
}

fail()
{
	say "$*"
	exit 1
}

# setup_log_to FILE: the steps write there from now on.
setup_log_to()
{
	setup_log=$1
	: >"$1" || fail "$1: cannot be written"
}

# setup_start LIMIT COMMAND…: the command in the background with a limit in
# seconds, in a process group of its own, its output in the log. Sets setup_child.
setup_start()
{
	local limit=$1

	shift
	timeout -k 10 "$limit" "$@" </dev/null >>"$setup_log" 2>&1 &
	setup_child=$!
}

# step WHAT LIMIT COMMAND…: runs a command that may take long. Silent when it
# is done within a second; otherwise it says WHAT, and how long it took. When
# it fails, the end of its output follows and the whole command ends.
step()
{
	local what=$1 limit=$2 start=$SECONDS status=0 told='' lines

	shift 2
	lines=$(wc -l <"$setup_log")
	echo "== $what: $*" >>"$setup_log"
	setup_start "$limit" "$@"
	for _ in {1..50}; do
		kill -0 "$setup_child" 2>/dev/null || break
		sleep 0.02
	done
	if kill -0 "$setup_child" 2>/dev/null; then
		told=yes
		say "$what"
	fi
	wait "$setup_child" || status=$?
	setup_child=
	if [ "$status" != 0 ]; then
		tail -n +$((lines + 2)) "$setup_log" | tail -n 20 >&2
		[ "$status" != 124 ] || say "$what: not done within $limit seconds"
		fail "$what: failed with status $status; all of its output is in $setup_log"
	fi
	[ -z "$told" ] || say "$what: done in $((SECONDS - start)) s"
}

# A step that is under way when the command ends ends with it.
setup_stop()
{
	[ -z "$setup_child" ] || kill "$setup_child" 2>/dev/null || :
}

# setup_at_exit COMMAND: runs it however this shell ends.
setup_at_exit()
{
	# shellcheck disable=SC2064 # the command as it is now
	trap "$1" EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# Sets cache to the place for all that is made once: the guest, for one.
find_cache()
{
	local home=${HOME:-}

	cache=${XDG_CACHE_HOME:-}
	if [[ $cache != /* ]]; then
		[ -n "$home" ] || home=$(getent passwd "$(id -u)" | cut -d: -f6)
		[ -n "$home" ] || fail "HOME is not set, and neither is XDG_CACHE_HOME: no place for a cache"
		cache=$home/.cache
	fi
	cache=$cache/kata-c
	mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ] ||
		fail "$cache: cannot be written; XDG_CACHE_HOME may name another place for the cache"
}

# packages_of COMMAND…: "PACKAGE REASON" for each package that these need.
packages_of()
{
	local qemu

	case $(dpkg --print-architecture) in
	arm64) qemu='qemu-system-arm' ;;
	*) qemu='qemu-system-x86' ;;
	esac
	awk -v commands=" $* " -v qemu="$qemu" '
		/^#/ || !NF || !index(commands, " " $2 " ") { next }
		{
			package = $1 == "qemu-system" ? qemu : $1
			sub(/^[^ ]+ +[^ ]+ +/, "")
			print package, $0
		}' "$setup_tree/tools/packages"
}

# packages_missing COMMAND…: the lines of packages_of that are not installed.
packages_missing()
{
	local installed package reason

	installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | grep '^installed ')
	packages_of "$@" | while read -r package reason; do
		grep -qxF "installed $package" <<<"$installed" || echo "$package $reason"
	done
}

# Sets as_root to the words that go before a command which needs root.
find_root()
{
	as_root=()
	[ "$(id -u)" != 0 ] || return 0
	command -v sudo >/dev/null || fail "needs root, or sudo, which is not installed"
	as_root=(sudo)
}

# packages_install COMMAND…: installs what is missing, told before it is done.
packages_install()
{
	local missing

	command -v apt-get >/dev/null && command -v dpkg-query >/dev/null ||
		fail "packages can only be installed by apt; see $setup_tree/tools/packages for what is needed"
	missing=$(packages_missing "$@")
	[ -n "$missing" ] || return 0

	say "these packages are missing and will be installed with apt-get:"
	awk '{ name = $1; $1 = ""; printf "  %-20s %s\n", name, $0 }' <<<"$missing" >&2
	# A password is asked for here, before the output goes to the log.
	[ ${#as_root[@]} = 0 ] || sudo -v || fail "sudo: no leave to install packages"
	step "reading the package index" 300 "${as_root[@]}" apt-get -q update
	# shellcheck disable=SC2046 # a list of words
	step "installing $(wc -l <<<"$missing") packages" 900 \
		"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -y -o Dpkg::Use-Pty=0 install --no-install-recommends \
		$(cut -d' ' -f1 <<<"$missing")
}
