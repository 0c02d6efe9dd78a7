"""Hooks: all six kinds, their order, places, input, and what a failure does."""

import json
import os

from harness import expect, expect_failure, expect_success, processes_of, wait_until

KINDS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


def hook(script, **fields):
    return {"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin:/usr/sbin:/sbin"], **fields}


def bundle(w, hooks, *args, version="1.0.2", name="bundle"):
    spec = w.spec(*(args or ("/bin/sleep", "100")))
    spec["hooks"] = hooks
    spec["ociVersion"] = version
    spec["mounts"].append({"destination": "/log", "type": "bind", "source": w.dir, "options": ["bind"]})
    return w.bundle(spec, name=name)


def log(w):
    try:
        with open(os.path.join(w.dir, "log")) as file:
            return file.read().split()
    except FileNotFoundError:
        return []


def note(w, text):
    return hook(f"echo {text} >>{w.dir}/log")


def logging_hooks(w):
    hooks = {kind: [note(w, kind), note(w, kind + "2")] for kind in KINDS}
    hooks["startContainer"] = [hook("echo startContainer >>/log/log"), hook("echo startContainer2 >>/log/log")]
    return hooks


def twice(*kinds):
    return [name for kind in kinds for name in (kind, kind + "2")]


def test_order(w):
    path = bundle(w, logging_hooks(w), "/bin/sh", "-c", "echo process >>/log/log; sleep 100")
    expect_success(w.run("create", "--bundle", path, w.id()))
    expect(log(w) == twice("prestart", "createRuntime", "createContainer"), log(w))
    expect_success(w.run("start", "c1"))
    wait_until(lambda: len(log(w)) == 11, f"eleven lines, not {log(w)}")
    expect(log(w)[6:8] == twice("startContainer"), log(w))
    expect(set(log(w)[8:]) == {"process", "poststart", "poststart2"}, log(w))
    w.run("kill", "c1", "KILL")
    wait_until(lambda: w.state("c1")["status"] == "stopped", "the end")
    expect(len(log(w)) == 11, log(w))
    expect_success(w.run("delete", "c1"))
    expect(log(w)[11:] == twice("poststop"), log(w))


def test_run_in_the_foreground(w):
    path = bundle(w, logging_hooks(w), "/bin/sh", "-c", "sleep 0.5")
    expect_success(w.run("run", "--bundle", path, w.id()))
    expect(log(w) == twice(*KINDS), log(w))


def test_state_on_standard_input(w):
    hooks = {kind: [hook(f"cat >{w.dir}/{kind}.json")] for kind in KINDS}
    hooks["startContainer"] = [hook("cat >/log/startContainer.json")]
    path = bundle(w, hooks)
    expect_success(w.run("create", "--bundle", path, "--pid-file", f"{w.dir}/pid", w.id()))
    expect_success(w.run("start", "c1"))
    w.run("delete", "--force", "c1")
    with open(f"{w.dir}/pid") as file:
        pid = int(file.read())
    states = {}
    for kind in KINDS:
        with open(f"{w.dir}/{kind}.json") as file:
            states[kind] = json.load(file)
        expect(states[kind]["id"] == "c1" and states[kind]["bundle"] == path, states[kind])
        expect(states[kind]["ociVersion"] == "1.0.2", states[kind])
    expect([states[k]["status"] for k in KINDS] == ["creating"] * 3 + ["created", "running", "stopped"], states)
    expect([states[k]["pid"] for k in KINDS] == [pid] * 3 + [1, pid, 0], states)


def test_network_of_the_pid_can_be_configured(w):
    hooks = {"createRuntime": [hook(f"pid=$(grep -o '\"pid\": [0-9]*' | tr -dc 0-9); readlink /proc/$pid/ns/net >{w.dir}/theirs")],
             "createContainer": [hook(f"readlink /proc/self/ns/net >{w.dir}/inside")]}
    path = bundle(w, hooks)
    expect_success(w.run("create", "--bundle", path, w.id()))
    with open(f"{w.dir}/inside") as file, open(f"{w.dir}/theirs") as theirs:
        inside = file.read().strip()
        expect(theirs.read().strip() == inside, "both kinds of hooks find it")
    expect(inside == os.readlink(f"/proc/{w.state('c1')['pid']}/ns/net"), inside)
    expect(inside != os.readlink("/proc/self/ns/net"), "not the host's")


def test_mounts_of_create_container_hooks_are_the_containers(w):
    os.mkdir(f"{w.dir}/tree")
    with open(f"{w.dir}/tree/file", "w") as file:
        file.write("mounted\n")
    target = os.path.join(w.rootfs, "tmp")
    path = bundle(w, {"createContainer": [hook(f"mount --bind {w.dir}/tree {target}")]}, "/bin/cat", "/tmp/file")
    expect_success(w.run("run", "--bundle", path, w.id()), "mounted\n")
    with open("/proc/self/mountinfo") as file:
        expect(target not in file.read(), "the host does not see it")


def test_failures_before_the_start_leave_nothing(w):
    for kind in KINDS[:3]:
        hooks = {kind: [note(w, "first"), hook("echo because >&2; exit 7"), note(w, "never")]}
        outcome = w.run("create", "--bundle", bundle(w, hooks), w.id())
        expect_failure(outcome, f"hooks.{kind}[1] /bin/sh: exit status 7, output: because")
        expect("never" not in log(w), log(w))
        expect(os.listdir(w.root) == [], os.listdir(w.root))
        wait_until(lambda: processes_of(w) == [], f"the end of {processes_of(w)}")


def test_failing_start_container_hook_ends_it(w):
    hooks = {"startContainer": [hook("echo because; exit 7")]}
    expect_success(w.run("create", "--bundle", bundle(w, hooks, "/bin/touch", "/log/ran"), w.id()))
    expect_failure(w.run("start", "c1"), "hooks.startContainer[0] /bin/sh: exit status 7, output: because")
    wait_until(lambda: w.state("c1")["status"] == "stopped", "the end")
    expect(not os.path.exists(f"{w.dir}/ran"), "the process did not run")
    expect_success(w.run("delete", "c1"))


def test_failing_poststart_hook(w):
    hooks = {"poststart": [hook("exit 7"), note(w, "second")]}
    expect_success(w.run("create", "--bundle", bundle(w, hooks, name="old"), w.id()))
    outcome = w.run("start", "c1")
    expect(outcome.code == 0 and "hooks.poststart[0]" in outcome.stderr, outcome)
    expect(log(w) == ["second"], log(w))
    expect(w.state("c1")["status"] == "running", "it runs")
    expect_success(w.run("create", "--bundle", bundle(w, hooks, version="1.3.0", name="new"), w.id("c2")))
    expect_failure(w.run("start", "c2"), "hooks.poststart[0] /bin/sh: exit status 7")
    wait_until(lambda: w.state("c2")["status"] == "stopped", "the end")


def test_failing_poststop_hook_is_a_warning(w):
    hooks = {"poststop": [hook("exit 7"), note(w, "second")]}
    expect_success(w.run("create", "--bundle", bundle(w, hooks), w.id()))
    outcome = w.run("delete", "--force", "c1")
    expect(outcome.code == 0 and "hooks.poststop[0]" in outcome.stderr, outcome)
    expect(log(w) == ["second"], log(w))


def test_timeouts(w):
    slow = hook("sleep 1000", timeout=1)
    expect_failure(w.run("create", "--bundle", bundle(w, {"prestart": [slow]}), w.id()), "hooks.prestart[0]", "within 1 s")
    expect_success(w.run("create", "--bundle", bundle(w, {"startContainer": [slow]}), w.id("c2")))
    expect_failure(w.run("start", "c2"), "hooks.startContainer[0]", "within 1 s")


def test_poststop_hooks_outlive_the_bundle(w):
    path = bundle(w, {"poststop": [hook(f"cd /; echo gone >>{w.dir}/log")]})
    expect_success(w.run("create", "--bundle", path, w.id()))
    os.remove(os.path.join(path, "config.json"))
    expect_success(w.run("delete", "--force", "c1"))
    expect(log(w) == ["gone"], log(w))
