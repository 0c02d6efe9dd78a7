"""The calls a kubelet makes to a CRI runtime: gRPC for requests, a web socket for streams."""

import importlib
import json
import subprocess
import sys
import tempfile

import grpc
import websocket

from harness import expect

STDIN, STDOUT, STDERR, STATUS, RESIZE = range(5)  # channels of the protocol v4.channel.k8s.io


def messages():
    """The classes of cri.proto, compiled on the spot."""
    out = tempfile.mkdtemp(prefix="cri-")
    subprocess.run(["protoc", "-I/src/tests/clients", f"--python_out={out}", "cri.proto"], check=True)
    sys.path.insert(0, out)
    return importlib.import_module("cri_pb2")


cri = messages()


class Kubelet:
    """One connection. `call("StopContainer", container_id=...)` sends a StopContainerRequest and returns the
    response, which must come in `deadline` seconds (one on a machine with 20 starting pods is slow)."""

    def __init__(self, socket):
        self.channel = grpc.insecure_channel(f"unix://{socket}")

    def call(self, method, deadline=240, **fields):
        request = getattr(cri, f"{method}Request")(**fields)
        invoke = self.channel.unary_unary(
            f"/runtime.v1.RuntimeService/{method}", request_serializer=type(request).SerializeToString,
            response_deserializer=getattr(cri, f"{method}Response").FromString)
        return invoke(request, timeout=deadline)

    def fails(self, method, **fields):
        """The error text of a call that must fail."""
        try:
            self.call(method, **fields)
        except grpc.RpcError as error:
            return error.details()
        expect(False, f"{method} succeeded")

    def status(self, container):
        return self.call("ContainerStatus", container_id=container).status

    def run(self, container, *command, timeout=60):
        """ExecSync: (exit status, standard output, standard error)."""
        done = self.call("ExecSync", container_id=container, cmd=command, timeout=timeout)
        return done.exit_code, done.stdout.decode(), done.stderr.decode()

    def exec(self, container, *command, tty=False, stdin=True):
        """Streaming exec."""
        return Stream(self.call("Exec", container_id=container, cmd=command, tty=tty, stdin=stdin, stdout=True,
                                stderr=not tty).url)

    def attach(self, container, tty=False):
        return Stream(self.call("Attach", container_id=container, stdin=True, tty=tty, stdout=True, stderr=not tty).url)

    def close(self):
        self.channel.close()


class Stream:
    """A process's streams over one web socket."""

    def __init__(self, url):
        self.socket = websocket.create_connection(url.replace("http://", "ws://"), timeout=60,
                                                  subprotocols=["v4.channel.k8s.io"])
        self.text = {STDOUT: "", STDERR: ""}
        self.exit_code = None

    def send(self, text):
        self.socket.send_binary(bytes([STDIN]) + text.encode())

    def resize(self, rows, columns):
        self.socket.send_binary(bytes([RESIZE]) + json.dumps({"Width": columns, "Height": rows}).encode())

    def expect(self, text):
        while text not in self.text[STDOUT]:
            expect(self._receive(), f"no {text!r} in {self.text}")

    def end(self):
        """Reads to the end; returns the exit status."""
        while self._receive():
            pass
        return self.exit_code

    def _receive(self):
        try:
            data = self.socket.recv()
        except websocket.WebSocketConnectionClosedException:
            return False
        if not data:
            return False
        data = data.encode() if isinstance(data, str) else data
        if data[0] == STATUS:
            self._finish(json.loads(data[1:]))
        else:
            self.text[data[0]] += data[1:].decode(errors="replace")
        return True

    def _finish(self, status):
        if status["status"] == "Success":
            self.exit_code = 0
        else:
            causes = {cause["reason"]: cause["message"] for cause in status.get("details", {}).get("causes", [])}
            expect("ExitCode" in causes, status)
            self.exit_code = int(causes["ExitCode"])

    def close(self):
        self.socket.close()
