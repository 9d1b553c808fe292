# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154 # common.bash and the tests set them
#
# Containers that live in the sandbox of another.

# bundle_for NAME CODE COMMAND…: a bundle $BATS_TEST_TMPDIR/NAME, changed by CODE, whose
# program writes "ready" and then runs COMMAND.
bundle_for()
{
	local dir=$BATS_TEST_TMPDIR/$1 code=$2

	shift 2
	container_bundle "$dir" -- sh -c "echo ready; $*" || return
	echo "${dir##*/}" >"$dir/rootfs/etc/name"
	"$kata_tree/tests/lib/change_spec.py" "$dir" "$code" T="$BATS_TEST_TMPDIR"
}

# begin NAME [ID]: run it detached and wait until it is ready; its output in NAME.out.
begin()
{
	local dir=$BATS_TEST_TMPDIR/$1 name=${2:-$id-$1}

	kata run --detach --bundle "$dir" --pid-file "$dir.pid" "$name" \
		</dev/null >"$dir.out" 2>&1 3>&- || { cat "$dir.out" >&2; return 1; }
	wait_for "${patience:-20}" grep -q ready "$dir.out"
}

# in_ns NAME KIND…: code that joins these namespaces of NAME's stand-in.
in_ns()
{
	local pid kind

	pid=$(cat "$BATS_TEST_TMPDIR/$1.pid")
	shift
	for kind in "$@"; do
		case $kind in
		network) echo "join('network', '/proc/$pid/ns/net')" ;;
		*) echo "join('$kind', '/proc/$pid/ns/$kind')" ;;
		esac
	done
}

# listed: the IDs that `list` has, in one line.
listed()
{
	kata list -q | sort | tr '\n' ' '
}
