# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154 # agent.bash and bats' run set them
#
# The agent as a local process: what a process gets, does and says.

load agent

@test "process: user, groups, home" {
	run -0 in_container --user 1000:1001,2000 -- sh -c 'id; echo $HOME'
	[ "$output" = $'uid=1000(u) gid=1001(u) groups=2000(extra)\n/home/u' ]
	run -0 in_container --user 4242:4243 -- sh -c 'id; echo $HOME'
	[ "$output" = $'uid=4242 gid=4243\n/' ]
	run -0 in_container --user 1000:1001 --env HOME=/set -- sh -c 'echo $HOME'
	[ "$output" = /set ]
}

@test "process: users by name" {
	run -0 in_container --user-name u -- id
	[ "$output" = "uid=1000(u) gid=1001(u) groups=2000(extra)" ]
	run -0 in_container --user-name 1000 --group-name extra -- id
	[[ $output == "uid=1000(u) gid=2000(extra)"* ]]
	refused ENOENT 'no user "nobody"' in_container --user-name nobody
	refused ENOENT 'no group "nobody"' in_container --group-name nobody
}

caps()
{
	in_container "$@" -- grep Cap /proc/self/status | tr -d '\n'
}

@test "process: capabilities" {
	[ "$(caps --env A=b)" = "$(printf 'Cap%s:\t0000000000000000' Inh Prm Eff Bnd Amb)" ]
	run -0 caps --caps bep=CAP_CHOWN,CAP_KILL,CAP_NOSUCH
	[[ $output == *CapPrm:*21CapEff:*21CapBnd:*21CapAmb* ]]
	# Ambient ones survive the change of the user and exec.
	run -0 caps --user 1000:1000 --caps beipa=CAP_NET_BIND_SERVICE
	[[ $output == *CapEff:*0400CapBnd:*0400CapAmb:*0400 ]]
	run -0 in_container --no-new-privs -- grep NoNewPrivs /proc/self/status
	[[ $output == *1 ]]
}

@test "process: cwd, env, hostname, umask" {
	run -0 in_container --cwd /home/u --env A=1 --env B= --hostname host1 -- \
		sh -c 'pwd; echo "$A-$B"; hostname; umask'
	[ "$output" = $'/home/u\n1-\nhost1\n0022' ]
	run -0 in_container --cwd /made/for/it -- pwd
	[ "$output" = /made/for/it ]
	refused EINVAL 'chdir to cwd "/etc/passwd"' in_container --cwd /etc/passwd
	ln -s /proc/1/fd/7 "$rootfs/trap"
	run -125 in_container --cwd /trap
}

@test "process: a working directory that only root may enter" {
	mkdir -m 700 "$rootfs/closed"
	run -0 in_container --user 1000:1000 --cwd /closed -- sh -c 'readlink /proc/self/cwd'
	[ "$output" = /closed ]
}

@test "process: the program is looked up in its own PATH" {
	mkdir "$rootfs/opt"
	printf '#!/bin/sh\necho found\n' >"$rootfs/opt/tool"
	chmod 755 "$rootfs/opt/tool"
	run -0 in_container --env PATH=/nowhere:/opt -- tool
	[ "$output" = found ]
	refused ENOENT 'not found in $PATH' in_container --env PATH=/nowhere -- sh
	chmod 700 "$rootfs/opt/tool"
	refused EACCES 'permission denied' in_container --user 1000:1000 --env PATH=/opt -- tool
}

@test "process: limits" {
	run -0 in_container --rlimit RLIMIT_NOFILE=77:88 --rlimit RLIMIT_CORE=0:0 -- \
		sh -c 'ulimit -n; ulimit -Hn; ulimit -c'
	[ "$output" = $'77\n88\n0' ]
	run -0 in_container --oom-score 321 -- cat /proc/self/oom_score_adj
	[ "$output" = 321 ]
}

@test "process: only its own descriptors" {
	run -0 in_container -- sh -c 'ls /proc/1/fd; true'
	[ "$output" = $'0\n1\n2' ]
	# /dev/stdout opens again for a user who is not root.
	run -0 in_container --user 1000:1000 -- sh -c 'echo again >/dev/stdout; echo b >/dev/stderr'
	[[ $output == *again* && $output == *b* ]]
}

@test "process: its own pid namespace" {
	run -0 in_container -- sh -c 'echo $$; ls -d /proc/[0-9]* | wc -l'
	[ "${lines[0]}" = 1 ]
	[ "${lines[1]}" -le 4 ]
}

@test "process: exec" {
	start_container c1 --hostname host1 -- sleep 1000
	run -3 call exec c1 e1 --env X=y --cwd /tmp -- sh -c 'hostname; echo $X; pwd; ps; exit 3'
	[[ $output == host1$'\n'y$'\n'/tmp$'\n'*"1 root"*"sleep 1000"* ]]
	[ "$(echo in | call exec c1 e2 -- cat)" = in ]
	run -0 call exec c1 e3 --user 1000:1001 -- id -u
	[ "$output" = 1000 ]
	refused ENOENT 'not found in $PATH' call exec c1 e4 -- nosuch
	# The failed one has left its id free.
	run -0 call exec c1 e4 -- true
	# So has one that ended and was waited for.
	run -0 call exec c1 e4 -- true
	# The control groups are the container's.
	run -0 call exec c1 e5 -- cat /proc/self/cgroup
	own=$output
	run -0 call exec c1 e6 -- cat /proc/1/cgroup
	[ "$output" = "$own" ]
}

@test "process: exec into what is not there" {
	refused EINVAL 'no container nosuch' call exec nosuch e1 -- true
	start_container c1 -- sleep 1000
	refused EINVAL 'invalid exec id' call exec c1 $'a\nb' -- true
	run -0 call exec c1 1 -- echo 'one letter is enough'
	call exec-start c1 e1 -- sleep 1000
	refused EEXIST 'process e1 exists already' call exec c1 e1 -- true
	refused EEXIST 'process c1 exists already' call exec c1 c1 -- true
	refused ENOENT 'process not found: no process nosuch' call wait c1 nosuch
	call signal c1 c1 9
	[ "$(call wait c1)" = 137 ]
	run -125 call exec c1 e2 -- true
	[[ $output == *"has ended"* ]]
}

@test "process: signals" {
	start_container c1 -- sh -c 'trap "echo caught; exit 5" USR1; echo ready; while :; do sleep 0.05; done'
	[ "$(call read c1)" = ready ]
	call signal c1 c1 10
	[ "$(call pump c1 </dev/null)" = caught ]
	[ "$(call wait c1)" = 5 ]
	# After its end a signal is no error.
	call signal c1 c1 15
	call remove c1
	# Without a handler the first process would ignore it.
	start_container c1 -- sleep 1000
	call signal c1 c1 15
	[ "$(call wait c1)" = 137 ]
	call signal c1 c1 0
	refused ENOENT 'no process e1' call signal c1 e1 0
	refused EINVAL 'no signal 4711' call signal c1 c1 4711
}

@test "process: a signal to one of two" {
	start_container c1 -- sleep 1000
	call exec-start c1 e1 -- sleep 1000
	call signal c1 e1 15
	[ "$(call wait c1 e1)" = 143 ]
	run -0 call exec c1 e2 -- true
	# No exec id and SIGKILL: all.
	call exec-start c1 e3 -- sleep 1000
	call signal c1 "" 9
	[ "$(call wait c1 e3)" = 137 ]
	[ "$(call wait c1)" = 137 ]
}

@test "process: several wait, before and after the end" {
	start_container c1 -- sh -c 'sleep 0.3; exit 4'
	call wait c1 >"$BATS_TEST_TMPDIR/one" &
	one=$!
	call wait c1 >"$BATS_TEST_TMPDIR/two" &
	two=$!
	wait "$one" "$two"
	[ "$(cat "$BATS_TEST_TMPDIR/one" "$BATS_TEST_TMPDIR/two")" = $'4\n4' ]
	[ "$(call wait c1)" = 4 ]
	[ "$(call wait c1 "")" = 4 ]
}

@test "process: output is there after the end" {
	start_container c1 -- sh -c 'echo late; echo error >&2'
	[ "$(call wait c1)" = 0 ]
	[ "$(call read c1)" = late ]
	[ "$(call read-error c1)" = error ]
	[ -z "$(call read c1)" ]
}

@test "process: output ends soon after the process, whoever holds it" {
	start_container c1 -- sleep 1000
	run -0 call exec c1 e1 -- sh -c 'echo said; sleep 1000 &'
	[ "$output" = said ]
}

@test "process: a read that was given up takes nothing away" {
	start_container c1 -- sh -c 'read x; echo "got $x"'
	timeout 0.3 "$KATA_BUILD/tests/tools/agent-call" "$socket" read c1 || [ $? = 124 ]
	[ "$(echo word | call write c1)" = 5 ]
	[ "$(call read c1)" = "got word" ]
}

@test "process: stdin waits for room and loses nothing" {
	start_container c1 -- sh -c 'sleep 0.5; wc -c'
	head -c 1000000 /dev/zero | call write c1 >"$BATS_TEST_TMPDIR/written" &
	writer=$!
	# The agent answers others meanwhile.
	[ "$(call check)" = 1 ]
	wait "$writer"
	[ "$(cat "$BATS_TEST_TMPDIR/written")" = 1000000 ]
	call close-stdin c1
	[ "$(call read c1)" = 1000000 ]
	run -125 call write c1 <<<more
	[[ $output == *"stdin is closed"* ]]
}

@test "process: stdin of a process that does not read" {
	start_container c1 -- sleep 1000
	head -c 1000000 /dev/zero | call write c1 2>"$BATS_TEST_TMPDIR/err" &
	writer=$!
	# What it writes has come as far as the process's pipe.
	eventually python3 -c 'import fcntl, os, sys, termios
fd = os.open(f"/proc/{sys.argv[1]}/fd/0", os.O_RDONLY | os.O_NONBLOCK)
sys.exit(fcntl.ioctl(fd, termios.FIONREAD, bytes(4)) == bytes(4))' "$(pgrep -nfx 'sleep 1000')"
	call signal c1 c1 9
	status=0
	wait "$writer" || status=$?
	[ "$status" = 125 ]
	grep -q 'Broken pipe' "$BATS_TEST_TMPDIR/err"
}

@test "process: a terminal" {
	start_container c1 --tty --size 31:97 --user 1000:1001 -- \
		sh -c 'trap "stty size" WINCH; tty; stty size; read x; echo "x=$x"; while :; do sleep 0.05; done'
	eventually seen c1 '31 97'
	[[ $heard == /dev/pts/0* ]]
	printf 'typed\r' | call write c1
	eventually seen c1 'x=typed'
	call resize c1 c1 40 100
	eventually seen c1 '40 100'
	# Ctrl-C reaches the foreground group.
	call exec-start c1 e1 --tty -- sh -c 'test -c /dev/console && tty; sleep 1000'
	eventually seen c1/e1 /dev/pts/1
	printf '\003' | call write c1 e1
	[ "$(call wait c1 e1)" = 130 ]
	refused ENOENT 'no process' call resize c1 nosuch 1 1
}

# seen ID[/EXEC] TEXT: reads once more; whether TEXT has come by now.
seen()
{
	heard+=$(timeout 50 "$KATA_BUILD/tests/tools/agent-call" "$socket" read "${1%/*}" "${1#*/}")
	[[ $heard == *"$2"* ]]
}

@test "process: a terminal's end" {
	run -6 in_container --tty -- sh -c 'echo bye; exit 6' </dev/null
	[[ $output == bye* ]]
	start_container c1 -- sleep 100
	refused ECONNREFUSED 'no tty' call resize c1 c1 1 1
	refused ENOENT '/dev/pts/ptmx' call create c2 --rootfs "$rootfs" --bare --tty
	mkdir -p "$BATS_TEST_TMPDIR/pts"
	touch "$BATS_TEST_TMPDIR/pts/ptmx"
	refused EINVAL 'is no devpts' call create c2 --rootfs "$rootfs" --bare \
		--mount "bind:$BATS_TEST_TMPDIR/pts:/dev/pts:bind" --tty
}

@test "process: the list of them" {
	start_container c1 -- sh -c '/bin/sleep 1001 & exec /bin/sleep 1002'
	eventually pgrep -fx '/bin/sleep 1001'
	eventually pgrep -fx '/bin/sleep 1002'
	run -0 call rpc ListProcesses container_id=c1 args.0=-o args.1=pid,args
	[[ $output == *$'\n'*' /bin/sleep 1001'* ]]
	run -0 call rpc ListProcesses container_id=c1 format=json
	[[ $output =~ \[[0-9]+,[0-9]+\] ]]
	refused EINVAL 'neither json nor table' call rpc ListProcesses container_id=c1 format=xml
	refused EINVAL 'there is no column "x"' call rpc ListProcesses container_id=c1 args.0=-o args.1=x
}

@test "process: many execs" {
	start_container c1 -- sleep 1000
	for i in $(seq 100); do
		[ "$(call exec "c1" "e$i" -- echo "$i" </dev/null)" = "$i" ]
	done
	before=$(find "/proc/$agent/fd" | wc -l)
	[ "$before" -lt 250 ]
}

@test "process: output waits for its reader" {
	start_container c1 -- sh -c 'head -c 50000 /dev/zero'
	[ "$(call wait c1)" = 0 ]
	sleep 1
	n=0
	while size=$(call read c1 | wc -c) && [ "$size" -gt 0 ]; do
		n=$((n + size))
	done
	[ "$n" = 50000 ]
}
