# SPDX-License-Identifier: Apache-2.0
"""cri_pod.py DIRECTORY: one pod of several containers in one machine, as a kubelet would have it:
its volumes, users, probes, streams, limits and ends. The containerd of the directory has to be
there; DIRECTORY/volumes is the pod's directory of the kubelet."""
import glob
import os
import subprocess
import sys

import grpc

from cri import EXITED, RUNNING, Cri, Pod, Stream, wait_for

top = sys.argv[1]
cri = Cri(top + "/c.sock")
kubelet = top + "/pods/uid"
PARENT = f"/kata-cri-{os.getpid()}"
KINDS = kubelet + "/volumes/kubernetes.io~"


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)


def read(path):
    with open(path) as f:
        return f.read()


def publish(volume, stamp, **files):
    """As the kubelet does: a new directory, and ..data is switched to it."""
    for name, text in files.items():
        write(f"{volume}/..{stamp}/{name}", text)
        if not os.path.lexists(f"{volume}/{name}"):
            os.symlink(f"..data/{name}", f"{volume}/{name}")
    os.symlink(f"..{stamp}", f"{volume}/..data_tmp")
    os.rename(f"{volume}/..data_tmp", f"{volume}/..data")


def volumes():
    memory = KINDS + "empty-dir/memory"
    os.makedirs(memory)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=2777,gid=2000", "tmpfs", memory],
                   check=True)
    os.makedirs(memory + "/part")
    os.chmod(memory + "/part", 0o2777)
    part = kubelet + "/volume-subpaths/memory/one/2"
    os.makedirs(part)
    subprocess.run(["mount", "--bind", memory + "/part", part], check=True)
    huge = KINDS + "empty-dir/huge"
    os.makedirs(huge)
    subprocess.run(["mount", "-t", "hugetlbfs", "-o", "pagesize=2M,size=8M", "huge", huge], check=True)
    os.makedirs(KINDS + "empty-dir/disk")
    os.chmod(KINDS + "empty-dir/disk", 0o777)
    publish(KINDS + "configmap/settings", "first", colour="red", size="1")
    publish(KINDS + "secret/key", "first", token="abc")
    write(kubelet + "/etc-hosts", "127.0.0.1 localhost\n10.0.0.9 friend\n")
    write(kubelet + "/termination-log", "")
    os.chmod(kubelet + "/termination-log", 0o666)


def mount(kind, name, place, **more):
    return {"host_path": f"{KINDS}{kind}/{name}", "container_path": place, **more}


def security(**words):
    return {"linux": {"security_context": words}}


def lines(container, script):
    return cri.out(container, "sh", "-c", script).split("\n")


def first_looks(pod):
    """What the machine and its containers are."""
    init = pod.start("init", "sh", "-c", "echo prepared >/memory/file; echo prepared >/disk/file",
                     mounts=[mount("empty-dir", "memory", "/memory"),
                             mount("empty-dir", "disk", "/disk")])
    assert cri.ended(init).exit_code == 0
    cri("RemoveContainer", container_id=init)

    one = pod.start(
        "one", "sh", "-c", "echo out; echo err >&2; exec sleep 1000",
        envs=[{"key": "COLOUR", "value": "blue"}], working_dir="/tmp",
        mounts=[mount("empty-dir", "memory", "/memory"), mount("configmap", "settings", "/etc/settings",
                                                               readonly=True),
                {"host_path": kubelet + "/volume-subpaths/memory/one/2", "container_path": "/part"},
                mount("secret", "key", "/key", readonly=True),
                {"host_path": kubelet + "/etc-hosts", "container_path": "/etc/hosts"},
                {"host_path": kubelet + "/termination-log", "container_path": "/dev/termination-log"}],
        **security(run_as_user={"value": 1000}, run_as_group={"value": 1000},
                   supplemental_groups=[2000], readonly_rootfs=True, no_new_privs=True,
                   capabilities={"drop_capabilities": ["ALL"]},
                   namespace_options={"pid": 1}, seccomp={"profile_type": 1}))
    two = pod.start(
        "two", "sh", "-c", "trap 'echo term; exit 5' TERM; httpd -p 127.0.0.1:8080 -h /; "
        "while :; do sleep 0.2; done",
        mounts=[mount("empty-dir", "memory", "/memory"), mount("empty-dir", "disk", "/disk"),
                mount("empty-dir", "huge", "/huge")],
        linux={"resources": {"memory_limit_in_bytes": 64 << 20, "cpu_quota": 50000, "cpu_period": 100000},
               "security_context": {"namespace_options": {"pid": 1}}})
    three = pod.start("three", "sleep", "1000", **security(
        namespace_options={"pid": 0}, masked_paths=["/etc/passwd", "/root"],
        readonly_paths=["/etc"], capabilities={"add_capabilities": ["NET_ADMIN"],
                                               "drop_capabilities": ["CHOWN"]}))
    got = lines(three, """wc -c </etc/passwd; touch /root/x 2>&1; touch /etc/x 2>&1
        chown 1:1 /tmp 2>&1; ip link set lo mtu 1500 && echo may""")
    assert got == ["0", "touch: /root/x: Read-only file system", "touch: /etc/x: Read-only file system",
                   "chown: /tmp: Operation not permitted", "may"], got

    tell = "for n in net ipc uts pid mnt; do readlink /proc/self/ns/$n; done; hostname"
    told = [lines(c, tell) for c in (one, two, three)]
    assert told[0][:3] == told[1][:3] == told[2][:3], told
    assert len({t[3] for t in told}) == len({t[4] for t in told}) == 3, told
    assert {t[5] for t in told} == {"the-pod"}, told
    # The pid namespace of the pod is that of its first container.
    assert "busybox" in cri.out(three, "cat", "/proc/1/cmdline")
    assert cri.out(one, "cat", "/proc/1/cmdline").startswith("sleep")

    got = lines(one, """id -u; id -g; id -G; pwd; echo $COLOUR
        grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status
        touch /new 2>&1; cat /etc/settings/colour /key/token; echo; cat /memory/file
        stat -f -c %T /memory; stat -c '%a %g' /memory
        grep -c friend /etc/hosts; cat /proc/sys/net/ipv4/ip_unprivileged_port_start
        echo below >/part/x; cat /memory/part/x; df -k /dev/shm | tail -n 1 | awk '{print $2}'
        grep -E 'nameserver|search|options' /etc/resolv.conf; echo ended >/dev/termination-log""")
    assert got == [
        "1000", "1000", "1000 2000", "/tmp", "blue",
        "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t0",
        "touch: /new: Read-only file system", "redabc", "prepared", "tmpfs", "2777 2000",
        "1", "80", "below", "65536", "search example.org", "nameserver 10.0.0.53",
        "options ndots:3"], got
    assert read(kubelet + "/termination-log") == "ended\n"
    # In memory: the guest's, of the size that was wanted. On disk: the host's.
    assert lines(two, "cat /memory/part/x /disk/file; df -k /memory | tail -n 1 | awk '{print $2}'") \
        == ["below", "prepared", "8192"]
    # Of huge pages, which the guest keeps for it: the mount names their number, or the limit.
    assert lines(two, "grep -o '/huge hugetlbfs.*pagesize=2M' /proc/mounts | cut -d ' ' -f 2; "
                 "awk '/HugePages_Total/ { print $2 }' /proc/meminfo") == ["hugetlbfs", "4"]
    assert read(KINDS + "empty-dir/disk/file") == "prepared\n"
    assert not os.path.exists(KINDS + "empty-dir/memory/file")
    return one, two, three


def updates(one):
    """What changes in a configuration map and a secret is seen."""
    publish(KINDS + "configmap/settings", "second", colour="green", size="2")
    publish(KINDS + "secret/key", "second", token="def")
    wait_for(lambda: lines(one, "cat /etc/settings/colour /etc/settings/size /key/token")
             == ["green2def"])


def streams(pod, one):
    """Exec probes; exec, attach and port-forward as streams."""
    assert cri.run(one, "sh", "-c", "echo a; echo b >&2; exit 7") == (7, "a", "b")
    try:
        cri("ExecSync", container_id=one, cmd=["sleep", "1234"], timeout=1)
        raise AssertionError("a probe without end has ended")
    except grpc.RpcError as e:
        assert e.code() == grpc.StatusCode.DEADLINE_EXCEEDED or "timeout" in e.details(), e
    # What it could not wait for is gone.
    wait_for(lambda: "sleep 1234" not in cri.out(one, "ps"))

    s = Stream(cri("Exec", container_id=one, cmd=["sh"], stdin=True, tty=True, stdout=True).url)
    s.send(4, b'{"Width": 91, "Height": 33}')
    s.until(1, b"$ ")
    s.send(0, b"for i in 1 2 3 4 5 6 7 8 9; do [ \"$(stty size)\" = '33 91' ] && break; sleep 1; done; "
              b"echo $((6 * 7))=$(stty size)\n")
    s.until(1, b"42=33 91")
    s.send(0, b"exit 9\n")
    assert b'"9"' in s.rest()[3]
    s.close()

    cat = pod.start("cat", "cat", stdin=True, stdin_once=True)
    s = Stream(cri("Attach", container_id=cat, stdin=True, stdout=True, stderr=True).url)
    s.send(0, b"to and fro\n")
    s.until(1, b"to and fro\n")
    s.close()
    cri("StopContainer", container_id=cat, timeout=0)
    cri("RemoveContainer", container_id=cat)

    s = Stream(cri("PortForward", pod_sandbox_id=pod.id, port=[8080]).url, "v4.channel.k8s.io")
    s.send(0, b"GET /nowhere HTTP/1.0\r\n\r\n")
    s.until(0, b"404 Not Found")
    s.close()


def figures(pod, one, two):
    stats = cri("ContainerStats", container_id=two).stats
    assert stats.cpu.usage_core_nano_seconds.value > 0, stats
    assert 0 < stats.memory.working_set_bytes.value < 64 << 20, stats
    assert {s.attributes.id for s in cri("ListContainerStats").stats} >= {one, two}
    assert lines(two, "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max") \
        == [str(64 << 20), "50000 100000"]
    cri("UpdateContainerResources", container_id=two,
        linux={"memory_limit_in_bytes": 80 << 20, "cpu_quota": 70000, "cpu_period": 100000})
    assert lines(two, "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max") \
        == [str(80 << 20), "70000 100000"]
    whole = cri("PodSandboxStats", pod_sandbox_id=pod.id).stats.linux
    assert whole.network.default_interface.name == "eth0", whole
    assert whole.memory.working_set_bytes.value > 0 and whole.cpu.usage_core_nano_seconds.value > 0


def ends(pod, one, two):
    """One is restarted in the living pod, others end in all the ways."""
    assert pod.log("one") == [("stdout", "out"), ("stderr", "err")] or \
        pod.log("one") == [("stderr", "err"), ("stdout", "out")], pod.log("one")
    cri("StopContainer", container_id=two, timeout=100)
    state = cri.state(two)
    assert (state.state, state.exit_code, state.reason) == (EXITED, 5, "Error"), state
    wait_for(lambda: pod.log("two")[-1] == ("stdout", "term"))
    cri("RemoveContainer", container_id=two)
    again = pod.start("two", "sh", "-c", "cat /memory/file; exec tail -f /dev/null", attempt=1,
                      log_path="again.log", mounts=[mount("empty-dir", "memory", "/memory")])
    wait_for(lambda: pod.log("again") == [("stdout", "prepared")])
    # It takes no notice of the signal.
    cri("StopContainer", container_id=again, timeout=1)
    assert cri.state(again).exit_code == 137
    hog = pod.start("hog", "sh", "-c", "exec dd if=/dev/zero of=/dev/null bs=50M count=1",
                    linux={"resources": {"memory_limit_in_bytes": 16 << 20}})
    assert cri.ended(hog).exit_code == 137
    # Of its end and of the reason there is an event each.
    wait_for(lambda: cri.state(hog).reason == "OOMKilled")
    assert "no such file" in cri.refused(
        "StartContainer", container_id=pod.create("bad", "/no/such/program")).lower()
    assert cri.state(one).state == RUNNING
    assert cri("PodSandboxStatus", pod_sandbox_id=pod.id).status.state == 0


def groups(path):
    return glob.glob("/sys/fs/cgroup/**" + path, recursive=True)


def tight():
    """A pod's group with no room for a machine, as without an overhead in the RuntimeClass."""
    legacy = os.path.isdir("/sys/fs/cgroup/memory")
    parent = "/sys/fs/cgroup" + ("/memory" if legacy else "") + PARENT
    os.makedirs(parent, exist_ok=True)
    write(parent + ("/memory.limit_in_bytes" if legacy else "/memory.max"), str(32 << 20))
    pod = Pod(cri, "tight", log_directory=top + "/logs", linux={
        "cgroup_parent": PARENT, "resources": {"memory_limit_in_bytes": 32 << 20}})
    assert cri.out(pod.start("one", "sleep", "1000"), "echo", "there is room") == "there is room"
    members = [read(g + "/cgroup.procs") for g in groups("/kata_overhead/" + pod.id)]
    assert any(members), members
    pod.end()
    wait_for(lambda: not groups("/kata_overhead/" + pod.id))


def main():
    volumes()
    pod = Pod(cri, "pod", hostname="the-pod", log_directory=top + "/logs",
              dns_config={"servers": ["10.0.0.53"], "searches": ["example.org"],
                          "options": ["ndots:3"]},
              linux={"sysctls": {"net.ipv4.ip_unprivileged_port_start": "80"},
                     "cgroup_parent": PARENT})
    one, two, _ = first_looks(pod)
    updates(one)
    streams(pod, one)
    figures(pod, one, two)
    ends(pod, one, two)
    pod.end()
    tight()
    # The kubelet makes and removes that one; there is nothing else in it any more.
    for group in groups(PARENT):
        wait_for(lambda: not [d for d in os.scandir(group) if d.is_dir()])
        os.rmdir(group)


main()
