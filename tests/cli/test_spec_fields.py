"""Fields of config.json that change what a container sees."""

import os
import re

from harness import expect, expect_failure, expect_success


def run(w, script, change, **flags):
    spec = w.spec("/bin/sh", "-c", script)
    spec["mounts"] += [{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
                       {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
                       {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}]
    change(spec)
    return w.run("run", "--bundle", w.bundle(spec), w.id(), **flags)


def refused(w, change, *texts):
    spec = w.spec()
    change(spec)
    expect_failure(w.run("run", "--bundle", w.bundle(spec), "x"), *texts)


def test_host_name(w):
    def without(*removed):
        def change(spec):
            del spec["hostname"]
            spec["linux"]["namespaces"] = [ns for ns in spec["linux"]["namespaces"] if ns["type"] not in removed]
        return change

    expect_success(run(w, "hostname", without()), "runsc\n")
    expect_success(run(w, "hostname", without("uts")), os.uname().nodename + "\n")


def test_masked_paths(w):
    def change(spec):
        spec["linux"]["maskedPaths"] = ["/proc/cpuinfo", "/sys/devices", "/nonexistent", "/proc/cpuinfo/x"]

    outcome = run(w, "wc -c </proc/cpuinfo; ls /sys/devices | wc -l; touch /sys/devices/x 2>&1; echo $?", change)
    expect(outcome.stdout.split("\n")[:2] == ["0", "0"], outcome)
    expect("Read-only" in outcome.stdout and outcome.stdout.endswith("1\n"), outcome)


def test_readonly_paths(w):
    def change(spec):
        spec["linux"]["readonlyPaths"] = ["/tmp", "/proc/sys", "/nonexistent"]

    outcome = run(w, "touch /tmp/x; echo x >/proc/sys/kernel/hostname; touch /etc/x && echo fine", change)
    expect(outcome.stdout == "fine\n", outcome)
    expect(outcome.stderr.count("Read-only file system") == 2, outcome)


def test_devices(w):
    def change(spec):
        spec["linux"]["devices"] = [
            {"path": "/dev/mynull", "type": "c", "major": 1, "minor": 3, "fileMode": 0o640, "uid": 5, "gid": 6},
            {"path": "/dev/sub/fifo", "type": "p", "fileMode": 0o600},
            {"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666},
            {"path": "/dev/disk", "type": "b", "major": 8, "minor": 0}]

    outcome = run(w, "ls -ln /dev/mynull /dev/sub/fifo /dev/disk; echo x >/dev/mynull; cat /dev/disk", change)
    expect(re.search(r"^crw-r----- +\d+ +5 +6 +1, +3 .*mynull$", outcome.stdout, re.M), outcome)
    expect(re.search(r"^prw------- .*fifo$", outcome.stdout, re.M), outcome)
    expect(re.search(r"^brw-rw-rw- .*disk$", outcome.stdout, re.M), outcome)
    expect("can't open '/dev/disk'" in outcome.stderr, f"no way to the host's disk: {outcome}")


def test_sysctl(w):
    def change(spec):
        spec["linux"]["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647",
                                   "kernel.domainname": "example", "net.core.somaxconn": "511",
                                   "net.ipv4.ip_local_port_range": "2000 2003", "net.ipv6.conf.all.disable_ipv6": "1"}

    outcome = run(w, "cd /proc/sys; cat net/ipv4/ip_unprivileged_port_start net/ipv4/ping_group_range kernel/domainname "
                     "net/core/somaxconn net/ipv4/ip_local_port_range net/ipv6/conf/lo/disable_ipv6", change)
    expect_success(outcome, "0\n0\t2147483647\nexample\n511\n2000\t2003\n1\n")


def test_unprivileged_ports(w):
    def user(spec):
        spec["process"]["user"] = {"uid": 1000, "gid": 1000}

    def open_ports(spec):
        user(spec)
        spec["linux"]["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "80"}

    script = "nc -l -p 80 -w 1 </dev/null 2>&1"
    expect("Permission denied" in run(w, script, user).stdout, "80 is privileged")
    expect("Permission denied" not in run(w, script, open_ports).stdout, "80 is open")


def test_sysctls_that_cannot_be(w):
    def sysctl(name, value):
        return lambda spec: spec["linux"].update(sysctl={name: value})

    refused(w, sysctl("net.core.wmem_max", "1"), "linux.sysctl", "net.core.wmem_max", "cannot be changed")
    refused(w, sysctl("net.no.such", "1"), "linux.sysctl", "net.no.such", "No such file")
    refused(w, sysctl("kernel/../../etc/passwd", "1"), "linux.sysctl")
    refused(w, sysctl("net.ipv4.ip_unprivileged_port_start", "99999"), "linux.sysctl", "Invalid argument")


def test_seccomp(w):
    def change(spec):
        spec["linux"]["seccomp"] = {
            "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
                         {"names": ["mknod", "mknodat"], "action": "SCMP_ACT_KILL_PROCESS"}]}

    outcome = run(w, "mkdir /tmp/x; mknod /tmp/y p; echo $?; grep Seccomp: /proc/self/status || cat /proc/self/status", change)
    expect("No space left" in outcome.stderr, outcome)
    expect("159" in outcome.stdout, f"killed by SIGSYS: {outcome}")
    expect("Seccomp:\t2" in outcome.stdout, outcome)
    outcome = run(w, "mkdir /tmp/x && echo made", change, globals_=["--oci-seccomp=false"])
    expect_success(outcome, "made\n")


def test_seccomp_that_cannot_be(w):
    def seccomp(**fields):
        return lambda spec: spec["linux"].update(seccomp={"defaultAction": "SCMP_ACT_ALLOW", **fields})

    refused(w, seccomp(listenerPath="/run/agent.sock"), "linux.seccomp.listenerPath")
    refused(w, seccomp(syscalls=[{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]), "SCMP_ACT_NOTIFY")
    refused(w, seccomp(flags=["SECCOMP_FILTER_FLAG_FUN"]), "linux.seccomp.flags")
    refused(w, seccomp(syscalls=[{"names": ["a"], "action": "SCMP_ACT_FUN"}]), "linux.seccomp.syscalls[0].action")


def test_scheduling(w):
    def change(spec):
        spec["process"]["scheduler"] = {"policy": "SCHED_BATCH", "nice": 7}
        spec["process"]["ioPriority"] = {"class": "IOPRIO_CLASS_IDLE", "priority": 0}

    outcome = run(w, "cut -d' ' -f19,41 /proc/self/stat 2>/dev/null || cat /proc/self/stat", change)
    expect(" 7 " in f" {outcome.stdout.strip()} ", outcome)


def test_personality(w):
    def change(spec):
        spec["linux"]["personality"] = {"domain": "LINUX32"}

    expect_success(run(w, "uname -m", change), "i686\n")


def test_umask_and_names(w):
    def change(spec):
        spec["process"]["user"] = {"uid": 0, "gid": 0, "umask": 0o077}
        spec["domainname"] = "example.org"

    outcome = run(w, "umask; hostname; cat /proc/sys/kernel/domainname", change)
    expect_success(outcome, "0077\ntester\nexample.org\n")


def test_root_propagation(w):
    def change(spec):
        spec["linux"]["rootfsPropagation"] = "shared"

    outcome = run(w, "cat /proc/self/mountinfo", change)
    expect(re.search(r"^\d+ \d+ \S+ / / \S+ shared:\d+ - ", outcome.stdout, re.M), outcome)


def test_what_no_sandbox_can_do_is_refused(w):
    def linux(**fields):
        return lambda spec: spec["linux"].update(fields)

    def process(**fields):
        return lambda spec: spec["process"].update(fields)

    cases = [
        (linux(intelRdt={"closID": "x"}), "linux.intelRdt: not supported"),
        (linux(memoryPolicy={"mode": "MPOL_BIND"}), "linux.memoryPolicy: not supported"),
        (linux(netDevices={"eth0": {}}), "linux.netDevices: not supported"),
        (linux(timeOffsets={"monotonic": {"secs": 5}}), "linux.timeOffsets"),
        (linux(personality={"domain": "LINUX", "flags": ["X"]}), "linux.personality.flags"),
        (linux(maskedPaths=["relative"]), "linux.maskedPaths[0]: must be an absolute path"),
        (process(execCPUAffinity={"initial": "0"}), "process.execCPUAffinity: not supported"),
        (process(scheduler={"policy": "SCHED_FIFO", "priority": 5}), "process.scheduler.policy: SCHED_FIFO"),
        (process(scheduler={"policy": "SCHED_OTHER", "deadline": 5}), "takes nice alone"),
        (process(ioPriority={"class": "IOPRIO_CLASS_FUN"}), "process.ioPriority.class: unknown value"),
        (lambda spec: spec.update(windows={"layerFolders": []}), "windows: not supported"),
        (lambda spec: spec["mounts"].append({"destination": "/x", "type": "bind", "source": "/tmp", "options": ["bind", "fun"]}),
         "unknown for a bind mount"),
        (lambda spec: spec["mounts"].append({"destination": "/x", "type": "bind", "source": "/tmp", "options": ["bind"],
                                             "uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}]}), "uidMappings"),
        (linux(timeOffsets={"monotonic": {"secs": 0}}, sysctl={"": "1"}), "linux.sysctl"),
    ]
    for change, text in cases:
        refused(w, change, text)


def test_zero_time_offsets_are_fine(w):
    def change(spec):
        spec["linux"]["timeOffsets"] = {"monotonic": {"secs": 0}, "boottime": {"secs": 0, "nanosecs": 0}}

    expect_success(run(w, "echo fine", change), "fine\n")


def test_labels_are_warned_of(w):
    def change(spec):
        spec["process"]["apparmorProfile"] = "docker-default"
        spec["process"]["selinuxLabel"] = "system_u:system_r:container_t:s0"

    outcome = run(w, "echo fine", change)
    expect(outcome.stdout == "fine\n" and outcome.code == 0, outcome)
    expect("apparmorProfile" in outcome.stderr and "selinuxLabel" in outcome.stderr, outcome)


def test_tmpcopyup(w):
    def change(spec):
        spec["mounts"].append({"destination": "/etc", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "nosuid"]})
        spec["mounts"].append({"destination": "/bin2/x", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]})

    outcome = run(w, "cat /etc/passwd | head -1; echo new >/etc/new; grep -c ' /etc ' /proc/self/mounts; ls /bin2/x", change)
    expect_success(outcome, "root:x:0:0:root:/root:/bin/sh\n1\n")
