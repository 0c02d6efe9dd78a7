"""A container's cgroup: made with its limits before anything runs in it, removed with it."""

import os
import re
import time

from harness import expect, expect_failure, expect_success, processes_of, wait_until

V2_ONLY = os.path.exists("/sys/fs/cgroup/cgroup.controllers")


def directory(controller, path):
    return f"/sys/fs/cgroup{path}" if V2_ONLY else f"/sys/fs/cgroup/{controller}{path}"


def read(controller, path, name):
    with open(os.path.join(directory(controller, path), name)) as file:
        return file.read().strip()


def limited(w, *args, path=None, **resources):
    spec = w.spec(*args)
    if path is not None:
        spec["linux"]["cgroupsPath"] = path
    spec["linux"]["resources"] = resources
    return w.bundle(spec)


def group_of(w):
    return f"/runsc-tests-{os.path.basename(w.dir)}"


def remove_parent(path):
    for controller in ("",) if V2_ONLY else os.listdir("/sys/fs/cgroup"):
        try:
            os.rmdir(directory(controller, path))
        except OSError:
            pass


def cgroups_named(name):
    found = []
    for root, directories, _ in os.walk("/sys/fs/cgroup"):
        found += [os.path.join(root, d) for d in directories if name in d]
    return found


def test_limits_are_written(w):
    path = group_of(w) + "/inner"
    bundle = limited(w, "/bin/sleep", "100", path=path, memory={"limit": 64 << 20}, pids={"limit": 100},
                     cpu={"shares": 512, "quota": 50000, "period": 100000})
    expect_success(w.run("create", "--bundle", bundle, w.id()))
    if V2_ONLY:
        expect(read("", path, "memory.max") == str(64 << 20), "memory.max")
        expect(read("", path, "cpu.max") == "50000 100000", "cpu.max")
        expect(read("", path, "cpu.weight") == "20", "cpu.weight")
    else:
        expect(read("memory", path, "memory.limit_in_bytes") == str(64 << 20), "memory limit")
        expect(read("cpu", path, "cpu.shares") == "512", "cpu.shares")
        expect(read("cpu", path, "cpu.cfs_quota_us") == "50000", "quota")
    expect(read("pids", path, "pids.max") == str(3 * 100 + 64), "pids.max has room for the sandbox's own tasks")
    w.run("delete", "--force", "c1")
    expect(cgroups_named("inner") == [], "the cgroup is gone")
    remove_parent(group_of(w))


def test_every_process_of_the_sandbox_is_in_it(w):
    path = group_of(w)
    bundle = limited(w, "/bin/sh", "-c", "sleep 100 & sleep 100", path=path)
    expect_success(w.run("create", "--bundle", bundle, w.id()))
    expect_success(w.run("start", "c1"))
    pid = w.state("c1")["pid"]

    def members():
        return set(map(int, read("memory", path, "cgroup.procs").split()))

    wait_until(lambda: len(members()) >= 4, "sentry, gofer and two stubs")
    expect(pid in members(), f"{pid} in {members()}")
    for process in processes_of(w):
        expect(process in members(), f"{process} in {members()}")
    for process in members():
        with open(f"/proc/{process}/cgroup") as file:
            for line in file.read().splitlines():
                expect(line.split(":")[2].endswith(path), f"{process}: {line}")
    w.run("kill", "c1", "KILL")
    wait_until(lambda: w.state("c1")["status"] == "stopped", "the end")
    expect_success(w.run("delete", "c1"))
    expect(cgroups_named(path[1:]) == [], "the cgroup is gone")


def test_foreground_run_removes_it(w):
    path = group_of(w)
    expect_success(w.run("run", "--bundle", limited(w, path=path, pids={"limit": 50}), w.id()))
    expect(cgroups_named(path[1:]) == [], "the cgroup is gone")


def test_failed_create_removes_it(w):
    path = group_of(w)
    outcome = w.run("create", "--bundle", limited(w, "/bin/nonexistent", path=path), w.id())
    expect_failure(outcome, "/bin/nonexistent")
    expect(cgroups_named(path[1:]) == [], "the cgroup is gone")


def test_refused_limit_names_the_file(w):
    path = group_of(w)
    outcome = w.run("create", "--bundle", limited(w, path=path, cpu={"cpus": "4000"}), w.id())
    expect_failure(outcome, "cpuset.cpus", "4000")
    expect(cgroups_named(path[1:]) == [], "the cgroup is gone")
    expect(not os.path.exists(os.path.join(w.root, "c1")), "no state")


def test_path_must_not_leave_the_hierarchy(w):
    expect_failure(w.run("create", "--bundle", limited(w, path="/a/../../b"), w.id()), "linux.cgroupsPath")


def test_occupied_cgroup_is_refused_and_left_alone(w):
    path = group_of(w)
    bundle = limited(w, "/bin/sleep", "100", path=path)
    expect_success(w.run("create", "--bundle", bundle, w.id()))
    expect_failure(w.run("create", "--bundle", bundle, w.id("c2")), "in use by process")
    expect(w.state("c1")["status"] == "created", "the first one lives")
    w.run("delete", "--force", "c1")


def test_ignore_cgroups(w):
    path = group_of(w)
    bundle = limited(w, "/bin/sleep", "100", path=path, pids={"limit": 50})
    expect_success(w.run("create", "--bundle", bundle, w.id(), globals_=["--ignore-cgroups"]))
    expect(cgroups_named(path[1:]) == [], "none made")


def test_systemd_naming(w):
    outcome = w.run("create", "--bundle", limited(w, path="/not/systemd"), w.id(), globals_=["--systemd-cgroup"])
    expect_failure(outcome, "SLICE:PREFIX:NAME")
    if not os.path.exists("/run/systemd/system"):
        outcome = w.run("create", "--bundle", limited(w, path="system.slice:runsc:x"), w.id(),
                        globals_=["--systemd-cgroup"])
        expect_failure(outcome, "systemd does not run on this host")


def test_killed_create_leaves_a_removable_cgroup(w):
    path = group_of(w)
    bundle = limited(w, "/bin/sleep", "100", path=path)
    for delay in (0.005, 0.02, 0.05):
        create = w.popen("create", "--bundle", bundle, w.id())
        time.sleep(delay)
        create.kill()
        create.wait()
        expect_success(w.run("delete", "--force", "c1"))
        expect(cgroups_named(path[1:]) == [], f"the cgroup is gone after {delay}")


def test_memory_limit_kills_a_process_and_not_the_sandbox(w):
    path = group_of(w)
    # The child's memory is beyond the limit; init tells how it ended, and lives on.
    script = ("sh -c 'x=0123456789abcdef; while true; do x=$x$x; done' >/dev/null 2>&1; echo ended $?; sleep 0.1; echo alive")
    bundle = limited(w, "/bin/sh", "-c", script, path=path, memory={"limit": 64 << 20, "swap": 64 << 20})
    outcome = w.run("run", "--bundle", bundle, w.id())
    expect(re.fullmatch("ended 137\nalive\n", outcome.stdout), outcome)
    expect(outcome.code == 0, outcome)


CGROUP_MOUNT = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid"]}


def with_view(w, *args, path, **resources):
    spec = w.spec(*args)
    spec["mounts"] += [{"destination": "/sys", "type": "sysfs", "source": "sysfs"}, CGROUP_MOUNT]
    spec["linux"].update(cgroupsPath=path, resources=resources)
    return w.bundle(spec)


def test_the_guest_sees_its_own_cgroup(w):
    script = ("cd /sys/fs/cgroup; cat memory.max memory.swap.max cpu.max pids.max pids.current; cat cgroup.controllers;"
              "test $(cat memory.current) -gt 100000 && echo used; cat cgroup.procs | head -n 1; echo 1 >memory.max; cat /proc/self/cgroup")
    bundle = with_view(w, "/bin/sh", "-c", script, path=group_of(w), memory={"limit": 64 << 20, "swap": 80 << 20},
                       cpu={"quota": 50000, "period": 100000}, pids={"limit": 20})
    outcome = w.run("run", "--bundle", bundle, w.id())
    lines = outcome.stdout.split("\n")
    expect(lines[:5] == [str(64 << 20), str(16 << 20), "50000 100000", "20", "2"], outcome)
    expect(lines[5] == "cpuset cpu memory pids", outcome)
    expect(lines[6:9] == ["used", "1", "0::/"], outcome)
    expect("Read-only" in outcome.stderr or "Permission denied" in outcome.stderr, outcome)


def test_the_guest_sees_updates(w):
    bundle = with_view(w, "/bin/sh", "-c", "read go; cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max", path=group_of(w),
                       memory={"limit": 64 << 20}, pids={"limit": 20})
    go, theirs = os.pipe()
    out = os.open(os.path.join(w.dir, "out"), os.O_RDWR | os.O_CREAT)
    run = w.popen("run", "--bundle", bundle, w.id(), stdin=go, stdout=out)
    wait_until(lambda: w.run("state", "c1").code == 0 and w.state("c1")["status"] == "running", "the start")
    expect_success(w.run("update", "--memory", "128m", "--pids-limit", "7", "c1"))
    os.write(theirs, b"\n")
    expect(run.wait(60) == 0, "it ends")
    expect(os.pread(out, 100, 0) == f"{128 << 20}\n7\n".encode(), os.pread(out, 100, 0))
    for fd in (go, theirs, out):
        os.close(fd)


def test_pids_limit_counts_the_guests_tasks(w):
    script = "for i in 1 2 3 4 5 6 7 8 9; do sleep 600 & done; echo done"
    outcome = w.run("run", "--bundle", limited(w, "/bin/sh", "-c", script, path=group_of(w), pids={"limit": 5}), w.id())
    expect("can't fork" in outcome.stderr and "done" not in outcome.stdout, outcome)
    outcome = w.run("run", "--bundle", limited(w, "/bin/sh", "-c", script, path=group_of(w), pids={"limit": 10}), w.id("c2"))
    expect(outcome.stdout == "done\n", outcome)
