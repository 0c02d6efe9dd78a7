"""Podman, as root and as an ordinary user."""

import json
import os
import random
import signal
import threading
import time

import images
from harness import SCRATCH, Client, Terminal, cgroups, expect, expect_gone, kill_one, processes, run, step, wait_until

FAULTS = int(os.environ.get("RUNSC_CLIENTS_FAULTS", "12"))  # points

POLICY = {"default": [{"type": "insecureAcceptAnything"}]}
ENGINE = """
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
cni_plugin_dirs = ["/usr/lib/cni"]
"""
KUBE = """
apiVersion: v1
kind: Pod
metadata: {name: played}
spec:
  volumes: [{name: shared, emptyDir: {}}]
  containers:
  - name: writer
    image: IMAGE
    command: [sh, -c, "echo $COLOUR > /shared/file; sleep 1000"]
    env: [{name: COLOUR, value: red}]
    volumeMounts: [{name: shared, mountPath: /shared}]
  - name: reader
    image: IMAGE
    command: [sh, -c, "while ! cat /shared/file; do sleep 0.1; done; sleep 1000"]
    volumeMounts: [{name: shared, mountPath: /shared}]
"""


class Podman(Client):
    name = "podman"
    user = None

    def start(self):
        self.base = f"{SCRATCH}/{self.name}-{self.runtime_name}"
        self.home = f"{self.base}/home"
        self.run_dir = f"/run/{self.name}-{self.runtime_name}"
        for path in (self.base, self.home, self.run_dir, "/etc/containers"):
            os.makedirs(path, exist_ok=True)
        with open("/etc/containers/policy.json", "w") as file:
            json.dump(POLICY, file)
        with open(f"{self.base}/containers.conf", "w") as file:
            file.write(ENGINE)
        images.archive(f"{self.base}/images.tar")
        self.own()
        self.podman("load", "-i", f"{self.base}/images.tar").ok()

    def own(self):
        """Gives what `start` made to the user that podman runs as."""

    def stop(self):
        self.podman("system", "reset", "--force")

    def clean(self):
        self.podman("rm", "-f", "-t", "0", "-a")
        self.podman("pod", "rm", "-f", "-a")

    def args(self, *args):
        return ["podman", "--root", f"{self.base}/root", "--runroot", f"{self.run_dir}/podman", "--runtime", self.runtime, *self.runtime_flags(), *args]

    def runtime_flags(self):
        # `podman cp`, `diff` and `commit` look at the container's layer on the host: writes must go there.
        return ["--runtime-flag", "overlay2=none"] if self.runtime_name == "runsc" else []

    @property
    def environment(self):
        return {"CONTAINERS_CONF": f"{self.base}/containers.conf", "HOME": self.home, "XDG_RUNTIME_DIR": self.run_dir,
                "TMPDIR": self.base}

    def podman(self, *args, **kwargs):
        return run(*self.args(*args), env=self.environment, user=self.user, **kwargs)

    def limits(self):
        # Podman asks for more open files than a machine without CAP_SYS_RESOURCE may have; ours are the guest's.
        return ["--ulimit", "host"] if self.runtime_name == "runc" else []

    def run(self, *command, flags=(), **kwargs):
        return self.podman("run", "--rm", *self.limits(), *flags, images.NAME, *command, **kwargs)

    def background(self, *command, flags=()):
        name = self.id()
        self.podman("run", "-d", "--name", name, *self.limits(), *flags, images.NAME, *(command or ("sleep", "1000"))).ok()
        return name

    def inspect(self, name, form):
        return self.podman("inspect", "-f", "{{" + form + "}}", name).ok().out.strip()

    @step("run: output, standard error, exit status")
    def run_to_end(self):
        done = self.run("sh", "-c", "echo out; echo err >&2; exit 7")
        expect((done.code, done.out, done.err) == (7, "out\n", "err\n"), done)

    @step("run: a program that is not there is exit status 127")
    def run_missing(self):
        done = self.run("/no/such/program")
        expect(done.code == 127 and "no such file or directory" in done.err.lower(), done)

    @step("run: a program that may not be executed is exit status 126")
    def run_not_executable(self):
        done = self.run("/etc/passwd")
        expect(done.code == 126 and "permission denied" in done.err.lower(), done)

    @step("run -i: standard input")
    def run_stdin(self):
        done = self.run("wc", "-c", flags=("-i",), stdin="x" * 300000).ok()
        expect(done.out.strip() == "300000", done)

    @step("run -it: a terminal, its size, resize, ^C")
    def run_tty(self):
        script = "tty; stty size; trap 'stty size' WINCH; trap 'exit 5' INT; echo ready; while :; do sleep 0.1; done"
        args = self.args("run", "--rm", "-it", *self.limits(), images.NAME, "sh", "-c", script)
        with Terminal(*args, env=self.environment) as terminal:
            terminal.expect("/dev/(pts|console)")
            terminal.expect("ready")
            terminal.resize_until("40 100", 40, 100)
            terminal.send("\x03")
            expect(terminal.status() == 5, "exit status")

    @step("run -d, logs, wait")
    def logs(self):
        name = self.background("sh", "-c", "for i in 1 2 3; do echo line $i; done; exit 3")
        expect(self.podman("wait", name).ok().out == "3\n", "status")
        expect(self.podman("logs", name).out == "line 1\nline 2\nline 3\n", self.podman("logs", name))

    @step("exec: output, status, -u, -w, -e")
    def exec(self):
        name = self.background()
        done = self.podman("exec", "-u", "guest", "-w", "/tmp", "-e", "COLOUR=red", name, "sh", "-c",
                           "echo $COLOUR $(id -u) $(pwd); exit 5")
        expect((done.code, done.out) == (5, "red 1000 /tmp\n"), done)

    @step("exec -i: standard input and its end")
    def exec_stdin(self):
        name = self.background()
        done = self.podman("exec", "-i", name, "wc", "-c", stdin="x" * 300000).ok()
        expect(done.out.strip() == "300000", done)

    @step("exec: a program that is not there is exit status 127")
    def exec_missing(self):
        name = self.background()
        done = self.podman("exec", name, "/no/such/program")
        expect(done.code == 127, done)

    @step("exec -it: a terminal")
    def exec_tty(self):
        name = self.background()
        with Terminal(*self.args("exec", "-it", name, "sh"), env=self.environment) as terminal:
            terminal.expect("# ")
            terminal.send("tty; echo a$((1+1))b; exit 6\n")
            terminal.expect("/dev/pts")
            terminal.expect("a2b")
            expect(terminal.status() == 6, "exit status")

    @step("stop: SIGTERM, then SIGKILL after the grace period")
    def stop_container(self):
        trap = self.background("sh", "-c", "trap 'exit 3' TERM; touch /tmp/ready; while :; do sleep 0.1; done")
        deaf = self.background("sh", "-c", "trap '' TERM; touch /tmp/ready; while :; do sleep 0.1; done")
        for name in (trap, deaf):
            wait_until(lambda: self.podman("exec", name, "cat", "/tmp/ready").code == 0, "the trap")
        self.podman("stop", trap).ok()
        self.podman("stop", "-t", "1", deaf).ok()
        codes = [self.inspect(name, ".State.ExitCode") for name in (trap, deaf)]
        expect(codes == ["3", "137"], codes)

    @step("kill: a signal of choice")
    def kill(self):
        name = self.background("sh", "-c", "trap 'exit 4' USR1; touch /tmp/ready; while :; do sleep 0.1; done")
        wait_until(lambda: self.podman("exec", name, "cat", "/tmp/ready").code == 0, "the trap")
        self.podman("kill", "-s", "USR1", name).ok()
        wait_until(lambda: self.inspect(name, ".State.Status") == "exited", "the end")
        expect(self.inspect(name, ".State.ExitCode") == "4", "status")

    @step("start again, restart")
    def start_again(self):
        name = self.background("sh", "-c", "echo x >> /root/runs; wc -l < /root/runs")
        self.podman("wait", name).ok()
        self.podman("start", name).ok()
        self.podman("wait", name).ok()
        expect(self.podman("logs", name).out.split() == ["1", "2"], self.podman("logs", name))

    @step("-v, --tmpfs, --read-only, -u, --hostname, --cap-drop, --ulimit")
    def flags(self):
        os.makedirs(f"{self.base}/shared", exist_ok=True)
        with open(f"{self.base}/shared/in", "w") as file:
            file.write("in\n")
        done = self.podman(
            "run", "--rm", "-v", f"{self.base}/shared:/mnt:ro", "--tmpfs", "/t", "--read-only", "-u", "1000", "--hostname", "named",
            "--cap-drop", "ALL", "--ulimit", "nofile=100:200", "--ulimit", "nproc=1000:1000", images.NAME, "sh", "-c",
            "cat /mnt/in; touch /t/x && echo t; touch /x; id -u; hostname; ulimit -n; grep CapBnd /proc/self/status")
        expect(done.out.split() == ["in", "t", "1000", "named", "100", "CapBnd:", "0" * 16], done)
        expect("Read-only file system" in done.err, done)

    @step("top, stats")
    def top(self):
        name = self.background()
        done = self.podman("top", name, "hpid", "comm").ok()
        expect("sleep" in done.out, done)
        if self.user is None:
            self.podman("stats", "--no-stream", name).ok()

    @step("pause, unpause")
    def pause(self):
        if self.user is not None:
            return  # an ordinary user has no freezer on cgroup v1
        name = self.background()
        self.podman("pause", name).ok()
        expect(self.inspect(name, ".State.Status") == "paused", "state")
        self.podman("unpause", name).ok()
        self.podman("exec", name, "true").ok()

    @step("cp, diff, commit")
    def commit(self):
        name = self.background("sh", "-c", "echo written > /root/new; sleep 1000")
        wait_until(lambda: self.podman("exec", name, "cat", "/root/new").code == 0, "the file")
        self.podman("cp", f"{name}:/root/new", f"{self.base}/taken").ok()
        expect(open(f"{self.base}/taken").read() == "written\n", "what was copied out")
        expect("A /root/new" in self.podman("diff", name).ok().out.splitlines(), self.podman("diff", name))
        self.podman("commit", "-q", name, "localhost/committed").ok()

    @step("pods: shared network, a container restarted in a living pod, stop, rm")
    def pods(self):
        pod = self.id()
        self.podman("pod", "create", "--name", pod, "--infra-image", images.PAUSE, "--network", "none").ok()
        name = self.background("sh", "-c", "while :; do echo hello | nc -l -p 80; done", flags=("--pod", pod))
        wait_until(lambda: self.run("nc", "-w", "2", "127.0.0.1", "80", flags=("--pod", pod)).out == "hello\n",
                   "the shared network")
        self.podman("restart", "-t", "0", name).ok()
        self.podman("exec", name, "true").ok()
        self.podman("pod", "stop", "-t", "1", pod).ok()
        self.podman("pod", "rm", pod).ok()

    @step("play kube: two containers share an emptyDir")
    def kube(self):
        path = f"{self.base}/pod.yaml"
        with open(path, "w") as file:
            file.write(KUBE.replace("IMAGE", images.NAME))
        self.podman("play", "kube", "--network", "none", path).ok()
        wait_until(lambda: "red" in self.podman("logs", "played-reader").out, "the reader's log")
        self.podman("play", "kube", "--down", path).ok()

    @step("rm -f: nothing is left")
    def remove(self):
        name = self.background()
        pid = self.inspect(name, ".State.Pid")
        self.podman("rm", "-f", "-t", "0", name).ok()
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "the process to end")

    @step("SIGKILL at random moments to conmon or any process of the container: it can be removed, nothing is left")
    def faults(self):
        choice = random.Random(1)
        for _ in range(FAULTS):
            name = self.id()
            started = threading.Thread(target=lambda: self.podman(
                "run", "-d", "--name", name, *self.limits(), images.NAME, "sleep", "1000", timeout=60))
            started.start()
            time.sleep(choice.uniform(0, 0.8))
            number = self.podman("inspect", "-f", "{{.Id}}", name).out.strip()
            if number:
                kill_one(choice, processes("conmon", number) if choice.random() < 0.5 else cgroups(number)[1])
            started.join()
            self.podman("rm", "-f", "-i", "-t", "0", name).ok()
            if number:
                expect_gone(number, "conmon")
