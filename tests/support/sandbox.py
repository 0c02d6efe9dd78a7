"""Runs a command in a test root, natively (chroot in own namespaces) or in an OCI runtime."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

REPO = pathlib.Path(__file__).resolve().parents[2]
NATIVE = "native"

# Docker's default set less NET_RAW, which the runtime withholds. The native run is held to the same.
CAPABILITIES = (
    "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE "
    "SYS_CHROOT MKNOD AUDIT_WRITE SETFCAP"
).split()

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "TZ": "UTC",
    "USER": "root",
}

MOUNTS = [
    ("/proc", "proc", "proc", ["nosuid", "noexec", "nodev"]),
    ("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
    ("/dev/pts", "devpts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
    ("/dev/shm", "tmpfs", "shm", ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
    ("/sys", "sysfs", "sysfs", ["nosuid", "noexec", "nodev", "ro"]),
    ("/tmp", "tmpfs", "tmpfs", ["nosuid", "nodev", "mode=1777"]),
]

NOFILE = {"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 4096}


def make_root(kind):
    """The cached test root of that kind ("debian", "busybox"), made when it is missing."""
    script = REPO / "tests/rootfs/make.sh"
    out = subprocess.run([script, kind], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=True)
    return pathlib.Path(out.stdout.decode().strip())


def extend_root(name, packages):
    """The cached Debian test root plus the packages of a file, made when it is missing."""
    script = REPO / "tests/rootfs/extend.sh"
    out = subprocess.run([script, name, packages], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=True)
    return pathlib.Path(out.stdout.decode().strip())


def install_tool(root, binary):
    """Copies a static test program into the root under a name of its content; returns its guest path."""
    import hashlib

    data = pathlib.Path(binary).read_bytes()
    name = f"{pathlib.Path(binary).name}-{hashlib.sha256(data).hexdigest()[:12]}"
    target = root / "opt/runsc-tests" / name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as temp:
            temp.write(data)
        os.chmod(temp.name, 0o755)
        os.rename(temp.name, target)
    return f"/opt/runsc-tests/{name}"


def spec(root, args, env=None, cwd="/", binds=(), readonly=False):
    """An OCI config.json for one process."""
    caps = ["CAP_" + c for c in CAPABILITIES]
    mounts = [
        {"destination": d, "type": t, "source": s, "options": o} for d, t, s, o in MOUNTS
    ] + [
        {"destination": guest, "type": "bind", "source": str(host), "options": ["rbind", mode]}
        for host, guest, mode in binds
    ]
    return {
        "ociVersion": "1.0.2",
        "hostname": "sandbox",
        "root": {"path": str(root), "readonly": readonly},
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": list(args),
            "env": [f"{k}={v}" for k, v in {**ENVIRONMENT, **(env or {})}.items()],
            "cwd": cwd,
            "capabilities": {k: caps for k in ("bounding", "effective", "permitted")},
            "rlimits": [NOFILE],
            "noNewPrivileges": False,
        },
        "mounts": mounts,
        "linux": {"namespaces": [{"type": t} for t in ("pid", "ipc", "uts", "mount", "network")]},
    }


NATIVE_SETUP = r"""
set -eu
root=$1; state=$2; cwd=$3; nbinds=$4; shift 4
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$state"
mkdir "$state/upper" "$state/work" "$state/root"
mount -t overlay -o "lowerdir=$root,upperdir=$state/upper,workdir=$state/work" overlay "$state/root"
r=$state/root
mount -t proc -o nosuid,noexec,nodev proc "$r/proc"
mount -t tmpfs -o mode=755 tmpfs "$r/dev"
mkdir "$r/dev/pts" "$r/dev/shm"
for node in 'null 1 3' 'zero 1 5' 'full 1 7' 'random 1 8' 'urandom 1 9' 'tty 5 0'; do
  set -- $node "$@"; mknod -m 666 "$r/dev/$1" c "$2" "$3"; shift 3
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$r/dev/pts"
ln -s pts/ptmx "$r/dev/ptmx"; ln -s /proc/self/fd "$r/dev/fd"
ln -s /proc/self/fd/0 "$r/dev/stdin"; ln -s /proc/self/fd/1 "$r/dev/stdout"; ln -s /proc/self/fd/2 "$r/dev/stderr"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$r/dev/shm"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$r/tmp"
mount -t sysfs -o ro,nosuid,noexec,nodev sysfs "$r/sys" 2>/dev/null || true
while [ "$nbinds" -gt 0 ]; do
  mkdir -p "$r/$2"; mount --rbind "$1" "$r/$2"
  [ "$3" = rw ] || mount -o remount,bind,ro "$r/$2"
  shift 3; nbinds=$((nbinds - 1))
done
hostname sandbox
# A new network namespace's lo is down; a sandbox's is up.
python3 -c 'import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh14x", b"lo", 1))'
cd "$r"
exec prlimit --nofile=1024:4096 setpriv --bounding-set="$CAPS" --inh-caps=-all --ambient-caps=-all \
  chroot . /usr/bin/env -i -C "$cwd" "$@"
"""

# chroot's `env -C` is missing in busybox: a root without it gets its working directory by sh.
NATIVE_SETUP_BUSYBOX = NATIVE_SETUP.replace(
    '/usr/bin/env -i -C "$cwd" "$@"', '/bin/sh -c \'cd "$1"; shift; exec env -i "$@"\' sh "$cwd" "$@"')


class Run:
    """One started run: a Popen, and what must be removed afterwards."""

    def __init__(self, process, cleanup):
        self.process = process
        self._cleanup = cleanup

    def close(self):
        if self.process.poll() is None:
            self._cleanup(True)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self._cleanup(False)

    def status(self):
        """The exit status as a shell shows it."""
        code = self.process.returncode
        return code if code >= 0 else 128 - code


class Launcher:
    """Starts commands in one root, with one runtime."""

    def __init__(self, runtime, flags, root, scratch, seccomp=None):
        self.runtime = runtime
        self.seccomp = seccomp  # config.json's linux.seccomp
        self.flags = list(flags)
        self.root = pathlib.Path(root)
        self.scratch = pathlib.Path(scratch)
        self.count = 0

    def start(self, args, env=None, cwd="/", binds=(), readonly=False, **popen):
        self.count += 1
        popen.setdefault("start_new_session", True)
        if self.runtime == NATIVE:
            return self._start_native(args, env, cwd, binds, popen)
        return self._start_runtime(args, env, cwd, binds, readonly, popen)

    def _start_native(self, args, env, cwd, binds, popen):
        state = pathlib.Path(tempfile.mkdtemp(prefix="native-", dir=self.scratch))
        full = {**ENVIRONMENT, **(env or {})}
        caps = "-all," + ",".join("+" + c.lower() for c in CAPABILITIES)
        bind_words = [str(word) for bind in binds for word in bind]
        setup = NATIVE_SETUP if (self.root / "usr/bin/dpkg").exists() else NATIVE_SETUP_BUSYBOX
        command = [
            "unshare", "--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts", "--net",
            "bash", "-c", setup, "setup", str(self.root), str(state), cwd, str(len(binds)), *bind_words,
            *[f"{k}={v}" for k, v in full.items()], *args,
        ]
        process = subprocess.Popen(command, env={"PATH": os.environ["PATH"], "CAPS": caps}, **popen)

        def cleanup(running):
            if running:
                process.kill()
            else:
                shutil.rmtree(state, ignore_errors=True)

        return Run(process, cleanup)

    def command(self):
        """The runtime and its global flags."""
        return [self.runtime, "--root", str(self.scratch / "state"), *self.flags]

    def make_bundle(self, args, env=None, cwd="/", binds=(), readonly=False):
        """A new bundle's directory, and an id for its container."""
        bundle = pathlib.Path(tempfile.mkdtemp(prefix="bundle-", dir=self.scratch))
        config = spec(self.root, args, env, cwd, binds, readonly)
        if self.seccomp:
            config["linux"]["seccomp"] = self.seccomp
        (bundle / "config.json").write_text(json.dumps(config))
        return bundle, f"t{os.getpid()}-{bundle.name[7:]}"

    def _start_runtime(self, args, env, cwd, binds, readonly, popen):
        bundle, name = self.make_bundle(args, env, cwd, binds, readonly)
        base = self.command()
        process = subprocess.Popen([*base, "run", "--bundle", str(bundle), name], **popen)

        def cleanup(running):
            quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL,
                     "stderr": subprocess.DEVNULL}
            try:
                if running:
                    subprocess.run([*base, "kill", name, "KILL"], timeout=10, **quiet)
                else:
                    subprocess.run([*base, "delete", "--force", name], timeout=10, **quiet)
            except subprocess.TimeoutExpired:
                pass
            if not running:
                shutil.rmtree(bundle, ignore_errors=True)

        return Run(process, cleanup)


def runtime_flags(runtime):
    """Global flags that make the runtimes at hand comparable: no network, writes thrown away."""
    if runtime == NATIVE or pathlib.Path(runtime).name in ("runc", "crun"):
        return []
    if os.path.realpath(runtime) == "/usr/bin/runsc":  # Debian's, which is another project
        return ["--network=none", "--ignore-cgroups", "--overlay"]
    return ["--network=none", "--ignore-cgroups", "--overlay2=root:memory"]
