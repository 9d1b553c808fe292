#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What other processes do to a container that runs, in a machine: exec, ps, pause, resume,
# update, events, kill, delete. Few boots, each with many questions.

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=qemu
load common

# run_detached [SPEC-OPTION…] -- COMMAND…
run_detached()
{
	container_bundle "$bundle" "$@"
	spec_edit
	kata run --detach --bundle "$bundle" "$id" </dev/null >"$bundle.out" 2>&1 3>&- ||
		{ cat "$bundle.out" >&2; return 1; }
}

# The container sees its control group, and has a limit of memory.
spec_edit()
{
	python3 - "$bundle/config.json" <<-'EOT'
		import json, sys
		spec = json.load(open(sys.argv[1]))
		spec["linux"].setdefault("resources", {})["memory"] = {"limit": 67108864}
		# What is to run out of memory is not the container's own process, be it after another.
		spec["process"]["oomScoreAdj"] = -1000
		spec["mounts"] = [m for m in spec["mounts"] if m["destination"] != "/sys/fs/cgroup"]
		spec["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup",
		    "source": "cgroup", "options": ["nosuid", "noexec", "nodev", "ro"]})
		json.dump(spec, open(sys.argv[1], "w"))
	EOT
}

# process [TERMINAL] COMMAND: a process for --process.
process()
{
	python3 -c 'import json, sys; print(json.dumps({"terminal": sys.argv[1] == "true",
		"args": ["sh", "-c", sys.argv[2]], "cwd": "/tmp", "env": ["PATH=/bin", "A=b"],
		"user": {"uid": 1000, "gid": 1000}}))' "$@" >"$BATS_TEST_TMPDIR/process.json"
}

python()
{
	timeout --foreground -k 5 150 python3 "$@"
}

with_runtime()
{
	printf '%s\n' "$kata_runtime" --config "$KATA_CONFIG" --root "$KATA_ROOT" --log "$KATA_LOG"
}

counter()
{
	cat "$bundle/rootfs/tmp/n"
}

@test "verbs: exec in a machine" {
	container_config "$KATA_CONFIG" qemu agent.debug_console_enabled=true
	mapfile -t runtime < <(with_runtime)
	run_detached -- sleep 1000
	status_is "$id" running

	run -0 kata exec "$id" sh -c 'echo "$0-$HOSTNAME" $PATH' x
	[[ $output == x-* ]]
	run -7 kata exec "$id" sh -c 'exit 7'
	run -255 kata exec "$id" nosuch
	[[ $output == *'exec failed: '*'"nosuch": executable file not found in $PATH' ]]
	run -255 kata exec "$id" /etc/passwd
	run -0 kata exec --env A=b --cwd /tmp --user 1000:1001 -g 5 -g 6 --no-new-privs --cap CAP_KILL "$id" \
		sh -c 'id; pwd; echo $A; grep -E "NoNewPrivs|CapBnd" /proc/self/status'
	[[ $output == "uid=1000(demo) gid=1001 groups=5,6"$'\n/tmp\nb\n'*CapBnd* ]]
	[[ $output == *NoNewPrivs:*1* ]]

	# The three streams are what they are on the host; much of it, and to the end.
	head -c 3000000 /dev/urandom >"$BATS_TEST_TMPDIR/data"
	kata exec "$id" sh -c 'cat; echo err >&2' <"$BATS_TEST_TMPDIR/data" \
		>"$BATS_TEST_TMPDIR/got" 2>"$BATS_TEST_TMPDIR/err"
	cmp "$BATS_TEST_TMPDIR/data" "$BATS_TEST_TMPDIR/got"
	[ "$(cat "$BATS_TEST_TMPDIR/err")" = err ]

	# Twenty at once, each with its own output and status.
	for n in {1..20}; do
		kata exec "$id" sh -c "sleep 0.5; echo out$n; exit $n" >"$BATS_TEST_TMPDIR/out$n" 3>&- &
		runners[n]=$!
	done
	for n in {1..20}; do
		ends_with "$n" "${runners[n]}"
		[ "$(cat "$BATS_TEST_TMPDIR/out$n")" = "out$n" ]
	done

	# A terminal of the caller's, with its size, its changes, and signals typed into it.
	python "$BATS_TEST_DIRNAME/terminal.py" "${runtime[@]}" exec --tty "$id" sh

	# As conmon does it: from a file, detached, adopted; without and with a console.
	process false 'id -u; echo $A; exit 9'
	run -9 python "$BATS_TEST_DIRNAME/exec_engine.py" "${runtime[@]}" -- "$id" "$BATS_TEST_TMPDIR/process.json"
	process true 'read x; tty; echo got $x; exit 8'
	run -8 python "$BATS_TEST_DIRNAME/exec_engine.py" --console "${runtime[@]}" -- "$id" \
		"$BATS_TEST_TMPDIR/process.json" word
	[[ $output == */dev/pts/*got\ word* ]]
	run -255 kata exec --detach --process - "$id" <<<'{"args":['
	[[ $output == *"standard input:"* ]]
	echo '{"args": ["/nosuch"], "cwd": "/"}' >"$BATS_TEST_TMPDIR/process.json"
	run -255 python "$BATS_TEST_DIRNAME/exec_engine.py" "${runtime[@]}" -- "$id" "$BATS_TEST_TMPDIR/process.json"

	# A signal to exec is the process's; without exec there is no process.
	"${runtime[@]}" exec "$id" sh -c 'trap "exit 33" TERM; echo ready; while :; do sleep 0.1; done' \
		>"$BATS_TEST_TMPDIR/sig" 3>&- &
	wait_for 20 grep -q ready "$BATS_TEST_TMPDIR/sig"
	kill -TERM $!
	ends_with 33 $!
	"${runtime[@]}" exec "$id" sh -c 'echo ready; exec sleep 999' >"$BATS_TEST_TMPDIR/sig" 3>&- &
	wait_for 20 grep -q ready "$BATS_TEST_TMPDIR/sig"
	kill -KILL $!
	ends_with 137 $!
	no_999()
	{
		! kata ps "$id" | grep -q 'sleep 999'
	}
	wait_for 10 no_999

	# Nothing is left of all these but the container's own process.
	run -0 kata ps --format json "$id"
	[[ $output =~ ^\[[0-9]+\]$ ]]
	run -0 kata ps "$id" -o user,args
	[ "$output" = $'USER COMMAND\nroot sleep 1000' ]
	wait_for 10 eval '[ "$(grep -c '"'\"standin\"'"' "$KATA_ROOT/$id/state.json")" = 1 ]'

	# The initrd has no shell: the debug console says so. Here it is a serial line.
	run -0 kata exec "$id" </dev/null
	[[ $output == *"the guest has no shell"* ]]
	run -1 kata exec --kata-debug-port 0 "$id"
	[[ $output == *'flag --kata-debug-port: "0" is no port' ]]

	kata kill "$id" KILL
	wait_for 10 status_is "$id" stopped
	run -255 kata exec "$id" true
	[[ $output == *"container $id is stopped" ]]
	kata delete "$id"
	run -255 kata exec "$id" true
	[[ $output == *"container $id does not exist" ]]
}

@test "verbs: pause, resume, update, events in a machine" {
	run_detached -- sh -c 'i=0; while :; do i=$((i+1)); echo $i >/tmp/m; mv /tmp/m /tmp/n; sleep 0.05; done'
	wait_for 10 test -s "$bundle/rootfs/tmp/n"
	kata events --interval 500ms "$id" >"$BATS_TEST_TMPDIR/events" 2>&1 3>&- &
	events=$!
	# Who listens before anything happens hears of all.
	wait_for 20 grep -q '"stats"' "$BATS_TEST_TMPDIR/events"

	kata pause "$id"
	status_is "$id" paused
	# What was on its way to the host may come yet, and then no more.
	rests()
	{
		before=$(counter)
		sleep 0.5
		[ "$(counter)" = "$before" ]
	}
	wait_for 10 rests
	sleep 0.5
	[ "$(counter)" = "$before" ]
	run -1 kata pause "$id"
	[[ $output == *"container $id is paused already" ]]
	run -255 kata exec "$id" true
	[[ $output == *"cannot exec in a paused container: $id"* ]]
	run -1 kata delete "$id"
	[[ $output == *"paused"* ]]
	kata exec --ignore-paused "$id" echo waited >"$BATS_TEST_TMPDIR/waited" 3>&- &
	kata resume "$id"
	ends_with 0 $!
	[ "$(cat "$BATS_TEST_TMPDIR/waited")" = waited ]
	went_on()
	{
		[ "$(counter)" -gt "$before" ]
	}
	wait_for 10 went_on
	run -1 kata resume "$id"

	group()
	{
		kata exec "$id" cat "/sys/fs/cgroup/$1"
	}
	[ "$(group memory.max)" = 67108864 ]
	kata update --memory 32m --cpu-quota 20000 --cpu-period 100000 --cpu-burst 5000 --pids-limit 50 "$id"
	[ "$(group memory.max)" = 33554432 ]
	[ "$(group cpu.max)" = "20000 100000" ]
	[ "$(group cpu.max.burst)" = 5000 ]
	[ "$(group pids.max)" = 50 ]
	kata update --resources - "$id" <<<'{"cpu": {"quota": -1, "shares": 512}, "pids": {"limit": -1}}'
	[ "$(group cpu.max)" = "max 100000" ]
	[ "$(group pids.max)" = max ]
	[ "$(group memory.max)" = 33554432 ]

	run -137 kata exec "$id" sh -c \
		'echo 1000 >/proc/self/oom_score_adj; exec dd if=/dev/zero of=/dev/null bs=100M count=1'
	wait_for 10 grep -q '"oom"' "$BATS_TEST_TMPDIR/events"
	kata events --stats "$id" >"$BATS_TEST_TMPDIR/stats"
	python - "$BATS_TEST_TMPDIR/stats" "$id" <<-'EOT'
		import json, sys
		e = json.load(open(sys.argv[1]))
		assert (e["type"], e["id"]) == ("stats", sys.argv[2]), e
		d = e["data"]
		assert d["cpu"]["usage"]["total"] > 0 and d["cpu"]["usage"]["user"] > 0, d["cpu"]
		assert d["cpu"]["throttling"]["periods"] > 0, d["cpu"]
		assert d["memory"]["usage"]["limit"] == 33554432, d["memory"]
		assert 0 < d["memory"]["usage"]["usage"] <= d["memory"]["usage"]["max"], d["memory"]
		assert d["memory"]["usage"]["failcnt"] > 0, d["memory"]
		assert 1 <= d["pids"]["current"] < 10, d["pids"]
	EOT

	run -1 kata exec "$id"
	[[ $output == *"debug_console_enabled = true"* ]]

	# What concerns the guest as a whole.
	run -0 kata metrics "$id"
	[[ $output == *kata_guest_load* ]]
	for family in kata_hypervisor_threads kata_virtiofsd_fds kata_shim_fds kata_agent_process_open_fds; do
		grep -q "^$family [1-9]" <<<"$output"
	done
	[ "$(grep -c ^kata_ <<<"$output")" -ge 150 ]
	run -1 kata iptables get --sandbox-id "$id"
	[[ $output == *"iptables-save"* ]]
	run -1 kata policy set --sandbox-id "$id" - <<<'default Nonsense := maybe'
	[[ $output == *"policy, line 1"* ]]
	run -1 kata policy set - <<<''
	[[ $output == *"policy: flag --sandbox-id is missing" ]]
	printf 'package agent_policy\ndefault %s := true\n' SignalProcessRequest WaitProcessRequest \
		RemoveContainerRequest DestroySandboxRequest StatsContainerRequest GetOOMEventRequest \
		>"$BATS_TEST_TMPDIR/policy"
	kata policy set "$BATS_TEST_TMPDIR/policy" --sandbox-id "$id"
	run -1 kata pause "$id"
	[[ $output == *"PauseContainerRequest is blocked by policy" ]]
	kata kill "$id" KILL
	ends_with 0 "$events"
	python - "$BATS_TEST_TMPDIR/events" <<-'EOT'
		import json, sys
		events = [json.loads(line) for line in open(sys.argv[1])]
		assert [e["type"] for e in events].count("oom") == 1, events
		assert [e["type"] for e in events].count("stats") >= 2, events
	EOT
	run -1 kata events "$id"
	[[ $output == *"container $id is not running" ]]
	run -1 kata update --memory 64m "$id"
	[[ $output == *"it is stopped" ]]
	kata delete "$id"
}
