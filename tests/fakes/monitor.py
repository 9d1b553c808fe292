# SPDX-License-Identifier: Apache-2.0
"""What the fakes of monitors with an HTTP API share (cloud-hypervisor, firecracker).

They refuse what the real ones refuse and have no machine. Environment:

    KATA_FAKE_FAULT  STEP=FAULT[,STEP=FAULT…]. STEP is "start" (before it listens) or a request
                     as in "vm.boot", with "#2" for its second time. FAULT is die, hang,
                     garbage, half (of the answer), refuse.
    KATA_FAKE_LOG    a file to which every request is written, one a line
    KATA_FAKE_AGENT  a unix socket to which streams to the agent's port are passed on;
                     without it such a stream says "agent" and ends
"""

import array
import json
import os
import socket
import sys
import threading
import time

AGENT_PORT = 1024


class Refuse(Exception):
    """An answer other than success."""

    def __init__(self, status, words):
        super().__init__(words)
        self.status = status


def check(value, shape, where):
    """Refuse @value unless it has the @shape: a type, a set of choices, [shape] for a list,
    or a dict of members, those that end in "!" being needed."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            raise Refuse(400, f"{where}: invalid type, expected a map")
        names = {name.rstrip("!"): of for name, of in shape.items()}
        for name in value:
            if name not in names:
                raise Refuse(400, f"{where}: unknown field `{name}`")
            check(value[name], names[name], f"{where}.{name}")
        for name in shape:
            if name.endswith("!") and name[:-1] not in value:
                raise Refuse(400, f"{where}: missing field `{name[:-1]}`")
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise Refuse(400, f"{where}: invalid type, expected a sequence")
        for item in value:
            check(item, shape[0], where)
    elif isinstance(shape, set):
        if value not in shape:
            raise Refuse(400, f"{where}: unknown variant `{value}`")
    elif not isinstance(value, shape) or (shape is int and isinstance(value, bool)):
        raise Refuse(400, f"{where}: invalid type, expected {shape.__name__}")


BUCKET = {"size!": int, "one_time_burst": int, "refill_time!": int}
LIMITER = {"bandwidth": BUCKET, "ops": BUCKET}


class Monitor:
    """One machine that is none. A subclass has handle(), which answers a request."""

    def __init__(self):
        self.lock = threading.Lock()
        self.counts = {}
        self.faults = dict(
            part.split("=") for part in os.environ.get("KATA_FAKE_FAULT", "").split(",") if part
        )
        self.log = os.environ.get("KATA_FAKE_LOG")

    def fault(self, step):
        """What is to go wrong at @step, once its turn has come."""
        self.counts[step] = self.counts.get(step, 0) + 1
        fault = self.faults.get(f"{step}#{self.counts[step]}")
        if fault is None and self.counts[step] == 1:
            fault = self.faults.get(step)
        if fault == "die":
            print(f"fake: died at {step}", file=sys.stderr, flush=True)
            os._exit(3)
        if fault == "hang":
            time.sleep(1000)
        return fault

    def handle(self, method, path, body, fds):
        """Returns what is answered in JSON, or None for an answer without."""
        raise NotImplementedError

    def step(self, path):
        """The name of a request in faults."""
        return path.rsplit("/", 1)[-1] or "/"

    def refusal(self, words):
        """The body of an error."""
        raise NotImplementedError

    # ---- HTTP -------------------------------------------------------------------------

    def request(self, conn):
        """Read one; None at the end."""
        data, fds = b"", []
        while b"\r\n\r\n" not in data:
            part, ancillary, _, _ = conn.recvmsg(65536, socket.CMSG_SPACE(64))
            if not part:
                return None
            data += part
            for level, kind, content in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    fds += array.array("i", content)
        head, body = data.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:])
        length = int(fields.get("content-length", 0))
        while len(body) < length:
            body += conn.recv(65536)
        method, path, _ = lines[0].split(" ")
        if self.log:
            with open(self.log, "a", encoding="utf-8") as log:
                log.write(f"{method} {path} {body.decode()} {len(fds)}\n")
        return method, path, body, fds

    def answer(self, conn, status, body, fault):
        """As these servers write it."""
        text = "" if body is None else json.dumps(body)
        head = f"HTTP/1.1 {status} \r\nServer: fake\r\nConnection: keep-alive\r\n"
        if status != 204:
            head += f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n"
        whole = (head + "\r\n" + text).encode()
        if fault == "garbage":
            whole = b"\x00\xffgarbage\r\n\r\n"
        elif fault == "half":
            whole = whole[: len(whole) // 2]
        conn.sendall(whole)

    def serve_one(self, conn):
        """All requests of a connection."""
        with conn:
            while (request := self.request(conn)) is not None:
                method, path, text, fds = request
                with self.lock:
                    fault = self.fault(self.step(path))
                    try:
                        if fault == "refuse":
                            raise Refuse(500, "the fake refuses")
                        try:
                            body = json.loads(text) if text else None
                        except ValueError as error:
                            raise Refuse(400, f"no JSON: {error}") from error
                        answer = self.handle(method, path, body, fds)
                        status = 204 if answer is None else 200
                    except Refuse as error:
                        status, answer = error.status, self.refusal(str(error))
                for fd in fds:
                    os.close(fd)
                self.answer(conn, status, answer, fault)
                if fault in ("garbage", "half"):
                    return

    def listen(self, path, serve):
        """Accept on @path for ever, each connection in a thread."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(16)

        def accept():
            while True:
                conn, _ = listener.accept()
                threading.Thread(target=serve, args=(conn,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()

    # ---- the guest --------------------------------------------------------------------

    def guest_stream(self, conn):
        """Somebody connects to the guest by the hybrid vsock."""
        with conn:
            line = b""
            while not line.endswith(b"\n"):
                byte = conn.recv(1)
                if not byte:
                    return
                line += byte
            words = line.decode().split()
            if words[:1] != ["CONNECT"] or words[1:] != [str(AGENT_PORT)]:
                return
            agent = os.environ.get("KATA_FAKE_AGENT")
            if not agent:
                conn.sendall(b"OK 1073741824\nagent")
                return
            with socket.socket(socket.AF_UNIX) as peer:
                try:
                    peer.connect(agent)
                except OSError:
                    return
                conn.sendall(b"OK 1073741824\n")
                threading.Thread(target=pump, args=(peer, conn), daemon=True).start()
                pump(conn, peer)


def pump(source, sink):
    """What comes from @source goes to @sink, to the end."""
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
