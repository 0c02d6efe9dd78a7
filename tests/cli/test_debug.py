"""debug, usage: a look into a running container."""

import json
import os

from harness import expect, expect_failure, expect_success, wait_until


def started(w, *args, globals_=()):
    expect_success(w.run("create", "--bundle", w.bundle(w.spec(*args)), w.id(), globals_=globals_))
    expect_success(w.run("start", "c1"))


def test_stacks_and_ps(w):
    started(w, "/bin/sh", "-c", "sleep 600 & while true; do :; done")
    wait_until(lambda: "sleep" in w.run("debug", "--ps", "c1").stdout, "the sleeper")
    wait_until(lambda: "pid 1 tid 1 (sh): guest code" in w.run("debug", "--stacks", "c1").stdout, "the loop")
    wait_until(lambda: "(sleep): clock_nanosleep" in w.run("debug", "--stacks", "c1").stdout, "the sleep")
    processes = w.run("debug", "--ps", "c1").stdout.splitlines()
    expect(processes[0] == "PID PPID UID NAME" and processes[1] == "1 0 0 sh" and processes[2] == "2 1 0 sleep", processes)
    text = w.run("debug", "--stacks", "c1").stdout
    expect("pid 2 tid 2 (sleep): clock_nanosleep" in text, text)
    expect("pid 1 tid 1 (sh): guest code" in text, text)
    expect(f"sandbox, host pid " in text and "(stub-watcher): " in text, text)


def test_strace_is_turned_on_and_off(w):
    started(w, "/bin/sh", "-c", "while true; do id -u >/dev/null; sleep 0.01; done")
    log = os.path.join(w.dir, "calls")

    def size():
        return os.path.getsize(log) if os.path.exists(log) else 0

    expect_success(w.run("debug", "--strace", "getuid,execve", "--strace-log", log, "c1"))
    wait_until(lambda: size() > 500, "calls in the log")
    expect_success(w.run("debug", "--strace", "off", "c1"))
    with open(log) as file:
        text = file.read()
    # getuid is a call that the engine answers by itself when nobody wants to see it.
    expect("getuid()" in text and "execve(" in text and "openat(" not in text, text[-500:])
    rest = size()
    w.run("exec", "c1", "sleep", "0.3")
    expect(size() <= rest + 500, "no more calls once those under way have ended")
    expect_failure(w.run("debug", "--strace", "nosuch", "--strace-log", log, "c1"), "nosuch")
    expect_failure(w.run("debug", "--strace", "all", "c1"), "--strace-log")


def test_strace_into_the_debug_log(w):
    log = os.path.join(w.dir, "debug.log")
    started(w, "/bin/sh", "-c", "while true; do sleep 0.01; done", globals_=[f"--debug-log={log}"])
    expect_success(w.run("debug", "--strace", "all", "c1"))

    def traced():
        with open(log) as file:
            return "clock_nanosleep(" in file.read()

    wait_until(traced, "calls in the debug log")


def test_debug_refuses(w):
    expect_failure(w.run("debug", "c1"), "--stacks")
    expect_failure(w.run("debug", "--ps", "unknown"), "does not exist")


def usage(w):
    return json.loads(w.run("usage", "c1").stdout)


def test_usage(w):
    script = "dd if=/dev/zero of=/dev/shm/f bs=1M count=20 2>/dev/null; x=$(head -c 12000000 /dev/zero | tr '\\0' x); echo made >/dev/shm/done; sleep 600; true"  # true: the shell stays
    spec = w.spec("/bin/sh", "-c", script.replace("tr ", "busybox tr ").replace("dd ", "busybox dd "))
    spec["mounts"].append({"destination": "/dev/shm", "type": "tmpfs", "source": "shm"})
    expect_success(w.run("create", "--bundle", w.bundle(spec), w.id()))
    before = usage(w)
    expect_success(w.run("start", "c1"))
    wait_until(lambda: w.run("exec", "c1", "cat", "/dev/shm/done").stdout == "made\n", "its memory")
    after = usage(w)
    expect(after["Tmpfs"] >= 20 << 20 and before["Tmpfs"] < 2 << 20, f"{before} {after}")
    expect(after["Anonymous"] >= 12_000_000 > before["Anonymous"], f"{before} {after}")
    expect(after["System"] > 1 << 20, after)
    expect(after["Total"] == sum(value for name, value in after.items() if name != "Total"), after)
    expect_failure(w.run("usage", "unknown"), "does not exist")
