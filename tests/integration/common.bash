# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # for the tests
#
# For every test: a state root, a configuration and a bundle of its own, and
# the check that nothing is left when it ends. A test file says which hypervisor
# it speaks of by setting KATA_TEST_HYPERVISOR before it loads this.

bats_require_minimum_version 1.5.0

# shellcheck source=tests/lib/container.bash
source "$BATS_TEST_DIRNAME/../lib/container.bash"
# shellcheck source=tests/lib/leftovers.bash
source "$BATS_TEST_DIRNAME/../lib/leftovers.bash"

# No test may hang: bats itself sets no limit to a command.
limit=60

# needs VARIABLE…: programs of others, which they name. A test begins with it, and setup
# looks ahead for it, so that nothing is prepared for what is skipped.
needs()
{
	local variable

	for variable in "$@"; do
		[ -n "${!variable:-}" ] || skip "$variable is not set"
	done
}

setup()
{
	# shellcheck disable=SC2086 # words
	[[ ! $(declare -f "$BATS_TEST_NAME") =~ $'\n '*(needs\ [A-Z_\ ]+)\; ]] || ${BASH_REMATCH[1]}
	KATA_ROOT=$BATS_TEST_TMPDIR/root
	KATA_LOG=$BATS_TEST_TMPDIR/kata.log
	KATA_CONFIG=$BATS_TEST_TMPDIR/configuration.toml
	export KATA_ROOT KATA_LOG KATA_CONFIG
	bundle=$BATS_TEST_TMPDIR/bundle
	id=t$BATS_TEST_NUMBER-$$-$RANDOM
	mkdir "$KATA_ROOT"
	container_config "$KATA_CONFIG" "$KATA_TEST_HYPERVISOR"
	LEFTOVERS_DIRS=$KATA_ROOT
	leftovers_snapshot "$BATS_TEST_TMPDIR/before"
}

teardown()
{
	local status=0 pid name

	[ -e "$BATS_TEST_TMPDIR/before" ] || return 0
	leftovers_compare "$BATS_TEST_TMPDIR/before" || status=1
	if [ "$status" != 0 ]; then
		tail -n 50 "$KATA_LOG" >&2 || :
		for name in "$KATA_ROOT"/*; do
			[ -e "$name" ] || [ -L "$name" ] || continue
			timeout -k 5 60 "$kata_runtime" --config "$KATA_CONFIG" --root "$KATA_ROOT" --log "$KATA_LOG" \
				delete --force "${name##*/}" || :
		done
		for pid in $(pgrep -f "$KATA_ROOT|$id"); do
			kill -9 "$pid" || :
		done
		[ -z "${KATA_TEST_APART:-}" ] || leftovers_clear "$BATS_TEST_TMPDIR/before" || :
	fi
	return "$status"
}

# in_container [SPEC-OPTION…] -- COMMAND…: run it, with this shell's descriptors.
in_container()
{
	container_bundle "$bundle" "$@" || return 99
	timeout --foreground -k 5 "$limit" "$kata_runtime" --config "$KATA_CONFIG" --root "$KATA_ROOT" \
		--log "$KATA_LOG" run --bundle "$bundle" "$id"
}

# start_container ID BUNDLE: `run` in the background; its output in BUNDLE.out.
# Sets $runner to the process of kata-runtime itself.
start_container()
{
	"$kata_runtime" --config "$KATA_CONFIG" --root "$KATA_ROOT" --log "$KATA_LOG" \
		run --bundle "$2" "$1" </dev/null >"$2.out" 2>"$2.err" 3>&- &
	runner=$!
}

# ends_with STATUS PID: wait for a child of this shell, and compare its status.
ends_with()
{
	local status=0

	wait "$2" || status=$?
	[ "$status" = "$1" ] || { echo "status $status instead of $1" >&2; return 1; }
}

# wait_for SECONDS COMMAND…: until it succeeds; it is tried every $wait_step seconds. SECONDS are
# plenty where nothing else runs; a machine that is busy has $wait_least in any case, for only what
# does not come at all takes as long.
wait_step=0.05
wait_least=60
wait_for()
{
	local deadline=$((SECONDS + ($1 > wait_least ? $1 : wait_least)))

	shift
	until "$@"; do
		if [ "$SECONDS" -ge "$deadline" ]; then
			echo "waited in vain for: $*" >&2
			return 1
		fi
		sleep "$wait_step"
	done
}

# status_is ID STATUS
status_is()
{
	[ "$(kata state "$1" 2>/dev/null | python3 -c 'import json,sys; print(json.load(sys.stdin)["status"])' 2>/dev/null)" = "$2" ]
}

# program_of ID NAME: the first process of the program NAME* whose command line
# speaks of ID, and not of one that begins with it. By the program's own name: its path
# may hold anything. Of the shims the one that serves: who started it has the same name and
# ID, and may have ended when it is hit; so have the children that it works with.
program_of()
{
	local pid exe

	case $2 in
	containerd-shim*)
		pgrep -o -f -- "^[^ ]*/containerd-shim-kata-v2 .*-id=$1 .*-listen-fd=" || :
		return
		;;
	esac
	for pid in $(pgrep -f -- "$1([^0-9A-Za-z_.-]|\$)"); do
		exe=$(readlink "/proc/$pid/exe") || continue
		[[ ${exe##*/} != "$2"* ]] || { echo "$pid"; return; }
	done
}

# program_by_others: a command that does what program_of does, for those who are not this shell.
program_by_others()
{
	{
		declare -f program_of
		echo 'program_of "$@"'
	} >"$BATS_TEST_TMPDIR/program_of"
	echo "bash $BATS_TEST_TMPDIR/program_of"
}

# boots_for_ever [KEY=VALUE…]: a configuration for a machine of QEMU's that is always at its
# boot: its first process says that it is lost in thought, and nothing else.
boots_for_ever()
{
	local dir=$BATS_TEST_TMPDIR/for-ever

	mkdir -p "$dir/bin"
	cp "$(command -v busybox)" "$dir/bin/busybox"
	printf '#!/bin/busybox sh\necho "init is lost in thought"\nwhile :; do /bin/busybox sleep 100; done\n' >"$dir/init"
	chmod +x "$dir/init"
	(cd "$dir" && find . | cpio -o -H newc --quiet) >"$BATS_TEST_TMPDIR/for-ever.img"
	container_config "$KATA_CONFIG" qemu initrd="\"$BATS_TEST_TMPDIR/for-ever.img\"" "$@"
}
