# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2030,SC2031,SC2034,SC2154,SC2317 # run sets status and output; common.bash the rest
#
# One list of what is expected of containers, for every hypervisor: containers.bats runs it on
# each. What came out is written as TAP's comments, "# list: HYPERVISOR: TITLE: RESULT", from
# which tests/lab/table makes the table of docs/hypervisors.md. The result is "yes", or "no"
# where the driver says that it cannot and refuses clearly, or a word about how; what is
# promised and does not work fails the test.

# The rows, as they are shown.
container_list=(
	"root file system"
	"standard input, output, error"
	"exit status"
	"exec"
	"terminal"
	"signals"
	"kill"
	"several containers in a sandbox"
	"volume: a file"
	"volume: a directory"
	"network: addresses, and who pings them"
	"memory limit, and who exceeds it"
	"pause and resume"
	"statistics"
	"disk that comes and goes"
	"more memory while it runs"
	"more processors while it runs"
	"stopped and started again"
	"kill -9 of the hypervisor: noticed, nothing is left"
)

# Emulated processors take their time.
limit=150

# Not twenty processes a second.
wait_step=0.3

# That of common.bash, without a python.
status_is()
{
	kata state "$1" 2>/dev/null | grep -q "\"status\": *\"$2\""
}

# A network namespace as a pod has one. It is there before, and gone before all is compared.
list_network()
{
	ip netns add pod
	ip link add list-host type veth peer name eth0 netns pod
	ip addr add 10.77.0.1/24 dev list-host
	ip link set list-host up
	ip -n pod link set lo up
	ip -n pod addr add 10.77.0.2/24 dev eth0
	ip -n pod link set eth0 up mtu 1400
	ip netns exec pod cat /sys/class/net/eth0/address >"$BATS_TEST_TMPDIR/mac"
	leftovers_snapshot "$BATS_TEST_TMPDIR/before"
}

list_no_network()
{
	[ -e /run/netns/pod ] || return 0
	ip netns del pod
	ip link del list-host 2>/dev/null || :
	# Which ip has made a mount of, unless others have namespaces there.
	umount /run/netns 2>/dev/null || :
	rmdir /run/netns 2>/dev/null || :
}

eval "common_$(declare -f teardown)"
teardown()
{
	list_no_network
	common_teardown
}

# The configuration is there: what the driver says of it.
list_begin()
{
	mkdir "$BATS_TEST_TMPDIR/conf"
	ln -s "$KATA_CONFIG" "$BATS_TEST_TMPDIR/conf/configuration-$1.toml"
	# A program has two seconds to tell its version, which may be few here.
	for _ in 1 2; do
		"$kata_runtime" hypervisors --dir "$BATS_TEST_TMPDIR/conf" --json >"$BATS_TEST_TMPDIR/choices"
		read -r version features < <(python3 -c 'import json, sys
row = next(r for r in json.load(open(sys.argv[1])) if r["name"] == sys.argv[2])
print(row["version"], *(name for name, has in row["features"].items() if has))' \
			"$BATS_TEST_TMPDIR/choices" "$hypervisor")
		[ "$version" = None ] || break
	done
	list_tell version "$version"
}

can()
{
	[[ " $features " == *" $1 "* ]]
}

list_tell()
{
	echo "# list: $hypervisor: $1: $2" >&3
}

# check TITLE COMMAND…: a line of the list. It is a child that nobody asks "if", so that it
# ends with the first command that fails; what it writes to $result is told instead of "yes",
# and nothing where that is empty.
check()
{
	local title=$1 ended=0

	shift
	echo yes >"$result"
	(
		set +T
		trap - DEBUG ERR EXIT
		set -e
		"$@"
	) >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
	wait $! || ended=$?
	if [ "$ended" != 0 ]; then
		echo fails >"$result"
		list_bad+="$title; "
		echo "--- $title: $1 ended with $ended"
		tail -n 30 "$BATS_TEST_TMPDIR/said"
	fi
	[ ! -s "$result" ] || list_tell "$title" "$(cat "$result")"
	[ -z "${KATA_TEST_TIMES:-}" ] || echo "# $SECONDS s" >&3
}

# comes PATTERN [NAME]: it is in the output of the container of $bundle[-NAME] before its
# `run`, $runner, ends.
comes()
{
	local file=$bundle${2:+-$2}.out deadline=$((SECONDS + limit))

	until grep -q -- "$1" "$file"; do
		if [ "$SECONDS" -ge "$deadline" ] || ! kill -0 "$runner"; then
			tail -n 20 "$file" "${file%.out}.err" "$KATA_LOG"
			return 1
		fi
		sleep 0.3
	done
}

# member NAME CODE COMMAND…: the bundle of a container that joins $id's sandbox, its
# config.json changed by CODE. All of them have one root, one after the other.
member()
{
	local name=$1 code=$2

	shift 2
	rm -rf "$bundle-$name"
	mkdir -p "$bundle-$name"
	[ ! -d "$bundle-members" ] || mv "$bundle-members" "$bundle-$name/rootfs"
	container_bundle "$bundle-$name" -- "$@"
	mv "$bundle-$name/rootfs" "$bundle-members"
	"$kata_tree/tests/lib/change_spec.py" "$bundle-$name" "
c['root']['path'] = '$bundle-members'
note('io.kubernetes.cri-o.ContainerType', 'container')
note('io.kubernetes.cri-o.SandboxID', '$id')
$code"
}

# status_of PID: of a child of this shell
status_of()
{
	code=0
	wait "$1" || code=$?
}

# memory_of: the guest's, in kB
memory_of()
{
	kata exec "$id" sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo
}

# ---- the items ----------------------------------------------------------------------------

item_root()
{
	if can shared_files; then
		grep -q ' / virtiofs ' "$bundle.out"
		echo shared >"$result"
	else
		grep -q '^overlay / overlay rw' "$bundle.out"
		echo disks >"$result"
	fi
}

item_exec()
{
	run -3 kata exec "$id" sh -c 'echo from exec; cat; exit 3' <<<"in and out"
	[ "$output" = $'from exec\nin and out' ]
}

item_terminal()
{
	run -4 script -qec "stty rows 31 cols 97; $kata_runtime --config $KATA_CONFIG --root $KATA_ROOT exec --tty $id \
		sh -c 'tty; stty size; exit 4'" /dev/null </dev/null
	[[ $output == */dev/pts/*"31 97"* ]]
}

item_streams()
{
	grep -qx words "$bundle.err"
	cmp "$BATS_TEST_TMPDIR/data" "$bundle-b.out"
	grep -q '^boot ' "$bundle-b.err"
}

# The same machine, and the first one lives on.
item_several()
{
	[ "$(grep '^boot ' "$bundle-b.err")" = "$(grep '^boot ' "$bundle.out")" ]
	[ "$(grep -c '^boot ' "$bundle.out")" = 1 ]
	status_is "$id" running
}

item_file()
{
	[ "$(kata exec "$id" sh -c 'cat /etc/volume; ! echo no >/etc/volume' 2>&1 | head -n 1)" = "a file" ]
	[ "$(cat "$BATS_TEST_TMPDIR/file")" = "a file" ]
	can shared_files || echo copy >"$result"
}

item_directory()
{
	if can shared_files; then
		echo later >"$BATS_TEST_TMPDIR/volume/later"
		run -0 kata exec "$id" sh -c 'cat /volume/in /volume/later; echo from the guest >/volume/out'
		[ "$output" = $'from the host\nlater' ]
		[ "$(cat "$BATS_TEST_TMPDIR/volume/out")" = "from the guest" ]
	else
		[ "$(kata exec "$id" cat /volume/in)" = "from the host" ]
		echo "read-only copy" >"$result"
	fi
}

# What its network namespace has the guest has.
item_network()
{
	run -0 kata exec "$id" ip addr show dev eth0
	[[ $output == *"mtu 1400"*"link/ether $(cat "$BATS_TEST_TMPDIR/mac")"*"inet 10.77.0.2/24"* ]]
	busybox ping -c 1 -W 10 10.77.0.2
	kata exec "$id" ip route | grep -q '^10.77.0.0/24 dev eth0'
}

counted()
{
	[ "$(cat "$BATS_TEST_TMPDIR/volume/count")" != "${1:-}" ]
}

item_pause()
{
	local count

	! can shared_files || wait_for "$limit" test -s "$BATS_TEST_TMPDIR/volume/count"
	kata pause "$id"
	status_is "$id" paused
	if can shared_files; then
		# What was on its way to the host may come yet, and then no more.
		rests()
		{
			count=$(cat "$BATS_TEST_TMPDIR/volume/count")
			sleep 1
			! counted "$count"
		}
		wait_for 30 rests
		sleep 1
		! counted "$count" || return
	fi
	run ! kata exec "$id" true
	kata resume "$id"
	status_is "$id" running
	! can shared_files || wait_for "$limit" counted "$count"
	kata exec "$id" true
}

item_statistics()
{
	run -0 kata events --stats "$id"
	python3 -c 'import json, sys; d = json.loads(sys.argv[1])["data"]; assert d["memory"]["usage"]["usage"] > 0 and d["cpu"]["usage"]["total"] > 0, d' "$output"
	run -0 kata ps "$id"
	[[ $output == *"sleep 1000"* ]]
}

item_memory_limit()
{
	comes '^dd 137' m
}

# What takes more than it may is killed; so is who is told to.
item_kill()
{
	[ "$code" = 137 ]
	status_is "$id" running
}

item_signals()
{
	kata kill "$id" USR1
	comes '^got usr1'
	kata kill "$id" TERM
}

# The sizes of all disks of the guest.
disks_of()
{
	kata exec "$id" sh -c 'cat /sys/block/*/size' | sort -n
}

item_disk()
{
	local loop code round before

	truncate -s 8M "$BATS_TEST_TMPDIR/disk"
	loop=$(losetup --find --show "$BATS_TEST_TMPDIR/disk")
	# shellcheck disable=SC2064 # this one
	trap "losetup --detach $loop" EXIT
	before=$(disks_of)
	for round in 1 2; do
		head -c 4096 /dev/urandom >"$BATS_TEST_TMPDIR/sectors"
		dd if="$BATS_TEST_TMPDIR/sectors" of="$loop" conv=notrunc oflag=sync status=none
		member d "st = os.stat('$loop')
linux['devices'] = [{'path': '/dev/x', 'type': 'b', 'major': os.major(st.st_rdev), 'minor': os.minor(st.st_rdev)}]" \
			sh -c 'head -c 4096 /dev/x; exit 4'
		code=0
		kata run --bundle "$bundle-d" "$id-d$round" </dev/null >"$bundle-d.out" 2>"$bundle-d.err" || code=$?
		cat "$bundle-d.err"
		if ! can disk_hotplug; then
			[ "$code" != 0 ]
			grep "hypervisor \"$hypervisor\" cannot plug a device into a machine" "$bundle-d.err"
			status_is "$id" running
			echo no >"$result"
			return
		fi
		[ "$code" = 4 ]
		cmp "$BATS_TEST_TMPDIR/sectors" "$bundle-d.out"
		# It goes from the guest, too.
		gone() { [ "$(disks_of)" = "$before" ]; }
		wait_for 30 gone
	done
}

item_memory()
{
	local before

	before=$(memory_of)
	kata update --memory 268435456 "$id"
	if can memory_hotplug; then
		# A slow guest sees it a moment later.
		grown() { [ "$(memory_of)" -ge $((before + 200000)) ]; }
		wait_for 30 grown
	else
		[ "$(memory_of)" = "$before" ]
		echo no >"$result"
	fi
}

item_processors()
{
	local before

	# No machine has more than the host.
	[ "$(nproc)" -gt 1 ] || ! can cpu_hotplug || { : >"$result" && return; }
	before=$(kata exec "$id" grep -c ^processor /proc/cpuinfo)
	kata update --cpu-period 100000 --cpu-quota 100000 "$id"
	if can cpu_hotplug; then
		more() { [ "$(kata exec "$id" grep -c ^processor /proc/cpuinfo)" = $((before + 1)) ]; }
		wait_for 30 more
	else
		[ "$(kata exec "$id" grep -c ^processor /proc/cpuinfo)" = "$before" ]
		echo no >"$result"
	fi
}

item_status()
{
	# Of the member that read all its input, and of the one that was told to end.
	[ "$joined" = 4 ] && [ "$code" = 9 ]
	run ! kata state "$id"
}

item_again()
{
	grep -qx 'before: kept' "$bundle.out"
}

item_murder()
{
	[ "$code" != 0 ]
	kata delete --force "$id" || :
	run ! kata state "$id"
	leftovers_compare "$BATS_TEST_TMPDIR/before"
	[ "$(ip -n pod -o link | wc -l)" = 2 ]
}

# ---- all of them ----------------------------------------------------------------------------

# What the first container does; the second time it finds what it wrote.
list_script='echo "before: $(cat /kept 2>&1)"; echo kept >/kept
echo "boot $(cat /proc/sys/kernel/random/boot_id)"; cat /proc/mounts /proc/cmdline; echo words >&2
trap "exit 9" TERM; trap "echo got usr1" USR1
i=0; while [ -e /volume/counts ]; do i=$((i + 1)); echo $i >/volume/new; mv /volume/new /volume/count; sleep 0.3; done &
sleep 1000 & echo ready; while :; do wait $!; done'

list_first()
{
	local mode=ro

	mkdir -p "$BATS_TEST_TMPDIR/volume"
	echo "a file" >"$BATS_TEST_TMPDIR/file"
	echo "from the host" >"$BATS_TEST_TMPDIR/volume/in"
	! can shared_files || { mode=rw && touch "$BATS_TEST_TMPDIR/volume/counts"; }
	container_bundle "$bundle" -- sh -c "$list_script"
	touch "$bundle/rootfs/etc/volume"
	mkdir -p "$bundle/rootfs/volume"
	"$kata_tree/tests/lib/change_spec.py" "$bundle" "
for name, target, mode in ('file', '/etc/volume', 'ro'), ('volume', '/volume', '$mode'):
    mount = {'type': 'bind', 'source': '$BATS_TEST_TMPDIR/' + name, 'destination': target}
    c['mounts'].append({**mount, 'options': ['rbind', mode]})
join('network', '/run/netns/pod')"
	start_container "$id" "$bundle"
	comes '^ready'
}

# list FILE PROGRAM [COMMAND]: of the hypervisor whose configuration FILE names and whose
# process is PROGRAM (its first 15 characters). COMMAND is what is to be seen of this one alone, while it runs.
list()
{
	local joined code runner first

	result=$BATS_TEST_TMPDIR/result
	list_begin "$1"
	list_network
	list_first
	first=$runner
	check "root file system" item_root
	[ -z "${3:-}" ] || check "${3//_/ }" "$3"
	check exec item_exec
	check terminal item_terminal
	check "volume: a file" item_file
	check "volume: a directory" item_directory
	check "network: addresses, and who pings them" item_network
	check "pause and resume" item_pause
	check statistics item_statistics

	head -c 300000 /dev/urandom >"$BATS_TEST_TMPDIR/data"
	member b "" sh -c 'echo "boot $(cat /proc/sys/kernel/random/boot_id)" >&2; cat; exit 4'
	joined=0
	kata run --bundle "$bundle-b" "$id-b" <"$BATS_TEST_TMPDIR/data" >"$bundle-b.out" 2>"$bundle-b.err" || joined=$?
	check "standard input, output, error" item_streams
	check "several containers in a sandbox" item_several
	check "disk that comes and goes" item_disk
	# Before there is one with a limit, for which the machine would grow.
	check "more memory while it runs" item_memory
	check "more processors while it runs" item_processors

	member m "linux['resources'] = {'memory': {'limit': 20 << 20}}" \
		sh -c 'dd if=/dev/zero of=/dev/null bs=100M count=1; echo "dd $?"; exec sleep 1000'
	start_container "$id-m" "$bundle-m"
	check "memory limit, and who exceeds it" item_memory_limit
	kata kill "$id-m" KILL
	status_of "$runner"
	check kill item_kill

	runner=$first
	check signals item_signals
	status_of "$first"
	check "exit status" item_status

	rm -f "$bundle.out"
	list_first
	check "stopped and started again" item_again
	kill -9 "$(pgrep -x "$2")"
	status_of "$runner"
	check "kill -9 of the hypervisor: noticed, nothing is left" item_murder
	list_no_network
	[ -z "$list_bad" ] || { echo "does not work: $list_bad" && return 1; }
}
