"""Docker: dockerd with a containerd of its own, the runtime as its default one."""

import json
import os
import signal
import time

import images
from harness import SCRATCH, Client, Daemon, Terminal, expect, run, step, wait_until

# All that Docker lets through but one call, so that what the profile denies is plain.
DENY_MKDIR = {"defaultAction": "SCMP_ACT_ALLOW",
              "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}


class Docker(Client):
    name = "docker"
    # The overlay keeps writes inside the sandbox; an engine that looks at the layers needs it off.
    runtime_flags = {"runsc": ["--overlay2=none"]}

    def start(self):
        self.base = f"{SCRATCH}/docker-{self.runtime_name}"
        self.run_dir = f"/run/docker-{self.runtime_name}"
        os.makedirs(self.base)
        os.makedirs(self.run_dir)
        config = f"{self.base}/daemon.json"
        with open(config, "w") as file:
            json.dump({
                "data-root": f"{self.base}/root", "exec-root": self.run_dir, "pidfile": f"{self.run_dir}/pid",
                "hosts": [f"unix://{self.run_dir}/docker.sock"], "default-runtime": "tested", "live-restore": True,
                "runtimes": {"tested": {"path": self.runtime, "runtimeArgs": self.runtime_flags.get(self.runtime_name, [])}},
                "exec-opts": ["native.cgroupdriver=cgroupfs"], "storage-driver": "overlay2", "debug": True,
            }, file)
        self.daemon = Daemon(f"docker-{self.runtime_name}", "dockerd", "--config-file", config)
        self.daemon.start(self.answers)
        self.docker("load", "-i", images.archive(f"{self.base}/images.tar")).ok()

    def stop(self):
        self.daemon.stop()

    def answers(self):
        return self.docker("info").code == 0

    def clean(self):
        names = self.docker("ps", "-aq").out.split()
        if names:
            self.docker("rm", "-f", *names)

    def args(self, *args):
        return ["docker", "--host", f"unix://{self.run_dir}/docker.sock", *args]

    def docker(self, *args, **kwargs):
        return run(*self.args(*args), env={"DOCKER_BUILDKIT": "0"}, **kwargs)

    def run(self, *command, flags=(), **kwargs):
        return self.docker("run", "--rm", *flags, images.NAME, *command, **kwargs)

    def background(self, *command, flags=()):
        name = self.id()
        self.docker("run", "-d", "--name", name, *flags, images.NAME, *(command or ("sleep", "1000"))).ok()
        return name

    def inspect(self, name, form):
        return self.docker("inspect", "-f", "{{" + form + "}}", name).ok().out.strip()

    @step("run: output, standard error, exit status")
    def run_to_end(self):
        done = self.run("sh", "-c", "echo out; echo err >&2; exit 7")
        expect((done.code, done.out, done.err) == (7, "out\n", "err\n"), done)

    @step("run: a program that is not there is exit status 127")
    def run_missing(self):
        done = self.run("/no/such/program")
        expect(done.code == 127 and "no such file or directory" in done.err, done)

    @step("run: a program that may not be executed is exit status 126")
    def run_not_executable(self):
        done = self.run("/etc/passwd")
        expect(done.code == 126 and "permission denied" in done.err, done)

    @step("run -i: standard input")
    def run_stdin(self):
        done = self.run("wc", "-c", flags=("-i",), stdin="x" * 300000).ok()
        expect(done.out.strip() == "300000", done)

    @step("run -it: a terminal, its size, resize, ^C")
    def run_tty(self):
        script = "tty; stty size; trap 'stty size' WINCH; trap 'exit 5' INT; echo ready; while :; do sleep 0.1; done"
        with Terminal(*self.args("run", "--rm", "-it", images.NAME, "sh", "-c", script)) as terminal:
            terminal.expect("/dev/(pts|console)")
            terminal.expect("ready")
            terminal.resize_until("40 100", 40, 100)
            terminal.send("\x03")
            expect(terminal.status() == 5, "exit status")

    @step("exec: output, status, -u, -w, -e")
    def exec(self):
        name = self.background()
        done = self.docker("exec", "-u", "guest", "-w", "/tmp", "-e", "COLOUR=red", name, "sh", "-c",
                           "echo $COLOUR $(id -u) $(pwd); exit 5")
        expect((done.code, done.out) == (5, "red 1000 /tmp\n"), done)

    @step("exec -i: standard input and its end")
    def exec_stdin(self):
        name = self.background()
        done = self.docker("exec", "-i", name, "wc", "-c", stdin="x" * 300000).ok()
        expect(done.out.strip() == "300000", done)

    @step("exec: a program that is not there")
    def exec_missing(self):
        name = self.background()
        done = self.docker("exec", name, "/no/such/program")
        expect(done.code in (126, 127) and "no such file" in (done.out + done.err), done)

    @step("exec -it: a terminal, job control")
    def exec_tty(self):
        name = self.background()
        with Terminal(*self.args("exec", "-it", name, "sh")) as terminal:
            terminal.play_job_control()
            terminal.send("exit 6\n")
            expect(terminal.status() == 6, "exit status")

    @step("attach, and detach by keys")
    def attach(self):
        name = self.background("sh", "-c", "while read x; do echo got $x; done", flags=("-it",))
        with Terminal(*self.args("attach", name)) as terminal:
            terminal.send("one\n")
            terminal.expect("got one")
            terminal.send("\x10\x11")
            terminal.status()
        expect(self.inspect(name, ".State.Running") == "true", "it ended")

    @step("logs")
    def logs(self):
        name = self.background("sh", "-c", "for i in 1 2 3; do echo line $i; done; echo oops >&2")
        self.docker("wait", name).ok()
        done = self.docker("logs", name).ok()
        expect((done.out, done.err) == ("line 1\nline 2\nline 3\n", "oops\n"), done)

    @step("cp: both ways")
    def cp(self):
        name = self.background()
        with open(f"{self.base}/given", "w") as file:
            file.write("from the host\n")
        self.docker("exec", name, "sh", "-c", "echo from the guest > /tmp/made").ok()
        self.docker("cp", f"{self.base}/given", f"{name}:/root/given").ok()
        self.docker("cp", f"{name}:/tmp/made", f"{self.base}/taken").ok()
        expect(open(f"{self.base}/taken").read() == "from the guest\n", "what was copied out")
        expect(self.docker("exec", name, "cat", "/root/given").out == "from the host\n", "what was copied in")

    @step("stats: memory and pids")
    def stats(self):
        name = self.background()

        def usage():
            done = self.docker("stats", "--no-stream", "--format", "{{.MemUsage}} {{.PIDs}}", name).ok()
            words = done.out.split()
            return words and not words[0].startswith("0B") and int(words[-1]) >= 1

        wait_until(usage, "usage in the stats")

    @step("top: the processes by host pid")
    def top(self):
        name = self.background("sh", "-c", "sleep 1000 & wait")
        done = self.docker("top", name).ok()
        pids = [line.split()[1] for line in done.out.splitlines()[1:]]
        expect(pids and all(os.path.exists(f"/proc/{pid}") for pid in pids), done)

    @step("pause, unpause")
    def pause(self):
        name = self.background("sh", "-c", "while :; do echo >> /tmp/n; sleep 0.05; done")
        self.docker("pause", name).ok()
        expect(self.inspect(name, ".State.Status") == "paused", "state")
        done = self.docker("exec", name, "true")
        expect(done.code != 0 and "paused" in done.err, done)
        self.docker("unpause", name).ok()
        self.docker("exec", name, "true").ok()

    @step("stop: SIGTERM, then SIGKILL after the grace period")
    def stop_container(self):
        trap = self.background("sh", "-c", "trap 'exit 3' TERM; touch /tmp/ready; while :; do sleep 0.1; done")
        deaf = self.background("sh", "-c", "trap '' TERM; touch /tmp/ready; while :; do sleep 0.1; done")
        for name in (trap, deaf):
            wait_until(lambda: self.docker("exec", name, "cat", "/tmp/ready").code == 0, "the trap")
        self.docker("stop", trap).ok()
        self.docker("stop", "-t", "1", deaf).ok()
        codes = [self.inspect(name, ".State.ExitCode") for name in (trap, deaf)]
        expect(codes == ["3", "137"], codes)

    @step("kill: a signal of choice, exit status 128 + n")
    def kill(self):
        name = self.background("sh", "-c", "sleep 1000 & wait")
        self.docker("kill", "-s", "KILL", name).ok()
        wait_until(lambda: self.inspect(name, ".State.Running") == "false", "the end")
        expect(self.inspect(name, ".State.ExitCode") == "137", self.inspect(name, ".State"))

    @step("start again: the same container runs a second time")
    def start_again(self):
        name = self.background("sh", "-c", "echo x >> /root/runs; wc -l < /root/runs")
        self.docker("wait", name).ok()
        self.docker("start", name).ok()
        self.docker("wait", name).ok()
        expect(self.docker("logs", name).out.split() == ["1", "2"], self.docker("logs", name))

    @step("update --memory --cpus on a running container")
    def update(self):
        name = self.background(flags=("--memory", "128m", "--memory-swap", "128m"))
        self.docker("update", "--memory", "64m", "--memory-swap", "64m", "--cpus", "0.5", name).ok()
        group = f"docker/{self.inspect(name, '.Id')}"
        found = [open(f"/sys/fs/cgroup/{path}").read().strip() for path in
                 (f"memory/{group}/memory.limit_in_bytes", f"cpu/{group}/cpu.cfs_quota_us")]
        expect(found == [str(64 << 20), "50000"], found)

    @step("--restart on-failure:2: started again, then left")
    def restart_policy(self):
        name = self.background("sh", "-c", "echo run; exit 4", flags=("--restart", "on-failure:2"))
        wait_until(lambda: self.inspect(name, ".RestartCount") == "2" and self.inspect(name, ".State.Status") == "exited",
                   "two restarts")
        expect(self.docker("logs", name).out == "run\n" * 3, self.docker("logs", name))

    @step("restart")
    def restart(self):
        name = self.background("sh", "-c", "echo run; sleep 1000")
        self.docker("restart", "-t", "0", name).ok()
        wait_until(lambda: self.docker("logs", name).out == "run\n" * 2, "the second run")

    @step("--init: a reaper is pid 1")
    def init(self):
        done = self.run("sh", "-c", "cat /proc/1/comm; exit 3", flags=("--init",))
        expect(done.code == 3 and "init" in done.out, done)

    @step("-u, -w, -e, --hostname")
    def identity(self):
        done = self.run("sh", "-c", "id -u; id -g; pwd; echo $COLOUR; hostname",
                        flags=("-u", "1000:1000", "-w", "/tmp", "-e", "COLOUR=red", "--hostname", "named")).ok()
        expect(done.out.split() == ["1000", "1000", "/tmp", "red", "named"], done)

    @step("-v: a directory shared both ways, read-only, a named volume")
    def volumes(self):
        os.makedirs(f"{self.base}/shared", exist_ok=True)
        with open(f"{self.base}/shared/in", "w") as file:
            file.write("in\n")
        done = self.run("sh", "-c", "cat /rw/in; echo out > /rw/out; touch /ro/x; echo kept > /named/file",
                        flags=("-v", f"{self.base}/shared:/rw", "-v", f"{self.base}/shared:/ro:ro", "-v", "named:/named"))
        expect(done.out == "in\n" and "Read-only file system" in done.err, done)
        expect(open(f"{self.base}/shared/out").read() == "out\n", "what the container wrote")
        expect(self.run("cat", "/named/file", flags=("-v", "named:/named")).out == "kept\n", "the named volume")

    @step("--tmpfs: size and options")
    def tmpfs(self):
        done = self.run("sh", "-c", "grep ' /scratch ' /proc/mounts; dd if=/dev/zero of=/scratch/f bs=1M count=2",
                        flags=("--tmpfs", "/scratch:size=1m,noexec"))
        expect("tmpfs" in done.out and "noexec" in done.out and "No space left" in done.err, done)

    @step("--read-only")
    def read_only(self):
        done = self.run("touch", "/x", flags=("--read-only",))
        expect(done.code == 1 and "Read-only file system" in done.err, done)

    @step("--cap-drop, --cap-add")
    def capabilities(self):
        done = self.run("chown", "1000", "/tmp", flags=("--cap-drop", "ALL"))
        expect(done.code == 1 and "not permitted" in done.err, done)
        self.run("chown", "1000", "/tmp", flags=("--cap-drop", "ALL", "--cap-add", "CHOWN")).ok()

    @step("--security-opt seccomp=: a profile of one's own, the default one, none")
    def seccomp(self):
        profile = f"{self.base}/seccomp.json"
        with open(profile, "w") as file:
            json.dump(DENY_MKDIR, file)
        done = self.run("mkdir", "/tmp/x", flags=("--security-opt", f"seccomp={profile}"))
        expect(done.code == 1 and "not permitted" in done.err, done)
        self.run("mkdir", "/tmp/x", flags=("--security-opt", "seccomp=unconfined")).ok()
        modes = [self.run("sh", "-c", "grep Seccomp: /proc/self/status", flags=flags).ok().out.split()[1]
                 for flags in ((), ("--security-opt", "seccomp=unconfined"))]
        expect(modes == ["2", "0"], modes)

    @step("--security-opt no-new-privileges")
    def no_new_privileges(self):
        done = self.run("grep", "NoNewPrivs", "/proc/self/status", flags=("--security-opt", "no-new-privileges")).ok()
        expect(done.out.split() == ["NoNewPrivs:", "1"], done)

    @step("--memory: the process that exceeds it is killed, OOMKilled is true")
    def memory(self):
        name = self.background("sh", "-c", "head -c 400000000 /dev/zero | tail", flags=("--memory", "96m", "--memory-swap", "96m"))
        self.docker("wait", name, timeout=60).ok()
        found = (self.inspect(name, ".State.OOMKilled"), self.inspect(name, ".State.ExitCode"))
        expect(found == ("true", "137"), found)

    @step("--cpus, --cpu-shares, --cpuset-cpus: the cgroup has them")
    def cpus(self):
        name = self.background(flags=("--cpus", "0.5", "--cpu-shares", "512", "--cpuset-cpus", "0"))
        group = f"docker/{self.inspect(name, '.Id')}"
        found = [open(f"/sys/fs/cgroup/{path}").read().strip() for path in
                 (f"cpu/{group}/cpu.cfs_quota_us", f"cpu/{group}/cpu.shares", f"cpuset/{group}/cpuset.cpus")]
        expect(found == ["50000", "512", "0"], found)

    @step("--pids-limit: fork fails at it")
    def pids_limit(self):
        done = self.run("sh", "-c", "i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i+1)); done; echo all",
                        flags=("--pids-limit", "20"))
        expect("can't fork" in done.err and "all" not in done.out, done)

    @step("--ulimit")
    def ulimit(self):
        done = self.run("sh", "-c", "ulimit -n; ulimit -Hn", flags=("--ulimit", "nofile=100:200")).ok()
        expect(done.out.split() == ["100", "200"], done)

    @step("--sysctl, --shm-size")
    def sysctl(self):
        done = self.run("sh", "-c", "cat /proc/sys/kernel/msgmax; df -k /dev/shm | tail -1",
                        flags=("--sysctl", "kernel.msgmax=12345", "--shm-size", "8m")).ok()
        expect(done.out.split()[0] == "12345" and "8192" in done.out.split(), done)

    @step("--health-cmd: healthy, then unhealthy")
    def health(self):
        name = self.background("sh", "-c", "touch /tmp/well; sleep 1000",
                               flags=("--health-cmd", "test -e /tmp/well", "--health-interval", "1s", "--health-retries", "1"))
        wait_until(lambda: self.inspect(name, ".State.Health.Status") == "healthy", "healthy")
        self.docker("exec", name, "rm", "/tmp/well").ok()
        wait_until(lambda: self.inspect(name, ".State.Health.Status") == "unhealthy", "unhealthy")

    @step("network: the bridge's address, another container answers, a port is published")
    def network(self):
        server = self.background("sh", "-c", "while :; do echo hello | nc -l -p 80; done", flags=("-p", "127.0.0.1:8080:80"))
        address = self.inspect(server, ".NetworkSettings.IPAddress")
        done = self.docker("exec", server, "ip", "address", "show", "eth0").ok()
        expect(address and address in done.out, done)
        wait_until(lambda: self.run("nc", "-w", "2", address, "80").out == "hello\n", "the other container")
        wait_until(lambda: run("busybox", "nc", "-w", "2", "127.0.0.1", "8080").out == "hello\n", "the port")

    @step("--network none, --network container:")
    def network_modes(self):
        done = self.run("ip", "-o", "link", flags=("--network", "none")).ok()
        expect("lo" in done.out and "eth0" not in done.out, done)
        server = self.background("sh", "-c", "while :; do echo hello | nc -l -p 80; done")
        wait_until(lambda: self.run("nc", "-w", "2", "127.0.0.1", "80", flags=("--network", f"container:{server}"),
                                    timeout=60).out == "hello\n", "the same network")

    @step("commit and diff: what the container wrote")
    def commit(self):
        name = self.background("sh", "-c", "echo written > /root/new; rm /bin/yes")
        self.docker("wait", name).ok()
        lines = self.docker("diff", name).ok().out.splitlines()
        expect("A /root/new" in lines and "D /bin/yes" in lines, lines)
        self.docker("commit", name, "committed").ok()
        done = self.docker("run", "--rm", "committed", "cat", "/root/new").ok()
        expect(done.out == "written\n", done)

    @step("build: RUN steps with the runtime as the default one")
    def build(self):
        recipe = f"{self.base}/build"
        os.makedirs(recipe, exist_ok=True)
        with open(f"{recipe}/Dockerfile", "w") as file:
            file.write(f"FROM {images.NAME}\nRUN echo one > /one && mkdir /d\nWORKDIR /d\nCOPY Dockerfile .\n"
                       "RUN cat /one Dockerfile > all\nUSER guest\nCMD [\"head\", \"-n1\", \"all\"]\n")
        self.docker("build", "-t", "built", recipe, timeout=120).ok()
        done = self.docker("run", "--rm", "built").ok()
        expect(done.out == "one\n", done)

    @step("events: die with its exit status")
    def events(self):
        since = str(int(time.time()) - 1)
        self.run("sh", "-c", "exit 9")
        done = self.docker("events", "--since", since, "--until", str(int(time.time()) + 1), "--filter", "event=die").ok()
        expect("exitCode=9" in done.out, done)

    @step("dockerd killed and started: containers survive (live-restore)")
    def live_restore(self):
        name = self.background()
        self.daemon.stop(signal.SIGKILL)
        wait_until(lambda: run("sh", "-c", f"kill $(cat {self.run_dir}/containerd/containerd.pid)").code >= 0, "containerd")
        os.path.exists(f"{self.run_dir}/pid") and os.remove(f"{self.run_dir}/pid")
        time.sleep(1)
        self.daemon.start(self.answers)
        expect(self.inspect(name, ".State.Running") == "true", "it ended")
        expect(self.docker("exec", name, "echo", "alive").out == "alive\n", "exec")

    @step("rm -f: nothing is left")
    def remove(self):
        name = self.background()
        number, pid = self.inspect(name, ".Id"), self.inspect(name, ".State.Pid")
        self.docker("rm", "-f", name).ok()
        expect(not os.path.exists(f"/proc/{pid}"), "the process lives on")
        expect(number not in open("/proc/self/mounts").read(), "a mount is left")
        left = [path for path, _, _ in os.walk("/sys/fs/cgroup") if number in path]
        expect(not left, left)
