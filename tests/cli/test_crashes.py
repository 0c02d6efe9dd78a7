"""SIGKILL to any process at any moment: nothing is left that blocks delete --force."""

import json
import os
import random
import signal
import time

from harness import command_of, commands_of, expect, expect_success, processes_named, processes_of, wait_until


def gone(w):
    return not [pid for pid in processes_of(w) if not is_zombie(pid)]


def is_zombie(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def comm_of(pid):
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""


def namespace_of(pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None


def members(namespace):
    """Processes of a pid namespace: a sentry and its stubs."""
    return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and namespace_of(pid) == namespace]


def start(w):
    expect_success(w.run("create", "--bundle", w.bundle(w.spec("/bin/sleep", "60")), w.id()))
    expect_success(w.run("start", "c1"))


def cleaned(w):
    expect_success(w.run("delete", "--force", "c1"), "")
    expect(os.listdir(w.root) == [], os.listdir(w.root))
    wait_until(lambda: gone(w), f"the end of {[command_of(p) for p in processes_of(w)]}")
    mounts = open("/proc/self/mounts").read()
    expect(w.dir not in mounts, "a mount was left behind")


def test_sentry_killed(w):
    start(w)
    [sentry] = processes_named(w, "runsc-sandbox")
    namespace = namespace_of(sentry)
    expect(len(members(namespace)) > 1 and namespace != namespace_of("self"), "the sentry has stubs of its own")
    os.kill(sentry, signal.SIGKILL)
    wait_until(lambda: not [p for p in members(namespace) if not is_zombie(p)], "the end of the stubs")
    wait_until(lambda: w.state("c1")["status"] == "stopped", "the state stopped")
    wait_until(lambda: gone(w), "the end of gofer and stubs")
    expect_success(w.run("delete", "c1"), "")


def test_gofer_killed(w):
    start(w)
    for pid in processes_named(w, "runsc-gofer"):
        os.kill(pid, signal.SIGKILL)
    cleaned(w)


def test_stub_killed_is_the_death_of_one_guest_process(w):
    script = "sleep 60 & echo up; wait $!; echo status $?; echo alive"
    run = w.popen("run", "--bundle", w.bundle(w.spec("/bin/sh", "-c", script)), w.id())
    expect(run.stdout.readline() == b"up\n", "the guest starts")
    wait_until(lambda: "sleep 60" in commands_of(w, "c1"), "the child's program")

    def child():
        stubs = json.loads(w.run("ps", "--format", "json", "c1").stdout)
        return [pid for pid in stubs if comm_of(pid) not in ("", "sh", "stub")]

    wait_until(lambda: len(child()) == 1, "its name on the host")
    os.kill(child()[0], signal.SIGKILL)
    output, _ = run.communicate(timeout=60)
    expect(output == b"status 137\nalive\n", output)


def test_gofer_killed_while_reading(w):
    script = "echo up; while cat /bin/busybox > /dev/null; do :; done; echo failed"
    run = w.popen("run", "--bundle", w.bundle(w.spec("/bin/sh", "-c", script)), w.id())
    expect(run.stdout.readline() == b"up\n", "the guest starts")
    for pid in processes_named(w, "runsc-gofer"):
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.2)
    cleaned(w)
    run.wait(60)


def test_created_then_everything_killed(w):
    expect_success(w.run("create", "--bundle", w.bundle(), w.id()))
    for pid in processes_of(w):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: w.state("c1")["status"] == "stopped", "the state stopped")
    cleaned(w)


def test_foreground_command_killed_takes_the_sandbox_along(w):
    run = w.popen("run", "--bundle", w.bundle(w.spec("/bin/sh", "-c", "echo up; exec sleep 60")), w.id())
    expect(run.stdout.readline() == b"up\n", "the guest starts")
    run.kill()
    run.wait()
    wait_until(lambda: gone(w), "the end of the sandbox")
    cleaned(w)


def test_command_killed_at_random_moments(w):
    random.seed(1)
    bundle = w.bundle(w.spec("/bin/sleep", "60"))
    for verb in ("create", "run"):
        for _ in range(15):
            command = w.popen(verb, "--bundle", bundle, w.id())
            time.sleep(random.uniform(0, 0.04))
            command.kill()
            command.wait()
            if verb == "run":
                wait_until(lambda: gone(w), "the end of the sandbox")
            cleaned(w)
    # The id is free again.
    expect_success(w.run("run", "--bundle", w.bundle(w.spec("/bin/true")), w.id()), "")


def test_sandbox_killed_at_random_moments(w):
    random.seed(2)
    bundle = w.bundle(w.spec("/bin/sleep", "60"))
    for _ in range(15):
        command = w.popen("run", "--bundle", bundle, w.id())
        time.sleep(random.uniform(0, 0.04))
        for name in ("runsc-sandbox", "runsc-gofer"):
            for pid in processes_named(w, name):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            if random.random() < 0.5:
                break
        try:
            command.wait(0.3)
        except Exception:
            pass  # killed before there was a sandbox, or a living sentry without gofer
        wait_until(lambda: w.run("delete", "--force", "c1").code == 0 and command.poll() is not None, "the end of the command")
        cleaned(w)


def test_delete_during_create(w):
    bundle = w.bundle(w.spec("/bin/sleep", "60"))
    for delay in (0, 0.002, 0.005, 0.01, 0.02):
        command = w.popen("create", "--bundle", bundle, w.id())
        time.sleep(delay)
        expect_success(w.run("delete", "--force", "c1"), "")
        command.wait(60)
        cleaned(w)


def test_crash_of_sentry_and_gofer_is_reported(w):
    for name in ("runsc-sandbox", "runsc-gofer"):
        log = os.path.join(w.dir, name + ".panic")
        bundle = w.bundle(w.spec("/bin/sleep", "60"))
        expect_success(w.run("create", "--bundle", bundle, w.id(), globals_=(f"--panic-log={log}",)))
        os.kill(processes_named(w, name)[0], signal.SIGSEGV)
        wait_until(lambda: os.path.getsize(log) > 0 and not processes_named(w, name), f"the death of {name}")
        report = open(log).read()
        expect(report.startswith(f"{name}: crashed by SIGSEGV at 0x") and "\n  #1 0x" in report, report)
        cleaned(w)
