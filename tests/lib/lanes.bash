# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # for and of ./check: setup_name; tally, as_root
#
# Parts of ./check that run at once, in lanes: in each one part after the other. What
# a part prints is kept in a file and printed, numbered on, when the part has ended.
#
#	lanes_run DIR FUNCTION 'PART…' 'PART…'
#
# calls `FUNCTION PART`, with a file of its own in $tally, in a process group for
# each lane, and adds up in $tally. A part in several lanes is run once, by the lane
# that comes to it first. What is under way is told every
# $LANES_TELL_SECONDS (60). All lanes but the first have a low priority. However
# this shell ends, they end with it. Needs tools/setup.bash.

# lane NICENESS PART…
lane()
{
	local part

	renice -n "$1" -p "$BASHPID" >/dev/null
	for part in "${@:2}"; do
		mkdir "$lanes_dir/$part.taken" 2>/dev/null || continue
		setup_name="check: $part"
		tally=$lanes_dir/$part.tally
		echo 0 0 0 >"$tally"
		echo "$SECONDS" >"$lanes_dir/$part.begun"
		"$lanes_function" "$part" >"$lanes_dir/$part.tap"
		: >"$lanes_dir/$part.done"
	done
}

# lanes_print PART: what it printed, numbered on, and how much of it there is.
lanes_print()
{
	local all=(0 0 0) more=(0 0 0)

	read -r -a all <"$tally"
	[ ! -e "$lanes_dir/$1.tally" ] || read -r -a more <"$lanes_dir/$1.tally"
	awk -v n=$((all[0] + all[1] + all[2])) \
		'/^(not )?ok [0-9]+ - / { sub(/ok [0-9]+/, "ok " ++n) } { print }' \
		"$lanes_dir/$1.tap" 2>/dev/null || :
	if [ ! -e "$lanes_dir/$1.done" ]; then
		echo "not ok $((all[0] + all[1] + all[2] + more[0] + more[1] + more[2] + 1)) - $1: has not come to its end"
		more[1]=$((more[1] + 1))
	fi
	echo "$((all[0] + more[0])) $((all[1] + more[1])) $((all[2] + more[2]))" >"$tally"
}

# lanes_tell PART…: which of them are under way.
lanes_tell()
{
	local part told=''

	for part in "$@"; do
		[ -e "$lanes_dir/$part.begun" ] && [ ! -e "$lanes_dir/$part.done" ] || continue
		told+=", $part ($((SECONDS - $(cat "$lanes_dir/$part.begun"))) s,"
		told+=" $(grep -cE '^(not )?ok' "$lanes_dir/$part.tap" || :) tests)"
	done
	say "under way: ${told#, }"
}

# lanes_alive: whether any process of the lanes is left.
lanes_alive()
{
	local group

	for group in "${lanes_groups[@]}"; do
		! kill -0 -- "-$group" 2>/dev/null || return 0
	done
	return 1
}

lanes_stop()
{
	local group tenths

	for group in "${lanes_groups[@]}"; do
		kill -- "-$group" 2>/dev/null || :
	done
	# As long as tap.py gives to what it runs, and then it is no use.
	for ((tenths = 0; tenths < 400; tenths++)); do
		lanes_alive || return 0
		sleep 0.1
	done
	for group in "${lanes_groups[@]}"; do
		kill -KILL -- "-$group" 2>/dev/null || :
	done
}

# lanes_watch PART…: prints them in the order in which they end.
lanes_watch()
{
	local part waiting=("$@") left every=${LANES_TELL_SECONDS:-60} alive
	local next=$((SECONDS + every))

	while [ ${#waiting[@]} -gt 0 ]; do
		# Before the look for ends: one that comes between the two is seen the next time.
		alive=yes
		lanes_alive || alive=''
		left=()
		for part in "${waiting[@]}"; do
			if [ -e "$lanes_dir/$part.done" ] || [ -z "$alive" ]; then
				lanes_print "$part"
			else
				left+=("$part")
			fi
		done
		waiting=(${left[@]+"${left[@]}"})
		if [ "$SECONDS" -ge "$next" ]; then
			next=$((SECONDS + every))
			lanes_tell "$@"
			# A password could not be asked for in the background.
			[ ${#as_root[@]} = 0 ] || sudo -n -v || :
		fi
		# A trap runs while this shell waits, not while a command does.
		sleep 0.5 &
		wait $! || :
	done
}

lanes_run()
{
	local words part parts=() niceness=0

	lanes_dir=$1 lanes_function=$2 lanes_groups=()
	shift 2
	rm -rf --one-file-system "$lanes_dir"
	mkdir -p "$lanes_dir"
	setup_at_exit lanes_stop
	for words in "$@"; do
		# Each in a process group of its own.
		set -m
		# shellcheck disable=SC2086 # a list of words
		lane $niceness $words </dev/null &
		set +m
		lanes_groups+=($!)
		for part in $words; do
			[[ " ${parts[*]} " == *" $part "* ]] || parts+=("$part")
		done
		niceness=10
	done
	lanes_watch "${parts[@]}"
	setup_at_exit setup_stop
	lanes_groups=()
}
