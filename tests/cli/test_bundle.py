"""Bundles that must be refused, each with its cause, leaving nothing behind."""

import copy
import os
import subprocess

from harness import Outcome, expect, expect_failure


def refused(w, bundle, *texts):
    for verb in ("run", "create"):
        expect_failure(w.run(verb, "--bundle", bundle, "bad"), *texts)
        expect(os.listdir(w.root) == [], f"left behind: {os.listdir(w.root)}")


def test_missing_bundle(w):
    refused(w, "/nonexistent", "bundle /nonexistent", "No such file")
    blocker = os.path.join(w.dir, "file")
    open(blocker, "w").close()
    refused(w, blocker, "not a directory")


def test_missing_config(w):
    os.mkdir(os.path.join(w.dir, "empty"))
    refused(w, os.path.join(w.dir, "empty"), "config.json", "No such file")


def test_config_is_no_regular_file(w):
    bundle = os.path.join(w.dir, "fifo")
    os.mkdir(bundle)
    os.mkfifo(os.path.join(bundle, "config.json"))
    refused(w, bundle, "config.json", "not a regular file")
    os.remove(os.path.join(bundle, "config.json"))
    os.mkdir(os.path.join(bundle, "config.json"))
    refused(w, bundle, "config.json", "not a regular file")


def test_not_json(w):
    for text in ("", "{", "hello", "{\"process\":", "[1,]", "\x00", "{}{}", "{\"a\":\"\x01\"}"):
        refused(w, w.bundle(text=text), "config.json: not valid json")


def test_deep_and_huge(w):
    refused(w, w.bundle(text="[" * 100_000), "nested deeper")
    refused(w, w.bundle(text='{"a":' * 100_000), "nested deeper")
    refused(w, w.bundle(text=" " * (100 << 20)), "larger than")


def changed(w, change):
    spec = copy.deepcopy(w.spec())
    change(spec)
    return w.bundle(spec)


def test_each_clause(w):
    def put(*path_and_value):
        *path, value = path_and_value

        def change(spec):
            at = spec
            for key in path[:-1]:
                at = at.setdefault(key, {})
            at[path[-1]] = value
        return change

    cases = [
        (lambda s: s.pop("process"), "process: must be given"),
        (lambda s: s["process"].pop("args"), "process.args: must not be empty"),
        (put("process", "args", []), "process.args: must not be empty"),
        (put("process", "args", [""]), "process.args[0]"),
        (put("process", "args", "sh"), "process.args: must be an array, is a string"),
        (put("process", "args", ["a", 1]), "process.args[1]: must be a string, is a number"),
        (put("process", "args", ["a\0b"]), "process.args[0]: must not contain a nul"),
        (put("process", "cwd", ""), "process.cwd"),
        (put("process", "cwd", "rel"), "process.cwd: must be an absolute path"),
        (put("process", "env", ["noequals"]), "process.env[0]"),
        (put("process", "user", {"uid": -1}), "process.user.uid: must be between 0 and 4294967295, is -1"),
        (put("process", "user", {"uid": "root"}), "process.user.uid: must be a whole number"),
        (put("process", "user", {"gid": 2**32}), "process.user.gid"),
        (put("process", "rlimits", [{"type": "RLIMIT_FUN"}]), "unknown resource limit"),
        (put("process", "rlimits", [{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}]), "above the hard limit"),
        (put("process", "capabilities", {"effective": ["CAP_FUN"]}), "unknown capability"),
        (put("process", "oomScoreAdj", 5000), "process.oomScoreAdj"),
        (lambda s: s.pop("root"), "root: must be given"),
        (put("root", {}), "root.path: must not be empty"),
        (put("root", "path", "nonexistent"), "root file system"),
        (put("root", "path", "/etc/passwd"), "not a directory"),
        (put("hostname", "x" * 65), "hostname: longer than"),
        (put("mounts", [{"type": "tmpfs"}]), "mounts[0].destination"),
        (put("mounts", [{"destination": "/x", "type": "xfs", "source": "/dev/sda"}]), "unknown file system"),
        (put("mounts", [{"destination": "/x", "type": "bind", "source": "/nonexistent"}]), "source /nonexistent"),
        (put("mounts", [{"destination": "/x", "type": "bind"}]), "mounts[0].source"),
        (put("linux", "namespaces", [{"type": "cosmic"}]), "linux.namespaces[0].type: unknown value"),
        (put("linux", "namespaces", [{"type": "pid"}, {"type": "pid"}]), "second entry"),
        (put("linux", "rootfsPropagation", "sideways"), "linux.rootfsPropagation: unknown value"),
        (put("linux", "seccomp", {"defaultAction": "SCMP_ACT_SHRUG"}), "linux.seccomp.defaultaction"),
        (put("hooks", {"prestart": [{"path": "rel"}]}), "hooks.prestart[0].path"),
        (put("annotations", {"a": 1}), "annotations.a"),
    ]
    for change, text in cases:
        refused(w, changed(w, change), text)


def test_unwritable_state_root_leaves_nothing(w):
    bundle = w.bundle()
    expect_failure(w.run("run", "--bundle", bundle, "x", globals_=["--root", "/proc/nosuch"]), "create directory /proc/nosuch")


def test_what_is_not_supported_yet_says_so(w):
    bundle = w.bundle()
    expect_failure(w.run("run", "--bundle", bundle, "x", globals_=["--platform=kvm"]), "not supported yet")
    expect_failure(w.run("run", "--bundle", bundle, "x", globals_=["--overlay2=root:dir=/tmp"]), "not supported yet")


def test_host_without_user_namespaces(w):
    """The error names what the operator can change. The limit is set in a user namespace of the test's own."""
    limit = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\""
    made = subprocess.run(["unshare", "--user", "--map-root-user", "sh", "-c", limit, "sh", *w.command(
        "run", "--bundle", w.bundle(), "x")], capture_output=True, text=True, timeout=60)
    outcome = Outcome(made.args, made.returncode, made.stdout, made.stderr, 0)
    expect_failure(outcome, "user namespaces", "sysctl user.max_user_namespaces")
    expect(os.listdir(w.root) == [], f"left behind: {os.listdir(w.root)}")
