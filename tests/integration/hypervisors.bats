#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The choice of a hypervisor: those there are, what they cost here, and the link that chooses.

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=qemu
load common

# A directory of configurations as a package installs it, QEMU's with this test's guest.
configurations()
{
	dir=$BATS_TEST_TMPDIR/conf
	mkdir "$dir"
	cp "$kata_tree"/config/configuration-*.toml "$dir"
	cp "$KATA_CONFIG" "$dir/configuration-qemu.toml"
	ln -s configuration-qemu.toml "$dir/configuration.toml"
	# A program has two seconds to tell its version, which may be few here; what it said is kept.
	wait_for 20 version_is_told
}

version_is_told()
{
	"$kata_runtime" hypervisors --dir "$dir" --json | python3 -c 'import json, sys
sys.exit(not next(row["version"] for row in json.load(sys.stdin) if row["name"] == "qemu"))'
}

# query PYTHON: an expression over the rows by name, of JSON on standard input.
query()
{
	python3 -c 'import json, sys
rows = {row["name"]: row for row in json.load(sys.stdin)}
assert eval(sys.argv[1]), rows' "$1"
}

@test "hypervisors: a row for each, with the reason why one cannot be used" {
	configurations
	run -0 --separate-stderr "$kata_runtime" hypervisors --dir "$dir"
	[ "${#lines[@]}" -ge 30 ]
	[[ ${lines[0]} =~ ^\ *NAME\ +TYPE\ +WRITTEN\ IN\ +VERSION\ +HERE$ ]]
	[[ ${lines[1]} =~ ^\*\ qemu\ +2\ +C\ +[0-9]+\.[0-9.]+.*\ usable$ ]]
	[[ $output == *"configuration  $dir/configuration-qemu.toml (in use)"* ]]
	[[ $output == *"program        /usr/bin/qemu-system-"* ]]

	"$kata_runtime" hypervisors --dir "$dir" --json >"$BATS_TEST_TMPDIR/json"
	query 'list(rows) and set(rows) == {"qemu", "clh", "firecracker", "dragonball", "stratovirt", "acrn"}' <"$BATS_TEST_TMPDIR/json"
	query 'rows["qemu"]["usable"] and rows["qemu"]["reason"] is None and rows["qemu"]["in_use"]' <"$BATS_TEST_TMPDIR/json"
	query 'all(r["usable"] or len(r["reason"]) > 10 for r in rows.values())' <"$BATS_TEST_TMPDIR/json"
	query 'rows["acrn"]["type"] == 1 and rows["firecracker"]["written_in"] == "Rust"' <"$BATS_TEST_TMPDIR/json"
	query 'rows["qemu"]["features"]["without_kvm"] and rows["qemu"]["features"]["shared_files"]' <"$BATS_TEST_TMPDIR/json"
	query 'rows["firecracker"]["configuration"].endswith("/configuration-fc.toml")' <"$BATS_TEST_TMPDIR/json"

	# The features are those of what is configured, and a reason names the key.
	sed -i 's/^shared_fs = .*/shared_fs = "none"/; s,^kernel = .*,kernel = "/nonexistent",' "$dir/configuration-qemu.toml"
	rm "$dir/configuration-clh.toml"
	echo 'nonsense' >"$dir/configuration-fc.toml"
	"$kata_runtime" hypervisors --dir "$dir" --json >"$BATS_TEST_TMPDIR/json"
	query 'not rows["qemu"]["features"]["shared_files"]' <"$BATS_TEST_TMPDIR/json"
	query '"hypervisor.qemu.kernel /nonexistent" in rows["qemu"]["reason"]' <"$BATS_TEST_TMPDIR/json"
	query 'rows["clh"]["configuration"] is None and not rows["firecracker"]["usable"]' <"$BATS_TEST_TMPDIR/json"
	run -1 "$kata_runtime" hypervisors --dir /nonexistent
	[[ $output == *"/nonexistent: No such file or directory"* ]]
}

@test "use: the link is switched in one step, and what is no link is left alone" {
	configurations
	link=$dir/configuration.toml
	run -0 "$kata_runtime" use --dir "$dir" fc
	[[ ${lines[0]} == "$link: from configuration-qemu.toml to configuration-fc.toml" ]]
	[[ ${lines[1]} == *"firecracker is not usable on this host: "* ]]
	[ "$(readlink "$link")" = configuration-fc.toml ]
	# By its other names, by the link itself, and by the environment.
	run -0 "$kata_runtime" --config "$link" use cloud-hypervisor
	[ "$(readlink "$link")" = configuration-clh.toml ]
	(cd "$dir" && run -0 "$kata_runtime" --config configuration.toml use firecracker)
	[ "$(readlink "$link")" = configuration-fc.toml ]
	KATA_CONF_FILE=$link run -0 "$kata_runtime" use qemu
	[ "$(readlink "$link")" = configuration-qemu.toml ]
	[[ ${lines[1]} == "qemu is usable on this host" ]]
	run -0 "$kata_runtime" use --dir "$dir" qemu
	[[ ${lines[0]} == "$link leads to configuration-qemu.toml already" ]]
	# One's own file, and a directory of nothing but a link to elsewhere.
	cp "$dir/configuration-qemu.toml" "$dir/configuration-mine.toml"
	run -0 "$kata_runtime" use --dir "$dir" mine
	mkdir "$BATS_TEST_TMPDIR/etc"
	ln -s "$dir/configuration-qemu.toml" "$BATS_TEST_TMPDIR/etc/configuration.toml"
	run -0 "$kata_runtime" --config "$BATS_TEST_TMPDIR/etc/configuration.toml" use mine
	[ "$(readlink "$BATS_TEST_TMPDIR/etc/configuration.toml")" = "$dir/configuration-mine.toml" ]

	for name in nope ../conf/x '' fake; do
		run -1 "$kata_runtime" use --dir "$dir" "$name"
		[[ $output == *"(there are acrn, clh, dragonball, fc, mine, qemu, stratovirt)" ]]
	done
	[ "$(readlink "$link")" = configuration-mine.toml ]
	# A link to nothing is replaced, and one that is missing is made.
	ln -sfn /nonexistent "$link"
	run -0 "$kata_runtime" use --dir "$dir" qemu
	rm "$link"
	run -0 "$kata_runtime" use --dir "$dir" qemu
	[[ ${lines[0]} == "$link: from nothing to configuration-qemu.toml" ]]
	cp --remove-destination "$dir/configuration-qemu.toml" "$link"
	run -1 "$kata_runtime" use --dir "$dir" fc
	[[ $output == *"is no symbolic link, so it is not replaced"* ]]
	[ -f "$link" ] && [ ! -L "$link" ]
	# While others switch, there is a configuration at all times.
	ln -sfn configuration-qemu.toml "$link"
	(for _ in {1..10}; do
		"$kata_runtime" use --dir "$dir" acrn
		"$kata_runtime" use --dir "$dir" qemu
	done) >/dev/null 2>&1 3>&- &
	switching=$!
	while kill -0 "$switching" 2>/dev/null; do
		[ -e "$link" ]
	done
	wait "$switching"
	[ "$(find "$dir" -name 'configuration.toml*' | wc -l)" = 1 ]
}

@test "hypervisors: what a container costs here is measured, and an interrupt leaves nothing" {
	configurations
	"$kata_runtime" --root "$KATA_ROOT" --log "$KATA_LOG" hypervisors --dir "$dir" --measure --json \
		>"$BATS_TEST_TMPDIR/json" 2>"$BATS_TEST_TMPDIR/progress"
	cat "$BATS_TEST_TMPDIR/progress"
	grep -qx 'measuring qemu (3 of 3)' "$BATS_TEST_TMPDIR/progress"
	# A machine is no process of ten milliseconds, and its monitor no shell.
	query '100 < rows["qemu"]["measured"]["start_ms"] < 60000' <"$BATS_TEST_TMPDIR/json"
	query '20000 < rows["qemu"]["measured"]["memory_kib"] < 1000000' <"$BATS_TEST_TMPDIR/json"
	query 'rows["acrn"]["measured"]["start_ms"] is None' <"$BATS_TEST_TMPDIR/json"

	# On its own in a session, as a terminal would have it.
	setsid "$kata_runtime" --root "$KATA_ROOT" --log "$KATA_LOG" hypervisors --dir "$dir" --measure \
		>"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/progress" 3>&- &
	measuring=$!
	wait_for 30 pgrep -f "qemu-system.*-name sandbox-measure-qemu-$measuring"
	kill -INT "$measuring"
	ends_with 1 "$measuring"
	grep -q 'interrupted' "$BATS_TEST_TMPDIR/progress"
	[ -z "$(ls "$KATA_ROOT")" ]
}

@test "hypervisors: the table of container tests is that of today's list" {
	"$kata_tree/tests/lab/table" --check "$kata_tree/docs/hypervisors.md"
	# It notices a row that has gone, a result that no run prints, and one of no version.
	sed '/^| exec |/d' "$kata_tree/docs/hypervisors.md" >"$BATS_TEST_TMPDIR/gone.md"
	run ! "$kata_tree/tests/lab/table" --check "$BATS_TEST_TMPDIR/gone.md"
	sed 's/^| exec | yes/| exec | perhaps/' "$kata_tree/docs/hypervisors.md" >"$BATS_TEST_TMPDIR/word.md"
	run ! "$kata_tree/tests/lab/table" --check "$BATS_TEST_TMPDIR/word.md"
	[[ $output == *"qemu, exec: perhaps"* ]]
	sed 's/^| version | [^|]*/| version | not run /' "$kata_tree/docs/hypervisors.md" >"$BATS_TEST_TMPDIR/version.md"
	run ! "$kata_tree/tests/lab/table" --check "$BATS_TEST_TMPDIR/version.md"
	# And a run of one hypervisor leaves the others' columns.
	cp "$kata_tree/docs/hypervisors.md" "$BATS_TEST_TMPDIR/new.md"
	printf '1..1\n# list: clh: version: 99.1\n# list: clh: exec: fails\nnot ok 1 clh\n' |
		"$kata_tree/tests/lab/table" --put "$BATS_TEST_TMPDIR/new.md"
	run ! diff "$kata_tree/docs/hypervisors.md" "$BATS_TEST_TMPDIR/new.md"
	[ "$(grep -c '^>' <<<"$output")" = 2 ]
	"$kata_tree/tests/lab/table" --check "$BATS_TEST_TMPDIR/new.md"
}
