"""Several containers in one sandbox, by the annotations of CRI."""

import os
import signal

from harness import expect, expect_failure, expect_success, processes_named, processes_of, wait_until
from test_exec import exec_for_long
from test_monitor import become_subreaper, read_pid, reap

CONTAINERD = ("io.kubernetes.cri.container-type", "io.kubernetes.cri.sandbox-id")
CRIO = ("io.kubernetes.cri-o.ContainerType", "io.kubernetes.cri-o.SandboxID")


def create(w, name, spec):
    pid_file = os.path.join(w.dir, name + ".pid")
    outcome = w.run("create", "--bundle", w.bundle(spec, name=name), "--pid-file", pid_file, w.id(name))
    expect_success(outcome, "")
    return read_pid(pid_file)


def sandbox(w, *args, names=CONTAINERD):
    become_subreaper()
    spec = w.spec(*(args or ("/bin/sleep", "600")))
    spec["hostname"] = "the-pod"
    spec["annotations"] = {names[0]: "sandbox", names[1]: "pod"}
    pid = create(w, "pod", spec)
    expect_success(w.run("start", "pod"))
    return pid


def member_spec(w, pod_pid, *args, names=CONTAINERD, pid_path=None, **process):
    spec = w.spec(*args, **process)
    del spec["hostname"]
    spec["annotations"] = {names[0]: "container", names[1]: "pod"}
    spec["linux"]["namespaces"] = [{"type": "mount"}] + [
        {"type": t, "path": f"/proc/{pod_pid}/ns/{f}"} for t, f in (("ipc", "ipc"), ("uts", "uts"), ("network", "net"))]
    spec["linux"]["namespaces"].append({"type": "pid", **({"path": pid_path} if pid_path else {})})
    return spec


def member(w, name, pod_pid, *args, **options):
    pid = create(w, name, member_spec(w, pod_pid, *args, **options))
    expect_success(w.run("start", name))
    return pid


def pids(w, name):
    return [line.split()[1] for line in w.run("ps", name).stdout.splitlines()[1:]]


def test_members_share_one_sandbox(w):
    for names in (CONTAINERD, CRIO):
        pod = sandbox(w, names=names)
        a = member(w, "a", pod, "/bin/sh", "-c", "echo a > /mine; exec sleep 600", names=names)
        b = member(w, "b", pod, "/bin/sh", "-c", "echo b > /mine; exec sleep 600", names=names)
        expect(len({pod, a, b}) == 3 and len(processes_named(w, "runsc-sandbox")) == 1, "one sandbox, three monitors")
        expect(len(processes_named(w, "runsc-gofer")) == 3, "a gofer for each")
        for name in ("a", "b"):
            wait_until(lambda: w.run("exec", name, "cat", "/mine").stdout == name + "\n", f"{name}'s own file")
            wait_until(lambda: w.run("exec", name, "cat", "/proc/1/comm").stdout == "sleep\n", f"{name}'s second program")
            expect_success(w.run("exec", name, "hostname"), "the-pod\n")
            expect(pids(w, name) == ["1"], "a pid namespace of its own")
        expect(w.run("exec", "pod", "cat", "/mine").code != 0, "the pod's root is another")
        expect(pids(w, "pod") == ["1"], "the pod's processes are its own")
        for name in ("pod", "a", "b"):
            expect_success(w.run("delete", "--force", name), "")
            wait_until(lambda: name not in os.listdir(w.root), name)
        for pid in (pod, a, b):
            reap(pid)
    expect(os.listdir(w.root) == [], os.listdir(w.root))


def test_list_of_sandboxes(w):
    member(w, "a", sandbox(w), "/bin/sleep", "600")
    expect_success(w.run("list", "--quiet"), "a\npod\n")
    expect_success(w.run("list", "--quiet", "--sandbox"), "pod\n")


def test_exit_codes_are_their_own(w):
    pod = sandbox(w)
    a = member(w, "a", pod, "/bin/sh", "-c", "exit 3")
    b = member(w, "b", pod, "/bin/sleep", "600")
    expect(reap(a) == 3, "a's exit code")
    expect(w.state("a")["status"] == "stopped" and w.state("b")["status"] == "running", "b goes on")
    expect_success(w.run("kill", "b", "KILL"))
    expect(reap(b) == -signal.SIGKILL, "b's death")
    expect(w.state("pod")["status"] == "running", "the pod goes on")


def test_restart_in_a_living_pod(w):
    pod = sandbox(w)
    for n in range(5):
        pid = member(w, "a", pod, "/bin/sh", "-c", f"test ! -e /was; touch /was; exit {n}")
        expect(reap(pid) == n, f"run {n}")
        expect_success(w.run("delete", "a"), "")
    wait_until(lambda: len(processes_named(w, "runsc-gofer")) == 1, "the end of the gofers of deleted containers")


def test_crash_of_a_member(w):
    pod = sandbox(w)
    a = member(w, "a", pod, "/bin/sh", "-c", "sleep 600 & exec sleep 600")
    os.kill(a, signal.SIGKILL)
    expect(reap(a) == -signal.SIGKILL, "killed")
    wait_until(lambda: w.state("a")["status"] == "stopped", "the end")
    expect_success(w.run("delete", "a"), "")
    expect_success(w.run("exec", "pod", "true"), "")


def test_exec_into_a_created_member(w):
    """A member that is killed before its start ends what was run in it, and nothing else."""
    pod = sandbox(w)
    create(w, "a", member_spec(w, pod, "/bin/sleep", "600"))
    inside = exec_for_long(w, "sh", "-c", "echo here; exec sleep 600", container="a")
    expect(pids(w, "a") == ["1", "2"], "it runs in the member's pid namespace, beside init")
    expect_success(w.run("kill", "a", "KILL"))
    expect(inside.wait(timeout=60) == 137, inside.returncode)
    wait_until(lambda: w.state("a")["status"] == "stopped", "the member's end")
    expect_success(w.run("exec", "pod", "true"), "")
    expect_success(w.run("delete", "a"))


def test_end_of_the_pod_ends_its_members(w):
    pod = sandbox(w)
    a = member(w, "a", pod, "/bin/sleep", "600")
    expect_success(w.run("kill", "pod", "KILL"))
    expect(reap(pod) == -signal.SIGKILL and reap(a) == -signal.SIGKILL, "all end")
    for name in ("pod", "a"):
        expect(w.state(name)["status"] == "stopped", name)
        expect_success(w.run("delete", name), "")
    wait_until(lambda: not processes_of(w), "the end of every process")


def test_shared_pid_namespace(w):
    pod = sandbox(w)
    member(w, "a", pod, "/bin/sleep", "601", pid_path=f"/proc/{pod}/ns/pid")
    listing = w.run("exec", "a", "ps", "-o", "pid,args").stdout
    expect("sleep 600" in listing and "sleep 601" in listing, listing)
    pid = next(line.split()[0] for line in listing.splitlines() if line.endswith("sleep 601"))
    expect(pid != "1" and pids(w, "a") == [pid], listing)
    expect_success(w.run("kill", "a", "KILL"))
    wait_until(lambda: "sleep 601" not in w.run("exec", "pod", "ps", "-o", "args").stdout, "its end")


def test_pid_namespace_of_another_member(w):
    pod = sandbox(w)
    a = member(w, "a", pod, "/bin/sleep", "601")
    member(w, "debug", pod, "/bin/sleep", "602", pid_path=f"/proc/{a}/ns/pid")
    listing = w.run("exec", "debug", "ps", "-o", "args").stdout
    expect("sleep 601" in listing and "sleep 602" in listing and "sleep 600" not in listing, listing)


def test_shared_volume(w):
    volume = os.path.join(w.dir, "volume")
    os.mkdir(volume)
    pod = sandbox(w)
    for name in ("a", "b"):
        spec = member_spec(w, pod, "/bin/sleep", "600")
        spec["mounts"].append({"destination": "/v", "type": "bind", "source": volume, "options": ["rbind", "rw"]})
        create(w, name, spec)
        expect_success(w.run("start", name))
    expect_success(w.run("exec", "a", "sh", "-c", "echo one > /v/f"))
    expect_success(w.run("exec", "b", "sh", "-c", "cat /v/f; echo two >> /v/f"), "one\n")
    expect_success(w.run("exec", "a", "cat", "/v/f"), "one\ntwo\n")


def test_init_does_not_run_before_start(w):
    pod = sandbox(w)
    pid = create(w, "a", member_spec(w, pod, "/bin/true"))
    expect(w.state("a")["status"] == "created", "created")
    os.kill(pid, signal.SIGTERM)
    expect(reap(pid) == -signal.SIGTERM and w.state("a")["status"] == "stopped", "ended before it began")


def test_failures_leave_nothing(w):
    pod = sandbox(w)
    bundle = w.bundle(member_spec(w, pod, "/bin/nosuch"), name="bad")
    expect_failure(w.run("create", "--bundle", bundle, "bad"), "/bin/nosuch", "no such file")
    expect(sorted(os.listdir(w.root)) == ["pod"], os.listdir(w.root))
    wait_until(lambda: len(processes_named(w, "runsc-gofer")) == 1, "the end of its gofer")
    spec = member_spec(w, pod, "/bin/true")
    spec["annotations"][CONTAINERD[1]] = "no-such-pod"
    expect_failure(w.run("create", "--bundle", w.bundle(spec, name="bad"), "bad"), 'sandbox "no-such-pod"')
    member(w, "bad", pod, "/bin/sleep", "600")


def test_members_at_once(w):
    pod = sandbox(w)
    bundles = [w.bundle(member_spec(w, pod, "/bin/sh", "-c", f"exit {n}"), name=f"m{n}") for n in range(6)]
    runs = [w.popen("run", "--bundle", bundle, w.id(f"m{n}")) for n, bundle in enumerate(bundles)]
    expect([run.wait(60) for run in runs] == list(range(6)), [run.returncode for run in runs])
