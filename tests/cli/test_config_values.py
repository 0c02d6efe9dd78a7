"""config.json, field by field: every field with every wrong kind of value, and random damage to whole documents. What
is refused names its field, and nothing is left behind."""

import copy
import json
import os
import random

from harness import expect, expect_failure, expect_success, processes_of


def full_spec(w):
    """Every field that docs/oci.md does not refuse, with a value that this host takes."""
    hook = [{"path": "/bin/true", "args": ["true"], "env": ["A=b"], "timeout": 30}]
    device_rate = [{"major": 8, "minor": 0, "rate": 1 << 40}]
    spec = w.spec()
    spec["annotations"] = {"org.example.key": "value"}
    spec["domainname"] = "example"
    spec["root"]["readonly"] = False
    spec["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "size=1m"]})
    spec["process"].update({
        "terminal": False, "consoleSize": {"height": 24, "width": 80}, "noNewPrivileges": True, "oomScoreAdj": 100,
        "apparmorProfile": "unconfined", "selinuxLabel": "label",
        "user": {"uid": 0, "gid": 0, "umask": 18, "additionalGids": [5]},
        "capabilities": {kind: ["CAP_KILL"] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")},
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 512, "hard": 1024}],
        "scheduler": {"policy": "SCHED_OTHER", "nice": 1}, "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4}})
    spec["hooks"] = {name: hook for name in ("prestart", "createRuntime", "createContainer", "startContainer", "poststart",
                                             "poststop")}
    spec["linux"].update({
        "uidMappings": [{"containerID": 0, "hostID": 0, "size": 65536}],
        "gidMappings": [{"containerID": 0, "hostID": 0, "size": 65536}],
        "timeOffsets": {"monotonic": {"secs": 0, "nanosecs": 0}},
        "devices": [{"path": "/dev/made", "type": "c", "major": 1, "minor": 3, "fileMode": 438, "uid": 0, "gid": 0}],
        "cgroupsPath": "", "rootfsPropagation": "private", "mountLabel": "", "maskedPaths": ["/proc/kcore"],
        "readonlyPaths": ["/proc/sys"], "personality": {"domain": "LINUX", "flags": []},
        "sysctl": {"kernel.domainname": "example"},
        "seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1, "architectures": ["SCMP_ARCH_X86_64"], "flags": [],
                    "listenerPath": "", "listenerMetadata": "", "syscalls": [
                        {"names": ["mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1,
                         "args": [{"index": 0, "value": 1, "valueTwo": 0, "op": "SCMP_CMP_EQ"}]}]},
        "resources": {
            "devices": [{"allow": False, "type": "a", "access": "rwm", "major": -1, "minor": -1}],
            "memory": {"limit": 1 << 32, "reservation": 0, "swap": 0, "kernel": 0, "kernelTCP": 0, "swappiness": 60,
                       "disableOOMKiller": False, "useHierarchy": True, "checkBeforeUpdate": False},
            "cpu": {"shares": 1024, "quota": -1, "burst": 0, "period": 100000, "realtimeRuntime": 0, "realtimePeriod": 0,
                    "idle": 0, "cpus": "", "mems": ""},
            "pids": {"limit": 100}, "hugepageLimits": [{"pageSize": "2MB", "limit": 0}],
            "blockIO": {"weight": 0, "leafWeight": 0, "weightDevice": [{"major": 8, "minor": 0, "weight": 10, "leafWeight": 10}],
                        "throttleReadBpsDevice": device_rate, "throttleWriteBpsDevice": device_rate,
                        "throttleReadIOPSDevice": device_rate, "throttleWriteIOPSDevice": device_rate},
            "network": {"classID": 1, "priorities": [{"name": "lo", "priority": 1}]},
            "rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 4}}, "unified": {"memory.high": "max"}}})
    return copy.deepcopy(json.loads(json.dumps(spec)))


def places(value, path=()):
    """The paths of every value inside `value`."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield path + (key,)
        yield from places(member, path + (key,))


def named(path):
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)[1:]


def put(spec, path, value):
    changed = copy.deepcopy(spec)
    at = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return changed


def get(spec, path):
    for key in path:
        spec = spec[key]
    return spec


def kind(value):
    return "number" if isinstance(value, int) and not isinstance(value, bool) else type(value).__name__


def drawn(items, usual):
    """A sample; RUNSC_FUZZ_SEED draws another one, RUNSC_FUZZ_CALLS a larger one."""
    generator = random.Random(int(os.environ.get("RUNSC_FUZZ_SEED", "1")))
    return generator.sample(items, min(len(items), int(os.environ.get("RUNSC_FUZZ_CALLS", usual))))


def left_behind(w):
    return os.listdir(w.root) if os.path.isdir(w.root) else []


def test_every_field_with_every_wrong_type(w):
    base = full_spec(w)
    for path in places(base):
        for wrong in ("text", 3, 1.5, True, [], {}):
            if kind(wrong) == kind(get(base, path)):
                continue
            outcome = w.run("create", "--bundle", w.bundle(put(base, path, wrong)), "x")
            expect_failure(outcome, f"config.json: {named(path)}: must be ")
            expect(left_behind(w) == [], f"{named(path)}: {left_behind(w)}")


def values_of_the_type(value):
    """Values that are of the right type and mostly make no sense."""
    if isinstance(value, bool):
        return [None]
    if isinstance(value, int):
        return [-1, 0, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 64, -(1 << 63), 1e30, None]
    if isinstance(value, str):
        return ["", "a\0b", "a\nb", "x" * 70000, "../../x", "/", "-1", "\u00e9", None]
    if isinstance(value, list):
        return [[], [None], value * 2, value * 3000]
    return [{}, None]


def end(w, spec, what):
    """Runs a container to its end or refusal: either is fine if it is said in words, and nothing stays."""
    outcome = w.run("run", "--bundle", w.bundle(spec), "x", globals_=["--ignore-cgroups"])
    expect(outcome.code != 128 or outcome.stderr.count("runsc: run: ") == 1, f"{what}: {outcome}")
    for text in ("control connection", "--debug-log has more", "EOF"):
        expect(text not in outcome.stderr, f"{what} hides its cause: {outcome}")
    expect(left_behind(w) == [], f"{what}: {left_behind(w)}")


def test_every_field_with_odd_values(w):
    base = full_spec(w)
    expect_success(w.run("run", "--bundle", w.bundle(base), "x", globals_=["--ignore-cgroups"]))
    # One hook stands for all; a run takes its time.
    few = [path for path in places(base) if path[0] != "hooks" or path[1:2] == ("startContainer",)]
    for path, value in drawn([(path, value) for path in few for value in values_of_the_type(get(base, path))], 200):
        end(w, put(base, path, value), f"{named(path)} = {json.dumps(value)[:60]}")
    expect(processes_of(w) == [], "no process is left")


def test_random_damage(w):
    """Bytes of a document changed, cut and doubled: refused in words, or run."""
    text = json.dumps(full_spec(w)).encode()
    for number in drawn(range(1 << 30), 80):
        generator = random.Random(number)
        damaged = bytearray(text)
        for _ in range(generator.randint(1, 4)):
            at = generator.randrange(len(damaged))
            way = generator.randrange(3)
            if way == 0:
                damaged[at] = generator.randrange(256)
            elif way == 1:
                del damaged[at:at + generator.randint(1, 40)]
            else:
                damaged[at:at] = damaged[at:at + generator.randint(1, 200)]
        bundle = w.bundle(text="")
        with open(os.path.join(bundle, "config.json"), "wb") as file:
            file.write(damaged)
        outcome = w.run("run", "--bundle", bundle, "x", globals_=["--ignore-cgroups"])
        expect(outcome.code == 0 or outcome.stderr.count("runsc: run: ") == 1, f"damage {number}: {outcome}")
        expect(left_behind(w) == [], f"damage {number}: {left_behind(w)}")


def test_texts_that_are_not_utf8_and_lone_surrogates(w):
    for bad in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\\ud800"):
        bundle = w.bundle(text="")
        with open(os.path.join(bundle, "config.json"), "wb") as file:
            file.write(b'{"hostname": "' + bad + b'"}')
        expect_failure(w.run("run", "--bundle", bundle, "x"), "config.json: not valid json: line 1")


def test_the_last_of_two_keys_counts(w):
    """As in Go's reader. The command and the sandbox read alike."""
    text = json.dumps(w.spec("/bin/hostname"))[:-1] + ', "hostname": "second"}'
    expect_success(w.run("run", "--bundle", w.bundle(text=text), "x"), "second\n")
