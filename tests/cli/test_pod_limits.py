"""Limits of a pod's member bind its own processes, and nobody else's."""

import json
import os
import signal

from harness import commands_of, expect, expect_success, processes_named, wait_until
from test_cgroups import directory, group_of, read, remove_parent
from test_monitor import reap
from test_pods import CONTAINERD, create, member, member_spec, sandbox

HOG = "x=0123456789abcdef; while true; do x=$x$x; done"


def limited_member(w, name, pod, *args, path, oom_score_adj=None, **resources):
    spec = member_spec(w, pod, *args)
    spec["linux"].update(cgroupsPath=path, resources=resources)
    if oom_score_adj is not None:
        spec["process"]["oomScoreAdj"] = oom_score_adj
    pid = create(w, name, spec)
    expect_success(w.run("start", name))
    return pid


def processes_in(path):
    return set(map(int, read("memory", path, "cgroup.procs").split()))


def host_pids(w, name):
    return set(json.loads(w.run("ps", "--format", "json", name).stdout))


def test_its_processes_are_in_its_cgroup(w):
    group = group_of(w)
    pod = sandbox(w)
    # exec from a forked process, from vfork, and from outside: each makes its address space in another way.
    script = "sleep 601 & busybox timeout 600 sleep 602 & wait"
    limited_member(w, "a", pod, "/bin/sh", "-c", script, path=group + "/a", memory={"limit": 64 << 20})
    expect_success(w.run("exec", "--detach", "a", "sleep", "603"))
    member(w, "b", pod, "/bin/sleep", "604")
    wait_until(lambda: {"sleep 601", "sleep 602", "sleep 603"} <= set(commands_of(w, "a")), "its programs")
    inside = processes_in(group + "/a")
    expect(host_pids(w, "a") <= inside, f"{host_pids(w, 'a')} in {inside}")
    expect(not inside & (host_pids(w, "b") | host_pids(w, "pod")), "others are not")
    expect(not inside & set(processes_named(w, "runsc-sandbox")), "nor is the kernel of the pod")
    expect_success(w.run("delete", "--force", "a"), "")
    expect(not os.path.exists(directory("memory", group + "/a")), "the cgroup is gone")
    limited_member(w, "a", pod, "/bin/sleep", "605", path=group + "/a", memory={"limit": 64 << 20})
    expect(host_pids(w, "a") <= processes_in(group + "/a"), "in a second life too")
    w.run("delete", "--force", "a")
    remove_parent(group)


def test_running_out_of_memory_ends_one_process(w):
    group = group_of(w)
    pod = sandbox(w)
    limit = {"limit": 32 << 20, "swap": 32 << 20}
    b = member(w, "b", pod, "/bin/sleep", "600")
    script = f"while ! test -e /go; do sleep 0.02; done; sh -c '{HOG}' >/dev/null 2>&1; echo ended $? >/told; sleep 600"
    limited_member(w, "a", pod, "/bin/sh", "-c", script, path=group + "/a", memory=limit)
    stream = w.popen("events", "--interval", "1h", "a")
    expect(json.loads(stream.stdout.readline())["type"] == "stats", "the first sample")
    expect_success(w.run("exec", "a", "touch", "/go"))
    wait_until(lambda: w.run("exec", "a", "cat", "/told").stdout == "ended 137\n", "the death of the hog")
    expect(json.loads(stream.stdout.readline()) == {"type": "oom", "id": "a"}, "the news")
    stream.kill()
    stream.wait()
    for name in ("pod", "a", "b"):
        expect(w.state(name)["status"] == "running", name)
    w.run("delete", "--force", "a")
    # Its init itself.
    a = limited_member(w, "a", pod, "/bin/sh", "-c", HOG, path=group + "/a", memory=limit)
    expect(reap(a) == -signal.SIGKILL, "exit 137")
    expect(w.state("a")["status"] == "stopped" and w.state("b")["status"] == "running", "b goes on")
    expect_success(w.run("exec", "b", "true"), "")
    os.kill(b, 0)
    w.run("delete", "--force", "a")
    remove_parent(group)


def test_each_sees_its_own_cgroup(w):
    group = group_of(w)
    pod = sandbox(w)
    for name, megabytes in (("a", 48), ("b", 64)):
        spec = member_spec(w, pod, "/bin/sleep", "600")
        spec["mounts"] += [{"destination": "/sys", "type": "sysfs", "source": "sysfs"},
                           {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]}]
        spec["linux"].update(cgroupsPath=f"{group}/{name}", resources={
            "memory": {"limit": megabytes << 20}, "pids": {"limit": megabytes}, "cpu": {"quota": 1000 * megabytes, "period": 100000}})
        create(w, name, spec)
        expect_success(w.run("start", name))
        view = w.run("exec", name, "sh", "-c", "cd /sys/fs/cgroup; cat memory.max pids.max cpu.max")
        expect_success(view, f"{megabytes << 20}\n{megabytes}\n{1000 * megabytes} 100000\n")
    for name in ("a", "b"):
        w.run("delete", "--force", name)
    remove_parent(group)


def test_oom_score_adj_is_the_hosts_too(w):
    def of(pid):
        with open(f"/proc/{pid}/oom_score_adj") as file:
            return int(file.read())

    own = of("self")
    pod_spec = w.spec("/bin/sleep", "600", oomScoreAdj=own + 300)
    pod_spec["annotations"] = {CONTAINERD[0]: "sandbox", CONTAINERD[1]: "pod"}
    pod = create(w, "pod", pod_spec)
    expect_success(w.run("start", "pod"))
    limited_member(w, "a", pod, "/bin/sh", "-c", "sleep 601 & wait", path=group_of(w) + "/a", oom_score_adj=own + 500)
    wait_until(lambda: "sleep 601" in commands_of(w, "a"), "its second program")
    expect({of(pid) for pid in host_pids(w, "pod")} == {own + 300}, "the pod's")
    expect({of(pid) for pid in host_pids(w, "a")} == {own + 500}, "the member's")
    expect(of(processes_named(w, "runsc-sandbox")[0]) == own + 200, "the kernel goes after the programs")
    expect_success(w.run("exec", "a", "cat", "/proc/self/oom_score_adj"), f"{own + 500}\n")
    w.run("delete", "--force", "a")
    remove_parent(group_of(w))
