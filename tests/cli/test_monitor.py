"""The process in the pid file stands for the guest's: it can be waited for, signalled, looked at."""

import ctypes
import os
import signal
import socket
import subprocess
import time

from harness import expect, expect_success, processes_named, wait_until

PR_SET_CHILD_SUBREAPER = 36


def become_subreaper():
    """As containerd's shim and conmon: orphans of `create` are ours to wait for."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def read_pid(path):
    with open(path) as file:
        return int(file.read())


def create(w, *script, **process):
    become_subreaper()
    pid_file = os.path.join(w.dir, "pid")
    bundle = w.bundle(w.spec("/bin/sh", "-c", *script, **process))
    expect_success(w.run("create", "--bundle", bundle, "--pid-file", pid_file, w.id()), "")
    return read_pid(pid_file)


def exec_detached(w, *args, name="exec-pid"):
    pid_file = os.path.join(w.dir, name)
    expect_success(w.run("exec", "--detach", "--pid-file", pid_file, "c1", *args), "")
    return read_pid(pid_file)


def fields(pid):
    with open(f"/proc/{pid}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def reap(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_exit_status(w):
    pid = create(w, "exit 7")
    expect_success(w.run("start", "c1"))
    expect(reap(pid) == 7, "the guest's status")
    expect(w.state("c1")["status"] == "stopped", "stopped")
    expect_success(w.run("delete", "c1"))


def test_death_by_signal(w):
    pid = create(w, "sleep 60")
    expect_success(w.run("start", "c1"))
    expect_success(w.run("kill", "c1", "KILL"))
    expect(reap(pid) == -signal.SIGKILL, "killed as the guest was")
    expect_success(w.run("delete", "c1"))


def test_signals_are_passed_on(w):
    out = os.path.join(w.dir, "out")
    shared = {"destination": "/shared", "type": "bind", "source": w.dir, "options": ["bind"]}
    become_subreaper()
    script = "for s in TERM HUP USR1 QUIT ABRT WINCH; do trap \"echo $s >> /shared/out\" $s; done;" \
             "echo up > /shared/up; while :; do sleep 0.02; done"
    spec = w.spec("/bin/sh", "-c", script)
    spec["mounts"].append(shared)
    pid_file = os.path.join(w.dir, "pid")
    expect_success(w.run("create", "--bundle", w.bundle(spec), "--pid-file", pid_file, w.id()), "")
    pid = read_pid(pid_file)
    expect_success(w.run("start", "c1"))
    wait_until(lambda: os.path.exists(os.path.join(w.dir, "up")), "the guest")
    for name in ("TERM", "HUP", "USR1", "QUIT", "ABRT", "WINCH"):
        os.kill(pid, getattr(signal, "SIG" + name))
        wait_until(lambda: os.path.exists(out) and name in open(out).read().split(), f"SIG{name} in the guest")
    os.kill(pid, signal.SIGKILL)
    expect(reap(pid) == -signal.SIGKILL, "killed")
    wait_until(lambda: w.state("c1")["status"] == "stopped", "the end of the guest")
    expect_success(w.run("delete", "c1"))


def test_killed_before_the_start(w):
    pid = create(w, "echo never")
    os.kill(pid, signal.SIGTERM)
    expect(reap(pid) == -signal.SIGTERM, "ended by the signal")
    expect(w.state("c1")["status"] == "stopped", "stopped")
    expect_success(w.run("delete", "c1"))


def test_dies_with_the_sandbox(w):
    pid = create(w, "sleep 60")
    expect_success(w.run("start", "c1"))
    executed = exec_detached(w, "/bin/sleep", "60")
    [sentry] = processes_named(w, "runsc-sandbox")
    os.kill(sentry, signal.SIGKILL)
    expect(reap(pid) == -signal.SIGKILL and reap(executed) == -signal.SIGKILL, "both monitors die")
    expect(w.state("c1")["status"] == "stopped", "stopped")


def test_is_confined_and_small(w):
    pid = create(w, "sleep 60")
    wait_until(lambda: fields(pid)["Seccomp"] == "2", "the monitor's filter, which is its last step")
    status = fields(pid)
    expect(status["Name"] == "runsc-monitor", status)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        expect(int(status[name], 16) == 0, f"{name} {status[name]}")
    expect(status["NoNewPrivs"] == "1", "no new privileges")
    targets = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in sorted(os.listdir(f"/proc/{pid}/fd"), key=int)]
    expect(targets[:3] == ["/dev/null"] * 3 and targets[3].startswith("socket:") and
           targets[4:] == ["anon_inode:[signalfd]"], targets)
    with open(f"/proc/{pid}/smaps_rollup") as file:
        sizes = dict(line.split()[:2] for line in file if line.count(" ") > 1)
    expect(int(sizes["Private_Dirty:"]) < 1000, f"{sizes['Private_Dirty:']} KiB of its own")


def test_is_in_a_network_namespace_of_its_own(w):
    pid = create(w, "sleep 60")
    expect(os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net"), "the host's network namespace")


def test_joins_the_network_namespace_by_path(w):
    become_subreaper()
    holder = subprocess.Popen(["unshare", "--net", "sleep", "60"])
    try:
        path = f"/proc/{holder.pid}/ns/net"
        wait_until(lambda: os.readlink(path) != os.readlink("/proc/self/ns/net"), "the namespace")
        spec = w.spec("/bin/sleep", "60")
        next(n for n in spec["linux"]["namespaces"] if n["type"] == "network")["path"] = path
        pid_file = os.path.join(w.dir, "pid")
        expect_success(w.run("create", "--bundle", w.bundle(spec), "--pid-file", pid_file, w.id()), "")
        expect(os.readlink(f"/proc/{read_pid(pid_file)}/ns/net") == os.readlink(path), "another network namespace")
    finally:
        holder.kill()
        holder.wait()


def test_of_exec(w):
    create(w, "sleep 60")
    expect_success(w.run("start", "c1"))
    expect(reap(exec_detached(w, "/bin/sh", "-c", "exit 9")) == 9, "exit status")
    executed = exec_detached(w, "/bin/sleep", "60")
    os.kill(executed, signal.SIGKILL)
    expect(reap(executed) == -signal.SIGKILL, "killed")
    wait_until(lambda: "sleep" not in w.run("exec", "c1", "ps").stdout.replace("sleep 60", "sleep", 1).split("\n", 2)[2]
               or w.run("exec", "c1", "ps").stdout.count("sleep") == 1, "the end of the guest process")
    executed = exec_detached(w, "/bin/sh", "-c", "trap 'exit 5' TERM; touch /trapped; while :; do sleep 0.02; done")
    wait_until(lambda: w.run("exec", "c1", "ls", "/trapped").code == 0, "the trap")
    os.kill(executed, signal.SIGTERM)
    expect(reap(executed) == 5, "signal passed on")


def test_pidfd_socket(w):
    path = os.path.join(w.dir, "pidfd.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    bundle = w.bundle(w.spec("/bin/sleep", "60"))
    expect_success(w.run("create", "--bundle", bundle, "--pidfd-socket", path, w.id()), "")
    _, fds, _, _ = socket.recv_fds(listener.accept()[0], 64, 4)
    with open(f"/proc/self/fdinfo/{fds[0]}") as file:
        expect(f"Pid:\t{w.state('c1')['pid']}\n" in file.read(), "a pidfd of the monitor")
    expect_success(w.run("start", "c1"))
    expect_success(w.run("exec", "-d", "--pidfd-socket", path, "c1", "sleep", "60"), "")
    _, fds, _, _ = socket.recv_fds(listener.accept()[0], 64, 4)
    signal.pidfd_send_signal(fds[0], signal.SIGKILL)
    wait_until(lambda: len(w.run("ps", "c1").stdout.splitlines()) == 2, "the end of the process")


def test_it_sees_the_container_and_nothing_of_the_host(w):
    given = os.path.join(w.dir, "given")
    os.makedirs(given)
    open(os.path.join(given, "mark"), "w").close()
    spec = w.spec("/bin/sleep", "60")
    spec["mounts"].append({"destination": "/etc", "type": "bind", "source": given, "options": ["rbind", "ro"]})
    pid_file = os.path.join(w.dir, "pid")
    become_subreaper()
    expect_success(w.run("create", "--bundle", w.bundle(spec), "--pid-file", pid_file, w.id()), "")
    expect_success(w.run("start", "c1"))
    pid = read_pid(pid_file)
    root = f"/proc/{pid}/root"
    expect(set(os.listdir(root)) == set(os.listdir(w.rootfs)), os.listdir(root))
    expect(os.listdir(f"{root}/etc") == ["mark"], os.listdir(f"{root}/etc"))
    wait_until(lambda: "sleep" in comms(f"{root}/proc"), f"the guest's program among {comms(f'{root}/proc')}")
    mounts = os.readlink(f"/proc/{pid}/ns/mnt")
    expect(mounts != os.readlink("/proc/self/ns/mnt"), "the host's mounts")
    expect(os.readlink(f"/proc/{exec_detached(w, 'sleep', '60')}/ns/mnt") == mounts, "the mounts of exec's monitor")


def comms(proc):
    """Names of the processes a procfs shows."""
    found = set()
    for number in filter(str.isdigit, os.listdir(proc)):
        try:
            with open(f"{proc}/{number}/comm") as file:
                found.add(file.read().strip())
        except OSError:
            pass  # it ended
    return found
