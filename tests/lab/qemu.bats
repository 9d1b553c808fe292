#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# A container over vhost-vsock, and the agent's other ports: streams that the caller
# connects itself, and the log.

# shellcheck disable=SC2016,SC2034,SC2154 # for inner shells; shared with common.bash
KATA_TEST_HYPERVISOR=qemu
load ../integration/common

# Emulated processors take their time.
limit=150

@test "qemu: a container over vhost-vsock, streams by connections of their own" {
	container_config "$KATA_CONFIG" qemu kernel_params='"agent.passfd_listener_port=1027 agent.log_vport=1025"'
	container_bundle "$bundle" -- sh -c 'echo ready; exec sleep 1000'
	kata run --detach --bundle "$bundle" "$id" </dev/null >"$bundle.out" 2>&1 3>&-
	wait_for $limit grep -q ready "$bundle.out"
	run -3 kata exec "$id" sh -c 'cat; exit 3' <<<through
	[ "$output" = through ]
	cid=$(tr '\0' '\n' <"/proc/$(program_of "$id" qemu)/cmdline" | sed -n 's/.*guest-cid=\([0-9]*\).*/\1/p')
	run -0 env socket="vsock:$cid:1024" rootfs="/run/kata-containers/shared/containers/$id/rootfs" \
		timeout $limit python3 "$BATS_TEST_DIRNAME/../integration/streams.py" '
log = socket.socket(socket.AF_VSOCK)
log.connect((int(agent.split(":")[1]), 1025))
log.settimeout(60)
i, o, e = connect(7001), connect(7002), connect(7003)
create("--set", "stdin_port=7001", "--set", "stdout_port=7002", "--set", "stderr_port=7003",
       "--", "sh", "-c", "cat; echo over; echo err >&2; head -c 8000000 /dev/zero; exit 3")
i.sendall(b"hello\n")
assert o.recv(6) == b"hello\n"
# A slow reader; the input has an end of its own.
i.shutdown(socket.SHUT_WR)
time.sleep(1)
said = read(o)
print(run("wait", "c1").stdout, said[:5], len(said), read(e))
run("remove", "c1")
i, o = connect(7101), connect(7102)
create("--set", "stdin_port=7101", "--set", "stdout_port=7102", "--", "wc", "-c")
i.sendall(b"x" * 3000000)
assert run("close-stdin", "c1").returncode == 0
print(read(o))
run("remove", "c1")
i, o = connect(7201), connect(7202)
create("--tty", "--size", "33x44", "--set", "stdin_port=7201", "--set", "stdout_port=7202", "--",
       "sh", "-c", "stty size; read -r x; echo got $x; stty size; exit 4")
said = o.recv(100)
i.sendall(b"abc\n")
print((said + read(o)).split(), run("wait", "c1").stdout)
run("remove", "c1")
o = connect(7301)
create("--set", "stdout_port=7301", "--", "yes")
o.recv(10)
o.close()
print(run("wait", "c1").stdout)
run("remove", "c1")
told = b""
while b"container c1 removed" not in told and (more := log.recv(1 << 20)):
    told += more
print(b"container c1 removed" in told)'
	[ "$output" = "3
 b'over\n' 8000005 b'err\n'
b'3000000\n'
[b'33', b'44', b'abc', b'got', b'abc', b'33', b'44'] 4

1

True" ]
	kata kill "$id" KILL
	wait_for $limit status_is "$id" stopped
	kata delete "$id"
}
