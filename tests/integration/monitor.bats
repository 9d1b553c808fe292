#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What operators ask: a sandbox's own socket, kata-monitor, kata-runtime metrics.

# shellcheck disable=SC2034,SC2154 # shared with common.bash
KATA_TEST_HYPERVISOR=fake
load common

kata_monitor=$KATA_BUILD/host/monitor/kata-monitor

# ask PATH [CURL-OPTION…]: the sandbox $id itself, through its socket.
ask()
{
	local path=$1

	shift
	curl -sS --max-time 60 --unix-socket "$KATA_ROOT/$id/shim-monitor.sock" "$@" "http://shim$path"
}

# start_monitor: on a port that is free; $monitor is its process, $url where it is.
start_monitor()
{
	local port

	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	url=http://127.0.0.1:$port
	"$kata_monitor" --listen-address "127.0.0.1:$port" --root "$KATA_ROOT" \
		--runtime-endpoint /nonexistent.sock 2>"$BATS_TEST_TMPDIR/monitor.log" 3>&- &
	monitor=$!
	wait_for 5 curl -s --max-time 5 -o /dev/null "$url/"
}

# Every line of Prometheus' format, no series twice, each family once; prints how many samples
# have the label sandbox_id="$1".
check_metrics()
{
	python3 - "$1" "$2" <<-'EOT'
		import re, sys
		path, sandbox = sys.argv[1:]
		label = r'[a-zA-Z_]\w*="(?:[^"\\\n]|\\.)*"'
		sample = re.compile(rf'^([a-zA-Z_:][\w:]*)(\{{{label}(?:,{label})*\}})? (\S+)$')
		seen, types, family, count = set(), set(), "", 0
		for line in open(path).read().splitlines():
		    if line.startswith("# TYPE "):
		        family = line.split()[2]
		        assert family not in types, line
		        types.add(family)
		    elif not line.startswith("# HELP "):
		        m = sample.match(line)
		        assert m and float(m[3]) is not None, line
		        assert m[1] in (family, family + "_bucket", family + "_sum", family + "_count"), line
		        assert (m[1], m[2]) not in seen, line
		        assert not m[1].startswith("go_"), line
		        seen.add((m[1], m[2]))
		        count += f'sandbox_id="{sandbox}"' in line
		print(count)
	EOT
}

# scraped ID…: what the monitor says of these, into metrics. It leaves out who does not answer
# within three seconds, which is anybody on a machine that is busy enough.
scraped()
{
	local name

	curl -sS --max-time 60 "$url/metrics" >"$BATS_TEST_TMPDIR/metrics" || return
	for name; do
		[ "$(check_metrics "$BATS_TEST_TMPDIR/metrics" "$name")" -ge 150 ] || return
	done
}

@test "monitor: flags and pages" {
	run -0 "$kata_monitor" --version
	[[ $output == kata-monitor*Version:*"Git commit:"* ]]
	run -0 "$kata_monitor" -h
	[[ $output == *-listen-address* ]]
	run -2 "$kata_monitor" --nosuch
	[ "${lines[0]}" = "kata-monitor: flag provided but not defined: -nosuch" ]
	run -1 "$kata_monitor" --listen-address 192.0.2.1:1
	[[ $output == *"cannot listen on 192.0.2.1:1: "* ]]
	start_monitor
	run -0 curl -sS "$url/"
	[[ $output == "Available HTTP endpoints:"*/metrics*/sandboxes*/agent-url* ]]
	[ "$(curl -s -o /dev/null -w '%{http_code}' "$url/debug/pprof/")" = 404 ]
	[ "$(curl -s "$url/sandboxes")" = "" ]
	curl -s "$url/metrics" >"$BATS_TEST_TMPDIR/metrics"
	[ "$(check_metrics "$BATS_TEST_TMPDIR/metrics" x)" = 0 ]
	grep -qx 'kata_monitor_running_shim_count 0' "$BATS_TEST_TMPDIR/metrics"
	kill -TERM "$monitor"
	ends_with 0 "$monitor"
}

@test "monitor: pods, one of which hangs and one of which ends" {
	local other=$id-2 shim rss
	container_bundle "$bundle" -- sleep 1000
	python3 "$kata_tree/tests/lib/change_spec.py" "$bundle" '
note("io.kubernetes.cri.container-type", "sandbox")
note("io.kubernetes.cri.sandbox-uid", "uid-1")
note("io.kubernetes.cri.sandbox-name", "web")
note("io.kubernetes.cri.sandbox-namespace", "shop")'
	container_bundle "$bundle-2" -- sleep 1000
	start_container "$id" "$bundle"
	first=$runner
	start_container "$other" "$bundle-2"
	wait_for 10 status_is "$id" running
	wait_for 10 status_is "$other" running
	start_monitor
	[ "$(curl -s "$url/sandboxes" | xargs)" = "$id $other" ]
	wait_for 20 scraped "$id" "$other"
	marks="sandbox_id=\"$id\",cri_uid=\"uid-1\",cri_name=\"web\",cri_namespace=\"shop\""
	grep -q "^kata_shim_process_open_fds{$marks} " "$BATS_TEST_TMPDIR/metrics"
	grep -q "^kata_guest_load{item=\"load1\",$marks} " "$BATS_TEST_TMPDIR/metrics"
	grep -q "^kata_shim_rpc_durations_histogram_milliseconds_count{action=\"create\",$marks} 1" \
		"$BATS_TEST_TMPDIR/metrics"
	grep -q "^kata_shim_agent_rpc_durations_histogram_milliseconds_count{action=\"grpc.StartContainerRequest\",$marks} 1" \
		"$BATS_TEST_TMPDIR/metrics"

	# The sandbox itself, and the command line.
	ask /metrics >"$BATS_TEST_TMPDIR/one"
	check_metrics "$BATS_TEST_TMPDIR/one" x
	kata metrics "$id" >"$BATS_TEST_TMPDIR/two"
	diff <(sed -n 's/^# TYPE //p' "$BATS_TEST_TMPDIR/one") <(sed -n 's/^# TYPE //p' "$BATS_TEST_TMPDIR/two")
	[ "$(ask /debug/vars -o /dev/null -w '%{http_code}')" = 404 ]
	[ "$(ask /policy -X PUT -d 'default Nonsense := maybe' -o /dev/null -w '%{http_code}')" = 500 ]
	[[ $(ask '/direct-volume/stats?path=/nonexistent') == *"has the volume /nonexistent" ]]

	# A hundred scrapes, on one connection, leave the shim as small as it is.
	shim=$(program_of "$id" containerd-shim-kata-v2)
	ask '/metrics?n=[1-100]' -o /dev/null
	rss=$(awk '/^Private_Dirty:/ { print $2 }' "/proc/$shim/smaps_rollup")
	[ "$rss" -le 1536 ] || { echo "$rss KiB" >&2; false; }
	[ "$(find "/proc/$shim/task" -mindepth 1 -maxdepth 1 | wc -l)" -le 2 ]

	# One shim does not answer: the other one is told, in time.
	kill -STOP "$shim"
	wait_for 20 scraped "$other"
	kill -CONT "$shim"
	[ "$(check_metrics "$BATS_TEST_TMPDIR/metrics" "$id")" = 0 ]
	grep -qx 'kata_monitor_scrape_failed_count [1-9][0-9]*' "$BATS_TEST_TMPDIR/metrics"

	# Scrapes without a pause while it ends: each is answered, or refused when it is gone.
	while [ -S "$KATA_ROOT/$id/shim-monitor.sock" ]; do
		curl -s --max-time 60 --unix-socket "$KATA_ROOT/$id/shim-monitor.sock" \
			http://shim/metrics -o /dev/null -w '%{http_code}\n' || echo "curl $?"
	done >"$BATS_TEST_TMPDIR/codes" 3>&- &
	scraping=$!
	kata kill "$id" KILL
	ends_with 137 "$first"
	wait "$scraping"
	run -1 grep -Evx '200|000|curl (7|52|56)' "$BATS_TEST_TMPDIR/codes"
	run -1 kata metrics "$id"
	[[ $output == *"container $id does not exist" ]]
	wait_for 5 eval '[ "$(curl -s "$url/sandboxes")" = "$other" ]'
	kata kill "$other" KILL
	ends_with 137 "$runner"
	wait_for 5 eval '[ "$(curl -s "$url/sandboxes")" = "" ]'
	kill -TERM "$monitor"
	ends_with 0 "$monitor"
}
