#!/usr/bin/env python3
"""Containers made and deleted many times over leave the host as it was: tests/faults/loops.py --runtime PATH [--loops N]."""

import argparse
import os
import pathlib
import random
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from kills import Life, become_subreaper, cgroups_named, is_zombie, make_rootfs, processes_of, reap, remove_parent  # noqa: E402


def host(life):
    reap()
    with open("/proc/self/mounts") as mounts:
        ours = sorted(line for line in mounts if life.dir in line)
    return {
        "processes": [pid for pid in processes_of(life) if not is_zombie(pid)], "mounts": ours,
        "cgroups": [path for path in cgroups_named(life.group[1:]) if not path.endswith(life.group)],
        "state": os.listdir(life.root) if os.path.exists(life.root) else [], "bundle": sorted(os.listdir(life.dir + "/c1")),
    }


def loop(life, number):
    """A life without faults: created, started, entered, killed, deleted; or run to its end."""
    bundle = life.limited("c1", "/bin/sleep", "100") if number % 2 else life.limited("c1", "/bin/true")
    if number % 2 == 0:
        return [life.try_("run", "--bundle", bundle, "c1")]
    return [life.try_(*command) for command in (
        ("create", "--bundle", bundle, "c1"), ("start", "c1"), ("exec", "c1", "true"), ("kill", "c1", "KILL"),
        ("delete", "--force", "c1"))]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runtime", required=True)
    parser.add_argument("--loops", type=int, default=40)
    options = parser.parse_args()
    become_subreaper()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="runsc-loops-") as rootfs:
        os.chmod(rootfs, 0o755)
        make_rootfs(rootfs)
        life = Life(os.path.abspath(options.runtime), rootfs, random.Random(1))
        try:
            loop(life, 0)
            before = host(life)
            for number in range(options.loops):
                if any(loop(life, number)):
                    failed += 1
                    print(f"FAIL loop {number}: a command failed", flush=True)
            after = host(life)
            for what in (key for key in before if before[key] != after[key]):
                failed += 1
                print(f"FAIL {what}: {before[what]} before, {after[what]} after")
        finally:
            life.run("delete", "--force", "c1")
            life.close()
            remove_parent(life.group)
    print(f"{options.loops} loops, {failed} failures")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
