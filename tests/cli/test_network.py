"""The container's network: loopback of its own, or the host's sockets in its network namespace."""

import re
import socket
import subprocess
import sys
import threading

from harness import expect

CLONE_NEWNET = 0x40000000
SERVER = """
import ctypes, fcntl, os, socket, struct, sys
if ctypes.CDLL(None, use_errno=True).unshare(%d) != 0: sys.exit("unshare")
s = socket.socket()
fcntl.ioctl(s, 0x8914, struct.pack("16sH14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
server = socket.create_server(("127.0.0.1", 80))
print("ready", flush=True)
while True:
    client, peer = server.accept()
    client.sendall(client.recv(100).upper())
    client.close()
""" % CLONE_NEWNET


class Namespace:
    """A network namespace with lo up, and a server on port 80 of it that shouts back."""

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
        expect(self.process.stdout.readline() == "ready\n", "the namespace's server starts")
        self.path = f"/proc/{self.process.pid}/ns/net"
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def spec_in(w, path, *args, **process):
    spec = w.spec(*args, **process)
    for ns in spec["linux"]["namespaces"]:
        if ns["type"] == "network":
            ns["path"] = path
    return spec


SHOUT = "echo hello | nc 127.0.0.1 80"


def test_host_sockets_of_the_namespace(w):
    with Namespace() as ns:
        bundle = w.bundle(spec_in(w, ns.path, "/bin/sh", "-c", SHOUT))
        done = w.run("run", "--bundle", bundle, w.id(), globals_=["--network=host"])
        expect((done.code, done.stdout, done.stderr) == (0, "HELLO\n", ""), done)


def test_low_port_needs_the_capability(w):
    with Namespace() as ns:
        script = "nc -l -p 81 -w 1 </dev/null; cat /proc/net/dev"
        bundle = w.bundle(spec_in(w, ns.path, "/bin/sh", "-c", script))
        done = w.run("run", "--bundle", bundle, w.id(), globals_=["--network=host"])
        expect("denied" in done.stderr and re.search(r"^ +lo: +\d", done.stdout, re.M), done)


def test_namespace_with_lo_alone_is_the_sandboxs_own(w):
    with Namespace() as ns:
        bundle = w.bundle(spec_in(w, ns.path, "/bin/sh", "-c", SHOUT))
        done = w.run("run", "--bundle", bundle, w.id())
        expect(done.code != 0 and "refused" in done.stderr, done)


def test_none_is_loopback_only(w):
    with Namespace() as ns:
        bundle = w.bundle(spec_in(w, ns.path, "/bin/sh", "-c", SHOUT))
        done = w.run("run", "--bundle", bundle, w.id(), globals_=["--network=none"])
        expect(done.code != 0 and "refused" in done.stderr, done)


def test_missing_namespace_is_an_error(w):
    bundle = w.bundle(spec_in(w, "/no/such/netns", "/bin/true"))
    done = w.run("run", "--bundle", bundle, w.id(), globals_=["--network=host"])
    expect(done.code != 0 and "/no/such/netns" in done.stderr, done)
    expect(w.run("list", "-q").stdout == "", "nothing is left")


def test_do_uses_the_callers_network(w):
    server = socket.create_server(("127.0.0.1", 0))

    def answer():
        client, _ = server.accept()
        client.sendall(b"from the host\n")
        client.close()

    threading.Thread(target=answer, daemon=True).start()
    command = ["do", "--root", w.rootfs, "--", "/bin/nc", "127.0.0.1", str(server.getsockname()[1])]
    expect("refused" in w.run(*command).stderr, "a network of its own by default")
    done = w.run(*command, globals_=["--network=host"])
    expect(done.stdout == "from the host\n", done)
