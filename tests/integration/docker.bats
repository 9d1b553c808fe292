#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The real Docker with the command line as its runtime, and with the shim: the same lines with
# runc or crun, and what is seen from inside is the same. On the fake driver but for the last.

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=fake
load common
load engines

eval "common_$(declare -f teardown)"

teardown()
{
	docker_remove
	common_teardown
}

begin()
{
	engine=docker_
	container_bundle "$bundle" -- true
	docker_start "$BATS_TEST_TMPDIR/d" "$bundle" "$@"
}

state_of()
{
	docker_ inspect --format '{{.State.Status}} {{.State.ExitCode}}' "$1"
}

state_is()
{
	[ "$(state_of "$1")" = "$2" ]
}

@test "docker: run and build, with runc or crun and with kata" {
	begin
	mkdir "$BATS_TEST_TMPDIR/volume"
	echo outside >"$BATS_TEST_TMPDIR/volume/file"
	same_as_peer --network none --user demo --cap-drop all --cap-add CHOWN --group-add 7 --init \
		--security-opt no-new-privileges --hostname box --env A=b --workdir /tmp --read-only \
		--tmpfs /t:size=1m,mode=1777 --shm-size 2m --ulimit nofile=100:200 --oom-score-adj 100 \
		-v "$BATS_TEST_TMPDIR/volume:/v:ro" --sysctl net.ipv4.ip_forward=1 --device /dev/zero:/dev/naught \
		box sh -c 'exec 2>&1
		id; grep -E "^(Cap|NoNew)" /proc/self/status; hostname; echo $A $HOME; pwd; cat /proc/1/comm
		touch /file; touch /t/file && ls /t; df -k /t /dev/shm | awk "{ print \$2 }"; ulimit -n; ulimit -Hn
		cat /proc/self/oom_score_adj; cat /v/file; touch /v/new; cat /proc/sys/net/ipv4/ip_forward
		ls -l /dev/naught | cut -c1-24; ls /dev; exit 9'
	run -127 docker_ run --rm --runtime kata --network none box nosuch
	[[ $output == *'exec: "nosuch": executable file not found in $PATH'* ]]
	run -126 docker_ run --rm --runtime kata --network none box /etc/passwd
	for kind in network pid ipc; do
		run -125 docker_ run --rm --runtime kata --"$kind" host box true
		[[ $output == *"a container in a virtual machine cannot live in the host's "* ]]
	done
	[ -z "$(docker_ ps -q)" ]

	# RUN steps, by the default runtime.
	docker_stop
	docker_again --default-runtime kata
	printf 'FROM box\nRUN echo built >/built; id -u\nUSER demo\nRUN id -un >/tmp/who\nCMD ["cat", "/built", "/tmp/who"]\n' \
		>"$BATS_TEST_TMPDIR/volume/Dockerfile"
	DOCKER_BUILDKIT=0 docker_ build -q -t built "$BATS_TEST_TMPDIR/volume" >/dev/null
	[ "$(docker_ run --rm --network none built | xargs)" = "built demo" ]
}

# bats test_tags=soak
@test "docker: a container's life by all of its commands" {
	begin
	docker_ run -d --runtime kata --name one --network none --restart unless-stopped box \
		sh -c 'trap "exit 5" TERM; echo out; echo err >&2; while :; do sleep 0.1; done' >/dev/null
	logged() { [ "$(docker_ logs one 2>&1 | sort | xargs)" = "err out" ]; }
	wait_for 20 logged
	[ "$(docker_ exec -u 1000 -w /tmp -e A=b one sh -c 'id -u; pwd; echo $A; cat /proc/1/comm' | xargs)" = "1000 /tmp b sh" ]
	run -4 docker_ exec one sh -c 'exit 4'
	# From Docker 26 on it is 127.
	status=0
	docker_ exec one nosuch || status=$?
	[[ $status == 12[67] ]]

	# top asks for numbers and shows what the host has there: what stands for the container.
	run -0 docker_ top one
	[ "${#lines[@]}" = 2 ]
	[[ ${lines[1]} == *kata-standin* ]]
	[[ $(docker_ stats --no-stream --format '{{.Name}} {{.PIDs}}' one) =~ ^one\ [1-9] ]]
	echo data >"$BATS_TEST_TMPDIR/data"
	docker_ cp "$BATS_TEST_TMPDIR/data" one:/tmp/data
	[ "$(docker_ exec one cat /tmp/data)" = data ]
	docker_ commit one copy >/dev/null
	[ "$(docker_ run --rm --runtime kata --network none copy cat /tmp/data)" = data ]
	docker_ pause one
	state_is one "paused 0"
	docker_ unpause one
	docker_ update --memory 100m --memory-swap 200m --pids-limit 50 one
	docker_ restart -t 5 one
	state_is one "running 0"

	# The sandbox is killed: the policy starts another.
	kill -9 "$(grep -l "/run/vc/vm/$(docker_ inspect --format '{{.Id}}' one)/" /proc/[0-9]*/environ | cut -d/ -f3 | head -n 1)"
	restarted() { [[ $(docker_ inspect --format '{{.RestartCount}} {{.State.Running}}' one) == [1-9]*true ]]; }
	wait_for 40 restarted
	# Newer ones say that it runs while they still restart it.
	wait_for 40 docker_ exec one true
	docker_ stop -t 10 one
	state_is one "exited 5"
	docker_ rm one
	docker_ run -d --runtime kata --name again --network none --restart on-failure:2 box sh -c 'exit 1' >/dev/null
	ended() { [ "$(docker_ inspect --format '{{.RestartCount}} {{.State.Status}}' again)" = "2 exited" ]; }
	wait_for 60 ended
}

@test "docker: two services, and a network that comes late, in machines" {
	container_config "$KATA_CONFIG" qemu 'machine_type="q35"'
	begin --default-runtime kata
	docker_ network create --subnet 10.125.0.0/24 net2 >/dev/null
	docker_ run -d --name web -p 18082:80 box \
		sh -c 'mkdir /www; hostname >/www/index.html; exec httpd -f -p 80 -h /www' >/dev/null
	name=$(docker_ inspect --format '{{.Config.Hostname}}' web)
	[ "$(docker_ run --rm --link web:service box sh -c 'until wget -qO- http://service/; do sleep 0.5; done' 2>/dev/null)" = "$name" ]
	# shellcheck disable=SC2317 # wait_for calls it
	served() { [ "$(curl -s -m 10 http://127.0.0.1:18082/)" = "$name" ]; }
	wait_for 20 served
	docker_ network connect --ip 10.125.0.9 net2 web
	connected() { [[ $(docker_ exec web ip -o -4 addr) == *10.125.0.9/24* ]]; }
	wait_for 20 connected
	docker_ network disconnect net2 web
	gone() { ! connected; }
	wait_for 20 gone

	# Names: of each other, of the network's, and of a server outside, which Docker asks in the
	# containers' name. The port stays the container's. One has come to the network late.
	docker_ network connect --alias service net2 web
	python3 "$BATS_TEST_DIRNAME/name_server.py" 10.125.0.1 2>/dev/null 3>&- &
	server=$!
	# It takes connections when it takes datagrams.
	answers() { python3 -c 'import socket; socket.create_connection(("10.125.0.1", 53), 10)' 2>/dev/null; }
	wait_for 20 answers
	run -0 docker_ run --rm --name other --network net2 --dns 10.125.0.1 box sh -c '
		for name in web service other outside.test; do
			echo $name $(nslookup $name 2>/dev/null | awk "/^Name/ { n = 1 } n && /^Address/ { print \$2 }" | sort -u)
		done
		printf "\0\36\253\315\1\0\0\1\0\0\0\0\0\0\7outside\4test\0\0\1\0\1" | nc -w 30 127.0.0.11 53 | tail -c 4 | od -An -tu1
		nc -l -p 53 -w 1 2>&1; nslookup nosuch. 2>&1 | grep -o NXDOMAIN | head -n 1'
	kill "$server"
	printf '%s\n' "$output"
	[ "${lines[0]}" = "web 10.125.0.2" ]
	[ "${lines[1]}" = "service 10.125.0.2" ]
	[ "${lines[2]}" = "other 10.125.0.3" ]
	[ "${lines[3]}" = "outside.test 10.9.8.7" ]
	[ "$(xargs <<<"${lines[4]}")" = "10 9 8 7" ]
	[ "${lines[5]}" = "nc: timed out" ]
	[ "${lines[6]}" = NXDOMAIN ]
	resolved() { docker_ exec web nslookup web >/dev/null 2>&1; }
	wait_for 20 resolved
	docker_ rm -f web >/dev/null
}

# bats test_tags=soak
@test "docker: services of a swarm of one node, in machines" {
	container_config "$KATA_CONFIG" qemu 'machine_type="q35"'
	begin --default-runtime kata
	ip link add eth9 type veth peer name eth9p
	ip addr add 192.168.77.1/24 dev eth9
	ip link set eth9 up
	ip link set eth9p up
	docker_ swarm init --advertise-addr 192.168.77.1 --listen-addr 192.168.77.1 >/dev/null
	docker_ network create --driver overlay --attachable --subnet 10.126.0.0/24 over >/dev/null
	# dnsrr: the virtual address of a service wants IPVS of the host's kernel.
	for service in "web --endpoint-mode dnsrr --publish mode=host,published=18090,target=80" "vip"; do
		# shellcheck disable=SC2086 # words
		docker_ service create --detach --network over --restart-delay 1s --name $service box \
			sh -c 'mkdir /www; hostname >/www/index.html; exec httpd -f -p 80 -h /www' >/dev/null
	done
	tasks() { docker_ ps -q --filter "label=com.docker.swarm.service.name=$1"; }
	served() { [ "$(curl -s -m 5 http://192.168.77.1:18090/)" = "$(tasks web)" ]; }
	wait_for 60 served
	addressed() { docker_ service inspect --format '{{.Endpoint.VirtualIPs}}' vip | grep -q 10.126.0; }
	wait_for 60 addressed
	vip=$(docker_ service inspect --format '{{(index .Endpoint.VirtualIPs 0).Addr}}' vip)
	at() { docker_ inspect --format '{{.NetworkSettings.Networks.over.IPAddress}}' "$(tasks "$1")"; }
	vip_runs() { [ -n "$(tasks vip)" ]; }
	wait_for 60 vip_runs
	run -0 docker_ run --rm --network over box sh -c '
		address() { nslookup $1 2>/dev/null | awk "/^Name/ { n = 1 } n && /^Address/ { print \$2 }" | sort -u; }
		address web; address vip; address tasks.vip; wget -qO- http://$(address web)/; wget -qO- http://$(address tasks.vip)/'
	printf '%s\n' "$output"
	[ "${lines[*]}" = "$(at web) ${vip%/*} $(at vip) $(tasks web) $(tasks vip)" ]

	# A machine that dies is a task that has failed: another takes its place.
	before=$(tasks web)
	kill -9 "$(pgrep -o -f "qemu-system.*$before")"
	replaced() { [ -n "$(tasks web)" ] && [ "$(tasks web)" != "$before" ] && served; }
	wait_for 90 replaced
	docker_ service rm web vip >/dev/null
	none() { [ -z "$(docker_ ps -aq)" ]; }
	wait_for 60 none
	docker_ swarm leave --force >/dev/null
	ip link del eth9
}

# The daemon, and its containerd with it, are killed while it carries out a command; it is started
# again, and what it says of the container is so: one that runs takes commands, any can be removed,
# and nothing is left. (But for the sockets of Docker's own shims.)
# bats test_tags=soak
@test "docker: the daemon is killed at each step" {
	local step after name pid status before
	sockets() { find /run/containerd/s -type s 2>/dev/null | sort; }
	before=$(sockets)
	begin
	none_left() { ! pgrep -f containerd-shim-kata >/dev/null; }
	die() {
		pid=$(cat "$engines_dir/exec/containerd/containerd.pid" 2>/dev/null || :)
		kill -9 "$dockerd" ${pid:+"$pid"}
		wait "$dockerd" || :
		docker_again
	}
	for step in create run exec stop kill restart rm; do
		for after in 0.03 0.1 0.3; do
			name=$step-$after
			case $step in
			create) begun=(create --runtime kata --name "$name" --network none box sleep 1000) ;;
			run) begun=(run -d --runtime kata --name "$name" --network none box sleep 1000) ;;
			*)
				docker_ run -d --runtime kata --name "$name" --network none box sleep 1000 >/dev/null
				case $step in
				exec) begun=(exec "$name" sleep 1000) ;;
				stop | restart) begun=("$step" -t 1 "$name") ;;
				kill) begun=(kill "$name") ;;
				rm) begun=(rm -f "$name") ;;
				esac
				;;
			esac
			docker_ "${begun[@]}" >/dev/null 2>&1 &
			client=$!
			sleep "$after"
			die
			wait "$client" || :
			status=$(docker_ inspect --format '{{.State.Status}}' "$name" 2>/dev/null) || status=none
			echo "$name: $status"
			[ "$status" != running ] || docker_ exec "$name" true
			[ "$status" = none ] || docker_ rm -f "$name" >/dev/null
		done
	done
	[ -z "$(docker_ ps -aq)" ]
	# Whose caller died in the middle of it ends within a minute.
	wait_for 90 none_left
	# Of Docker's own shims those of this daemon; their sockets are its alone, too.
	pkill -9 -f "containerd-shim-runc.* -address $BATS_TEST_TMPDIR/d/" || :
	comm -13 <(echo "$before") <(sockets) | xargs -r rm -f
}
