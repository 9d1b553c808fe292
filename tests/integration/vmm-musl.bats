# SPDX-License-Identifier: Apache-2.0
#
# The monitor as one small file, with another C library (docs/vmm.md): what it may call
# is written down by what glibc calls, and what it includes by what glibc has.

bats_require_minimum_version 1.5.0
tree=$BATS_TEST_DIRNAME/../..

@test "kata-vmm with musl: it builds, is below 400 KiB, and runs" {
	local build=$BATS_TEST_TMPDIR/build

	CC="musl-gcc -idirafter /usr/include -idirafter /usr/include/$(gcc -dumpmachine)" \
		meson setup --buildtype=minsize -Dwerror=true -Dtests=false "$build" "$tree"
	ninja -C "$build" vmm/kata-vmm
	strip -o "$build/stripped" "$build/vmm/kata-vmm"
	[ "$(stat -c %s "$build/stripped")" -le $((400 * 1024)) ]
	run -0 "$build/stripped" --version
	[[ $output == kata-vmm\ * ]]
	# It has opened its log by then, and looked at its arguments.
	run -2 "$build/stripped"
	[[ $output == *"--kernel is missing"* ]]
}
