"""Cgroups made by systemd: a real one, in namespaces of its own, with a bus that it starts."""

import contextlib
import glob
import os
import shutil
import subprocess
import tempfile
import time

from harness import Outcome, expect, expect_failure, expect_success, wait_until

SYSTEMD = "/lib/systemd/systemd"

# In cgroups of its own, $1, of every hierarchy, so that they can be removed.
BOOT = r"""
set -e
for top in $(awk '/ - cgroup2? /{print $5}' /proc/self/mountinfo | sort -u); do
  group=$top/$1
  mkdir $group
  for file in cpuset.cpus cpuset.mems; do
    if test -e $group/$file; then cat $top/$file >$group/$file; fi
  done
  echo $$ >$group/cgroup.procs
done
exec unshare -m -p -f -C --kill-child bash -c "$2"
"""
INNER = r"""
set -e
mount --make-rprivate /
hierarchies=$(awk '/ - cgroup2? /{print $5}' /proc/self/mountinfo | sort -u)
if test -e /sys/fs/cgroup/cgroup.procs; then
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
else
  mount -t tmpfs tmpfs /sys/fs/cgroup
  for name in $(basename -a $hierarchies); do
    mkdir /sys/fs/cgroup/$name
    case $name in
      unified) mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified ;;
      systemd) mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd ;;
      *) mount -t cgroup -o $name cgroup /sys/fs/cgroup/$name ;;
    esac
  done
fi
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /etc/systemd/system
mount -t proc proc /proc
mkdir -p /run/systemd/system /run/dbus
cd /run/systemd/system
printf '[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=/run/dbus/system_bus_socket\n' >dbus.socket
printf '[Unit]\nDefaultDependencies=no\nRequires=dbus.socket\n[Service]\nExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation --syslog-only\n' >dbus.service
printf '[Unit]\nDefaultDependencies=no\nRequires=dbus.service\nAllowIsolate=yes\n' >bus.target
export container=other
exec /lib/systemd/systemd --system --unit=bus.target --log-target=null --show-status=no
"""


@contextlib.contextmanager
def systemd():
    """The host pid of a systemd whose bus answers; None where there is no systemd to run."""
    if not os.access(SYSTEMD, os.X_OK) or not shutil.which("dbus-daemon"):
        print("      left out: systemd and dbus-daemon are not installed")
        yield None
        return
    group = f"runsc-tests-systemd-{os.getpid()}"
    outer = subprocess.Popen(["bash", "-c", BOOT, "boot", group, INNER],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def inner():
        with open(f"/proc/{outer.pid}/task/{outer.pid}/children") as file:
            pids = file.read().split()
        return int(pids[0]) if pids else 0

    try:
        wait_until(lambda: inner() and inside(inner(), "busctl", "--system", "list").returncode == 0, "the bus")
        yield inner()
    finally:
        outer.kill()
        outer.wait()
        wait_until(lambda: remove_groups(group), "the end of its cgroups")


def remove_groups(name):
    tops = glob.glob(f"/sys/fs/cgroup/{name}") + glob.glob(f"/sys/fs/cgroup/*/{name}")
    for top in tops:
        for path, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(path)
            except OSError:
                return False
    return True


def inside(pid, *command, timeout=60):
    enter = ["nsenter", "-t", str(pid), "-m", "-p", "-C", *command]
    # Files, not pipes: a container left running holds on to the other end.
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        done = subprocess.run(enter, stdin=subprocess.DEVNULL, stdout=out, stderr=err, timeout=timeout)
        out.seek(0), err.seek(0)
        return subprocess.CompletedProcess(command, done.returncode, out.read(), err.read())


def runsc(w, pid, *args):
    command = w.command(*args, globals_=["--systemd-cgroup"])
    start = time.monotonic()
    done = inside(pid, *command)
    return Outcome(command, done.returncode, done.stdout, done.stderr, time.monotonic() - start)


def properties(pid, unit, *names):
    text = inside(pid, "systemctl", "show", unit, *[f"--property={n}" for n in names]).stdout
    return dict(line.split("=", 1) for line in text.splitlines())


def bundle(w, *args, path, **resources):
    spec = w.spec(*args)
    spec["linux"].update(cgroupsPath=path, resources=resources)
    return w.bundle(spec)


def test_a_scope_of_systemd(w):
    with systemd() as pid:
        if pid is None:
            return
        where = bundle(w, "/bin/sleep", "100", path="runsc-tests.slice:docker:one", memory={"limit": 64 << 20},
                       pids={"limit": 100}, cpu={"shares": 512, "quota": 50000, "period": 100000})
        expect_success(runsc(w, pid, "create", "--bundle", where, w.id()))
        expect_success(runsc(w, pid, "start", "c1"))
        found = properties(pid, "docker-one.scope", "ActiveState", "Slice", "Delegate", "TasksMax", "ControlGroup",
                           "CPUQuotaPerSecUSec", "Description")
        expect(found["ActiveState"] == "active" and found["Slice"] == "runsc-tests.slice", found)
        expect(found["Delegate"] == "yes" and found["TasksMax"] == "364", found)
        expect(found["CPUQuotaPerSecUSec"] == "500ms" and found["Description"] == "runsc container c1", found)
        group = found["ControlGroup"]
        expect(group == "/runsc.slice/runsc-tests.slice/docker-one.scope", found)
        monitor = int(inside(pid, *w.command("state", "c1")).stdout.split('"pid": ')[1].split(",")[0])
        groups = inside(pid, "cat", f"/proc/{monitor}/cgroup").stdout
        expect(groups.count(group) >= 2, groups)
        expect_success(runsc(w, pid, "update", "--pids-limit", "10", "c1"))
        expect(properties(pid, "docker-one.scope", "TasksMax")["TasksMax"] == "94", "systemd knows the new limit")
        expect_success(runsc(w, pid, "delete", "--force", "c1"))
        wait_until(lambda: properties(pid, "docker-one.scope", "LoadState")["LoadState"] == "not-found", "its end")


def test_a_failed_create_leaves_no_scope(w):
    with systemd() as pid:
        if pid is None:
            return
        expect_failure(runsc(w, pid, "create", "--bundle", bundle(w, "/bin/nosuch", path=":t:bad"), w.id()), "/bin/nosuch")
        wait_until(lambda: properties(pid, "t-bad.scope", "LoadState")["LoadState"] == "not-found", "its end")
        expect_success(runsc(w, pid, "run", "--bundle", bundle(w, "/bin/true", path=":t:bad"), w.id()))


def test_what_systemd_refuses_is_told(w):
    with systemd() as pid:
        if pid is None:
            return
        outcome = runsc(w, pid, "create", "--bundle", bundle(w, path="not%a!slice.slice:t:x"), w.id())
        expect_failure(outcome, "slice")


def test_no_systemd_is_told(w):
    env = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent/bus"}
    outcome = w.run("create", "--bundle", bundle(w, path="system.slice:runsc:x"), w.id(), globals_=["--systemd-cgroup"], env=env)
    expect_failure(outcome, "systemd does not run on this host", "/nonexistent/bus")
