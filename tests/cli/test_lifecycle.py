"""Containers from create to delete."""

import json
import os
import random
import re
import signal
import subprocess
import time

from harness import expect, expect_failure, expect_success, in_time, wait_until


def status(w, container):
    return w.state(container)["status"]


def test_create_start_state_delete(w):
    bundle = w.bundle(w.spec("/bin/sh", "-c", "while ! test -e /end; do sleep 0.02; done"))
    pid_file = os.path.join(w.dir, "pid")
    expect_success(w.run("create", "--bundle", bundle, "--pid-file", pid_file, w.id()), "")
    state = w.state("c1")
    expect(state["status"] == "created" and state["id"] == "c1" and state["bundle"] == bundle, state)
    with open(pid_file) as file:
        expect(int(file.read()) == state["pid"], state)
    os.kill(state["pid"], 0)
    expect_failure(w.run("delete", "c1"), "not stopped: created")
    expect_success(w.run("start", "c1"), "")
    expect(status(w, "c1") == "running", "running after start")
    expect_failure(w.run("start", "c1"), "already running")
    expect_failure(w.run("delete", "c1"), "not stopped: running")
    w.run("exec", "c1", "touch", "/end")  # it may be caught by the end itself
    wait_until(lambda: status(w, "c1") == "stopped", "the end of init")
    expect(w.state("c1")["pid"] == 0, "no pid when stopped")
    expect_failure(w.run("start", "c1"), "stopped")
    expect_failure(w.run("kill", "c1"), "container not running")
    expect_success(w.run("delete", "c1"), "")
    expect_failure(w.run("state", "c1"), "does not exist")
    expect(os.listdir(w.root) == [], os.listdir(w.root))


def test_init_does_not_run_before_start(w):
    spec = w.spec("/bin/touch", "/shared/ran")
    shared = os.path.join(w.dir, "shared")
    os.mkdir(shared)
    spec["mounts"].append({"destination": "/shared", "type": "bind", "source": shared, "options": ["rbind", "rw"]})
    expect_success(w.run("create", "--bundle", w.bundle(spec), w.id()))
    time.sleep(0.2)
    expect(os.listdir(shared) == [], "init ran before start")
    expect_success(w.run("start", "c1"))
    wait_until(lambda: os.listdir(shared) == ["ran"], "the file init makes")


def test_duplicate_id(w):
    bundle = w.bundle(w.spec("/bin/sleep", "60"))
    expect_success(w.run("create", "--bundle", bundle, w.id()))
    for verb in ("create", "run"):
        expect_failure(w.run(verb, "--bundle", bundle, "c1"), 'container with id "c1" already exists')
    expect(status(w, "c1") == "created", "the first container is unharmed")


def test_run_returns_the_guests_status(w):
    for script, code in (("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$; sleep 1; exit 3", 3),
                         ("sh -c 'kill -9 $$'; exit $?", 137), ("sh -c 'kill -TERM $$'; exit $?", 143)):
        outcome = w.run("run", "--bundle", w.bundle(w.spec("/bin/sh", "-c", script)), w.id())
        expect(outcome.code == code, f"{script}: {outcome}")
        expect(os.listdir(w.root) == [], os.listdir(w.root))


def test_run_passes_stdio(w):
    bundle = w.bundle(w.spec("/bin/sh", "-c", "cat; echo err >&2"))
    argv = w.command("run", "--bundle", bundle, w.id())
    done = subprocess.run(argv, input=b"in\n", capture_output=True, timeout=60)
    expect((done.returncode, done.stdout, done.stderr) == (0, b"in\n", b"err\n"), done)


def test_run_detached(w):
    pid_file = os.path.join(w.dir, "pid")
    bundle = w.bundle(w.spec("/bin/sleep", "60"))
    argv = w.command("run", "--detach", "--pid-file", pid_file, "--bundle", bundle, w.id())
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
    expect(done.returncode == 0, done)
    expect(status(w, "c1") == "running", "running")
    with open(pid_file) as file:
        expect(int(file.read()) == w.state("c1")["pid"], "pid file")
    expect_success(w.run("kill", "c1", "KILL"))
    wait_until(lambda: status(w, "c1") == "stopped", "the end after KILL")


def test_kill_by_name_and_number(w):
    script = "trap 'echo got; exit 9' USR1; echo up; while :; do sleep 0.05; done"
    for name in ("USR1", "SIGUSR1", "10", "usr1"):
        out = open(os.path.join(w.dir, "out"), "w+")
        run = w.popen("run", "--bundle", w.bundle(w.spec("/bin/sh", "-c", script)), w.id(), stdout=out)
        wait_until(lambda: os.path.getsize(out.name) > 0, "the guest")
        expect_success(w.run("kill", "c1", name))
        expect(run.wait(60) == 9, f"{name}: {run.returncode}")


def test_kill_created_container(w):
    expect_success(w.run("create", "--bundle", w.bundle(w.spec("/bin/sleep", "60")), w.id()))
    expect_success(w.run("kill", "c1", "0"))
    expect(status(w, "c1") == "created", "signal 0 changes nothing")
    expect_success(w.run("kill", "c1", "KILL"))
    wait_until(lambda: status(w, "c1") == "stopped", "the end after KILL")
    expect_success(w.run("delete", "c1"))


def test_kill_all(w):
    bundle = w.bundle(w.spec("/bin/sh", "-c", "sleep 60 & sleep 60 & wait"))
    run = w.popen("run", "--bundle", bundle, w.id())
    wait_until(lambda: w.run("kill", "c1", "0").code == 0 and status(w, "c1") == "running", "the guest")
    expect_success(w.run("kill", "--all", "c1", "KILL"))
    expect(run.wait(60) == 137, run.returncode)


def test_kill_process_group(w):
    inner = "echo $$ >/group; sleep 600 & sleep 600 & wait"
    bundle = w.bundle(w.spec("/bin/sh", "-c", f"busybox setsid sh -c '{inner}'; echo $? >/told; sleep 600"))
    expect_success(w.run("run", "--detach", "--bundle", bundle, w.id()))
    pids = lambda: json.loads(w.run("ps", "--format", "json", "c1").stdout)
    wait_until(lambda: len(pids()) == 4, "the group")
    group = w.run("exec", "c1", "cat", "/group").stdout.strip()
    expect_failure(w.run("kill", "--pgid", "12345", "c1"), "no such process")
    expect_failure(w.run("kill", "--pgid", group, "--pid", "1", "c1"), "one of --all, --pid and --pgid")
    expect_success(w.run("kill", "--pgid", group, "c1", "KILL"))
    wait_until(lambda: w.run("exec", "c1", "cat", "/told").stdout == "137\n", "init's word")
    wait_until(lambda: len(pids()) <= 2, "the end of the others")


def test_wait_prints_the_status(w):
    bundle = w.bundle(w.spec("/bin/sh", "-c", "exit 5"))

    def attempt(delay):
        expect_success(w.run("create", "--bundle", bundle, w.id()))
        waiting = w.popen("wait", "c1")
        time.sleep(delay)  # for it to ask
        expect_success(w.run("start", "c1"))
        out, err = waiting.communicate(timeout=60)
        expect(waiting.returncode == 0 or b"not running" in err, err)
        expect(waiting.returncode != 0 or json.loads(out) == {"id": "c1", "exitStatus": 5}, out)
        expect_success(w.run("delete", "--force", "c1"))
        return waiting.returncode == 0

    in_time(attempt, "wait")


def test_what_ends_meanwhile_is_not_running(w):
    """A command that asks a sandbox which is ending says so, not how the connection broke."""
    bundle = w.bundle(w.spec("/bin/true"))
    for verb in ("wait", "ps", "exec", "usage", "pause", "debug") * 8:
        expect_success(w.run("create", "--bundle", bundle, w.id()))
        start = w.popen("start", "c1")
        time.sleep(random.uniform(0, 0.02))
        asked = w.run(verb, *(["--ps"] if verb == "debug" else []), "c1", *(["true"] if verb == "exec" else []))
        expect(not re.search("control|connect", asked.stderr), asked)
        _, error = start.communicate(timeout=60)
        expect(start.returncode == 0, error)
        expect_success(w.run("delete", "--force", "c1"))


def test_list(w):
    bundle = w.bundle(w.spec("/bin/sleep", "60"))
    for name in ("b2", "a1"):
        expect_success(w.run("create", "--bundle", bundle, w.id(name)))
    expect_success(w.run("start", "a1"))
    expect_success(w.run("list", "-q"), "a1\nb2\n")
    rows = [line.split() for line in w.run("list").stdout.splitlines()[1:]]
    expect([(r[0], r[2], r[3]) for r in rows] == [("a1", "running", bundle), ("b2", "created", bundle)], rows)
    entries = json.loads(w.run("list", "--format=json").stdout)
    expect([e["id"] for e in entries] == ["a1", "b2"] and entries[0]["pid"] > 0, entries)


def test_foreground_forwards_signals(w):
    script = "trap 'exit 3' INT; trap 'exit 4' TERM; trap 'exit 5' HUP; echo up; while :; do sleep 0.05; done"
    for signo, code in ((signal.SIGINT, 3), (signal.SIGTERM, 4), (signal.SIGHUP, 5)):
        run = w.popen("run", "--bundle", w.bundle(w.spec("/bin/sh", "-c", script)), w.id())
        expect(run.stdout.readline() == b"up\n", "the guest starts")
        run.send_signal(signo)
        expect(run.wait(60) == code, f"{signo}: {run.returncode}")


def test_unhandled_signal_to_init_from_outside(w):
    # As on Linux: pid 1 of a namespace ignores signals it has no handler for, but not SIGKILL.
    run = w.popen("run", "--bundle", w.bundle(w.spec("/bin/sh", "-c", "echo up; exec sleep 60")), w.id())
    expect(run.stdout.readline() == b"up\n", "the guest starts")
    expect_success(w.run("kill", "c1", "KILL"))
    expect(run.wait(60) == 137, run.returncode)


def test_files_of_the_root_are_not_written(w):
    before = sorted(os.listdir(w.rootfs))
    script = "echo new > /newfile; rm /etc/passwd; mkdir /d; cat /newfile; test ! -e /etc/passwd"
    outcome = w.run("run", "--bundle", w.bundle(w.spec("/bin/sh", "-c", script)), w.id())
    expect_success(outcome, "new\n")
    expect(sorted(os.listdir(w.rootfs)) == before and os.path.exists(w.rootfs + "/etc/passwd"), "host files changed")


def test_read_only_root(w):
    spec = w.spec("/bin/sh", "-c", "touch /x 2>&1; echo $?")
    spec["root"]["readonly"] = True
    outcome = w.run("run", "--bundle", w.bundle(spec), w.id())
    expect("Read-only file system" in outcome.stdout and outcome.stdout.endswith("1\n"), outcome)


def test_bind_mounts(w):
    host = os.path.join(w.dir, "host")
    os.mkdir(host)
    with open(os.path.join(host, "f"), "w") as file:
        file.write("from the host\n")
    spec = w.spec("/bin/sh", "-c", "cat /rw/f /deep/er/ro/f /file; echo guest > /rw/g; touch /deep/er/ro/x 2>/dev/null; echo $?")
    spec["mounts"] += [
        {"destination": "/rw", "type": "bind", "source": host, "options": ["bind"]},
        {"destination": "/deep/er/ro", "type": "bind", "source": host, "options": ["rbind", "ro"]},
        {"destination": "/file", "type": "bind", "source": host + "/f", "options": ["bind", "ro"]}]
    expect_success(w.run("run", "--bundle", w.bundle(spec), w.id()), "from the host\n" * 3 + "1\n")
    with open(os.path.join(host, "g")) as file:
        expect(file.read() == "guest\n", "the guest's write")
    expect(sorted(os.listdir(host)) == ["f", "g"], os.listdir(host))


def test_tmpfs_options(w):
    spec = w.spec("/bin/sh", "-c", "ls -ld /t | cut -c1-10; touch /t/x && echo ok")
    spec["mounts"].append({"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["mode=700", "size=64k"]})
    spec["process"]["args"][2] = "ls -ld /t; echo ok > /t/x; cat /t/x"
    outcome = w.run("run", "--bundle", w.bundle(spec), w.id())
    expect(outcome.stdout.startswith("drwx------") and outcome.stdout.endswith("ok\n"), outcome)
    spec["mounts"][-1]["options"] = ["bogus=1"]
    expect_failure(w.run("run", "--bundle", w.bundle(spec), w.id()), "mount /t", "bogus=1")


def test_process_identity_and_environment(w):
    spec = w.spec("/bin/sh", "-c", "id -u; id -g; pwd; hostname; echo $FOO:$HOME; umask",
                  user={"uid": 1000, "gid": 1001, "umask": 0o77}, cwd="/new/dir",
                  env=["PATH=/bin", "FOO=bar"])
    outcome = w.run("run", "--bundle", w.bundle(spec), w.id())
    expect_success(outcome, "1000\n1001\n/new/dir\ntester\nbar:/home/user\n0077\n")


def test_program_lookup(w):
    cases = [(["nosuch"], "nosuch", "not found in $PATH"), (["/bin/nosuch"], "/bin/nosuch", "No such file"),
             (["/etc/passwd"], "/etc/passwd", "permission denied"), (["/etc"], "/etc", "permission denied"),
             (["./busybox/x"], "./busybox/x", "")]
    for args, name, text in cases:
        outcome = w.run("run", "--bundle", w.bundle(w.spec(*args)), w.id())
        expect_failure(outcome, f'exec: "{name}"', text)
        expect(os.listdir(w.root) == [], os.listdir(w.root))
    expect_success(w.run("run", "--bundle", w.bundle(w.spec("echo", "found")), w.id()), "found\n")


def write_program(w, name, content):
    directory = os.path.join(w.dir, "programs")
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, name)
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, 0o755)
    spec = w.spec("/programs/" + name)
    spec["mounts"].append({"destination": "/programs", "type": "bind", "source": directory, "options": ["bind"]})
    return w.bundle(spec)


def test_programs_that_cannot_run(w):
    with open(w.rootfs + "/bin/busybox", "rb") as file:
        elf = bytearray(file.read())
    other = bytearray(elf)
    other[18] = 0xB7  # e_machine: AArch64
    absurd = bytearray(elf[:4096])
    absurd[56:58] = b"\xff\xff"  # e_phnum
    cases = [("arm", bytes(other), "exec format error"), ("short", bytes(elf[:40]), "exec format error"),
             ("absurd", bytes(absurd), ""), ("text", b"hello\n", "exec format error"),
             ("empty", b"", "exec format error"),
             ("interp", b"#!/nonexistent/interpreter\n", "no such file")]
    for name, content, text in cases:
        outcome = w.run("run", "--bundle", write_program(w, name, content), w.id())
        expect_failure(outcome, name, text)
        expect(os.listdir(w.root) == [], os.listdir(w.root))


def test_arguments_too_long(w):
    outcome = w.run("run", "--bundle", w.bundle(w.spec("/bin/true", "x" * (200 << 10))), w.id())
    expect_failure(outcome, "argument list too long")
    outcome = w.run("run", "--bundle", w.bundle(w.spec("/bin/true", *["x" * 100_000] * 60)), w.id())
    expect_failure(outcome, "argument list too long")


def test_start_reports_exec_failures(w):
    bundle = write_program(w, "junk", b"\x7fELF junk")
    expect_success(w.run("create", "--bundle", bundle, w.id()))
    expect_failure(w.run("start", "c1"), "exec format error")
    wait_until(lambda: status(w, "c1") == "stopped", "the end after a failed start")
    expect_success(w.run("delete", "c1"))


def test_two_containers_append_to_one_file(w):
    path = os.path.join(w.dir, "out")
    out = open(path, "a")
    out.write("before\n")
    out.flush()
    runs = [w.popen("run", "--bundle", w.bundle(w.spec("/bin/sh", "-c", f"for i in 1 2 3; do echo {n}; done"), name=n),
                    w.id(n), stdout=out, stderr=out) for n in ("aa", "bb")]
    for run in runs:
        expect(run.wait(60) == 0, run.returncode)
    with open(path) as file:
        lines = file.read().splitlines()
    expect(lines[0] == "before" and sorted(lines[1:]) == ["aa"] * 3 + ["bb"] * 3, lines)


def test_output_to_a_file_keeps_the_offset(w):
    path = os.path.join(w.dir, "out")
    with open(path, "w") as out:  # not O_APPEND
        for text in ("one", "two"):
            run = w.popen("run", "--bundle", w.bundle(w.spec("/bin/echo", text)), w.id(), stdout=out)
            expect(run.wait(60) == 0, run.returncode)
    with open(path) as file:
        expect(file.read() == "one\ntwo\n", "the second container overwrote the first one's output")


def test_closed_stdio(w):
    script = "cat; ls /proc/self/fd | wc -l; test -c /dev/stdin"
    argv = w.command("run", "--bundle", w.bundle(w.spec("/bin/sh", "-c", script)), w.id())
    with open(os.path.join(w.dir, "out"), "w+") as out:
        done = subprocess.run(["/bin/sh", "-c", 'exec "$@" <&- 2>&-', "sh", *argv], stdout=out, timeout=60)
        out.seek(0)
        expect(done.returncode == 0 and out.read() == "4\n", f"{done} {out}")


def test_network_flag_warns(w):
    bundle = w.bundle(w.spec("/bin/true"))
    expect(w.run("run", "--bundle", bundle, w.id()).stderr == "", "silent by default")
    expect("loopback only" in w.run("run", "--bundle", bundle, w.id(), globals_=["--network=sandbox"]).stderr, "host")
    expect(w.run("run", "--bundle", bundle, w.id(), globals_=["--network=none"]).stderr == "", "none")


def test_strace_goes_to_the_debug_log(w):
    log = os.path.join(w.dir, "debug.log")
    outcome = w.run("run", "--bundle", w.bundle(w.spec("/bin/echo", "hello strace")), w.id(),
                    globals_=["--strace", f"--debug-log={log}"])
    expect_success(outcome, "hello strace\n")
    with open(log) as file:
        text = file.read()
    expect("write(" in text and "hello strace" in text, text[:2000])


def test_long_state_root(w):
    w.root = os.path.join(w.dir, "x" * 100, "y" * 100)
    expect_success(w.run("run", "--bundle", w.bundle(w.spec("/bin/echo", "hi")), w.id()), "hi\n")
    expect_success(w.run("create", "--bundle", w.bundle(w.spec("/bin/true")), w.id()))
    expect_success(w.run("start", "c1"))


def test_do(w):
    outcome = w.run("do", "/bin/sh", "-c", "echo $((6*7)); pwd; echo x > /runsc-do-test; cat /runsc-do-test", cwd="/tmp")
    expect_success(outcome, "42\n/tmp\nx\n")
    expect(not os.path.exists("/runsc-do-test"), "do wrote to the host")
    expect(w.run("do", "sh", "-c", "exit 9").code == 9, "exit status")
    expect_failure(w.run("do", "nosuch-program"), "not found in $PATH")
    expect_success(w.run("do", "--root", w.rootfs, "/bin/ls", "/"), None)
    expect(os.listdir(w.root) == [], os.listdir(w.root))


def test_do_is_ended_by_signals(w):
    for signo in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        run = w.popen("do", "--", "sh", "-c", "echo up; exec sleep 600")
        expect(run.stdout.readline() == b"up\n", "the guest starts")
        run.send_signal(signo)
        expect(run.wait(60) == 128 + signo, f"{signo}: {run.returncode}")
    spec = w.spec("/bin/sh", "-c", "trap '' INT; echo up; exec sleep 600")
    spec["annotations"] = {"dev.runsc.default-signals": "true"}
    run = w.popen("run", "--bundle", w.bundle(spec), w.id())
    expect(run.stdout.readline() == b"up\n", "the guest starts")
    run.send_signal(signal.SIGINT)  # ignored on purpose
    run.send_signal(signal.SIGTERM)
    expect(run.wait(60) == 143, run.returncode)


def test_do_environment(w):
    env = {**os.environ, "KEPT": "from outside", "SECRET": "s"}
    outcome = w.run("do", "--env", "A=b=c", "-e", "KEPT", "-e", "ABSENT", "-e", "HOME=/h", "--", "env", env=env)
    expect_success(outcome)
    lines = outcome.stdout.split("\n")
    expect("A=b=c" in lines and "KEPT=from outside" in lines, lines)
    expect([line for line in lines if line.startswith(("HOME=", "SECRET", "ABSENT"))] == ["HOME=/h"], lines)
    expect_failure(w.run("do", "-e", "=x", "true"), "--env")


def test_do_overlay_of_every_mount(w):
    shared = os.path.join(w.dir, "shared")
    os.mkdir(shared)
    script = ["--volume", f"{shared}:/mnt", "--", "/bin/sh", "-c", "echo x > /mnt/f && cat /mnt/f"]
    expect_success(w.run("do", *script, globals_=["--overlay2=all:memory"]), "x\n")
    expect(os.listdir(shared) == [], "--overlay2=all:memory let a write reach the host")
    expect_success(w.run("do", *script), "x\n")
    expect(os.listdir(shared) == ["f"], "a volume's writes are real")
    outcome = w.run("do", "/bin/sh", "-c", "head -c 3000000 /dev/zero > /f", globals_=["--overlay2=root:self,size=1m"])
    expect(outcome.code != 0 and "No space left" in outcome.stderr, outcome)


def test_last_value_of_a_variable_counts(w):
    spec = w.spec("/bin/sleep", "600", env=["PATH=/nowhere", "A=1", "PATH=/bin", "A=2"])
    expect_success(w.run("create", "--bundle", w.bundle(spec), w.id()))
    expect_success(w.run("start", "c1"))
    outcome = w.run("exec", "--env", "A=3", "c1", "env")
    expect_success(outcome)
    expect(sorted(outcome.stdout.split()) == ["A=3", "HOME=/root", "PATH=/bin"], outcome)
    expect_failure(w.run("exec", "--env", "PATH=/nowhere", "c1", "env"), "not found in $PATH")


def test_owner_of_a_file_that_was_written(w):
    spec = w.spec("/bin/sh", "-c", "echo one > /v/f; echo two >> /v/f; chown 5:6 /v/f; ls -ln /v/f; cat /v/f",
                  capabilities={s: ["CAP_CHOWN"] for s in ("bounding", "effective", "permitted")})
    spec["mounts"].append({"destination": "/v", "type": "bind", "source": w.dir, "options": ["bind"]})
    outcome = w.run("run", "--bundle", w.bundle(spec), w.id())
    expect(outcome.stdout.split()[2:4] == ["5", "6"] and outcome.stdout.endswith("one\ntwo\n"), outcome)
    status = os.stat(os.path.join(w.dir, "f"))
    expect((status.st_uid, status.st_gid) == (5, 6), status)
