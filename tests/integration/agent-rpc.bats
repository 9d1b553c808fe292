# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2034,SC2154 # agent.bash and bats' run set or use them
#
# The agent as a local process: what it does for its guest, call by call. It
# has a network of its own, and programs of the image that are made for these
# tests.

load agent

agent_unshare=-n
agent_view='mount -t tmpfs tmpfs /run/kata-containers; mount --bind "$BATS_FILE_TMPDIR/sbin" /usr/sbin;'

setup_file()
{
	local name

	agent_rootfs "$BATS_FILE_TMPDIR/image"
	mkdir -p "$BATS_FILE_TMPDIR/sbin" /run/kata-containers
	for name in iptables ip6tables; do
		printf '#!/bin/sh\necho "*%s"; cat /run/kata-containers/rules 2>/dev/null; true\n' \
			"$name" >"$BATS_FILE_TMPDIR/sbin/$name-save"
		printf '#!/bin/sh\n[ "$*" = "--wait 5" ] || exit 9\nread -r line\n%s\n%s\n%s\n' \
			'case $line in bad) echo first >&2; echo "line 1 failed" >&2; exit 2;; esac' \
			'case $line in slow) exec sleep 3600;; esac' \
			'echo "$line" >/run/kata-containers/rules; echo done' \
			>"$BATS_FILE_TMPDIR/sbin/$name-restore"
		chmod 755 "$BATS_FILE_TMPDIR/sbin/$name-save" "$BATS_FILE_TMPDIR/sbin/$name-restore"
	done
}

# in_agent COMMAND…: what the agent sees.
in_agent()
{
	nsenter -t "$agent" -m -n "$@"
}

@test "rpc: the packet filter is got and set by the image's programs" {
	run -0 call rpc GetIPTables
	[ "$output" = 'data=*iptables' ]
	run -0 call rpc SetIPTables data=rule
	[ "$output" = data=done ]
	run -0 call rpc GetIPTables is_ipv6=true
	[ "$output" = $'data=*ip6tables\nrule' ]
	refused EIO 'iptables-restore: status 2: first; line 1 failed' call rpc SetIPTables data=bad
	in_agent mount -t tmpfs tmpfs /usr/sbin
	in_agent mount -t tmpfs tmpfs /sbin
	if ! in_agent test -e /usr/bin/iptables-save -o -e /bin/iptables-save; then
		refused ENOENT 'the guest has no iptables-save' call rpc GetIPTables
	fi
}

@test "rpc: who hangs up in the middle leaves nothing" {
	timeout 0.5 "$KATA_BUILD/tests/tools/agent-call" "$socket" rpc GetOOMEvent || [ $? = 124 ]
	timeout 0.1 "$KATA_BUILD/tests/tools/agent-call" "$socket" create c1 --rootfs "$rootfs" \
		--storage blk:02/00:ext4:/run/x || [ $? = 124 ]
	timeout 0.1 "$KATA_BUILD/tests/tools/agent-call" "$socket" rpc UpdateInterface \
		interface.name=a interface.hwAddr=02:00:00:00:00:01 interface.devicePath=02/00 || [ $? = 124 ]
	"$KATA_BUILD/tests/tools/agent-call" "$socket" rpc SetIPTables data=slow 3>&- &
	eventually pgrep -fx 'sleep 3600'
	kill $!
	wait $! || :
	[ "$(call check)" = 1 ]
	eventually call run c1 --rootfs "$rootfs" -- true
	call destroy-sandbox
	eventually ended "$agent"
	eventually none_runs 'sleep 3600'
}

@test "rpc: who hangs up in the middle of any call" {
	holdings() {
		echo "$(find "/proc/$agent/fd" -mindepth 1 | wc -l) descriptors"
		agent_mounts
		find /sys/fs/cgroup -type d -name 'c[1-9]' | sort
	}
	in_agent mkdir -p /run/kata-containers/shared/containers
	start_container c1 -- sleep 1000
	before=$(holdings)
	run -0 timeout 150 python3 "$BATS_TEST_DIRNAME/hangup.py" "$socket" "$rootfs"
	[ "$output" = $'sandbox 14\ncontainer 17\nstdio 5\nnetwork 7\nhealth 2' ]
	for name in c2 c3 c4; do
		# What nobody waited for may be there or be refused; it can be removed, in the end.
		gone() { call remove "$name" 2>"$BATS_TEST_TMPDIR/said" || grep -q "no container $name" "$BATS_TEST_TMPDIR/said"; }
		eventually gone
	done
	call resume c1 2>/dev/null || :
	# The sandbox's own namespaces came meanwhile: two descriptors and the place of its DNS.
	settled() { [ "$(holdings | tail -n +2)" = "$(tail -n +2 <<<"$before")" ]; }
	eventually settled
	few() { [ "$(find "/proc/$agent/fd" -mindepth 1 | wc -l)" -le $((${before%% *} + 3)) ]; }
	eventually few
	run -0 call run c5 --rootfs "$rootfs" -- echo fine
	[ "$output" = fine ]
	call remove c1
	in_agent rm -rf /run/kata-containers/shared
}

@test "rpc: a termination message, whatever is in it" {
	path=io.kubernetes.container.terminationMessagePath
	annotated=(--set "OCI.Annotations.0.key=$path" --set OCI.Annotations.0.value=/dev/termination-log)
	touch "$BATS_TEST_TMPDIR/log"
	start_container c1 "${annotated[@]}" --mount "bind:$BATS_TEST_TMPDIR/log:/dev/termination-log:bind" -- \
		sh -c 'printf "bye \377 \303\244" >/dev/termination-log; sleep 100'
	eventually_is "data=bye "$'\xef\xbf\xbd '"ä" call rpc GetDiagnosticData log_type=termination_log container_id=c1
	head -c 10000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/log"
	[ "$(call rpc GetDiagnosticData log_type=termination_log container_id=c1 | wc -c)" = $((4096 + 6)) ]
	start_container c2 -- sleep 100
	refused ENOENT 'no termination message' call rpc GetDiagnosticData log_type=termination_log container_id=c2
	refused EINVAL 'unsupported diagnostic log_type: other' call rpc GetDiagnosticData log_type=other
	refused EINVAL 'no container c9' call rpc GetDiagnosticData log_type=termination_log container_id=c9
}

eventually_is()
{
	local deadline=$((SECONDS + 60))

	until [ "$("${@:2}")" = "$1" ]; do
		[ "$SECONDS" -lt "$deadline" ] || { "${@:2}"; return 1; }
		sleep 0.1
	done
}

@test "rpc: what this agent does not do says so" {
	refused ENOSYS 'mem-agent is not supported' call rpc MemAgentMemcgSet swap=true
	refused ENOSYS 'mem-agent is not supported' call rpc MemAgentCompactSet
	refused ENOSYS 'policy, line 1' call rpc SetPolicy policy='allow if input.x'
}

@test "rpc: a local process leaves alone what is the host's" {
	refused EBUSY "the clock is the host's" call rpc SetGuestDateTime Sec=1
	refused EBUSY "the memory is the host's" call rpc AddSwap PCIPath.0=2
	refused EBUSY "the memory is the host's" call rpc AddSwapPath path=/dev/null
	refused EBUSY "the memory is the host's" call rpc MemHotplugByProbe memHotplugProbeAddr.0=0
	refused EBUSY "kernel module loop: the kernel is the host's" call rpc CreateSandbox \
		kernel_modules.0.name=loop
	call rpc OnlineCPUMem nb_cpus=1000 wait=true
	call rpc ReseedRandomDev data=seed
	refused EINVAL 'seed of 0 bytes' call rpc ReseedRandomDev
	refused EINVAL '1 to 4096' call rpc ReseedRandomDev "data=@$KATA_BUILD/guest/agent/kata-agent" ||
		refused EINVAL '1 to 4096' call rpc ReseedRandomDev data=@/bin/busybox
}

@test "rpc: a sandbox that is created again" {
	call rpc CreateSandbox hostname=one sandbox_id=sb1 dns.0='nameserver 1.1.1.1'
	[ "$(in_agent cat /run/kata-containers/sandbox/resolv.conf)" = 'nameserver 1.1.1.1' ]
	start_container c1 -- sleep 100
	call rpc CreateSandbox hostname=two sandbox_id=sb2 dns.0='nameserver 2.2.2.2'
	[ "$(in_agent cat /run/kata-containers/sandbox/resolv.conf)" = 'nameserver 2.2.2.2' ]
	[ "$(call run c2 --rootfs "$rootfs" -- hostname)" = two ]
	[ "$(call exec c1 e1 -- hostname)" = one ]
	# One that fails changes nothing.
	refused EINVAL 'unknown driver' call rpc CreateSandbox hostname=three \
		storages.0.driver=x storages.0.mount_point=/run/x
	[ "$(call run c2 --rootfs "$rootfs" -- hostname)" = two ]
}

@test "rpc: files come in parts, as links and directories" {
	dir=/run/kata-containers/shared/containers
	call rpc CopyFile "path=$dir/a/b/file" file_size=6 file_mode=0100640 dir_mode=0750 uid=12 gid=34 data=abc
	run -1 in_agent test -e "$dir/a/b/file"
	call rpc CopyFile "path=$dir/a/b/file" file_size=6 file_mode=0100640 uid=12 gid=34 offset=3 data=def
	[ "$(in_agent cat "$dir/a/b/file")" = abcdef ]
	[ "$(in_agent stat -c '%a %u %g' "$dir/a/b/file" "$dir/a/b" "$dir/a")" = $'640 12 34\n750 12 34\n750 0 0' ]
	call rpc CopyFile "path=$dir/link" file_mode=0120777 data=a/b/file
	[ "$(in_agent readlink "$dir/link")" = a/b/file ]
	call rpc CopyFile "path=$dir/dir" file_mode=041777
	[ "$(in_agent stat -c %a "$dir/dir")" = 1777 ]
	refused EACCES 'is not below' call rpc CopyFile path=/etc/passwd file_mode=0100644 file_size=1 data=x
	refused EACCES 'is not below' call rpc CopyFile "path=${dir}x/y" file_mode=0100644 file_size=1 data=x
	refused EINVAL 'is not within' call rpc CopyFile "path=$dir/x" file_mode=0100644 file_size=1 data=xyz
	refused EINVAL 'type 10000' call rpc CopyFile "path=$dir/x" file_mode=010644 file_size=1 data=x
	# Nothing leads out, though nothing says no.
	call rpc CopyFile "path=$dir/../../../../etc/x" file_mode=0100644 file_size=1 data=x
	run -1 in_agent test -e /etc/x
}

@test "rpc: links, routes and neighbours" {
	in_agent ip link add one address 02:00:00:00:00:01 type veth peer name two
	eth0=(interface.device=eth0 interface.name=eth0 interface.hwAddr=02:00:00:00:00:01 interface.mtu=1400)
	run -0 call rpc UpdateInterface "${eth0[@]}" interface.IPAddresses.0.address=10.9.0.2 \
		interface.IPAddresses.0.mask=24 interface.IPAddresses.1.family=1 \
		interface.IPAddresses.1.address=fd09::2 interface.IPAddresses.1.mask=64
	[[ $output == *name=eth0* ]]
	in_agent ip link set two up
	run -0 call rpc ListInterfaces
	[[ $output == *"name=eth0"*"address=10.9.0.2"*"mask=24"*"address=fd09::2"*"mtu=1400"* ]]
	run -0 call rpc UpdateRoutes routes.Routes.0.gateway=10.9.0.1 routes.Routes.0.device=eth0 \
		routes.Routes.1.dest=10.8.0.0/16 routes.Routes.1.device=eth0 routes.Routes.1.mtu=1300 \
		routes.Routes.1.source=10.9.0.2 routes.Routes.1.scope=253
	[[ $output == *"gateway=10.9.0.1"* && $output == *"dest=10.8.0.0/16"* ]]
	run -0 in_agent ip route show
	[[ $output == *"default via 10.9.0.1 dev eth0"* ]]
	[[ $output == *"10.8.0.0/16 dev eth0"*"scope link src 10.9.0.2 mtu 1300"* ]]
	call rpc AddARPNeighbors neighbors.ARPNeighbors.0.toIPAddress.address=10.9.0.1 \
		neighbors.ARPNeighbors.0.device=eth0 neighbors.ARPNeighbors.0.lladdr=02:00:00:00:00:09 \
		neighbors.ARPNeighbors.0.state=128
	[[ $(in_agent ip neigh) == *"10.9.0.1 dev eth0 lladdr 02:00:00:00:00:09"*PERMANENT* ]]
	refused EINVAL 'empty update interface request' call rpc UpdateInterface
	refused EINVAL 'no hardware address' call rpc UpdateInterface interface.name=x interface.hwAddr=x
	refused EINVAL '"10.9.0/24" is no address' call rpc UpdateInterface "${eth0[@]}" \
		interface.IPAddresses.0.address=10.9.0 interface.IPAddresses.0.mask=24
	[[ $(in_agent ip link show eth0) == *[,\<]UP[,\>]* ]]
	refused EINVAL 'is no PCI path' call rpc UpdateInterface "${eth0[@]}" interface.devicePath=zz
	refused ETIMEDOUT 'link at PCI path 02/00: not there after 300 ms' call rpc UpdateInterface \
		"${eth0[@]}" interface.devicePath=02/00
	refused ENOENT 'Link not found (02:00:00:00:00:77): nosuch' call rpc UpdateInterface interface.name=nosuch interface.hwAddr=02:00:00:00:00:77
	refused EINVAL 'bad address' call rpc UpdateRoutes routes.Routes.0.dest=x routes.Routes.0.device=eth0
	refused ENOENT 'at "nosuch"' call rpc UpdateRoutes routes.Routes.0.device=nosuch
	refused EINVAL 'no address' call rpc AddARPNeighbors neighbors.ARPNeighbors.0.device=eth0
}

@test "rpc: a network of all kinds is as it was asked for, and changes without a gap" {
	in_agent ip link add spare address 02:00:00:00:00:01 type veth peer name far
	in_agent ip link set far up
	# A link of which only the address that it has now is known; nobody waits for IPv6.
	eth0=(interface.device=eth0 interface.name=eth0 interface.hwAddr=02:00:00:00:00:02
		interface.IPAddresses.0.address=10.9.0.2 interface.IPAddresses.0.mask=24
		interface.IPAddresses.1.family=1 interface.IPAddresses.1.address=fd09::2 interface.IPAddresses.1.mask=64)
	call rpc UpdateInterface "${eth0[@]}" interface.presentHwAddr=02:00:00:00:00:01 \
		interface.IPAddresses.2.address=10.10.0.2 interface.IPAddresses.2.mask=24
	[[ $(in_agent ip link show eth0) == *02:00:00:00:00:02* ]]
	[ -z "$(in_agent ip -6 addr show dev eth0 tentative)" ]
	[[ $(in_agent ip -6 addr show dev eth0) == *"fd09::2/64"*fe80::ff:fe00:2/64* ]]
	routes=(routes.Routes.0.gateway=10.9.0.1 routes.Routes.0.device=eth0
		routes.Routes.1.gateway=10.9.0.3 routes.Routes.1.device=eth0 routes.Routes.1.metric=50
		routes.Routes.2.dest=10.66.0.0/16 routes.Routes.2.type=6
		routes.Routes.3.dest=10.67.0.0/16 routes.Routes.3.gateway=192.168.1.1 routes.Routes.3.flags=4 routes.Routes.3.device=eth0
		routes.Routes.4.family=1 routes.Routes.4.gateway=fd09::1 routes.Routes.4.device=eth0
		routes.Routes.5.family=1 routes.Routes.5.gateway=fe80::9 routes.Routes.5.device=eth0 routes.Routes.5.metric=2048)
	call rpc UpdateRoutes "${routes[@]}"
	run -0 in_agent ip route
	[[ $output == *"default via 10.9.0.1 dev eth0"*"default via 10.9.0.3 dev eth0 metric 50"* ]]
	[[ $output == *"blackhole 10.66.0.0/16"*"10.67.0.0/16 via 192.168.1.1 dev eth0 onlink"* ]]
	run -0 in_agent ip -6 route show default
	[[ $output == *"via fd09::1 dev eth0 metric 1024"*"via fe80::9 dev eth0 metric 2048"* ]]
	# The same again: the link is not set down, nothing is taken away and put back.
	timeout 120 nsenter -t "$agent" -n ip monitor link address route >"$BATS_TEST_TMPDIR/changes" 3>&- &
	monitor=$!
	# It listens when it tells of this group, and has told all when it tells of that.
	marked() { in_agent ip link set dev far group "$1" && grep -q "group $1 " "$BATS_TEST_TMPDIR/changes"; }
	eventually marked 11
	call rpc UpdateInterface "${eth0[@]}"
	call rpc UpdateRoutes "${routes[@]}"
	eventually marked 12
	kill "$monitor"
	wait "$monitor" || :
	run -0 grep -E 'Deleted|state DOWN' "$BATS_TEST_TMPDIR/changes"
	[[ $output == *"10.10.0.2/24"* ]]
	run -1 grep -vF 10.10.0. <<<"$output"
	call rpc UpdateRoutes "${routes[@]:0:2}"
	run -0 in_agent ip route
	[ "$output" = $'default via 10.9.0.1 dev eth0 \n10.9.0.0/24 dev eth0 proto kernel scope link src 10.9.0.2 ' ]
	[ -z "$(in_agent ip -6 route show default)" ]
	refused EINVAL 'bad type or scope' call rpc UpdateRoutes routes.Routes.0.device=eth0 routes.Routes.0.type=99
	[[ $(in_agent ip route) == *"default via 10.9.0.1"* ]]
}

@test "rpc: a volume in memory changes its size, and shares are looked at" {
	dir=$BATS_TEST_TMPDIR/eph
	volume=(storages.0.driver=ephemeral storages.0.fstype=tmpfs storages.0.source=tmpfs "storages.0.mount_point=$dir")
	start_container c1 --storage "ephemeral:tmpfs:tmpfs:$dir:size=1m" --mount "bind:$dir:/data:rbind" -- sleep 100
	run -1 call exec c1 e1 -- sh -c 'head -c 1500000 /dev/zero >/data/f'
	call rpc UpdateEphemeralMounts "${volume[@]}" storages.0.options.0=size=2m
	run -0 call exec c1 e2 -- sh -c 'head -c 1500000 /dev/zero >/data/f && wc -c </data/f'
	[ "$output" = 1500000 ]
	refused EINVAL "size" call rpc UpdateEphemeralMounts "${volume[@]}" storages.0.options.0=size=x
	refused EINVAL 'is not ephemeral' call rpc UpdateEphemeralMounts "${volume[@]}" storages.0.driver=local
	refused ENOENT 'storage /no/such is not mounted' call rpc UpdateEphemeralMounts "${volume[@]}" \
		storages.0.mount_point=/no/such storages.0.options.0=size=2m
	# Nothing is asked of it.
	call rpc UpdateEphemeralMounts "${volume[@]}" storages.0.mount_point=/no/such
	call remove c1
	in_agent mkdir -p /run/kata-containers/shared/containers/x
	in_agent mount -t tmpfs tmpfs /run/kata-containers/shared/containers/x
	call rpc RemoveStaleVirtiofsShareMounts
	in_agent umount /run/kata-containers/shared/containers/x
}

@test "rpc: streams that nobody listens for are refused" {
	refused EINVAL 'agent.passfd_listener_port' call create c1 --rootfs "$rootfs" --set stdout_port=5
	start_container c1 -- sleep 100
	refused EINVAL 'agent.passfd_listener_port' call rpc ExecProcess container_id=c1 exec_id=e1 stdin_port=5
}

@test "rpc: the debug console is a shell on a terminal, if it is asked for" {
	run -1 test -e "$socket.console"
	call destroy-sandbox
	eventually ended "$agent"
	echo 'debug_console = true' >>"$BATS_TEST_TMPDIR/agent.toml"
	KATA_AGENT_SERVER_ADDR=unix://$socket unshare -m --propagation private \
		"$KATA_BUILD/guest/agent/kata-agent" -c "$BATS_TEST_TMPDIR/agent.toml" >"$log" 2>&1 3>&- &
	agent=$!
	eventually test -S "$socket.console"
	run -0 timeout 100 python3 - "$socket.console" <<-'EOF'
		import socket, sys, time
		def connect():
		    while True:  # its name is there before it listens
		        s = socket.socket(socket.AF_UNIX)
		        try:
		            s.connect(sys.argv[1])
		        except ConnectionRefusedError:
		            time.sleep(0.05)
		            continue
		        s.settimeout(60)
		        return s
		one, two = connect(), connect()
		two.send(b"exec sleep 4321\n")
		one.send(b"tty; echo sum $((40+2)); exit\n")
		said = b""
		while more := one.recv(4096):
		    said += more
		print(said.decode())
		time.sleep(0.2)
		two.close()
	EOF
	[[ $output == */dev/pts/*"sum 42"* ]]
	eventually none_runs 'sleep 4321'
	[ "$(call check)" = 1 ]
}

@test "rpc: it serves an abstract socket, and refuses one that is taken" {
	local own=@kata-agent-test-$BATS_ROOT_PID abstract

	KATA_AGENT_SERVER_ADDR=unix://$own "$KATA_BUILD/guest/agent/kata-agent" >"$log.2" 2>&1 3>&- &
	abstract=$!
	eventually "$KATA_BUILD/tests/tools/agent-call" "$own" check
	run -1 env KATA_AGENT_SERVER_ADDR="unix://$own" "$KATA_BUILD/guest/agent/kata-agent"
	[[ $output == *"Address already in use"* ]]
	run -1 env KATA_AGENT_SERVER_ADDR=vsock://x "$KATA_BUILD/guest/agent/kata-agent"
	[[ $output == *"not vsock://CID:PORT"* ]]
	run -1 env KATA_AGENT_SERVER_ADDR=serial:///no/such "$KATA_BUILD/guest/agent/kata-agent"
	[[ $output == *"serial:///no/such: No such file"* ]]
	"$KATA_BUILD/tests/tools/agent-call" "$own" destroy-sandbox
	eventually ended "$abstract"
}

@test "rpc: metrics are text for Prometheus" {
	run -0 call rpc GetMetrics
	[[ $output == *"# TYPE kata_guest_meminfo gauge"*'kata_guest_meminfo{item="mem_total"} '* ]]
	# Each line is a comment or NAME{LABELS} NUMBER.
	run -1 grep -Ev '^(metrics=)?(# (HELP|TYPE) |[a-z_]+(\{([a-z]+="[^"]*",?)+\})? -?[0-9.e+]+$)' <<<"$output"
}
