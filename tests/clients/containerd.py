"""containerd, driven by ctr with containerd's own runc shim and our binary named in its options."""

import concurrent.futures
import json
import os
import random
import signal
import subprocess
import threading
import time

import images
from harness import (SCRATCH, Client, Daemon, Terminal, cgroups, expect, expect_gone, kill_one, processes, run, step,
                     wait_until)

FAULTS = int(os.environ.get("RUNSC_CLIENTS_FAULTS", "12"))  # points

CONFIG = """
version = 2
root = "{base}/root"
state = "{state}"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{state}/containerd.sock"
"""


class Containerd(Client):
    name = "containerd"

    def start(self):
        self.base = f"{SCRATCH}/containerd-{self.runtime_name}"
        self.state = f"/run/containerd-{self.runtime_name}"  # short: sockets have 108 bytes for their path
        os.makedirs(self.base)
        config = f"{self.base}/config.toml"
        with open(config, "w") as file:
            file.write(CONFIG.format(base=self.base, state=self.state))
        self.daemon = Daemon(f"containerd-{self.runtime_name}", "containerd", "--config", config)
        self.daemon.start(self.answers)
        self.ctr("images", "import", images.archive(f"{self.base}/images.tar")).ok()

    def stop(self):
        self.daemon.stop()

    def answers(self):
        return self.ctr("version").code == 0

    def clean(self):
        for name in self.ctr("containers", "ls", "-q").out.split():
            self.ctr("task", "kill", "-s", "SIGKILL", "-a", name)
            self.ctr("task", "delete", "-f", name)
            self.ctr("containers", "delete", name)

    def ctr(self, *args, **kwargs):
        return run("ctr", "--address", f"{self.state}/containerd.sock", *args, **kwargs)

    def run_args(self, name, *command, flags=()):
        return ["run", "--runtime", "io.containerd.runc.v2", "--runc-binary", self.runtime, *flags,
                images.NAME, name, *command]

    def run(self, *command, flags=("--rm",), **kwargs):
        return self.ctr(*self.run_args(self.id(), *command, flags=flags), **kwargs)

    def background(self, *command, flags=()):
        name = self.id()
        self.ctr(*self.run_args(name, *command, flags=("-d", *flags))).ok()
        return name

    def exec(self, name, *command, flags=(), **kwargs):
        return self.ctr("task", "exec", "--exec-id", self.id(), *flags, name, *command, **kwargs)

    def status(self, name):
        for line in self.ctr("task", "ls").ok().out.splitlines():
            words = line.split()
            if words[0] == name:
                return words[2]
        return None

    def terminal(self, *args):
        return Terminal("ctr", "--address", f"{self.state}/containerd.sock", *args)

    def expect_exit(self, name, code):
        """Deletes the stopped task, whose exit status must be that."""
        done = self.ctr("task", "delete", name)
        expect(f"non-zero exit code {code}" in done.err, done)

    def remove(self, name):
        self.ctr("task", "kill", "-s", "SIGKILL", name).ok()
        wait_until(lambda: self.status(name) == "STOPPED", "the task to stop")
        self.expect_exit(name, 137)
        self.ctr("containers", "delete", name).ok()

    @step("run: output, standard error, exit status")
    def run_to_end(self):
        done = self.run("sh", "-c", "echo out; echo err >&2; exit 7")
        expect((done.code, done.out, done.err) == (7, "out\n", "err\n"), done)

    @step("run: a program that is not there is named")
    def run_missing(self):
        done = self.run("/no/such/program")
        expect(done.code != 0 and "/no/such/program" in done.err and "no such file" in done.err.lower(), done)

    @step("run: death by a signal is 128 + n")
    def run_signal(self):
        done = self.run("sh", "-c", "trap - TERM; sh -c 'kill -9 $$'; exit $?")
        expect(done.code == 137, done)

    @step("run --env --cwd --read-only --mount --cap-drop")
    def run_flags(self):
        os.makedirs(f"{self.base}/shared", exist_ok=True)
        with open(f"{self.base}/shared/file", "w") as file:
            file.write("from the host\n")
        done = self.run(
            "sh", "-c", "echo $COLOUR; pwd; cat /mnt/file; touch /x; touch /mnt/y; grep CapBnd /proc/self/status",
            flags=("--rm", "--env", "COLOUR=red", "--cwd", "/tmp", "--read-only",
                   "--mount", f"type=bind,src={self.base}/shared,dst=/mnt,options=rbind:ro",
                   "--cap-drop", "CAP_CHOWN"))
        lines = done.out.splitlines()
        expect(lines[:3] == ["red", "/tmp", "from the host"], done)
        expect(done.err.count("Read-only file system") == 2, done)
        expect(int(lines[3].split()[1], 16) & 1 == 0, done)

    @step("run --memory-limit --cpus: the cgroup has them")
    def run_limits(self):
        name = self.background("sleep", "1000", flags=("--memory-limit", str(64 << 20), "--cpus", "0.5"))
        group = f"default/{name}"
        limits = [open(f"/sys/fs/cgroup/{path}").read().strip() for path in
                  (f"memory/{group}/memory.limit_in_bytes", f"cpu/{group}/cpu.cfs_quota_us")]
        expect(limits == [str(64 << 20), "50000"], limits)
        self.remove(name)

    @step("run -d: the pid-file's process is the task's")
    def run_pid(self):
        path = f"{self.base}/pid"
        name = self.background("sleep", "1000", flags=("--pid-file", path))
        pid = open(path).read()
        expect(os.path.exists(f"/proc/{pid}/ns/net") and f"\t{pid}" in self.ctr("task", "ls").out.replace(" ", "\t"), pid)
        self.remove(name)
        expect(not os.path.exists(f"/proc/{pid}"), "the process lives on")

    @step("task exec: output, status, user, cwd, environment of the container")
    def task_exec(self):
        name = self.background("sleep", "1000", flags=("--env", "COLOUR=red"))
        done = self.exec(name, "sh", "-c", "echo $COLOUR $(id -u) $(pwd); cat; exit 5", flags=("--user", "1000", "--cwd", "/tmp"),
                         stdin="in\n")
        expect((done.code, done.out) == (5, "red 1000 /tmp\nin\n"), done)
        self.remove(name)

    @step("task exec: a program that is not there fails, the task lives")
    def task_exec_missing(self):
        name = self.background("sleep", "1000")
        done = self.exec(name, "/no/such/program")
        expect(done.code != 0 and "no such file" in done.err.lower(), done)
        expect(self.status(name) == "RUNNING", "the task ended")
        self.remove(name)

    @step("task exec: standard input and its end")
    def task_exec_stdin(self):
        name = self.background("sleep", "1000")
        done = self.exec(name, "wc", "-c", stdin="x" * 300000).ok()
        expect(done.out.strip() == "300000", done)
        self.remove(name)

    @step("task exec: eight at once")
    def task_exec_many(self):
        name = self.background("sleep", "1000")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for number, done in enumerate(pool.map(lambda n: self.exec(name, "sh", "-c", f"echo {n}; exit {n}"), range(8))):
                expect((done.code, done.out) == (number, f"{number}\n"), done)
        self.remove(name)

    @step("task ps: the processes by host pid")
    def task_ps(self):
        name = self.background("sleep", "1000")
        lines = self.ctr("task", "ps", name).ok().out.splitlines()
        expect(len(lines) >= 2 and os.path.exists(f"/proc/{lines[1].split()[0]}"), lines)
        self.remove(name)

    @step("task kill: a trapped signal, the exit status")
    def task_kill(self):
        name = self.background("sh", "-c", "trap 'exit 3' USR1; echo ready > /tmp/ready; while :; do sleep 0.1; done")
        wait_until(lambda: self.exec(name, "cat", "/tmp/ready").code == 0, "the trap to be set")
        self.ctr("task", "kill", "-s", "SIGUSR1", name).ok()
        wait_until(lambda: self.status(name) == "STOPPED", "the task to stop")
        self.expect_exit(name, 3)
        self.ctr("containers", "delete", name).ok()

    @step("task kill -a: every process")
    def task_kill_all(self):
        name = self.background("sh", "-c", "sleep 1000 & sleep 1000 & wait")
        self.ctr("task", "kill", "-a", "-s", "SIGKILL", name).ok()
        wait_until(lambda: self.status(name) == "STOPPED", "the task to stop")
        self.expect_exit(name, 137)
        self.ctr("containers", "delete", name).ok()

    @step("task pause, resume: nothing runs between")
    def task_pause(self):
        path = f"{self.base}/ticks"
        os.makedirs(path, exist_ok=True)
        name = self.background("sh", "-c", "while :; do echo >> /mnt/n; sleep 0.05; done",
                               flags=("--mount", f"type=bind,src={path},dst=/mnt,options=rbind:rw"))
        size = lambda: os.path.exists(f"{path}/n") and os.path.getsize(f"{path}/n")
        wait_until(size, "a tick")
        self.ctr("task", "pause", name).ok()
        expect(self.status(name) == "PAUSED", self.status(name))
        time.sleep(0.3)  # what was under way when pause answered
        before = size()
        time.sleep(0.5)
        expect(size() == before, "it ran on")
        self.ctr("task", "resume", name).ok()
        wait_until(lambda: size() > before, "a tick after resume")
        expect(self.status(name) == "RUNNING", self.status(name))
        self.remove(name)

    @step("task metrics: memory, cpu and pids")
    def task_metrics(self):
        name = self.background("sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 1000")
        def metrics():
            found = json.loads(self.ctr("task", "metrics", "--format", "json", name).ok().out)
            return all((found["memory"]["usage"]["usage"], found["cpu"]["usage"]["total"], found["pids"]["current"]))

        wait_until(metrics, "usage in the metrics")
        self.remove(name)

    @step("task delete: nothing is left")
    def task_delete(self):
        name = self.background("sleep", "1000")
        done = self.ctr("task", "delete", name)
        expect(done.code != 0, f"a running task was deleted: {done}")
        self.remove(name)
        left = [path for root in ("/run/containerd/runc", self.state) for path, names, _ in os.walk(root) if name in path]
        expect(not left, left)
        mounts = open("/proc/self/mounts").read()
        expect(name not in mounts, mounts)

    @step("events: exit and its status")
    def events(self):
        watch = subprocess.Popen(["ctr", "--address", f"{self.state}/containerd.sock", "events"],
                                 stdout=subprocess.PIPE, text=True)
        try:
            time.sleep(0.5)
            self.run("sh", "-c", "exit 9")
            for line in watch.stdout:
                if "/tasks/exit" in line:
                    expect('"exit_status":9' in line, line)
                    return
        finally:
            watch.kill()
            watch.wait()

    @step("memory limit: a process that exceeds it is killed, OOM is reported")
    def out_of_memory(self):
        watch = subprocess.Popen(["ctr", "--address", f"{self.state}/containerd.sock", "events"],
                                 stdout=subprocess.PIPE, text=True)
        seen = []
        threading.Thread(target=lambda: seen.extend(watch.stdout), daemon=True).start()
        try:
            time.sleep(0.5)
            done = self.run("sh", "-c", "head -c 400000000 /dev/zero | tail", flags=("--rm", "--memory-limit", str(96 << 20)))
            expect(done.code == 137, done)
            wait_until(lambda: any("/tasks/oom" in line for line in seen), "the oom event")
        finally:
            watch.kill()
            watch.wait()

    @step("run -t: a terminal, its size, exit status")
    def run_tty(self):
        with self.terminal(*self.run_args(self.id(), "sh", flags=("--rm", "-t"))) as terminal:
            terminal.expect("# ")
            terminal.send("tty; stty size; echo a$((1+1))b\n")
            terminal.expect(r"/dev/(pts/\d+|console)")
            terminal.expect("24 80")
            terminal.expect("a2b")
            terminal.send("exit 4\n")
            expect(terminal.status() == 4, "exit status")

    @step("run -t: resize reaches the program, ^C interrupts it")
    def run_tty_signals(self):
        script = "trap 'stty size' WINCH; trap 'echo interrupted; exit 5' INT; echo ready; while :; do sleep 0.1; done"
        with self.terminal(*self.run_args(self.id(), "sh", "-c", script, flags=("--rm", "-t"))) as terminal:
            terminal.expect("ready")
            terminal.resize_until("40 100", 40, 100)
            terminal.send("\x03")
            terminal.expect("interrupted")
            expect(terminal.status() == 5, "exit status")

    @step("task exec -t: a terminal, job control")
    def exec_tty(self):
        name = self.background("sleep", "1000")
        with self.terminal("task", "exec", "-t", "--exec-id", self.id(), name, "sh") as terminal:
            terminal.play_job_control()
            terminal.send("exit 6\n")
            expect(terminal.status() == 6, "exit status")
        self.remove(name)

    @step("run -d -t, task attach: detached and attached terminal")
    def attach(self):
        name = self.id()
        with self.terminal(*self.run_args(name, "sh", flags=("-t", "-d"))) as terminal:
            expect(terminal.status() == 0, terminal.text)
        with self.terminal("task", "attach", name) as terminal:
            terminal.send("echo at$((1+1))ached\n")
            terminal.expect("at2ached")
            terminal.send("exit 3\n")
            expect(terminal.status() == 3, "exit status")
        self.ctr("task", "delete", name)
        self.ctr("containers", "delete", name).ok()

    @step("run --net-host, --with-ns: the namespace it was given")
    def namespaces(self):
        run("ip", "netns", "add", "given").ok()
        try:
            run("ip", "-n", "given", "link", "set", "lo", "up").ok()
            run("ip", "-n", "given", "address", "add", "10.99.0.1/32", "dev", "lo").ok()
            done = self.run("ip", "address", flags=("--rm", "--with-ns", "network:/run/netns/given")).ok()
            expect("10.99.0.1" in done.out, done)
        finally:
            run("ip", "netns", "delete", "given")

    @step("containerd restarted: containers survive, their exits are seen")
    def restart(self):
        stays = self.background("sleep", "1000")
        ends = self.background("sh", "-c", "while [ ! -e /tmp/end ]; do sleep 0.1; done; exit 8")
        self.daemon.stop(signal.SIGKILL)
        self.daemon.start(self.answers)
        expect(self.status(stays) == "RUNNING" and self.status(ends) == "RUNNING", self.ctr("task", "ls"))
        self.exec(stays, "true").ok()
        self.exec(ends, "touch", "/tmp/end").ok()
        wait_until(lambda: self.status(ends) == "STOPPED", "the task to stop")
        self.expect_exit(ends, 8)
        self.remove(stays)

    @step("SIGKILL at random moments to shim, containerd, or any process of the container: it can be removed, nothing is left")
    def faults(self):
        choice = random.Random(1)
        for _ in range(FAULTS):
            name, role = self.id(), choice.choice(("shim", "containerd", "container", "container"))
            started = threading.Thread(target=lambda: self.ctr(*self.run_args(name, "sleep", "1000", flags=("-d",)), timeout=60))
            started.start()
            time.sleep(choice.uniform(0, 0.8))
            if role == "containerd":
                self.daemon.stop(signal.SIGKILL)
            else:
                kill_one(choice, processes("containerd-shim", name) if role == "shim" else cgroups(name)[1])
            started.join()
            if role == "containerd":
                self.daemon.start(self.answers)
            self.remove_whatever_it_is(name)
            expect_gone(name, "containerd-shim")

    def remove_whatever_it_is(self, name):
        def removed():
            self.ctr("task", "kill", "-s", "SIGKILL", "-a", name)
            self.ctr("task", "delete", "-f", name)
            self.ctr("containers", "delete", name)
            return name not in self.ctr("containers", "ls", "-q").out.split()

        wait_until(removed, f"{name} to be removed")
