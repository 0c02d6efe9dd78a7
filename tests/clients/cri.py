"""CRI, the path of Kubernetes' RuntimeClass: containerd's plugin with handlers runc and runsc, and a bridge by CNI."""

import concurrent.futures
import json
import os
import signal
import time

import images
from harness import SCRATCH, Client, Daemon, expect, run, step, wait_until
from kubelet import Kubelet, cri

CONFIG = """
version = 2
root = "{base}/root"
state = "{state}"
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  stream_server_address = "127.0.0.1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{base}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runsc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runsc.options]
      BinaryName = "/usr/local/bin/runsc"
"""
PROBES = int(os.environ.get("RUNSC_CLIENTS_PROBES", "10"))  # seconds; a long run takes two minutes


def network(base, name):
    return {
        "cniVersion": "0.4.0", "name": name, "plugins": [
            {"type": "bridge", "bridge": name, "isGateway": True, "ipMasq": True,
             "ipam": {"type": "host-local", "dataDir": f"{base}/ipam", "ranges": [[{"subnet": "10.88.0.0/16"}]],
                      "routes": [{"dst": "0.0.0.0/0"}]}},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ]}


class Pod:
    """A pod sandbox and its containers' logs."""

    def __init__(self, kubelet, handler, base, name, **fields):
        self.kubelet, self.name, self.logs = kubelet, name, f"{base}/logs/{name}"
        os.makedirs(self.logs)
        self.config = cri.PodSandboxConfig(
            metadata=cri.PodSandboxMetadata(name=name, uid=name, namespace="tests"), hostname=name, log_directory=self.logs,
            dns_config=cri.DNSConfig(servers=["10.88.0.53"]), linux=cri.LinuxPodSandboxConfig(cgroup_parent="/kubepods"),
            **fields)
        self.id = kubelet.call("RunPodSandbox", config=self.config, runtime_handler=handler).pod_sandbox_id
        self.containers = 0

    def create(self, *command, attempt=0, name="", limits=None, security=None, **fields):
        self.containers += 1
        name = name or f"c{self.containers}"
        config = cri.ContainerConfig(
            metadata=cri.ContainerMetadata(name=name, attempt=attempt), image=cri.ImageSpec(image=images.NAME),
            command=command, log_path=f"{name}_{attempt}.log",
            linux=cri.LinuxContainerConfig(resources=cri.LinuxContainerResources(**(limits or {})),
                                           security_context=security), **fields)
        return self.kubelet.call("CreateContainer", pod_sandbox_id=self.id, config=config,
                                 sandbox_config=self.config).container_id

    def start(self, *command, **fields):
        container = self.create(*command, **fields)
        self.kubelet.call("StartContainer", container_id=container)
        return container

    def log(self, name, attempt=0):
        """[(stream, text)] of a container's log."""
        with open(f"{self.logs}/{name}_{attempt}.log") as file:
            return [tuple(line.rstrip("\n").split(" ", 3)[1::2]) for line in file]

    def ended(self, container, seconds=30):
        """The status of the container, which must end by itself."""
        wait_until(lambda: self.kubelet.status(container).state == cri.CONTAINER_EXITED, "the container to end", seconds)
        return self.kubelet.status(container)

    @property
    def address(self):
        return self.kubelet.call("PodSandboxStatus", pod_sandbox_id=self.id).status.network.ip

    def stop(self):
        self.kubelet.call("StopPodSandbox", pod_sandbox_id=self.id)

    def remove(self):
        self.kubelet.call("RemovePodSandbox", pod_sandbox_id=self.id)


class Cri(Client):
    name = "cri"

    def start(self):
        self.base = f"{SCRATCH}/cri-{self.runtime_name}"
        self.socket = f"/run/cri-{self.runtime_name}/containerd.sock"
        os.makedirs(f"{self.base}/cni")
        with open(f"{self.base}/cni/10-bridge.conflist", "w") as file:
            json.dump(network(self.base, f"cni-{self.runtime_name}"), file)
        config = f"{self.base}/config.toml"
        with open(config, "w") as file:
            file.write(CONFIG.format(base=self.base, state=os.path.dirname(self.socket), socket=self.socket,
                                     pause=images.PAUSE))
        self.daemon = Daemon(f"cri-{self.runtime_name}", "containerd", "--config", config)
        self.kubelet = Kubelet(self.socket)
        self.daemon.start(self.answers)
        run("ctr", "--address", self.socket, "-n", "k8s.io", "images", "import",
            images.archive(f"{self.base}/images.tar")).ok()

    def answers(self):
        try:
            return self.kubelet.call("Version", version="v1", deadline=2).runtime_name == "containerd"
        except Exception:
            return False

    def stop(self):
        self.kubelet.close()
        self.daemon.stop()
        run("ip", "link", "delete", f"cni-{self.runtime_name}")

    def clean(self):
        for sandbox in self.kubelet.call("ListPodSandbox").items:
            self.kubelet.call("StopPodSandbox", pod_sandbox_id=sandbox.id)
            self.kubelet.call("RemovePodSandbox", pod_sandbox_id=sandbox.id)

    def pod(self, **fields):
        return Pod(self.kubelet, self.runtime_name, self.base, self.id(), **fields)

    @step("RunPodSandbox with the handler: ready, an address of the bridge; StopPodSandbox, RemovePodSandbox")
    def sandbox(self):
        pod = self.pod()
        status = self.kubelet.call("PodSandboxStatus", pod_sandbox_id=pod.id).status
        expect(status.state == cri.SANDBOX_READY and status.network.ip.startswith("10.88."), status)
        handlers = [item.runtime_handler for item in self.kubelet.call("ListPodSandbox").items if item.id == pod.id]
        expect(handlers == [self.runtime_name], handlers)
        pod.stop()
        status = self.kubelet.call("PodSandboxStatus", pod_sandbox_id=pod.id).status
        expect(status.state == cri.SANDBOX_NOTREADY, status)
        pod.remove()
        expect(pod.id not in open("/proc/self/mounts").read(), "a mount is left")

    @step("CreateContainer x 3, StartContainer: all run, with the pod's hostname and network")
    def containers(self):
        pod = self.pod()
        started = [pod.start("sleep", "1000") for _ in range(3)]
        for container in started:
            expect(self.kubelet.status(container).state == cri.CONTAINER_RUNNING, container)
            expect(self.kubelet.run(container, "hostname") == (0, pod.name + "\n", ""), "hostname")
            code, out, err = self.kubelet.run(container, "ip", "address")
            expect(code == 0 and pod.address in out, (code, out, err))
        expect("10.88.0.53" in self.kubelet.run(started[0], "cat", "/etc/resolv.conf")[1], "resolv.conf")

    @step("containers of a pod reach each other on localhost")
    def localhost(self):
        pod = self.pod()
        pod.start("sh", "-c", "while :; do echo hello | nc -l -p 80; done")
        client = pod.start("sleep", "1000")
        wait_until(lambda: self.kubelet.run(client, "nc", "-w", "2", "127.0.0.1", "80")[1] == "hello\n", "the answer")

    @step("pods reach each other over the bridge, a host port reaches a pod")
    def bridge(self):
        pod = self.pod(port_mappings=[cri.PortMapping(container_port=80, host_port=8080)])
        pod.start("sh", "-c", "while :; do echo hello | nc -l -p 80; done")
        client = self.pod().start("sleep", "1000")
        wait_until(lambda: self.kubelet.run(client, "nc", "-w", "2", pod.address, "80")[1] == "hello\n", "the answer")
        host = "10.88.0.1"
        wait_until(lambda: run("busybox", "nc", "-w", "2", host, "8080", timeout=20).out == "hello\n", "the port")

    @step("an image, environment, arguments, working directory, user, capabilities, a read-only root")
    def configuration(self):
        pod = self.pod()
        container = pod.start(
            "sh", "-c", "echo $COLOUR $(pwd) $(id -u); grep CapBnd /proc/self/status; touch /x; sleep 1000",
            envs=[cri.KeyValue(key="COLOUR", value="red")], working_dir="/tmp",
            security=cri.LinuxContainerSecurityContext(run_as_user=cri.Int64Value(value=1000), readonly_rootfs=True,
                                                       capabilities=cri.Capability(drop_capabilities=["ALL"])))
        wait_until(lambda: len(pod.log("c1")) >= 3, "the log")
        lines = pod.log("c1")
        expect(lines[0] == ("stdout", "red /tmp 1000") and lines[1][1].split()[1] == "0" * 16, lines)
        expect("Read-only file system" in lines[2][1], lines)
        expect(self.kubelet.run(container, "id", "-u")[1] == "1000\n", "exec's user")

    @step("ExecSync: output, status, time limit, a program that is not there")
    def exec_sync(self):
        container = self.pod().start("sleep", "1000")
        found = self.kubelet.run(container, "sh", "-c", "echo out; echo err >&2; exit 5")
        expect(found == (5, "out\n", "err\n"), found)
        error = self.kubelet.fails("ExecSync", container_id=container, cmd=["sleep", "100"], timeout=1)
        expect("timeout" in error or "exceeded" in error, error)
        error = self.kubelet.fails("ExecSync", container_id=container, cmd=["/no/such/program"])
        expect("no such file" in error, error)
        expect("sleep 100\n" not in self.kubelet.run(container, "ps", "-o", "args")[1], "the timed-out process lives on")

    @step("Exec, streaming: standard input, output, error and exit status")
    def exec_stream(self):
        container = self.pod().start("sleep", "1000")
        stream = self.kubelet.exec(container, "sh", "-c", "read x; echo got $x; echo err >&2; exit 5")
        stream.send("word\n")
        expect(stream.end() == 5 and stream.text == {1: "got word\n", 2: "err\n"}, (stream.exit_code, stream.text))

    @step("Exec, streaming, with a terminal: resize")
    def exec_tty(self):
        container = self.pod().start("sleep", "1000")
        stream = self.kubelet.exec(container, "sh", "-c", "tty; read x; stty size", tty=True)
        stream.expect("/dev/pts/")
        stream.resize(40, 100)
        time.sleep(0.5)
        stream.send("\n")
        stream.expect("40 100")
        expect(stream.end() == 0, stream.text)

    @step("Attach: a container's own streams")
    def attach(self):
        container = self.pod().start("sh", "-c", "while read x; do echo got $x; done", stdin=True)
        stream = self.kubelet.attach(container)
        stream.send("word\n")
        stream.expect("got word")
        stream.close()

    @step("logs: both streams, in order, in CRI's format")
    def logs(self):
        pod = self.pod()
        pod.ended(pod.start("sh", "-c", "echo one; sleep 0.1; echo two >&2; sleep 0.1; echo three"))
        wait_until(lambda: len(pod.log("c1")) == 3, "the log")
        expect(pod.log("c1") == [("stdout", "one"), ("stderr", "two"), ("stdout", "three")], pod.log("c1"))

    @step("ContainerStats, ListPodSandboxStats")
    def stats(self):
        pod = self.pod()
        container = pod.start("sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 1000")

        def container_usage():
            found = self.kubelet.call("ContainerStats", container_id=container).stats
            return found.cpu.usage_core_nano_seconds.value and found.memory.working_set_bytes.value

        def pod_usage():
            stats = self.kubelet.call("ListPodSandboxStats").stats
            return any(found.attributes.id == pod.id and found.linux.cpu.usage_core_nano_seconds.value
                       and found.linux.memory.working_set_bytes.value and len(found.linux.containers) == 1
                       for found in stats)

        wait_until(container_usage, "a container's usage")
        wait_until(pod_usage, "a pod's usage")

    @step("UpdateContainerResources: memory and cpu of a running container")
    def update(self):
        container = self.pod().start("sleep", "1000", limits={"memory_limit_in_bytes": 128 << 20})
        self.kubelet.call("UpdateContainerResources", container_id=container, linux=cri.LinuxContainerResources(
            memory_limit_in_bytes=64 << 20, cpu_period=100000, cpu_quota=50000))
        found = [open(f"/sys/fs/cgroup/{path}").read().strip() for path in
                 (f"memory/kubepods/{container}/memory.limit_in_bytes", f"cpu/kubepods/{container}/cpu.cfs_quota_us")]
        expect(found == [str(64 << 20), "50000"], found)

    @step("StopContainer: SIGTERM, SIGKILL after the grace period; RemoveContainer")
    def stop_container(self):
        pod = self.pod()
        trap = pod.start("sh", "-c", "trap 'exit 3' TERM; echo ready; while :; do sleep 0.1; done")
        deaf = pod.start("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")
        wait_until(lambda: pod.log("c1") and pod.log("c2"), "both traps")
        self.kubelet.call("StopContainer", container_id=trap, timeout=20)
        begin = time.monotonic()
        self.kubelet.call("StopContainer", container_id=deaf, timeout=1)
        expect(time.monotonic() - begin >= 1, "no grace was given")
        codes = [self.kubelet.status(container).exit_code for container in (trap, deaf)]
        expect(codes == [3, 137], codes)
        for container in (trap, deaf):
            self.kubelet.call("RemoveContainer", container_id=container)

    @step("a crashing container: exit code and reason, started again in the living pod")
    def crash(self):
        pod = self.pod()
        stays = pod.start("sleep", "1000", name="stays")
        for attempt in range(4):
            status = pod.ended(pod.start("sh", "-c", "exit 42", name="crashes", attempt=attempt))
            expect((status.exit_code, status.reason) == (42, "Error"), status)
        status = pod.ended(pod.start("true", name="completes"))
        expect((status.exit_code, status.reason) == (0, "Completed"), status)
        expect(self.kubelet.run(stays, "echo", "alive")[1] == "alive\n", "the container beside it")

    @step("out of memory: reason OOMKilled, 137, the pod lives on")
    def out_of_memory(self):
        pod = self.pod()
        stays = pod.start("sleep", "1000", name="stays")
        eats = pod.start("sh", "-c", "head -c 400000000 /dev/zero | tail", name="eats",
                         limits={"memory_limit_in_bytes": 96 << 20})
        status = pod.ended(eats, 60)
        expect((status.exit_code, status.reason) == (137, "OOMKilled"), status)
        expect(self.kubelet.run(stays, "echo", "alive")[1] == "alive\n", "the container beside it")

    @step("a program that is not there: StartContainer's error names it")
    def missing(self):
        pod = self.pod()
        container = pod.create("/no/such/program")
        error = self.kubelet.fails("StartContainer", container_id=container)
        expect("/no/such/program" in error and "no such file" in error, error)

    @step("emptyDir: two containers share it, coherently")
    def empty_dir(self):
        path = f"{self.base}/volume-{self.count}"
        os.makedirs(path)
        mounts = [cri.Mount(container_path="/shared", host_path=path)]
        pod = self.pod()
        one, two = pod.start("sleep", "1000", mounts=mounts), pod.start("sleep", "1000", mounts=mounts)
        for number in range(5):
            expect(self.kubelet.run(one, "sh", "-c", f"echo {number} > /shared/new && mv /shared/new /shared/file")[0] == 0, "write")
            expect(self.kubelet.run(two, "cat", "/shared/file") == (0, f"{number}\n", ""), "read")
        expect(open(f"{path}/file").read() == "4\n", "the host's view")

    @step("a shared pid namespace: containers see each other's processes")
    def shared_pids(self):
        options = cri.NamespaceOption(pid=cri.POD)
        pod = self.pod()
        pod.start("sleep", "12345", security=cri.LinuxContainerSecurityContext(namespace_options=options))
        other = pod.start("sleep", "1000", security=cri.LinuxContainerSecurityContext(namespace_options=options))
        expect("sleep 12345" in self.kubelet.run(other, "ps", "-o", "args")[1], self.kubelet.run(other, "ps"))

    @step("probes each second, in three containers")
    def probes(self):
        pod = self.pod()
        containers = [pod.start("sleep", "1000") for _ in range(3)]
        for _ in range(PROBES):
            begin = time.monotonic()
            for container in containers:
                found = self.kubelet.run(container, "true", timeout=30)
                expect(found == (0, "", ""), found)
            time.sleep(max(0, 1 - (time.monotonic() - begin)))

    @step("20 pods at once")
    def many(self):
        def life(_):
            pod = self.pod()
            container = pod.start("sleep", "1000")
            found = self.kubelet.run(container, "echo", "alive", timeout=60)
            pod.stop()
            pod.remove()
            return found

        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            for found in pool.map(life, range(20)):
                expect(found == (0, "alive\n", ""), found)

    @step("containerd killed and started: pods survive")
    def restart(self):
        pod = self.pod()
        container = pod.start("sleep", "1000")
        self.daemon.stop(signal.SIGKILL)
        self.daemon.start(self.answers)
        wait_until(lambda: self.kubelet.status(container).state == cri.CONTAINER_RUNNING, "the container's state")
        expect(self.kubelet.run(container, "echo", "alive")[1] == "alive\n", "exec")
