"""runsc pause and resume."""

import os
import time

from harness import expect, expect_failure, expect_success, in_time, wait_until


def size(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


def still(path):
    before = size(path)
    time.sleep(0.4)
    return size(path) == before


def start(w):
    script = "(while :; do echo x >> /shared/child; done) & while :; do echo x >> /shared/init; done"
    spec = w.spec("/bin/sh", "-c", script)
    spec["mounts"].append({"destination": "/shared", "type": "bind", "source": w.dir, "options": ["bind"]})
    expect_success(w.run("create", "--bundle", w.bundle(spec), w.id()))
    expect_success(w.run("start", "c1"))
    files = [os.path.join(w.dir, name) for name in ("init", "child")]
    wait_until(lambda: all(size(f) > 0 for f in files), "both processes")
    return files


def test_pause_and_resume(w):
    files = start(w)
    expect_success(w.run("pause", "c1"), "")
    expect(w.state("c1")["status"] == "paused", "paused")
    expect(all(still(f) for f in files), "a paused container runs")
    expect_failure(w.run("pause", "c1"), "not running")
    expect_failure(w.run("exec", "c1", "true"), "paused")
    expect_failure(w.run("delete", "c1"), "not stopped: paused")
    before = [size(f) for f in files]
    expect_success(w.run("resume", "c1"), "")
    expect(w.state("c1")["status"] == "running", "running")
    wait_until(lambda: all(size(f) > b for f, b in zip(files, before)), "both processes again")
    expect_failure(w.run("resume", "c1"), "not paused")


def test_blocked_calls_survive(w):
    def attempt(delay):
        script = f"echo up; sleep {delay * 10}; exit 3"
        run = w.popen("run", "--bundle", w.bundle(w.spec("/bin/sh", "-c", script)), w.id())
        expect(run.stdout.readline() == b"up\n", "the guest starts")
        paused = w.run("pause", "c1").code == 0
        if paused:
            time.sleep(delay * 10)
            expect(run.poll() is None, "it ended while paused")
            expect_success(w.run("resume", "c1"))
        expect(run.wait(200) == 3, run.returncode)
        return paused

    in_time(attempt, "a pause during a sleep")


def test_kill_of_a_paused_container(w):
    start(w)
    expect_success(w.run("pause", "c1"))
    expect_success(w.run("kill", "c1", "KILL"))
    wait_until(lambda: w.state("c1")["status"] == "stopped", "the end")
    expect_success(w.run("delete", "c1"))


def test_only_what_runs_can_be_paused(w):
    expect_success(w.run("create", "--bundle", w.bundle(w.spec("/bin/sleep", "60")), w.id()))
    expect_failure(w.run("pause", "c1"), "not running")
    expect_failure(w.run("resume", "c1"), "not paused")
