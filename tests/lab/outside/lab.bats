#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The lab from outside: what passes through, how it ends, and that nothing is left.

# shellcheck disable=SC2016,SC2154 # for inner shells; set by bats
bats_require_minimum_version 1.5.0

# shellcheck source=tests/lib/leftovers.bash
source "$BATS_TEST_DIRNAME/../../lib/leftovers.bash"
lab=$BATS_TEST_DIRNAME/../run

setup()
{
	leftovers_snapshot "$BATS_TEST_TMPDIR/before"
}

teardown()
{
	leftovers_compare "$BATS_TEST_TMPDIR/before"
}

# wait_for SECONDS COMMAND…: until it succeeds.
wait_for()
{
	local deadline=$((SECONDS + $1))

	shift
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || { echo "waited in vain for: $*" >&2; return 1; }
		sleep 0.1
	done
}

# machine KEEPER: the process of its QEMU, once it is one.
machine()
{
	local pid

	for pid in $(pgrep -P "$1"); do
		[[ $(readlink "/proc/$pid/exe") != */qemu-system-* ]] || { echo "$pid"; return; }
	done
	return 1
}

gone()
{
	[ ! -e "/proc/$1" ]
}

lines_are()
{
	[ "$(wc -l <"$2")" = "$1" ]
}

# Sets keeper and pid, its QEMU, of the lab that a process started.
lab_of()
{
	keeper=$(pgrep -P "$1") && pid=$(machine "$keeper")
}

@test "input, output, errors, results and the exit status pass, and all the rest is gone" {
	head -c 1500000 /dev/urandom >"$BATS_TEST_TMPDIR/in"
	mkdir "$BATS_TEST_TMPDIR/out"
	status=0
	MY_VARIABLE='two words' "$lab" -n -o "$BATS_TEST_TMPDIR/out" -- sh -c '
		cat
		printf "a\r\nb\0\377" >&2
		echo "$PWD $MY_VARIABLE $(id -u)" >"$LAB_OUT/told"
		echo changed >"$1/changed"; echo changed >/tmp/changed
		exit 7' sh "$BATS_TEST_DIRNAME" \
		<"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/stdout" 2>"$BATS_TEST_TMPDIR/stderr" || status=$?
	cat "$BATS_TEST_TMPDIR/stderr"
	[ "$status" = 7 ]
	cmp "$BATS_TEST_TMPDIR/in" "$BATS_TEST_TMPDIR/stdout"
	printf 'a\r\nb\0\377' | cmp - "$BATS_TEST_TMPDIR/stderr"
	[ "$(cat "$BATS_TEST_TMPDIR/out/told")" = "$PWD two words 0" ]
	[ ! -e "$BATS_TEST_DIRNAME/changed" ] && [ ! -e /tmp/changed ]
}

@test "a command that hangs ends by its limit, and the console is shown" {
	# On a busy machine the first may not have come as far as the command.
	for limit in 20 80; do
		run -124 --separate-stderr "$lab" -n -t $limit -- sh -c \
			'echo started; echo "<1>said by the kernel" >/dev/kmsg; exec sleep 1000' </dev/null
		[[ $stderr == *"not done within $limit s"* ]]
		[ "$output" != started ] || break
	done
	[ "$output" = started ]
	[[ $stderr == *"said by the kernel"* ]]
}

@test "a lab that freezes is started again once; the second time is a failure" {
	"$lab" -n -f 6 -- sh -c 'echo started; exec sleep 1000' </dev/null 3>&- \
		>"$BATS_TEST_TMPDIR/stdout" 2>"$BATS_TEST_TMPDIR/stderr" &
	keeper=$!
	for time in 1 2; do
		wait_for 160 lines_are "$time" "$BATS_TEST_TMPDIR/stdout"
		frozen=$(machine "$keeper")
		kill -STOP "$frozen"
		wait_for 60 gone "$frozen"
	done
	status=0
	wait "$keeper" || status=$?
	cat "$BATS_TEST_TMPDIR/stderr"
	[ "$status" = 125 ]
	[ "$(grep -c "no sign of life for 6 s" "$BATS_TEST_TMPDIR/stderr")" = 2 ]
	[ "$(grep -c "starting it again" "$BATS_TEST_TMPDIR/stderr")" = 1 ]
}

@test "a signal is the command's; whoever is killed takes all of the lab along" {
	"$lab" -n -- bash -c 'trap "echo got it; exit 9" TERM; echo up; while :; do sleep 0.1; done' \
		</dev/null 3>&- >"$BATS_TEST_TMPDIR/stdout" &
	keeper=$!
	wait_for 160 grep -q up "$BATS_TEST_TMPDIR/stdout"
	# A machine that sleeps for a while is woken, and goes on.
	asleep=$(machine "$keeper")
	kill -STOP "$asleep"
	sleep 4
	kill -CONT "$asleep"
	sleep 2
	[ "$(machine "$keeper")" = "$asleep" ]
	kill -TERM "$keeper"
	status=0
	wait "$keeper" || status=$?
	[ "$status" = 9 ]
	grep -q "got it" "$BATS_TEST_TMPDIR/stdout"

	# Its caller is killed, and then nobody can clean up.
	bash -c '"$1" -n -- sleep 1000; :' caller "$lab" </dev/null 3>&- &
	caller=$!
	wait_for 120 lab_of "$caller"
	kill -KILL "$caller"
	wait_for 60 gone "$keeper"
	wait_for 60 gone "$pid"
}

@test "what cannot be done is said" {
	run -2 "$lab" -m 12 -- true
	[[ $output == *"-m: not a number of at least 512: 12"* ]]
	run -2 "$lab"
	[[ $output == *"usage: tests/lab/run"* ]]
	run ! "$lab" -o /nonexistent -- true
	[[ $output == *"/nonexistent: no directory"* ]]
}

# Neither starts a lab here: what ./demo does when it looks for these words is in its hands.
@test "without a KVM that works, check says so in the words that ./demo looks for" {
	# shellcheck source=tests/lib/container.bash
	source "$BATS_TEST_DIRNAME/../../lib/container.bash"
	words=$(sed -n '/^find_kvm/,/^}/s/.*== \*"\(.*\)"\* \]\].*/\1/p' "$kata_tree/demo")
	[ -n "$words" ]
	export KATA_ROOT=$BATS_TEST_TMPDIR KATA_LOG=$BATS_TEST_TMPDIR/log KATA_CONFIG=$BATS_TEST_TMPDIR/config
	# Any files of the right kind: nothing is started.
	KATA_KERNEL=$kata_agent KATA_INITRD=$kata_agent container_config "$KATA_CONFIG" dragonball
	run kata check
	echo "$output"
	if [[ $output == *"KVM: usable"* ]]; then
		[[ $output != *"$words"* ]]
	else
		[[ $output == *"$words"* ]]
	fi
}
