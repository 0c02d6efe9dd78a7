"""Hosts with cgroup v2 alone: each command runs in a mount namespace that has no other hierarchy. Controllers that v1
holds on this host are not there; what needs them is refused in words, and tested for real where they are free."""

import json
import os
import subprocess

from harness import expect, expect_failure, expect_success, processes_of, wait_until

SCRIPT = """#!/bin/sh
exec unshare --mount --propagation private sh -c '
umount -R -l /sys/fs/cgroup 2>/dev/null
mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"' sh %s "$@"
"""
HUGE = 4 << 20


def inside(w, *command):
    """What a command says where there is cgroup v2 alone; None if it fails or that place cannot be made."""
    made = subprocess.run([w.place, *command], capture_output=True, text=True)
    return made.stdout.strip() if made.returncode == 0 else None


def script(w, name, program):
    path = os.path.join(w.dir, name)
    with open(path, "w") as file:
        file.write(SCRIPT % program)
    os.chmod(path, 0o755)
    return path


def controllers(w, *wanted):
    """Puts the runtime where there is v2 alone. The controllers there, or None: the test is skipped, and says why."""
    w.place = script(w, "place", "")
    found = inside(w, "cat", "/sys/fs/cgroup/cgroup.controllers")
    missing = set(wanted) - set((found or "").split())
    if found is None or missing:
        print(f"     skipped: {'cgroup2 cannot be mounted' if found is None else f'v1 holds {missing}'}", flush=True)
        return None
    w.runtime = script(w, "runtime", w.runtime)
    return set(found.split())


def group_of(w):
    return f"/runsc-tests-{os.path.basename(w.dir)}"


def limited(w, *args, path=None, name="bundle", **resources):
    spec = w.spec(*args)
    spec["linux"].update(cgroupsPath=path or group_of(w), resources=resources)
    return w.bundle(spec, name=name)


def read(w, file, path=None):
    return inside(w, "cat", f"/sys/fs/cgroup{path or group_of(w)}/{file}")


def members(w):
    return set(map(int, (read(w, "cgroup.procs") or "").split()))


def own_line(pid):
    with open(f"/proc/{pid}/cgroup") as file:
        return [line for line in file.read().splitlines() if line.startswith("0::")][0]


def test_from_create_to_delete(w):
    if controllers(w) is None:
        return
    bundle = limited(w, "/bin/sh", "-c", "sleep 600 & sleep 600")
    expect_success(w.run("create", "--bundle", bundle, w.id()))
    expect_success(w.run("start", "c1"))
    expect_success(w.run("exec", "--detach", "c1", "/bin/sleep", "600"))
    wait_until(lambda: len(json.loads(w.run("ps", "--format", "json", "c1").stdout)) == 3, "three processes")
    expect(w.state("c1")["pid"] in members(w), "the monitor is in it")
    for process in processes_of(w):
        expect(process in members(w) and own_line(process).endswith(group_of(w)), f"{process}: {own_line(process)}")
    stats = json.loads(w.run("events", "--stats", "c1").stdout)
    expect(stats["type"] == "stats" and stats["data"]["cpu"]["usage"]["total"] > 0, stats)
    expect_success(w.run("pause", "c1"))
    expect(w.state("c1")["status"] == "paused", "paused")
    expect_success(w.run("resume", "c1"))
    expect_success(w.run("kill", "c1", "KILL"))
    wait_until(lambda: w.state("c1")["status"] == "stopped", "the end")
    expect_success(w.run("delete", "c1"))
    expect(read(w, "cgroup.procs") is None, "the cgroup is gone")


def test_foreground_run_and_failed_create_remove_it(w):
    if controllers(w) is None:
        return
    expect_success(w.run("run", "--bundle", limited(w), w.id()))
    expect(read(w, "cgroup.procs") is None, "after a run")
    expect_failure(w.run("create", "--bundle", limited(w, "/bin/nonexistent"), w.id()), "/bin/nonexistent")
    expect(read(w, "cgroup.procs") is None, "after a create that failed")


def test_occupied_cgroup_is_refused(w):
    if controllers(w) is None:
        return
    bundle = limited(w, "/bin/sleep", "600")
    expect_success(w.run("create", "--bundle", bundle, w.id()))
    expect_failure(w.run("create", "--bundle", bundle, w.id("c2")), "in use by process")
    expect(w.state("c1")["status"] == "created", "the first one lives")
    expect_success(w.run("delete", "--force", "c1"))
    expect(read(w, "cgroup.procs") is None, "the cgroup is gone")


def test_limits_of_controllers_that_are_not_there(w):
    there = controllers(w)
    if there is None:
        return
    for controller, resources in (("memory", {"memory": {"limit": 64 << 20}}), ("pids", {"pids": {"limit": 50}}),
                                  ("cpuset", {"cpu": {"cpus": "0"}}), ("io", {"blockIO": {"weight": 100}})):
        if controller not in there:
            outcome = w.run("create", "--bundle", limited(w, **resources), "x")
            expect_failure(outcome, f"cannot set {controller}.", f"the {controller} controller is not available")
            expect(read(w, "cgroup.procs") is None, f"{controller}: the cgroup is gone")


def test_hugetlb_limit_and_update(w):
    if controllers(w, "hugetlb") is None:
        return
    path = group_of(w) + "/deeper/still"
    bundle = limited(w, "/bin/sleep", "600", path=path, hugepageLimits=[{"pageSize": "2MB", "limit": HUGE}])
    expect_success(w.run("create", "--bundle", bundle, w.id()))
    expect(read(w, "hugetlb.2MB.max", path) == str(HUGE), "its limit")
    stats = json.loads(w.run("events", "--stats", "c1").stdout)["data"]
    expect("2MB" in stats.get("hugetlb", {}), stats)
    expect_success(w.run("delete", "--force", "c1"))
    expect(read(w, "cgroup.procs", path) is None, "the cgroup is gone")
    bundle = limited(w, path=path, unified={"hugetlb.2MB.max": "0"})
    expect_success(w.run("run", "--bundle", bundle, w.id()))
    outcome = w.run("run", "--bundle", limited(w, path=path, unified={"hugetlb.odd": "0"}), w.id())
    expect_failure(outcome, "cannot set hugetlb.odd")
    inside(w, "rmdir", "-p", f"/sys/fs/cgroup{group_of(w)}/deeper")


def test_memory_and_pids_for_real(w):
    if controllers(w, "memory", "pids", "cpu") is None:
        return
    hog = "sh -c 'x=0123456789abcdef; while true; do x=$x$x; done' >/dev/null 2>&1; echo ended $?"
    bundle = limited(w, "/bin/sh", "-c", hog, memory={"limit": 64 << 20, "swap": 64 << 20}, pids={"limit": 50},
                     cpu={"quota": 50000, "period": 100000})
    expect_success(w.run("create", "--bundle", bundle, w.id()))
    expect(read(w, "memory.max") == str(64 << 20) and read(w, "memory.swap.max") == "0", "memory")
    expect(read(w, "pids.max") == str(3 * 50 + 64) and read(w, "cpu.max") == "50000 100000", "pids, cpu")
    expect_success(w.run("delete", "--force", "c1"))
    expect_success(w.run("run", "--bundle", bundle, w.id("c2")), "ended 137\n")
