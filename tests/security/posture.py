#!/usr/bin/env python3
"""Looks at the processes of a live sandbox from the host: what each may do must be what we promise.

Sentry and gofer: own namespaces, no capability, no_new_privs, a seccomp filter on every thread, no
descriptor of a host directory they should not have. Stubs: the same, and no descriptor at all in
the threads that run guest code.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import sandbox  # noqa: E402

NAMESPACES = ["user", "mnt", "pid", "ipc", "uts", "net"]
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def status(path):
    lines = (path / "status").read_text().splitlines()
    return dict(line.split(":\t", 1) if ":\t" in line else (line, "") for line in lines)


def below(pid):
    """pid -> parent for every process under `pid`, itself not included."""
    parents = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(entry.parent.name)] = int(entry.read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
    found, new = {}, {pid}
    while new:
        new = {c for c, p in parents.items() if p in new}
        found.update({c: parents[c] for c in new})
    return found


def namespace(pid, name):
    return os.readlink(f"/proc/{pid}/ns/{name}")


class Posture:
    """Collects what is wrong with each process."""

    def __init__(self):
        self.checks, self.bad = 0, []

    def expect(self, condition, text):
        self.checks += 1
        if not condition:
            self.bad.append(text)

    def thread(self, pid, path, kind):
        fields = status(path)
        who = f"{kind} {pid} thread {path.name}"
        self.expect(fields["Seccomp"].strip() == "2", f"{who}: Seccomp {fields['Seccomp'].strip()}")
        self.expect(fields["NoNewPrivs"].strip() == "1", f"{who}: may gain privileges by exec")
        for cap in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"):
            value = int(fields[cap], 16)
            # The gofer acts on the container's files for every user: it keeps the few that takes.
            allowed = 0b111011 | 1 << 27 | 1 << 31 if kind == "gofer" else 0
            self.expect(value & ~allowed == 0, f"{who}: {cap} {value:x}")

    def process(self, pid, kind):
        for path in pathlib.Path(f"/proc/{pid}/task").iterdir():
            self.thread(pid, path, kind)
        for name in NAMESPACES:
            self.expect(namespace(pid, name) != namespace("self", name), f"{kind} {pid}: host's {name} namespace")
        limit = pathlib.Path(f"/proc/{pid}/limits").read_text()
        core = next(line for line in limit.splitlines() if line.startswith("Max core"))
        self.expect(core.split()[4] == "0", f"{kind} {pid}: may dump core")
        environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes().strip(b"\0")
        self.expect(environment == b"", f"{kind} {pid}: environment {environment[:80]!r}")

    def root(self, pid):
        names = os.listdir(f"/proc/{pid}/root")
        self.expect(set(names) <= {"proc"}, f"sentry {pid}: its root has {names[:10]}")
        try:
            open(f"/proc/{pid}/root/x", "w").close()
            self.bad.append(f"sentry {pid}: its root is writable")
        except OSError:
            pass

    def descriptors(self, pid, kind, forbidden):
        for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            target = os.readlink(fd)
            for prefix in forbidden:
                self.expect(not target.startswith(prefix), f"{kind} {pid}: descriptor {fd.name} is {target}")

    def monitor(self, pid):
        self.thread(pid, pathlib.Path(f"/proc/{pid}/task/{pid}"), "monitor")
        self.expect(namespace(pid, "mnt") != namespace("self", "mnt"), f"monitor {pid}: host's mnt namespace")
        for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            target = os.readlink(fd)
            known = target == "/dev/null" or target.startswith("socket:") or target == "anon_inode:[signalfd]"
            self.expect(known, f"monitor {pid}: descriptor {fd.name} is {target}")

    def stub(self, pid):
        for path in pathlib.Path(f"/proc/{pid}/task").iterdir():
            self.thread(pid, path, "stub")


def kind_of(pid):
    """"gofer", "sentry", "monitor" or "other" by what the process was started as."""
    words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    if pathlib.Path(f"/proc/{pid}/comm").read_text() == "runsc-monitor\n":
        return "monitor"
    return "gofer" if b"gofer" in words else "sentry" if b"boot" in words else "other"


def look(top):
    posture, kinds, processes = Posture(), {}, below(top)
    for pid, parent in processes.items():
        kind = kind_of(pid)
        if kinds.get(parent) == "sentry":  # forked by it, and nothing else is
            kind = "stub"
        kinds[pid] = kind
    for pid, kind in kinds.items():
        if kind in ("sentry", "gofer"):
            posture.process(pid, kind)
            posture.descriptors(pid, kind, ["/dev/mem", "/dev/kmsg", "/dev/kvm", "/proc/kcore"])
        if kind == "sentry":
            posture.root(pid)
        if kind == "stub":
            posture.stub(pid)
        if kind == "monitor":
            posture.monitor(pid)
    for kind in ("sentry", "gofer", "stub", "monitor"):
        posture.expect(kind in kinds.values(), f"no {kind} among {kinds}")
    return posture


def name_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""  # it ended


def runs_a_program(pid):
    """Whether it is a stub, which has its parent's command line, that left the guest's shell behind."""
    try:
        parent = status(pathlib.Path(f"/proc/{pid}"))["PPid"].strip()
        return kind_of(parent) == "sentry" and name_of(pid) not in ("", "sh\n", "stub\n")
    except OSError:
        return False  # it ended


def wait_for_guests(top):
    """Both programs that the guest's shell starts run, each in a stub that has its name."""
    deadline = time.monotonic() + 60
    while len([pid for pid in below(top) if runs_a_program(pid)]) < 2:
        if time.monotonic() > deadline:
            sys.exit(f"the guest's programs did not start; there are {sorted(map(name_of, below(top)))}")
        time.sleep(0.01)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runtime", default=str(sandbox.REPO / "build/release/runsc"))
    args = parser.parse_args()
    root = sandbox.make_root("busybox")
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="posture-"))
    launcher = sandbox.Launcher(args.runtime, sandbox.runtime_flags(args.runtime), root, scratch)
    run = launcher.start(["/bin/sh", "-c", "sleep 100 & sleep 100"], **QUIET)
    try:
        wait_for_guests(run.process.pid)
        posture = look(run.process.pid)
    finally:
        run.close()
        shutil.rmtree(scratch, ignore_errors=True)
    print("\n".join(posture.bad))
    print(f"{posture.checks - len(posture.bad)} passed, {len(posture.bad)} failed")
    return bool(posture.bad)


if __name__ == "__main__":
    sys.exit(main())
