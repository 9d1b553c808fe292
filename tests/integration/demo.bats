# SPDX-License-Identifier: Apache-2.0
#
# What ./demo and ./check say to their users; clean-root.sh has the main path.

bats_require_minimum_version 1.5.0
tree=$BATS_TEST_DIRNAME/../..

@test "demo: wrong arguments are told in a word, with status 2" {
	for arguments in --nosuch stray "--hypervisor" "--hypervisor nosuch"; do
		# shellcheck disable=SC2086 # words
		run -2 "$tree/demo" $arguments
		[ "${#lines[@]}" = 2 ]
	done
	[[ $output == *"no hypervisor is called nosuch"*qemu* ]]
	run -0 "$tree/demo" --help
	[[ $output == *"--hypervisor"* ]]
}

@test "demo: a cache that cannot be written is told" {
	XDG_CACHE_HOME=/proc run -1 "$tree/demo" -- true
	[[ $output == *"/proc/kata-c: cannot be written"* ]]
}

@test "demo: neither root nor sudo is told" {
	mkdir "$BATS_TEST_TMPDIR/bin"
	ln -s "$(command -v dirname)" "$(command -v bash)" "$BATS_TEST_TMPDIR/bin"
	printf '#!/bin/sh\necho 1000\n' >"$BATS_TEST_TMPDIR/bin/id"
	chmod +x "$BATS_TEST_TMPDIR/bin/id"
	PATH=$BATS_TEST_TMPDIR/bin run -1 bash -c ". '$tree/tools/setup.bash'; find_root"
	[[ $output == *"needs root, or sudo"* ]]
}

@test "check: a part that does not exist is told, with status 2" {
	run -2 "$tree/check" nosuch
	[[ $output == *"no part is called nosuch"*integration* ]]
	run -0 "$tree/check" --help
}

@test "packages: every one has a reason, and a missing one is found" {
	run -0 bash -c ". '$tree/tools/setup.bash'; packages_of demo check kernel"
	[ "${#lines[@]}" -gt 10 ]
	for line in "${lines[@]}"; do
		[[ $line == *' '*' '* ]]
	done
	mkdir "$BATS_TEST_TMPDIR/bin"
	printf '#!/bin/sh\necho "installed gcc"\necho "not-installed cpio"\n' >"$BATS_TEST_TMPDIR/bin/dpkg-query"
	chmod +x "$BATS_TEST_TMPDIR/bin/dpkg-query"
	PATH=$BATS_TEST_TMPDIR/bin:$PATH run -0 bash -c ". '$tree/tools/setup.bash'; packages_missing demo"
	[[ $output != *"gcc "* ]]
	[[ $output == *"cpio packs"* ]]
}

# tally WHAT-IT-PRINTS [STATUS]: what counting it comes to.
tally()
{
	echo 0 0 0 >"$BATS_TEST_TMPDIR/tally"
	python3 "$tree/tests/lib/tap.py" "$BATS_TEST_TMPDIR/tally" some 2 \
		bash -c "printf '%b' '$1'; ${2:-exit 0}" >&2
	cat "$BATS_TEST_TMPDIR/tally"
}

@test "check: what fails, crashes, hangs or says nothing is counted as failed" {
	[ "$(tally '1..2\nok 1 - a\nok 2 - b\n')" = '2 0 0' ]
	[ "$(tally 'ok 1 - a\nnot ok 2 - b\n1..2\n' 'exit 1')" = '1 1 0' ]
	[ "$(tally '1..2\nok 1 - a\n')" = '1 1 0' ]
	[ "$(tally 'ok 1 - a\n' 'exit 3')" = '1 1 0' ]
	[ "$(tally 'ok 1 - a\n' 'kill -SEGV $$')" = '1 1 0' ]
	[ "$(tally 'ok 1 - a\n' 'sleep 20')" = '1 1 0' ]
	[ "$(tally '')" = '0 1 0' ]
	[ "$(tally 'ok 1 - a # todo later\n')" = '0 1 0' ]
	[ "$(tally 'ok 1 - a # skip no peer\n')" = '0 1 0' ]
	export CHECK_MAY_SKIP=$'some: other\nsome: a'
	[ "$(tally 'ok 1 - a # skip no peer\n')" = '0 0 1' ]
}
