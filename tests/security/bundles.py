#!/usr/bin/env python3
"""Attacks by an image or a config.json on what starts containers: run.py --runtime PATH [-k PATTERN].

Whatever a bundle holds, the host's files stay as they are, no file of the host outside of the bundle is read, and the
runtime says what it refuses. Attacks on the gofer's protocol are beside it (gofer/server/*_test.cc); malformed
config.json files are in tests/cli/test_bundle.py.
"""

import argparse
import ctypes
import hashlib
import os
import pathlib
import re
import shutil
import socket
import stat
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cli"))
import harness  # noqa: E402
from harness import expect, expect_success  # noqa: E402

libc = ctypes.CDLL(None, use_errno=True)
WRITE_THROUGH = ["--overlay2=none"]


class Victim:
    """A directory of the host that no container has any business with."""

    def __init__(self, w):
        self.path = os.path.join(w.dir, "victim")
        os.mkdir(self.path)
        with open(os.path.join(self.path, "secret"), "w") as file:
            file.write("secret of the host\n")
        self.before = self.look()

    def look(self):
        mounts = [line for line in open("/proc/self/mountinfo") if self.path in line]
        return sorted((e.name, e.stat().st_size, e.stat().st_mode) for e in os.scandir(self.path)), mounts

    def expect_untouched(self, what):
        expect(self.look() == self.before, f"{what}: {self.look()}")


def image(w):
    """A root file system of one's own to spoil."""
    path = os.path.join(w.dir, "image")
    harness.make_rootfs(path)
    return path


def bundle(w, root, *args, mounts=(), name="bundle", **process):
    spec = w.spec(*args, **process)
    spec["root"]["path"] = root
    spec["mounts"] += list(mounts)
    return w.bundle(spec, name=name)


def run_any(w, path, container, globals_=()):
    """The container may run or be refused; it must not hang, and never crash."""
    outcome = w.run("run", "--bundle", path, w.id(container), globals_=globals_)
    expect("secret of the host" not in outcome.stdout, outcome)
    expect("signal" not in outcome.stderr, outcome)
    return outcome


def test_mount_destinations_through_symlinks(w):
    victim, root = Victim(w), image(w)
    links = {"absolute": victim.path, "relative": "../" * 30 + victim.path, "dangling": "/nonexistent/there", "loop": "loop",
             "deep0": victim.path}
    links.update({f"deep{i}": f"deep{i - 1}" for i in range(1, 45)})
    for name, target in links.items():
        os.symlink(target, os.path.join(root, name))
    source = os.path.join(w.dir, "source")
    os.mkdir(source)
    for number, name in enumerate(("absolute", "relative", "dangling", "loop", "deep44")):
        for mount in ({"type": "tmpfs", "source": "tmpfs"}, {"type": "bind", "source": source, "options": ["bind"]}):
            for inner in ("", "/made/deeper"):
                mount = dict(mount, destination=f"/{name}{inner}")
                run_any(w, bundle(w, root, "/bin/true", mounts=[mount]), f"c{number}", WRITE_THROUGH)
                victim.expect_untouched(mount)


def exchange(a, b):
    AT_FDCWD, RENAME_EXCHANGE = -100, 2
    libc.renameat2(AT_FDCWD, a.encode(), AT_FDCWD, b.encode(), RENAME_EXCHANGE)


def test_racing_exchange_of_a_mount_destination(w):
    victim, root = Victim(w), image(w)
    target, link = os.path.join(root, "mnt"), os.path.join(root, "link")
    os.mkdir(target)
    os.symlink(victim.path, link)
    over = threading.Event()

    def race():
        while not over.is_set():
            exchange(target, link)

    racer = threading.Thread(target=race)
    racer.start()
    try:
        path = bundle(w, root, "/bin/true", mounts=[{"destination": "/mnt/inner", "type": "tmpfs", "source": "tmpfs"},
                                                    {"destination": "/mnt/file", "type": "bind", "source": "/etc/hostname", "options": ["bind"]}])
        for number in range(40):
            run_any(w, path, f"c{number}", WRITE_THROUGH)
            victim.expect_untouched(f"round {number}")
    finally:
        over.set()
        racer.join()


def test_system_directories_of_the_image_are_something_else(w):
    victim, root = Victim(w), image(w)
    standard = [{"destination": d, "type": t, "source": t} for d, t in (("/dev", "tmpfs"), ("/dev/pts", "devpts"), ("/sys", "sysfs"))]
    kinds = {"link": lambda p: os.symlink(victim.path, p), "file": lambda p: open(p, "w").close(), "fifo": os.mkfifo,
             "dangling": lambda p: os.symlink("/nonexistent", p)}
    for name in ("dev", "proc", "sys"):
        place = os.path.join(root, name)
        os.rmdir(place)
        for kind, make in kinds.items():
            make(place)
            run_any(w, bundle(w, root, "/bin/cat", "/proc/self/comm", mounts=standard), f"{name}-{kind}", WRITE_THROUGH)
            victim.expect_untouched(f"/{name} is a {kind}")
            os.remove(place)
        os.mkdir(place)


def test_masked_paths_through_symlinks(w):
    victim, root = Victim(w), image(w)
    os.symlink("/proc/cpuinfo", os.path.join(root, "link"))
    os.symlink(victim.path, os.path.join(root, "outside"))
    spec = w.spec("/bin/sh", "-c", "wc -c </proc/cpuinfo")
    spec["root"]["path"] = root
    spec["linux"]["maskedPaths"] = ["/link", "/outside", "/outside/secret"]
    spec["linux"]["readonlyPaths"] = ["/outside"]
    expect_success(w.run("run", "--bundle", w.bundle(spec), w.id()), "0\n")
    victim.expect_untouched("masked")


def test_fake_proc_of_the_image_is_not_looked_at(w):
    root = image(w)
    os.makedirs(os.path.join(root, "proc/self/attr"))
    for name in ("attr/exec", "comm"):
        with open(os.path.join(root, "proc/self", name), "w") as file:
            file.write("fake\n")
    outcome = w.run("run", "--bundle", bundle(w, root, "/bin/cat", "/proc/self/comm"), w.id())
    expect_success(outcome, "cat\n")
    with open(os.path.join(root, "proc/self/attr/exec")) as file:
        expect(file.read() == "fake\n", "nothing was written to it")


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def test_the_runtimes_own_program_cannot_be_overwritten(w):
    root, before = image(w), digest(w.runtime)
    script = os.path.join(root, "bin/evil")
    with open(script, "w") as file:
        file.write("#!/proc/self/exe\n")
    os.chmod(script, 0o755)
    run_any(w, bundle(w, root, "/bin/evil"), "script", WRITE_THROUGH)
    attack = "for p in /proc/*/exe; do echo evil >>$p; readlink $p; done; echo evil >/proc/1/exe"
    outcome = run_any(w, bundle(w, root, "/bin/sh", "-c", attack), "writer", WRITE_THROUGH)
    expect(w.runtime not in outcome.stdout, f"not even its name is seen: {outcome}")
    expect_success(w.run("create", "--bundle", bundle(w, root, "/bin/sleep", "100"), w.id("victim"), globals_=WRITE_THROUGH))
    expect_success(w.run("start", "victim"))
    os.remove(os.path.join(root, "bin/sleep"))
    os.symlink("/proc/self/exe", os.path.join(root, "bin/sleep"))
    w.run("exec", "victim", "/bin/sleep", "0")
    expect(digest(w.runtime) == before, "the host's program is unchanged")


def test_no_descriptor_leaks_into_the_container(w):
    victim = Victim(w)
    junk = [os.open(victim.path, os.O_RDONLY) for _ in range(200)]
    for fd in junk:
        os.set_inheritable(fd, True)
    try:
        path = bundle(w, w.rootfs, "/bin/sh", "-c", "ls /proc/self/fd | wc -l; ls /proc/1/fd | tr '\\n' ' '")
        # ls itself opens the directory.
        done = subprocess.run(w.command("run", "--bundle", path, w.id()), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              close_fds=False, timeout=60)
        expect(done.stdout.split(b"\n")[0] == b"4", done.stdout)
        for cwd in [f"/proc/self/fd/{fd}" for fd in (3, 7, 8, 9, 100)] + ["/proc/1/cwd", "/proc/self/root"]:
            path = bundle(w, w.rootfs, "/bin/sh", "-c", "cat secret; pwd -P; ls ..", cwd=cwd)
            done = subprocess.run(w.command("run", "--bundle", path, w.id("cwd")), stdin=subprocess.DEVNULL, timeout=60,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, close_fds=False)
            expect(b"secret of the host" not in done.stdout and victim.path.encode() not in done.stdout, done)
    finally:
        for fd in junk:
            os.close(fd)


def test_ids_are_no_paths(w):
    path = w.bundle()
    for name in ("../x", "a/b", ".", "..", "", "/etc", "a\nb", "x" * 2000):
        outcome = w.run("create", "--bundle", path, "--", name)
        expect(outcome.code == 128, outcome)
    expect(not os.path.exists(os.path.join(w.dir, "x")), "nothing made outside")


def test_two_creates_of_one_id(w):
    path = w.bundle(w.spec("/bin/sleep", "100"))
    w.id()
    for _ in range(5):
        racing = [w.popen("create", "--bundle", path, "c1", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(4)]
        codes = sorted(process.wait(60) for process in racing)
        expect(codes == [0, 128, 128, 128], codes)
        expect(w.state("c1")["status"] == "created", "the winner's is whole")
        expect_success(w.run("delete", "--force", "c1"))


def test_a_root_that_is_swapped_while_it_starts(w):
    victim, root = Victim(w), image(w)
    other = os.path.join(w.dir, "other")
    os.symlink(victim.path, other)
    over = threading.Event()

    def race():
        while not over.is_set():
            exchange(root, other)

    racer = threading.Thread(target=race)
    racer.start()
    try:
        for number in range(20):
            # What is served is one of the two trees; the other is never written to.
            w.run("run", "--bundle", bundle(w, root, "/bin/true"), w.id(f"c{number}"), globals_=["--overlay2=root:memory"])
            victim.expect_untouched(f"round {number}")
    finally:
        over.set()
        racer.join()


def test_hooks_run_outside_of_the_image(w):
    root = image(w)
    for name in ("sh", "cat"):
        tool = os.path.join(root, "bin", name)
        os.remove(tool)
        with open(tool, "w") as file:
            file.write("#!/bin/busybox sh\necho evil\n")
        os.chmod(tool, 0o755)
    spec = w.spec("/bin/busybox", "true")
    spec["root"]["path"] = root
    spec["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", f"pwd >{w.dir}/where; env >{w.dir}/env"]}]}
    path = w.bundle(spec)
    expect_success(w.run("run", "--bundle", path, w.id(), env=dict(os.environ, LD_PRELOAD_TEST="1")))
    with open(f"{w.dir}/where") as file:
        expect(file.read().strip() == path, "in the bundle, not in the image")
    with open(f"{w.dir}/env") as file:
        expect("LD_PRELOAD_TEST" not in file.read(), "with no environment")


def test_special_files_of_the_image(w):
    root = image(w)
    os.mknod(os.path.join(root, "kmsg"), stat.S_IFCHR | 0o666, os.makedev(1, 11))
    os.mknod(os.path.join(root, "mem"), stat.S_IFCHR | 0o666, os.makedev(1, 1))
    os.mknod(os.path.join(root, "disk"), stat.S_IFBLK | 0o666, os.makedev(254, 0))
    os.mkfifo(os.path.join(root, "fifo"))
    server = socket.socket(socket.AF_UNIX)
    server.bind(os.path.join(root, "socket"))
    server.listen()
    script = ("for f in kmsg mem disk socket; do head -c 1 /$f >/dev/null 2>&1; echo $f $?; done; mknod /made b 254 0; "
              "head -c 1 /made >/dev/null 2>&1; echo made $?")
    for globals_ in (["--overlay2=root:memory"], WRITE_THROUGH):
        outcome = w.run("run", "--bundle", bundle(w, root, "/bin/sh", "-c", script), w.id(), globals_=globals_)
        for name in ("kmsg", "mem", "disk", "socket", "made"):
            expect(re.search(f"^{name} [1-9]", outcome.stdout, re.M), f"{name} must not open: {outcome}")
    server.close()


def test_odd_images(w):
    root = image(w)
    many = os.path.join(root, "many")
    os.mkdir(many)
    for number in range(20_000):
        os.mknod(os.path.join(many, f"f{number}"))
    os.mkdir(os.path.join(root, "n" * 255))
    with open(os.path.join(root, "sparse"), "w") as file:
        os.truncate(file.fileno(), 1 << 40)
    shutil.copy(harness.BUSYBOX, os.path.join(root, "bin/busybox-suid"))
    os.chmod(os.path.join(root, "bin/busybox-suid"), 0o4755)
    script = "ls /many | wc -l; ls -d /n* | wc -c; wc -c /sparse >/dev/null & sleep 0.1; kill $!; ls -l /sparse | grep -c 1099511627776; busybox-suid id -u"
    outcome = w.run("run", "--bundle", bundle(w, root, "/bin/sh", "-c", script, user={"uid": 1000, "gid": 1000}, noNewPrivileges=True),
                    w.id(), globals_=WRITE_THROUGH)
    expect(outcome.stdout.split() == ["20000", "257", "1", "1000"], outcome)


def test_users_of_exec(w):
    expect_success(w.run("create", "--bundle", w.bundle(w.spec("/bin/sleep", "100")), w.id()))
    expect_success(w.run("start", "c1"))
    expect_success(w.run("exec", "--user", "1:2", "c1", "/bin/sh", "-c", "id -u; id -g"), "1\n2\n")
    for text in ("+1", "0x0", "root:", "4294967296", "-1", "1:", ":1", "1:2:3", " 1", "1 ", "4294967295"):
        outcome = w.run("exec", "--user", text, "c1", "/bin/sh", "-c", "id -u")
        expect(outcome.code == 128 and outcome.stdout == "", f"{text!r}: {outcome}")


def test_rights_go_before_the_image_is_looked_at(w):
    if not shutil.which("strace"):
        print("      left out: strace is not installed")
        return
    root, log = image(w), os.path.join(w.dir, "calls")
    with open(os.path.join(root, "canary"), "w") as file:
        file.write("sings\n")
    command = w.command("run", "--bundle", bundle(w, root, "/bin/cat", "/canary"), w.id(), globals_=["--network=none"])
    trace = ["strace", "-f", "-o", log, "-e", "trace=open,openat,openat2,stat,newfstatat,seccomp,capset,pivot_root"]
    done = subprocess.run([*trace, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=120, text=True)
    expect(done.stdout == "sings\n", done)
    with open(log) as file:
        lines = file.read().splitlines()
    # The guest's own call shows too: it was trapped, and has its number for a result.
    looks = [n for n, line in enumerate(lines) if "canary" in line and not line.endswith(" = 257")]
    gofer = next(line.split()[0] for line in lines if " capset(" in line and "effective=1<<CAP_CHOWN" in line)
    for call in ("pivot_root(", "capset(", "seccomp(SECCOMP_SET_MODE_FILTER"):
        first = next(n for n, line in enumerate(lines) if line.split()[0] == gofer and " " + call in line)
        expect(looks and first < looks[0], f"{call}: {first}, {looks}")
    for n in looks:
        if " openat2(" in lines[n]:
            expect("RESOLVE_BENEATH" in lines[n] and "O_NOFOLLOW" in lines[n] and "O_PATH" in lines[n], lines[n])
        else:
            expect("resumed" in lines[n], lines[n])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runtime", required=True)
    parser.add_argument("-k", default="", help="only attacks whose name matches")
    options = parser.parse_args()
    tests = [(name[5:], function) for name, function in globals().items()
             if name.startswith("test_") and re.search(options.k, name)]
    return 1 if harness.run_tests(tests, options.runtime) else 0


if __name__ == "__main__":
    sys.exit(main())
