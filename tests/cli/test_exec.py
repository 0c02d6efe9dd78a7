"""runsc exec, ps, wait: other processes in a running container."""

import json
import os
import shutil
import signal
import subprocess
import time

from harness import BUSYBOX, Outcome, commands_of, expect, expect_failure, expect_success, in_time, wait_until


def start(w, *args, **process):
    spec = w.spec(*(args or ("/bin/sleep", "60")), **process)
    expect_success(w.run("create", "--bundle", w.bundle(spec), w.id()))
    expect_success(w.run("start", "c1"))


def process_file(w, process):
    path = os.path.join(w.dir, "process.json")
    with open(path, "w") as file:
        json.dump(process, file)
    return path


def test_runs_in_the_container(w):
    start(w, "/bin/sh", "-c", "echo one > /made; exec sleep 60")
    wait_until(lambda: w.run("exec", "c1", "cat", "/proc/1/comm").stdout == "sleep\n", "init's second program")
    expect_success(w.run("exec", "c1", "cat", "/made"), "one\n")
    expect_success(w.run("exec", "c1", "sh", "-c", "hostname; cat /proc/1/comm; echo two >> /made"), "tester\nsleep\n")
    expect_success(w.run("exec", "c1", "cat", "/made"), "one\ntwo\n")


def test_outlives_the_bundle(w):
    start(w, env=["PATH=/bin", "A=kept"])
    os.unlink(os.path.join(w.dir, "bundle", "config.json"))
    expect_success(w.run("exec", "c1", "sh", "-c", "echo $A"), "kept\n")


def test_exit_status(w):
    start(w)
    for script, code in (("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137), ("kill -TERM $$", 143)):
        outcome = w.run("exec", "c1", "sh", "-c", script)
        expect(outcome.code == code, f"{script}: {outcome}")


def test_stdio(w):
    start(w)
    done = subprocess.run(w.command("exec", "c1", "sh", "-c", "cat; echo err >&2"), input=b"in\n", capture_output=True, timeout=60)
    expect((done.returncode, done.stdout, done.stderr) == (0, b"in\n", b"err\n"), done)


def test_flags(w):
    start(w, env=["PATH=/bin", "A=1"])
    script = "echo $(id -u):$(id -g) $(pwd) $A $B"
    expect_success(w.run("exec", "--user", "5:6", "--cwd", "/tmp", "--env", "B=2", "-e", "A=3", "c1", "sh", "-c", script), "5:6 /tmp 3 2\n")
    expect_success(w.run("exec", "-g", "77", "-g", "78", "c1", "id", "-G"), "0 77 78\n")
    expect_success(w.run("exec", "c1", "sh", "-c", "grep NoNewPrivs /proc/self/status || cat /proc/self/status | head -0"), None)
    capped = w.run("exec", "--cap", "CAP_KILL", "c1", "cat", "/proc/self/status").stdout
    expect("CapEff:\t0000000000000020" in capped and "NoNewPrivs:\t0" in capped, capped)
    expect("NoNewPrivs:\t1" in w.run("exec", "--no-new-privs", "c1", "cat", "/proc/self/status").stdout, "no-new-privs")
    expect_failure(w.run("exec", "--user", "root", "c1", "true"), "not a number")


def test_process_file(w):
    start(w)
    path = process_file(w, {"args": ["sh", "-c", "echo $X $(id -u) $(pwd); exit 4"], "env": ["PATH=/bin", "X=y"], "cwd": "/tmp",
                            "user": {"uid": 9, "gid": 9}})
    outcome = w.run("exec", "--process", path, "c1")
    expect((outcome.code, outcome.stdout) == (4, "y 9 /tmp\n"), outcome)
    expect(w.run("exec", "-p", path, "c1").code == 4, "short form")
    expect_failure(w.run("exec", "--process", process_file(w, {"args": [], "cwd": "/"}), "c1"), "args")
    expect_failure(w.run("exec", "--process", process_file(w, {"args": "sh", "cwd": "/"}), "c1"), "args")
    expect_failure(w.run("exec", "--process", "/nosuch", "c1"), "/nosuch")


def test_failures(w):
    start(w)
    expect_failure(w.run("exec", "c1", "nosuch"), 'exec: "nosuch"', "not found in $PATH")
    expect_failure(w.run("exec", "c1", "/etc/passwd"), "permission denied")
    expect_failure(w.run("exec", "--cwd", "/nosuch", "c1", "true"), "/nosuch")
    expect_failure(w.run("exec", "c1"), "no command given")
    expect_failure(w.run("exec", "other", "true"), "does not exist")
    pid_file = os.path.join(w.dir, "p")
    expect_failure(w.run("exec", "-d", "--pid-file", pid_file, "c1", "nosuch"), "not found")
    expect_success(w.run("exec", "c1", "true"), "")
    expect_success(w.run("kill", "c1", "KILL"))
    wait_until(lambda: w.state("c1")["status"] == "stopped", "the end")
    expect_failure(w.run("exec", "c1", "true"), "cannot exec in a stopped container")


def create(w, *args):
    expect_success(w.run("create", "--bundle", w.bundle(w.spec(*args)), w.id()))


def test_before_start(w):
    """What is run in a created container is in it when its init comes, as its first process."""
    create(w, "/bin/sh", "-c", "cat /made; exec sleep 600")
    expect_success(w.run("exec", "c1", "sh", "-c", "echo early > /made; echo $$ $PPID; hostname"), "2 0\ntester\n")
    expect_success(w.run("exec", "-d", "c1", "sh", "-c", "sleep 600 & echo $! > /orphan; exec sleep 601"))
    wait_until(lambda: w.run("exec", "c1", "cat", "/orphan").stdout.strip().isdigit(), "the orphan")
    orphan = w.run("exec", "c1", "cat", "/orphan").stdout.strip()
    expect(w.state("c1")["status"] == "created", "still created")
    expect_failure(w.run("pause", "c1"), "not running")
    expect_success(w.run("start", "c1"))
    wait_until(lambda: w.run("exec", "c1", "cat", "/proc/1/comm").stdout == "sleep\n", "init's second program")
    expect_success(w.run("exec", "c1", "cat", f"/proc/{orphan}/comm"), "sleep\n")


def test_orphans_of_before_start_are_inits(w):
    create(w, "/bin/sleep", "600")
    expect_success(w.run("exec", "c1", "sh", "-c", "sleep 600 & echo $! > /orphan"))
    expect_success(w.run("start", "c1"))
    status = w.run("exec", "c1", "sh", "-c", "cat /proc/$(cat /orphan)/status").stdout
    expect("\nPPid:\t1\n" in status, status)


def exec_for_long(w, *command, container="c1"):
    """Runs a command that prints "here" and stays; returns once both it and the runtime's command are under way."""
    written = os.path.join(w.dir, "inside")
    inside = w.popen("exec", "--internal-pid-file", written, container, *command)
    expect(inside.stdout.readline() == b"here\n", "it runs")
    wait_until(lambda: os.path.exists(written), "the runtime's command")
    os.unlink(written)
    return inside


def test_a_killed_created_container_takes_them_along(w):
    for signals in (["kill", "c1", "KILL"], ["kill", "--all", "c1", "KILL"], ["delete", "--force", "c1"]):
        create(w, "/bin/true")
        inside = exec_for_long(w, "sh", "-c", "sleep 600 & echo here; exec sleep 601")
        expect_success(w.run(*signals))
        expect(inside.wait(timeout=60) == 137, inside.returncode)
        inside.stdout.close()
        inside.stderr.close()
        expect_success(w.run("delete", "--force", "c1"))


def test_a_start_that_fails_takes_them_along(w):
    create(w, "/bin/sh")
    inside = exec_for_long(w, "/bin/busybox", "sh", "-c", "rm -f /bin/sh; echo here; exec sleep 600")
    expect_failure(w.run("start", "c1"), "/bin/sh", "no such file")
    expect(inside.wait(timeout=60) == 137, inside.returncode)
    wait_until(lambda: w.state("c1")["status"] == "stopped", "the end")
    expect_failure(w.run("exec", "c1", "true"), "cannot exec in a stopped container")


def test_detached(w):
    start(w)
    pid_file, inside = os.path.join(w.dir, "p"), os.path.join(w.dir, "i")
    expect_success(w.run("exec", "-d", "--pid-file", pid_file, "--internal-pid-file", inside, "c1", "sleep", "60"), "")
    with open(pid_file) as host, open(inside) as guest:
        os.kill(int(host.read()), 0)
        pid = int(guest.read())
    expect_success(w.run("exec", "c1", "cat", f"/proc/{pid}/comm"), "sleep\n")
    expect_failure(w.run("kill", "--pid", "999", "c1", "TERM"), "no such process")


def test_wait_for_a_process(w):
    start(w)
    inside = os.path.join(w.dir, "i")

    def attempt(delay):
        expect_success(w.run("exec", "-d", "--internal-pid-file", inside, "c1", "sleep", "600"), "")
        with open(inside) as guest:
            pid = guest.read()
        waiting = w.popen("wait", "--pid", pid, "c1")
        time.sleep(delay)  # for it to ask
        expect_success(w.run("kill", "--pid", pid, "c1", "TERM"))
        out, err = waiting.communicate(timeout=60)
        expect(waiting.returncode == 0 or b"no such process" in err, err)
        expect(waiting.returncode != 0 or json.loads(out)["exitStatus"] == 143, out)
        return waiting.returncode == 0

    in_time(attempt, "wait --pid")


def with_descriptor_3(w, path, *args):
    argv = ["/bin/sh", "-c", f'exec "$@" 3>>{path}', "sh", *w.command(*args)]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.run(argv, timeout=60, **quiet).returncode


def test_program_by_descriptor(w):
    """A program that the container's root does not have."""
    start(w)
    program = os.path.join(w.dir, "program")
    shutil.copy(BUSYBOX, program)
    with open(program, "rb") as file, open(os.devnull) as device:
        def run(verb, fd, *args):
            argv = w.command(verb, f"--exec-fd={fd}", *args)
            done = subprocess.run(argv, capture_output=True, text=True, timeout=60, stdin=device, pass_fds=[file.fileno()])
            return Outcome(argv, done.returncode, done.stdout, done.stderr, 0)

        for user in ("0", "1000"):
            expect_success(run("exec", file.fileno(), "--user", user, "c1", "/nowhere/echo", "hello"), "hello\n")
        expect_success(run("exec", file.fileno(), "c1", "/nowhere/ls", "/proc/self/fd"), "0\n1\n2\n3\n")
        bundle = w.bundle(w.spec("/nowhere/cat", "/proc/1/comm"), name="other")
        expect_success(run("run", file.fileno(), "--bundle", bundle, w.id("c2")), "cat\n")
        expect_failure(run("exec", 77, "c1", "true"), "--exec-fd: descriptor 77: Bad file descriptor")
        expect_failure(run("exec", 0, "c1", "true"), "--exec-fd: not a regular file")


def test_preserved_descriptors(w):
    path = os.path.join(w.dir, "f")
    bundle = w.bundle(w.spec("/bin/sh", "-c", "echo init >&3; exec sleep 60"))
    expect(with_descriptor_3(w, path, "create", "--preserve-fds", "1", "--bundle", bundle, w.id()) == 0, "create")
    expect_success(w.run("start", "c1"))
    wait_until(lambda: open(path).read() == "init\n", "init's write")
    expect(with_descriptor_3(w, path, "exec", "--preserve-fds", "1", "c1", "sh", "-c", "echo exec >&3") == 0, "exec")
    expect(open(path).read() == "init\nexec\n", open(path).read())
    expect_failure(w.run("exec", "--preserve-fds", "100", "c1", "true"), "is not open")


def test_passed_descriptors(w):
    path = os.path.join(w.dir, "shared")
    script = "echo init >&7; sleep 600"
    bundle = w.bundle(w.spec("/bin/sh", "-c", script))
    expect(with_descriptor_3(w, path, "create", "--pass-fd", "3:7", "--bundle", bundle, w.id()) == 0, "create")
    expect_success(w.run("start", "c1"))
    wait_until(lambda: open(path).read() == "init\n", "init's write")
    expect(with_descriptor_3(w, path, "exec", "--pass-fd=3:9", "--pass-fd=3:10", "c1", "sh", "-c", "echo exec >&9; echo too >&10; ! test -e /proc/self/fd/3") == 0, "exec")
    with open(path) as file:
        expect(sorted(file.read().split()) == ["exec", "init", "too"], "what they wrote")
    for bad, text in (("3", "HOST:GUEST"), ("3:2", "HOST:GUEST"), ("x:5", "HOST:GUEST"), ("100:5", "is not open")):
        expect_failure(w.run("exec", "--pass-fd", bad, "c1", "true"), text)
    expect_failure(w.run("exec", "--pass-fd=0:5", "--pass-fd=1:5", "c1", "true"), "given twice")


def test_foreground_forwards_signals(w):
    start(w)
    run = w.popen("exec", "c1", "sh", "-c", "trap 'exit 3' INT; echo up; while :; do sleep 0.02; done")
    expect(run.stdout.readline() == b"up\n", "the process starts")
    run.send_signal(signal.SIGINT)
    expect(run.wait(60) == 3, run.returncode)


def test_ends_with_init(w):
    start(w, "/bin/sh", "-c", "while ! test -e /end; do sleep 0.02; done; exit 3")
    began = exec_for_long(w, "sh", "-c", "echo here; exec sleep 60")
    w.run("exec", "c1", "touch", "/end")  # it may be caught by the end itself
    expect(began.wait(60) == 137, began.returncode)


def test_orphans_of_exec_belong_to_init(w):
    start(w)
    expect_success(w.run("exec", "-d", "c1", "sh", "-c", "sleep 61 &"), "")

    def rows():
        return [line.split() for line in w.run("exec", "c1", "ps", "-o", "pid,ppid,args").stdout.splitlines()]

    wait_until(lambda: [row[1] for row in rows() if row[2:] == ["sleep", "61"]] == ["1"], "the orphan, init's child")


def test_many_at_once(w):
    start(w)
    runs = [w.popen("exec", "c1", "sh", "-c", f"echo {n}; exit {n}") for n in range(12)]
    for n, run in enumerate(runs):
        out, err = run.communicate(timeout=60)
        expect((run.returncode, out) == (n, f"{n}\n".encode()), (run.returncode, out, err))


def test_ps(w):
    start(w, "/bin/sh", "-c", "sleep 60 & wait")
    wait_until(lambda: "sleep 60" in commands_of(w, "c1"), "the second program")
    for pid in json.loads(w.run("ps", "-f", "json", "c1").stdout):
        os.kill(pid, 0)  # of the host
    lines = w.run("ps", "c1").stdout.splitlines()
    expect(lines[0].split() == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"] and len(lines) == 3, lines)
    sh, sleep = (line.split(maxsplit=7) for line in lines[1:])
    expect((sh[1:3], sh[5], sh[7]) == (["1", "0"], "?", "/bin/sh -c sleep 60 & wait"), lines)
    expect((sleep[0], sleep[2], sleep[7]) == ("0", "1", "sleep 60"), lines)


def test_ps_before_start(w):
    create(w, "/bin/sleep", "600")
    [init] = w.run("ps", "c1").stdout.splitlines()[1:]
    expect(init.split()[:3] == ["0", "1", "0"] and init.endswith(" runsc init"), init)
    expect(json.loads(w.run("ps", "--format", "json", "c1").stdout) == [w.state("c1")["pid"]], "its monitor")


def test_ps_shows_who_has_ended_and_who_has_a_terminal(w):
    start(w, "/bin/sh", "-c", "sleep 0 & exec sleep 600")
    wait_until(lambda: "[sleep] <defunct>" in w.run("ps", "c1").stdout, "a process that nobody waits for")
    leader, terminal = os.openpty()
    inside = w.popen("exec", "--tty", "c1", "sleep", "601", stdin=terminal, stdout=terminal, stderr=terminal)
    wait_until(lambda: any(line.split()[5:6] == ["pts/0"] and line.endswith("sleep 601")
                           for line in w.run("ps", "c1").stdout.splitlines()), "its terminal")
    inside.kill()
    inside.wait()
    os.close(leader)
    os.close(terminal)


def test_ps_shows_no_control_characters(w):
    start(w, "/bin/sh", "-c", "exec sleep 600", env=["PATH=/bin"])
    inside = w.popen("exec", "c1", "sh", "-c", "sleep 600; : \033[2J\nx")
    wait_until(lambda: w.run("ps", "c1").stdout.count("sleep") == 3, "the processes")
    lines = w.run("ps", "c1").stdout.splitlines()
    expect(len(lines) == 4 and lines[2].endswith("sh -c sleep 600; : ?[2J?x"), lines)
    inside.kill()
    inside.wait()


def test_kill_all(w):
    start(w, "/bin/sh", "-c", "trap : TERM; while :; do sleep 0.02; done")
    executed = w.popen("exec", "c1", "sleep", "60")
    wait_until(lambda: "sleep 60" in w.run("exec", "c1", "ps").stdout, "the process")
    expect_success(w.run("kill", "--all", "c1", "TERM"))
    expect(executed.wait(60) == 143, executed.returncode)
    expect(w.state("c1")["status"] == "running", "init handles TERM")
    expect_success(w.run("kill", "-a", "c1", "KILL"))
    wait_until(lambda: w.state("c1")["status"] == "stopped", "the end")
    expect_success(w.run("kill", "--all", "c1", "KILL"))


def test_state_is_runcs(w):
    start(w)
    state = w.state("c1")
    expect(set(state) >= {"ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "owner"}, state)
    os.kill(state["pid"], 0)
