# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2034,SC2154 # agent.bash and bats' run set or use them
#
# The agent as a local process: streams that the caller connects itself, as
# Kata's Rust runtime does with use_passfd_io, over a unix socket instead of vsock.

load agent

agent_keys='passfd_listener_port = 1027
container_pipe_size = 131072
log_vport = 1025'

streams()
{
	agent=$agent socket=$socket rootfs=$rootfs KATA_BUILD=$KATA_BUILD timeout 120 \
		python3 "$BATS_TEST_DIRNAME/streams.py" "$1"
}

@test "streams: three connections are stdin, stdout and stderr" {
	run -0 streams '
i, o, e = connect(7001), connect(7002), connect(7003)
create("--set", "stdin_port=7001", "--set", "stdout_port=7002", "--set", "stderr_port=7003",
       "--", "sh", "-c", "cat; echo over; echo err >&2; stat -L -c %F /proc/self/fd/1; exit 3")
i.sendall(b"hello\n")
assert o.recv(100) == b"hello\n"
# WaitProcess comes behind the output, and the streams end by themselves.
i.shutdown(socket.SHUT_WR)
print(run("wait", "c1").stdout, read(o), read(e))
assert run("read", "c1").stdout == ""
assert "stdin is closed" in run("write", "c1").stderr'
	[[ $output == "3"*"b'over\nfifo\n' b'err\n'" ]]
	call remove c1
}

@test "streams: what is not connected is /dev/null, a process of its own has its own" {
	run -0 streams '
e, o, i = connect(7104), connect(7102), connect(7101)
create("--set", "stderr_port=7104", "--", "sh", "-c", "yes | head -n 100000; echo done >&2; exec sleep 1000")
assert e.recv(10) == b"done\n"
assert run("exec-start", "c1", "e1", "--set", "stdout_port=7102", "--", "sh", "-c", "for i in 0 1; do (readlink /proc/1/fd/$i); done").returncode == 0
print(read(o))
# CloseStdin ends the input as well, behind what was sent.
o = connect(7103)
assert run("exec-start", "c1", "e2", "--set", "stdin_port=7101", "--set", "stdout_port=7103", "--", "wc", "-c").returncode == 0
i.sendall(b"x" * 100000)
time.sleep(0.3)
assert run("close-stdin", "c1", "e2").returncode == 0
print(read(o))
# Without any the calls carry them.
print(run("exec", "c1", "e3", "--", "sh", "-c", "echo by call; exit 3"))'
	[[ $output == "$(printf '%s\n' "b'/dev/null\n/dev/null\n'" "b'100000\n'")"*"returncode=3, stdout='by call\n'"* ]]
	call remove c1
}

@test "streams: the pipes have the size that is asked for" {
	run -0 streams '
import fcntl
i, o = connect(7151), connect(7152)
create("--set", "stdin_port=7151", "--set", "stdout_port=7152", "--", "sh", "-c", "echo ready; exec sleep 1000")
o.recv(10)
child = subprocess.run(["pgrep", "-P", os.environ["agent"]], capture_output=True, text=True).stdout.strip()
for n in (0, 1):
    fd = os.open(f"/proc/{child}/fd/{n}", (os.O_RDONLY, os.O_WRONLY)[n] | os.O_NONBLOCK)
    print(fcntl.fcntl(fd, 1032))  # F_GETPIPE_SZ'
	[ "$output" = $'131072\n131072' ]
	call remove c1
}

@test "streams: the log, for who connects" {
	run -0 streams '
def follow():
    s = socket.socket(socket.AF_UNIX)
    s.connect(os.environ["socket"] + ".log")
    s.settimeout(60)
    return s
def line_with(s, word):
    said = b""
    while word not in said or not said.endswith(b"\n"): said += s.recv(4096)
    return said.decode()
import json
one = follow()
time.sleep(0.1)
run("signal", "none", "none", "9")
create("--", "true")
for line in line_with(one, b"container c1 created").splitlines():
    print(sorted(json.loads(line)))
# The newest one has it; who goes away takes nothing along.
two = follow()
while one.recv(4096):
    pass
two.close()
time.sleep(0.1)
run("remove", "c1")'
	[[ $output == *"'level'"*"'msg'"* ]]
	grep -q 'container c1 removed' "$log"
	run -1 grep -q 'container c1 created' "$log"
}

@test "streams: a port that nobody came from" {
	run -0 streams '
e = connect(7201)
done = run("create", "c1", "--rootfs", os.environ["rootfs"], "--set", "stdin_port=7201", "--set", "stdout_port=7202")
print(done.stderr)
assert e.recv(1) == b""
# Another refusal closes them as well.
e = connect(7203)
done = run("create", "?", "--rootfs", os.environ["rootfs"], "--set", "stdin_port=7203")
print(done.stderr)
assert e.recv(1) == b""'
	[[ $output == *"error EINVAL: stdout: nobody has connected from port 7202"*'invalid container id "?"'* ]]
}

@test "streams: a terminal" {
	run -0 streams '
i, o = connect(7301), connect(7302)
create("--tty", "--size", "33x44", "--set", "stdin_port=7301", "--set", "stdout_port=7302", "--",
       "sh", "-c", "stty size; read -r x; echo got $x; stty size; sleep 0.2; exit 4")
said = o.recv(100)
i.sendall(b"abc\n")
run("resize", "c1", "c1", "50", "60")
i.close()
said += read(o)
print(said, run("wait", "c1").stdout)
run("remove", "c1")
# Who hangs up does not stop a terminal; its output goes nowhere.
o = connect(7303)
create("--tty", "--set", "stdout_port=7303", "--", "sh", "-c", "yes | head -c 300000; exit 5")
o.recv(10)
o.close()
print(run("wait", "c1").stdout)'
	[[ $output == *"33 44"*"got abc"*"4"$'\n'*"5"* ]]
	call remove c1
}

@test "streams: a slow reader gets all, one that hangs up breaks the pipe" {
	run -0 streams '
o = connect(7401)
create("--set", "stdout_port=7401", "--", "sh", "-c", "yes 0123456789abcde | head -c 50000000")
total = 0
time.sleep(1)
while more := o.recv(100000):
    total += len(more)
print(total, run("wait", "c1").stdout)
run("remove", "c1")
o = connect(7402)
create("--set", "stdout_port=7402", "--", "yes")
o.recv(10)
o.close()
print(run("wait", "c1").stdout)'
	[[ $output == "50000000 0"*$'\n1'* ]]
	[ "$(awk '/VmHWM/ { print $2 }' "/proc/$agent/status")" -lt 8192 ]
	call remove c1
}

@test "streams: nobody waits for a reader for ever" {
	run -0 streams '
o = connect(7501)
t = time.time()
create("--set", "stdout_port=7501", "--", "sh", "-c", "head -c 1000000 /dev/zero & sleep 0.5")
print(run("wait", "c1").stdout)
assert 8 < time.time() - t < 50, time.time() - t
held = len(os.listdir("/proc/" + os.environ["agent"] + "/fd"))
# Connections that no process is made for are not kept without end.
idle = [connect(7600 + n) for n in range(200)]
assert len(os.listdir("/proc/" + os.environ["agent"] + "/fd")) < held + 120
idle[0].settimeout(50)
assert idle[0].recv(1) == b""'
	call remove c1
}
