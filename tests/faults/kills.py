#!/usr/bin/env python3
"""SIGKILL to a process of a container at a random moment of its life, again and again.

    tests/faults/kills.py --runtime build/release/runsc --points 1000
    tests/faults/kills.py --runtime build/release/runsc --seed 7 --first 312 --points 1     # point 312 alone

After each point every command must have come to an end, `state` must tell something, `delete --force` must succeed,
and nothing of the container may be left on the host: no process, mount, cgroup or state. Needs root.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from harness import Failure, World, command_of, expect, make_rootfs, processes_of  # noqa: E402
from test_cgroups import cgroups_named, remove_parent  # noqa: E402
from test_crashes import comm_of, is_zombie, members, namespace_of  # noqa: E402
from test_monitor import become_subreaper  # noqa: E402

LIMIT = 60  # seconds for any one command
ROLES = ("command", "monitor", "sandbox", "gofer", "stub")


class Life(World):
    """One container, or pod, and the commands that lead it through its life; any of them may fail."""

    def __init__(self, runtime, rootfs, choice):
        super().__init__(runtime, rootfs)
        self.choice = choice
        self.over = threading.Event()
        self.group = f"/{os.path.basename(self.dir)}"

    def try_(self, *args):
        """Fails only if the command does not end. What it leaves running holds none of our descriptors."""
        try:
            return subprocess.run(self.command(*args), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, timeout=LIMIT).returncode
        except subprocess.TimeoutExpired:
            raise Failure(f"no end after {LIMIT} s: {args}") from None

    def limited(self, name, *args, **annotations):
        spec = self.spec(*args)
        spec["annotations"] = {f"io.kubernetes.cri.{key.replace('_', '-')}": value for key, value in annotations.items()}
        if annotations.get("container_type") == "container":
            del spec["hostname"]
            spec["linux"]["namespaces"] = [{"type": "mount"}, {"type": "pid"}]
        spec["linux"]["cgroupsPath"] = f"{self.group}/{name}"
        spec["linux"]["resources"] = {"memory": {"limit": 256 << 20}}
        spec["mounts"].append({"destination": "/mnt", "type": "bind", "source": self.rootfs + "/etc", "options": ["rbind", "ro"]})
        return self.bundle(spec, name=name)

    def foreground(self):
        self.try_("run", "--bundle", self.limited("c1", "/bin/sh", "-c", "sleep 0.1 & sleep 0.2; exit 3"), self.id())

    def single(self):
        self.try_("create", "--bundle", self.limited("c1", "/bin/sh", "-c", "while :; do sleep 0.05; done"), self.id())
        self.try_("start", "c1")
        self.try_("exec", "--detach", "c1", "sleep", "100")
        for verb in self.choice.sample(("pause", "resume", "ps", "exec"), 3):
            self.try_(*(("exec", "c1", "true") if verb == "exec" else (verb, "c1")))
        self.try_("resume", "c1")
        self.try_("kill", "c1", "KILL")
        self.try_("delete", "c1")

    def pod(self):
        pod = self.limited("pod", "/bin/sleep", "100", container_type="sandbox", sandbox_id="pod")
        self.try_("create", "--bundle", pod, self.id("pod"))
        self.try_("start", "pod")
        for name in ("a", "b"):
            bundle = self.limited(name, "/bin/sleep", "100", container_type="container", sandbox_id="pod")
            self.try_("create", "--bundle", bundle, self.id(name))
            self.try_("start", name)
        self.try_("exec", "a", "true")
        self.try_("kill", "b", "KILL")
        self.try_("delete", "--force", self.choice.choice(("a", "b", "pod")))

    def live(self):
        try:
            self.choice.choice((self.foreground, self.single, self.single, self.pod))()
        finally:
            self.over.set()

    def victims(self, role):
        """The living processes of this container that play the role."""
        found = collections.defaultdict(list)
        for pid in processes_of(self):
            name = command_of(pid)
            if name in ("runsc-sandbox", "runsc-gofer"):
                found[name.removeprefix("runsc-")].append(pid)
            else:
                found["monitor" if comm_of(pid) == "runsc-monitor" else "command"].append(pid)
        if role == "stub":
            inner = {namespace_of(sandbox) for sandbox in found["sandbox"]} - {None, namespace_of("self")}
            return [pid for namespace in inner for pid in members(namespace) if pid not in found["sandbox"]]
        return found[role]


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def strike(life, role, delay):
    """Kills somebody who plays the role, `delay` seconds after one appeared; whom it hit."""
    while not life.over.is_set():
        if life.victims(role):
            life.over.wait(delay)
            for pid in life.choice.sample(found := life.victims(role), len(found)):
                try:
                    os.kill(pid, signal.SIGKILL)
                    return role
                except ProcessLookupError:
                    continue
        time.sleep(0.001)
    return "nobody"


def leftovers(life):
    reap()
    left = [f"process {pid} {command_of(pid)}" for pid in processes_of(life) if not is_zombie(pid)]
    left += [f"cgroup {path}" for path in cgroups_named(life.group[1:]) if not path.endswith(life.group)]
    left += [f"state {name}" for name in (os.listdir(life.root) if os.path.exists(life.root) else ())]
    with open("/proc/self/mounts") as mounts:
        left += [f"mount {line.split()[1]}" for line in mounts if life.dir in line]
    return left


def check_state(life, name):
    done = life.run("state", name, timeout=LIMIT)
    if done.code == 0:
        expect(json.loads(done.stdout)["status"] in ("creating", "created", "running", "paused", "stopped"), done)
    else:
        expect("does not exist" in done.stderr, done)


def settle(life):
    for name in life.ids:
        check_state(life, name)
    for name in life.choice.sample(life.ids, len(life.ids)):
        done = life.run("delete", "--force", name, timeout=LIMIT)
        expect(done.code == 0, done)
    deadline = time.monotonic() + LIMIT
    while left := leftovers(life):
        expect(time.monotonic() < deadline, f"left behind: {left}")
        time.sleep(0.01)


def play(runtime, rootfs, seed, number):
    """One point; returns whom it hit."""
    choice = random.Random(f"{seed}/{number}")
    life = Life(runtime, rootfs, choice)
    role, delay = choice.choice(ROLES), choice.choice((0, 0.005, 0.03, 0.2)) * choice.random()
    failures = []

    def run():
        try:
            life.live()
        except Exception as problem:
            failures.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        hit = strike(life, role, delay)
        thread.join()
        if failures:
            raise failures[0]
        settle(life)
        return hit
    finally:
        thread.join()
        life.close()
        remove_parent(life.group)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runtime", required=True)
    parser.add_argument("--points", type=int, default=60)
    parser.add_argument("--first", type=int, default=0, help="number of the first point")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    become_subreaper()
    hits, failed = collections.Counter(), 0
    with tempfile.TemporaryDirectory(prefix="runsc-faults-") as rootfs:
        os.chmod(rootfs, 0o755)
        make_rootfs(rootfs)
        for number in range(options.first, options.first + options.points):
            try:
                hits[play(os.path.abspath(options.runtime), rootfs, options.seed, number)] += 1
            except (Failure, subprocess.TimeoutExpired) as problem:
                failed += 1
                print(f"FAIL point {number} of seed {options.seed}: {problem}", flush=True)
    print(f"{options.points - failed} of {options.points} points leave nothing behind; killed: {dict(sorted(hits.items()))}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
