"""An ordinary user's containers: no right of root's is needed, and no set-uid helper."""

import concurrent.futures
import contextlib
import errno
import os
import resource
import shutil
import socket
import subprocess
import tempfile
import threading
import time

from harness import Outcome, expect, expect_failure, expect_success, make_rootfs, wait_until

NOBODY = 65534


class User:
    """What the user may reach: a copy of the runtime, a root file system, a bundle."""

    def __init__(self, w):
        self.w = w
        self.dir = tempfile.mkdtemp(prefix="runsc-user-", dir="/tmp")
        self.runtime = os.path.join(self.dir, "program")
        shutil.copy(w.runtime, self.runtime)
        self.rootfs = os.path.join(self.dir, "rootfs")
        make_rootfs(self.rootfs)
        w.rootfs = self.rootfs
        for path, directories, files in os.walk(self.dir):
            for name in directories + files:
                os.lchown(os.path.join(path, name), NOBODY, NOBODY)
        os.chown(self.dir, NOBODY, NOBODY)

    def bundle(self, *args, **linux):
        spec = self.w.spec(*args)
        spec["linux"].update(linux)
        path = os.path.join(self.dir, "bundle")
        shutil.copytree(self.w.bundle(spec), path, dirs_exist_ok=True)
        return path

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir)

    def run(self, *args, runtime_dir=None):
        command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", self.runtime, "--rootless", *args]
        environment = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": self.dir if runtime_dir is None else runtime_dir}
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment, cwd=self.dir,
                                  timeout=60)
            out.seek(0), err.seek(0)
            return Outcome(command, done.returncode, out.read(), err.read(), 0)


def test_do(w):
    with User(w) as user:
        expect_success(user.run("do", "/bin/sh", "-c", "id -u; echo there >/tmp/f; cat /tmp/f"), "0\nthere\n")


def test_no_directory_for_state(w):
    with User(w) as user:
        for runtime_dir in ("", "/nosuch"):
            expect_failure(user.run("do", "true", runtime_dir=runtime_dir), "--root or XDG_RUNTIME_DIR")


def test_run(w):
    with User(w) as user:
        script = "id -u; touch /made && ls -n /made | cut -c1-10; exit 3"
        outcome = user.run("run", "--bundle", user.bundle("/bin/sh", "-c", script), "c1")
        expect(outcome.code == 3 and outcome.stdout == "0\n-rw-r--r--\n", outcome)
        expect(not os.path.exists(os.path.join(user.rootfs, "made")), "the root file system is as before")


def test_whole_life(w):
    with User(w) as user:
        bundle = user.bundle("/bin/sleep", "600")
        for network in ([], ["--network=none"]):
            expect_success(user.run(*network, "create", "--bundle", bundle, "c1"))
            expect_success(user.run("start", "c1"))
            expect_success(user.run("exec", "c1", "sh", "-c", "id -u; cat /proc/1/comm"), "0\nsleep\n")
            expect(user.run("list", "--quiet").stdout == "c1\n", "list")
            expect_success(user.run("kill", "c1", "KILL"))
            wait_until(lambda: '"stopped"' in user.run("state", "c1").stdout, "the end")
            expect_success(user.run("delete", "c1"))
            expect(user.run("list", "--quiet").stdout == "", "nothing left")


def test_limits_that_may_not_be_set_are_a_warning(w):
    with User(w) as user:
        bundle = user.bundle("/bin/true", resources={"memory": {"limit": 64 << 20}})
        outcome = user.run("run", "--bundle", bundle, "c1")
        expect(outcome.code == 0 and "without a cgroup" in outcome.stderr, outcome)


def send_until_refused():
    """Descriptors that nobody receives, as many as the user may have under way; the sockets that hold them."""
    pairs = []
    while True:
        pairs.append(socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
        pairs[-1][0].setblocking(False)
        try:
            while True:
                socket.send_fds(pairs[-1][0], [b"x"], [0] * 250)
        except OSError as error:
            if error.errno == errno.ETOOMANYREFS:
                return pairs


@contextlib.contextmanager
def crowd():
    """Another program of the user's that does this."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            ours.close()
            most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the gofer's
            os.setgroups([]), os.setresgid(NOBODY, NOBODY, NOBODY), os.setresuid(NOBODY, NOBODY, NOBODY)
            held = send_until_refused()
            theirs.sendall(b"x"), theirs.recv(1)
            del held
        finally:
            os._exit(0)
    theirs.close()
    try:
        expect(ours.recv(1) == b"x", "the crowd is there")
        yield
    finally:
        ours.close()
        os.waitpid(pid, 0)


def test_too_many_descriptors_under_way(w):
    """The host limits them for all programs of a user together: gofer and broker wait until their own may pass."""
    with User(w) as user:
        expect_success(user.run("create", "--bundle", user.bundle("/bin/sh", "-c", "cat /etc/passwd >/tmp/copy; sleep 600"), "c1"))
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            with crowd():
                start = pool.submit(user.run, "start", "c1")
                time.sleep(0.5)  # for it to ask for the program
        expect_success(start.result())
        wait_until(lambda: "root:" in user.run("exec", "c1", "cat", "/tmp/copy").stdout, "a read file")
        expect_success(user.run("delete", "--force", "c1"))
    with User(w) as user, socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].close(), daemon=True).start()
        script = f"trap 'nc 127.0.0.1 {server.getsockname()[1]} </dev/null; echo $? >/told' USR1; touch /up; while :; do sleep 0.02; done"
        bundle = user.bundle("/bin/sh", "-c", script, namespaces=[{"type": t} for t in ("pid", "ipc", "uts", "mount")])
        expect_success(user.run("--network=host", "create", "--bundle", bundle, "c1"))
        expect_success(user.run("start", "c1"))
        wait_until(lambda: user.run("exec", "c1", "ls", "/up").code == 0, "the trap")
        with crowd():
            expect_success(user.run("kill", "c1", "USR1"))
            time.sleep(0.5)  # for it to ask for a socket
        wait_until(lambda: user.run("exec", "c1", "cat", "/told").stdout == "0\n", "the connection")
        expect_success(user.run("delete", "--force", "c1"))
