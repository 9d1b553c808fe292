# SPDX-License-Identifier: Apache-2.0
#
# What ./demo and ./check say to their users; clean-root.sh has the main path.

bats_require_minimum_version 1.5.0
tree=$BATS_TEST_DIRNAME/../..

# eventually COMMAND…: until it succeeds, at most a minute.
eventually()
{
	local deadline=$((SECONDS + 60))

	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || { echo "waited in vain: $*" >&2; return 1; }
		sleep 0.05
	done
}

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

# tally WHAT-IT-PRINTS [STATUS [LIMIT]]: what counting it comes to.
tally()
{
	echo 0 0 0 >"$BATS_TEST_TMPDIR/tally"
	python3 "$tree/tests/lib/tap.py" "$BATS_TEST_TMPDIR/tally" some "${3:-60}" \
		bash -c "printf '%b' '$1'; ${2:-exit 0}" >&2
	cat "$BATS_TEST_TMPDIR/tally"
}

@test "check: what fails, crashes, hangs or says nothing is counted as failed" {
	[ "$(tally '1..2\nok 1 - a\nok 2 - b\n')" = '2 0 0' ]
	[ "$(tally 'ok 1 - a\nnot ok 2 - b\n1..2\n' 'exit 1')" = '1 1 0' ]
	[ "$(tally '1..2\nok 1 - a\n')" = '1 1 0' ]
	[ "$(tally 'ok 1 - a\n' 'exit 3')" = '1 1 0' ]
	[ "$(tally 'ok 1 - a\n' 'kill -SEGV $$')" = '1 1 0' ]
	[ "$(tally 'ok 1 - a\n' 'sleep 200' 5)" = '1 1 0' ]
	[ "$(tally '')" = '0 1 0' ]
	[ "$(tally 'ok 1 - a # todo later\n')" = '0 1 0' ]
	[ "$(tally 'ok 1 - a # skip no peer\n')" = '0 1 0' ]
	export CHECK_MAY_SKIP=$'some: other\nsome: a'
	[ "$(tally 'ok 1 - a # skip no peer\n')" = '0 0 1' ]
}

# Two lanes of parts: one prints slowly, one at once, and one ends its lane.
lanes()
{
	cat >"$BATS_TEST_TMPDIR/lanes" <<-'EOT'
		tree=$1 tally=$2/tally as_root=()
		. "$tree/tools/setup.bash"
		. "$tree/tests/lib/lanes.bash"
		part()
		{
			case $1 in
			# It prints when it was told that it is under way, and ends when the quick one was printed.
			slow)
				until [ -e "$lanes_dir/slow.told" ]; do sleep 0.1; done
				count slow 'ok 1 - a\n# of a\n' "0; while grep -q '^3 0 0' '$lanes_tally'; do sleep 0.1; done" \
					'not ok 2 - b\n# of b\n' 0
				;;
			quick) count quick 'ok 1 - c\n# of c\nok 2 - d # skip me\n' 0 '' 0 ;;
			broken) echo '# half' && exit 1 ;;
			both) count both 'ok 1 - g\n' 0 '' 0 && echo run >>"$lanes_dir/both.runs" ;;
			never*) count never 'ok 1 - e\n' 1000 'ok 2 - f\n' 0 ;;
			esac
		}
		lanes_tally=$tally
		eval "say_it$(declare -f say | tail -n +2 | sed '1i ()')"
		say()
		{
			say_it "$@"
			[[ $* != *'slow ('* ]] || : >"$lanes_dir/slow.told"
		}
		count()
		{
			CHECK_MAY_SKIP='quick: d' python3 "$tree/tests/lib/tap.py" "$tally" "$1" 2000 \
				bash -c "printf '$2'; sleep $3; printf '$4'; sleep $5" lanes-of-check
		}
		echo 3 0 0 >"$tally"
		lanes_run "$2/parts" part "${@:3}"
		cat "$tally"
	EOT
	exec env --default-signal LANES_TELL_SECONDS=0 bash -euo pipefail "$BATS_TEST_TMPDIR/lanes" "$tree" "$BATS_TEST_TMPDIR" "$@"
}

@test "check: of parts that run at once each prints whole, and all are counted" {
	# One that has printed nothing yet is under way, too.
	run -0 --separate-stderr lanes slow 'quick broken late'
	# shellcheck disable=SC2154 # bats sets it
	[[ $stderr == *"under way: slow ("*" s, 0 tests)"* ]]
	diff - <(echo "$output") <<-'EOT'
		ok 4 - quick: c
		# of c
		ok 5 - quick: d # skip me
		ok 6 - slow: a
		# of a
		not ok 7 - slow: b
		# of b
		# half
		not ok 8 - broken: has not come to its end
		not ok 9 - late: has not come to its end
		5 3 1
	EOT
}

@test "check: a part that any lane may take is taken once" {
	run -0 --separate-stderr lanes 'slow both' 'quick both'
	[ "$(cat "$BATS_TEST_TMPDIR/parts/both.runs")" = run ]
	[[ ${lines[-1]} == "6 1 1" && $(grep -c ' - both: g$' <<<"$output") = 1 ]]
}

@test "check: parts that run at once end with it" {
	local signal status

	none_left() { ! pgrep -f lanes-of-check >/dev/null; }
	# Both, and of each what counts it and what it runs.
	all_run() { [ "$(pgrep -fc 'sleep 1000.*lanes-of-check')" -ge 4 ]; }
	for signal in TERM INT HUP; do
		status=0
		# What is in the background would ignore what a terminal sends.
		lanes never 'quick never2' >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
		eventually all_run
		kill -s "$signal" $!
		wait $! || status=$?
		[ "$status" = $((128 + $(kill -l "$signal"))) ]
		eventually none_left
	done
}

@test "lab: of the states that it was made in few are kept" {
	local cache=$BATS_TEST_TMPDIR i

	mkdir -p "$cache/lab"/{kernel,mnt}
	for i in {1..6}; do
		mkdir "$cache/lab/000000000000000$i" "$cache/lab/000000000000000$i.77"
		touch -d "-$i hours" "$cache/lab/000000000000000$i"
	done
	touch -d '-2 hours' "$cache/lab/0000000000000002.77"
	eval "$(sed -n '/^forget_bases()/,/^}/p' "$tree/tests/lab/run")"
	forget_bases
	[ "$(cd "$cache/lab" && echo *)" = "0000000000000001 0000000000000001.77 0000000000000002 \
0000000000000003 0000000000000003.77 0000000000000004 0000000000000004.77 0000000000000005.77 \
0000000000000006.77 kernel mnt" ]
	rm -r "$cache/lab"
	forget_bases
}
