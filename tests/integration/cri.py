# SPDX-License-Identifier: Apache-2.0
"""A client of the container runtime interface, as much of it as the tests say.

    cri = Cri("/run/…/containerd.sock")
    pod = cri("RunPodSandbox", config={…}, runtime_handler="kata").pod_sandbox_id

The messages are made here of the fields' numbers, as the wire has them: no description of
the interface is needed, nor a compiler of one. What is not in the table cannot be said or seen.
"""
import base64
import os
import socket
import time
import urllib.parse

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

# Each field: its name, its number, and what it is: s text, x bytes, b truth, i int64, n int32,
# u uint64, w uint32, m texts by text, or another message. A star: many.
MESSAGES = """
VersionRequest version:1s
VersionResponse runtime_name:2s runtime_version:3s runtime_api_version:4s
Int64Value value:1i
UInt64Value value:1u
DNSConfig servers:1*s searches:2*s options:3*s
NamespaceOption network:1n pid:2n ipc:3n target_id:4s
SecurityProfile profile_type:1n localhost_ref:2s
LinuxSandboxSecurityContext namespace_options:1=NamespaceOption run_as_user:3=Int64Value \
 readonly_rootfs:4b supplemental_groups:5*i privileged:6b run_as_group:8=Int64Value \
 seccomp:9=SecurityProfile
HugepageLimit page_size:1s limit:2u
LinuxContainerResources cpu_period:1i cpu_quota:2i cpu_shares:3i memory_limit_in_bytes:4i \
 oom_score_adj:5i cpuset_cpus:6s hugepage_limits:8*=HugepageLimit unified:9m \
 memory_swap_limit_in_bytes:10i
LinuxPodSandboxConfig cgroup_parent:1s security_context:2=LinuxSandboxSecurityContext sysctls:3m \
 overhead:4=LinuxContainerResources resources:5=LinuxContainerResources
PodSandboxMetadata name:1s uid:2s namespace:3s attempt:4w
PortMapping protocol:1n container_port:2n host_port:3n host_ip:4s
PodSandboxConfig metadata:1=PodSandboxMetadata hostname:2s log_directory:3s \
 dns_config:4=DNSConfig port_mappings:5*=PortMapping labels:6m annotations:7m \
 linux:8=LinuxPodSandboxConfig
RunPodSandboxRequest config:1=PodSandboxConfig runtime_handler:2s
RunPodSandboxResponse pod_sandbox_id:1s
StopPodSandboxRequest pod_sandbox_id:1s
StopPodSandboxResponse
RemovePodSandboxRequest pod_sandbox_id:1s
RemovePodSandboxResponse
PodSandboxStatusRequest pod_sandbox_id:1s verbose:2b
PodSandboxNetworkStatus ip:1s
PodSandboxStatus id:1s metadata:2=PodSandboxMetadata state:3n created_at:4i \
 network:5=PodSandboxNetworkStatus labels:7m annotations:8m runtime_handler:9s
PodSandboxStatusResponse status:1=PodSandboxStatus info:2m
ListPodSandboxRequest
PodSandbox id:1s metadata:2=PodSandboxMetadata state:3n
ListPodSandboxResponse items:1*=PodSandbox
ImageSpec image:1s
KeyValue key:1s value:2s
Mount container_path:1s host_path:2s readonly:3b selinux_relabel:4b propagation:5n
Device container_path:1s host_path:2s permissions:3s
Capability add_capabilities:1*s drop_capabilities:2*s
LinuxContainerSecurityContext capabilities:1=Capability privileged:2b \
 namespace_options:3=NamespaceOption run_as_user:5=Int64Value run_as_username:6s \
 readonly_rootfs:7b supplemental_groups:8*i no_new_privs:11b run_as_group:12=Int64Value \
 masked_paths:13*s readonly_paths:14*s seccomp:15=SecurityProfile
LinuxContainerConfig resources:1=LinuxContainerResources \
 security_context:2=LinuxContainerSecurityContext
ContainerMetadata name:1s attempt:2w
ContainerConfig metadata:1=ContainerMetadata image:2=ImageSpec command:3*s args:4*s working_dir:5s \
 envs:6*=KeyValue mounts:7*=Mount devices:8*=Device labels:9m annotations:10m log_path:11s \
 stdin:12b stdin_once:13b tty:14b linux:15=LinuxContainerConfig
CreateContainerRequest pod_sandbox_id:1s config:2=ContainerConfig sandbox_config:3=PodSandboxConfig
CreateContainerResponse container_id:1s
StartContainerRequest container_id:1s
StartContainerResponse
StopContainerRequest container_id:1s timeout:2i
StopContainerResponse
RemoveContainerRequest container_id:1s
RemoveContainerResponse
ContainerStatusRequest container_id:1s verbose:2b
ContainerStatus id:1s metadata:2=ContainerMetadata state:3n created_at:4i started_at:5i \
 finished_at:6i exit_code:7n reason:10s message:11s log_path:15s
ContainerStatusResponse status:1=ContainerStatus info:2m
ListContainersRequest
Container id:1s pod_sandbox_id:2s metadata:3=ContainerMetadata state:6n
ListContainersResponse containers:1*=Container
UpdateContainerResourcesRequest container_id:1s linux:2=LinuxContainerResources annotations:4m
UpdateContainerResourcesResponse
ExecSyncRequest container_id:1s cmd:2*s timeout:3i
ExecSyncResponse stdout:1x stderr:2x exit_code:3n
ExecRequest container_id:1s cmd:2*s tty:3b stdin:4b stdout:5b stderr:6b
ExecResponse url:1s
AttachRequest container_id:1s stdin:2b tty:3b stdout:4b stderr:5b
AttachResponse url:1s
PortForwardRequest pod_sandbox_id:1s port:2*n
PortForwardResponse url:1s
CpuUsage timestamp:1i usage_core_nano_seconds:2=UInt64Value usage_nano_cores:3=UInt64Value
MemoryUsage timestamp:1i working_set_bytes:2=UInt64Value available_bytes:3=UInt64Value \
 usage_bytes:4=UInt64Value rss_bytes:5=UInt64Value page_faults:6=UInt64Value \
 major_page_faults:7=UInt64Value
ContainerAttributes id:1s metadata:2=ContainerMetadata
ContainerStats attributes:1=ContainerAttributes cpu:2=CpuUsage memory:3=MemoryUsage
ContainerStatsRequest container_id:1s
ContainerStatsResponse stats:1=ContainerStats
ListContainerStatsRequest
ListContainerStatsResponse stats:1*=ContainerStats
NetworkInterfaceUsage name:1s rx_bytes:2=UInt64Value rx_errors:3=UInt64Value \
 tx_bytes:4=UInt64Value tx_errors:5=UInt64Value
NetworkUsage timestamp:1i default_interface:2=NetworkInterfaceUsage \
 interfaces:3*=NetworkInterfaceUsage
ProcessUsage timestamp:1i process_count:2=UInt64Value
LinuxPodSandboxStats cpu:1=CpuUsage memory:2=MemoryUsage network:3=NetworkUsage \
 process:4=ProcessUsage containers:5*=ContainerStats
PodSandboxStats linux:2=LinuxPodSandboxStats
PodSandboxStatsRequest pod_sandbox_id:1s
PodSandboxStatsResponse stats:1=PodSandboxStats
ReopenContainerLogRequest container_id:1s
ReopenContainerLogResponse
StatusRequest verbose:1b
RuntimeCondition type:1s status:2b reason:3s message:4s
RuntimeStatus conditions:1*=RuntimeCondition
StatusResponse status:1=RuntimeStatus info:2m
"""

KINDS = {"s": 9, "x": 12, "b": 8, "i": 3, "n": 5, "u": 4, "w": 13}
CREATED, RUNNING, EXITED = 0, 1, 2  # of a container
READY, NOT_READY = 0, 1  # of a pod


def add_field(message, text):
    name, rest = text.split(":")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    number, kind = int(rest[:digits]), rest[digits:]
    field = message.field.add(name=name, number=number, label=3 if kind[0] in "*m" else 1)
    kind = kind.lstrip("*")
    if kind[0] in KINDS:
        field.type = KINDS[kind]
        return
    field.type = 11
    if kind[0] == "=":
        field.type_name = ".runtime.v1." + kind[1:]
        return
    entry = message.nested_type.add(name=name.title().replace("_", "") + "Entry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=9, label=1)
    entry.field.add(name="value", number=2, type=9, label=1)
    field.type_name = f".runtime.v1.{message.name}.{entry.name}"


def classes():
    file = descriptor_pb2.FileDescriptorProto(name="cri", package="runtime.v1", syntax="proto3")
    for line in MESSAGES.replace("\\\n", "").strip().splitlines():
        name, *fields = line.split()
        message = file.message_type.add(name=name)
        for text in fields:
            add_field(message, text)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {m.name: message_factory.MessageFactory(pool).GetPrototype(
        pool.FindMessageTypeByName("runtime.v1." + m.name)) for m in file.message_type}


class Cri:
    """Calls by name; the words are the request's fields. A refusal is a grpc.RpcError."""

    def __init__(self, path):
        self.channel = grpc.insecure_channel("unix://" + path)
        self.classes = classes()

    def __call__(self, method, limit=120, **fields):
        request = json_format.ParseDict(fields, self.classes[method + "Request"]())
        call = self.channel.unary_unary(
            "/runtime.v1.RuntimeService/" + method,
            request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=self.classes[method + "Response"].FromString)
        return call(request, timeout=limit)

    def refused(self, method, **fields):
        """What the refusal says."""
        try:
            self(method, **fields)
        except grpc.RpcError as e:
            return e.details()
        raise AssertionError(f"{method} was not refused")

    def run(self, container, *command, limit=100):
        """ExecSync: status, standard output and standard error, without the last newline."""
        r = self("ExecSync", container_id=container, cmd=list(command), timeout=limit)
        return r.exit_code, r.stdout.decode().rstrip("\n"), r.stderr.decode().rstrip("\n")

    def out(self, container, *command):
        """What the command says, which must succeed."""
        status, out, err = self.run(container, *command)
        assert status == 0, (command, status, out, err)
        return out

    def state(self, container):
        return self("ContainerStatus", container_id=container).status

    def ended(self, container, limit=120):
        """Its status, when it has ended."""
        wait_for(lambda: self.state(container).state == EXITED, limit)
        return self.state(container)


class Pod:
    """One pod. The words of each container are merged into its configuration."""

    def __init__(self, cri, name, handler="kata", **config):
        self.cri = cri
        self.config = {"metadata": {"name": name, "uid": name + "-uid", "namespace": "test"},
                       "linux": {}, **config}
        self.id = cri("RunPodSandbox", config=self.config, runtime_handler=handler).pod_sandbox_id

    def create(self, name, *command, attempt=0, **config):
        config = {"metadata": {"name": name, "attempt": attempt}, "command": list(command),
                  "image": {"image": "example.org/busybox:1"}, "log_path": name + ".log", **config}
        return self.cri("CreateContainer", pod_sandbox_id=self.id, config=config,
                        sandbox_config=self.config).container_id

    def start(self, name, *command, **config):
        container = self.create(name, *command, **config)
        self.cri("StartContainer", container_id=container)
        return container

    def log(self, name):
        """The lines of its log: stream and text."""
        with open(os.path.join(self.config["log_directory"], name + ".log")) as f:
            return [tuple(line.rstrip("\n").split(" ", 3)[1::2]) for line in f]

    def end(self):
        self.cri("StopPodSandbox", pod_sandbox_id=self.id)
        self.cri("RemovePodSandbox", pod_sandbox_id=self.id)


def wait_for(condition, limit=120):
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("waited in vain")
        time.sleep(0.05)


class Stream:
    """A web socket on one of containerd's streaming addresses; channels as Kubernetes has them:
    0 to 4 are the three streams, the status and the terminal's size; two for a port."""

    def __init__(self, url, protocol="v4.channel.k8s.io"):
        at = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((at.hostname, at.port), timeout=60)
        key = base64.b64encode(os.urandom(16)).decode()
        path = at.path + ("?" + at.query if at.query else "")
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {at.netloc}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nOrigin: http://{at.netloc}\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n".encode())
        self.file = self.socket.makefile("rb")
        first = self.file.readline()
        assert b" 101 " in first, first
        while self.file.readline().strip():
            pass
        self.got = {}

    def send(self, channel, data):
        data = bytes([channel]) + data
        assert len(data) < 65536
        size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
        self.socket.sendall(b"\x82" + size + bytes(4) + data)

    def receive(self):
        """One message of a channel is added to what came there; False at the end."""
        head = self.file.read(2)
        if len(head) < 2 or head[0] & 15 == 8:
            return False
        size = head[1] & 127
        if size > 125:
            size = int.from_bytes(self.file.read(2 if size == 126 else 8), "big")
        data = self.file.read(size)
        if data and head[0] & 15 < 3:
            self.got[data[0]] = self.got.get(data[0], b"") + data[1:]
        return True

    def until(self, channel, text):
        while text not in self.got.get(channel, b""):
            assert self.receive(), self.got
        return self.got[channel]

    def rest(self):
        while self.receive():
            pass
        return self.got

    def close(self):
        self.file.close()
        self.socket.close()
