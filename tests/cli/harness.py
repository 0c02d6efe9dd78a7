"""Helpers of the command line tests: bundles, running the runtime, expectations."""

import json
import os
import shutil
import subprocess
import tempfile
import time
import traceback

BUSYBOX = next((p for p in ("/bin/busybox", "/usr/bin/busybox") if os.path.exists(p)), None)
APPLETS = "sh true false echo sleep cat ls id pwd env kill test mkdir touch printf uname hostname ps wc head nc tty stty grep ip chown mknod readlink cut".split()


class Failure(Exception):
    """A test's expectation was not met."""


class Outcome:
    def __init__(self, argv, code, stdout, stderr, seconds):
        self.argv, self.code, self.stdout, self.stderr, self.seconds = argv, code, stdout, stderr, seconds

    def __str__(self):
        return f"{' '.join(self.argv)}\n  exit {self.code}\n  stdout {self.stdout!r}\n  stderr {self.stderr!r}"


class World:
    """One test's scratch directory: a state root, a root file system, bundles."""

    def __init__(self, runtime, rootfs):
        self.runtime = runtime
        self.dir = tempfile.mkdtemp(prefix="runsc-cli-")
        self.root = os.path.join(self.dir, "state")
        self.rootfs = rootfs
        self.ids = []

    def close(self):
        for container in self.ids:
            self.run("delete", "--force", container)
        shutil.rmtree(self.dir, ignore_errors=True)

    def command(self, *args, globals_=()):
        return [self.runtime, "--root", self.root, *globals_, *args]

    def run(self, *args, globals_=(), stdin=subprocess.DEVNULL, timeout=60, cwd=None, env=None):
        argv = self.command(*args, globals_=globals_)
        start = time.monotonic()
        # Files, not pipes: a container left running holds on to the other end.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            done = subprocess.run(argv, stdin=stdin, stdout=out, stderr=err, timeout=timeout, cwd=cwd, env=env)
            seconds = time.monotonic() - start
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode(errors="replace"))
        return Outcome(argv, done.returncode, *texts, seconds)

    def popen(self, *args, globals_=(), **kwargs):
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        kwargs.setdefault("stdout", subprocess.PIPE)
        kwargs.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen(self.command(*args, globals_=globals_), **kwargs)

    def spec(self, *args, **process):
        spec = {
            "ociVersion": "1.0.2",
            "process": {"args": list(args) or ["/bin/true"], "cwd": "/", "user": {"uid": 0, "gid": 0},
                        "env": ["PATH=/bin", "HOME=/"]},
            "root": {"path": self.rootfs},
            "hostname": "tester",
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
            "linux": {"namespaces": [{"type": t} for t in ("pid", "network", "ipc", "uts", "mount")]},
        }
        spec["process"].update(process)
        return spec

    def bundle(self, spec=None, text=None, name="bundle"):
        path = os.path.join(self.dir, name)
        os.makedirs(path, exist_ok=True)
        with open(os.path.join(path, "config.json"), "w") as file:
            file.write(json.dumps(spec if spec is not None else self.spec()) if text is None else text)
        return path

    def id(self, name="c1"):
        self.ids.append(name)
        return name

    def state(self, container):
        outcome = self.run("state", container)
        if outcome.code != 0:
            raise Failure(f"state failed: {outcome}")
        return json.loads(outcome.stdout)


def make_rootfs(path):
    """A root file system of busybox alone."""
    os.makedirs(os.path.join(path, "bin"), exist_ok=True)
    for name in ("dev", "proc", "sys", "tmp", "etc"):
        os.makedirs(os.path.join(path, name), exist_ok=True)
    shutil.copy(BUSYBOX, os.path.join(path, "bin/busybox"))
    for applet in APPLETS:
        link = os.path.join(path, "bin", applet)
        if not os.path.lexists(link):
            os.symlink("busybox", link)
    with open(os.path.join(path, "etc/passwd"), "w") as file:
        file.write("root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n")


def expect(condition, what):
    if not condition:
        raise Failure(str(what))


def expect_failure(outcome, *texts, code=128):
    """runsc's own failure: its exit status, one line on stderr that names the cause, nothing on stdout."""
    expect(outcome.code == code, f"expected exit {code}: {outcome}")
    expect(outcome.stdout == "", f"expected no output: {outcome}")
    expect(outcome.stderr.count("\n") == 1, f"expected one line on stderr: {outcome}")
    for text in texts:
        expect(text.lower() in outcome.stderr.lower(), f"expected {text!r}: {outcome}")


def expect_success(outcome, stdout=None):
    expect(outcome.code == 0, f"expected success: {outcome}")
    if stdout is not None:
        expect(outcome.stdout == stdout, f"expected {stdout!r}: {outcome}")


def wait_until(condition, what, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.01)
    raise Failure(f"timed out waiting for {what}")


def commands_of(world, container):
    """The command lines that `ps` shows, in the order of their pids."""
    return [line.split(maxsplit=7)[7] for line in world.run("ps", container).stdout.splitlines()[1:]]


def in_time(attempt, what):
    """For a race that nothing can decide: tries with longer and longer delays until one was long enough."""
    for delay in (0.1, 1, 10):
        if attempt(delay):
            return
    raise Failure(f"too late even after {delay} s: {what}")


def processes_of(world):
    """Pids of processes whose command line names the world's state root or were spawned for it."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                cmdline = file.read()
        except OSError:
            continue
        if world.root.encode() in cmdline and int(pid) != os.getpid():
            found.append(int(pid))
    return found


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().split(b"\0")[0].decode()
    except OSError:
        return ""


def processes_named(world, name):
    return [pid for pid in processes_of(world) if command_of(pid) == name]


def run_one(function, runtime, rootfs):
    world = World(runtime, rootfs)
    try:
        function(world)
        return None
    except (Failure, subprocess.TimeoutExpired) as problem:
        return str(problem)
    except Exception:  # a bug of the test itself
        return traceback.format_exc()
    finally:
        world.close()


def run_tests(tests, runtime):
    """Runs (name, function) pairs over a fresh root file system and prints a line for each; how many failed."""
    rootfs = tempfile.mkdtemp(prefix="runsc-cli-rootfs-")
    os.chmod(rootfs, 0o755)
    make_rootfs(rootfs)
    failed = 0
    for name, function in tests:
        problem = run_one(function, os.path.abspath(runtime), rootfs)
        failed += problem is not None
        print(f"{'FAIL' if problem else 'ok  '} {name}", flush=True)
        if problem:
            print("     " + problem.replace("\n", "\n     "), flush=True)
    shutil.rmtree(rootfs, ignore_errors=True)
    print(f"{len(tests) - failed} passed, {failed} failed")
    return failed
