#!/usr/bin/env python3
"""Compares the shape of every file of /proc and /sys that is there both natively and in the sandbox.

The kind, mode, owner and size must be equal, and of what is in it the shape: its lines with numbers and white
space made equal, in any order and number. Where more may differ, RULES says what and why.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import sandbox  # noqa: E402

# Runs inside: one JSON line for each file.
WALK = r"""
import json, os, stat

def text(path):
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            data = os.read(fd, 1 << 16)
            while data and len(data) < 1 << 16 and (more := os.read(fd, 1 << 16)):
                data += more
            return data.decode("utf-8", "backslashreplace")
        finally:
            os.close(fd)
    except OSError as error:
        return "error: " + error.strerror

def show(path):
    info = os.lstat(path)
    out = {"path": path, "mode": stat.filemode(info.st_mode), "owner": [info.st_uid, info.st_gid]}
    if stat.S_ISLNK(info.st_mode):
        out["text"] = os.readlink(path)
    elif stat.S_ISREG(info.st_mode):
        out["size"] = info.st_size
        out["text"] = text(path) if info.st_mode & 0o444 and path not in ("/proc/kmsg", "/proc/kcore") else ""
    print(json.dumps(out))
    return stat.S_ISDIR(info.st_mode)

def walk(path, skip=()):
    for name in sorted(os.listdir(path)):
        below = path + "/" + name
        if name.isdigit() or name in skip:
            continue
        try:
            if show(below):
                walk(below)
        except OSError:  # gone, or not for us
            pass

walk("/proc", ("self", "thread-self", "kcore", "kmsg"))
walk("/proc/self", ("task", "fd", "fdinfo", "map_files"))
walk(f"/proc/self/task/{os.getpid()}", ("fd", "fdinfo"))
walk("/sys", ("cgroup",))
"""

FEWEST = 350  # files in both; less means that somebody did not look

SUBSET, WORDS = "every line of ours is one of Linux'", "every word of ours is one of Linux'"
COLUMNS, SKIP = "the numbers of columns", "the text is not compared"

# The first pattern that matches a path: what is compared of its text, and why not all of it.
RULES = [
    (r"/proc/(cmdline|version|sys/kernel/(version|osrelease))$", SKIP, "names the kernel"),
    (r"/proc/(consoles|misc|modules|partitions|diskstats|interrupts)$", SKIP, "lists hardware: there is none"),
    (r"/proc/(meminfo|vmstat|devices|filesystems|cgroups|tty/drivers|tty/ldiscs|stat)$", SUBSET, "what this kernel has"),
    (r"/proc/cpuinfo$", SUBSET, "names of processors and their bugs are the host's business"),
    (r"/proc/.*/(environ|auxv|cmdline|mem|pagemap|personality)$", SKIP, "binary, or not to be read"),
    (r"/proc/.*/(maps|smaps|numa_maps)$", SKIP, "places and numbers of the mappings"),
    (r"/proc/.*/(mounts|mountinfo|mountstats)$", SKIP, "the root is another file system"),
    (r"/proc/.*/(cgroup|cpuset)$", SKIP, "the sandbox shows one group"),
    (r"/proc/.*/(status|sched|smaps_rollup)$", SUBSET, "lines come and go with Linux' versions"),
    (r"/proc/.*/wchan$", SKIP, "a name, for who may see it"),
    (r"/proc/.*/ns/", SKIP, "numbers of namespaces"),
    (r"/proc/.*/net/(protocols|netlink|unix|sockstat6?|ptype|ipv6_route|raw6?)$", SUBSET, "what has sockets"),
    (r"/proc/.*/net/netstat$", WORDS, "counters come and go with Linux' versions, and what its stack does"),
    (r"/proc/.*/net/snmp6$", SUBSET, "counters of what the stack does"),
    (r"/proc/sys/kernel/(core_pattern|core_uses_pid|hostname|domainname|printk)$", SKIP, "a setting"),
    (r"/proc/sys/kernel/seccomp/actions_avail$", SKIP, "an order"),
    (r"/proc/sys/net/(core/default_qdisc|ipv4/tcp_.*congestion_control)$", SKIP, "a setting"),
    (r"/proc/locks$", SKIP, "what others lock"),
    (r"/sys/devices/system/node/node\d+/meminfo$", SUBSET, "what the host tells"),
    (r"/sys/.*/(transparent_hugepage|clocksource0|smt)/", SKIP, "a setting"),
    (r"/sys/devices/system/cpu/", COLUMNS, "lists of processors"),
]

# Differences of kind, mode, owner or size that are meant: the pattern of paths, what differs, and why.
MEANT = [
    (r"/proc/cmdline$", "size", "nothing was passed to this kernel"),
    (r"/proc/self/(task/TID/)?sched$", "mode", "nothing to reset"),
    (r"/sys/devices/system/cpu/(cpu\d+/online|smt/control)$", "mode", "processors stay as they are"),
    (r"/sys/devices/system/clocksource/", "mode", "the host's choice"),
    (r"/sys/devices/virtual/net/lo/(carrier|flags|mtu|tx_queue_len)$", "mode", "lo stays as it is"),
    (r"/sys/kernel/mm/transparent_hugepage/", "mode", "the host's setting"),
]

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NUMBER = re.compile(r"-?(0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\d+)")


def shape(line):
    line = NUMBER.sub("N", UUID.sub("U", line))
    return re.sub(r"(N[ ,]?)+", "N ", " ".join(line.split())).strip()


def lines_of(text, rule):
    lines = text.splitlines()
    if rule == COLUMNS:
        return {len(line.split()) for line in lines}
    if rule == WORDS:
        return {shape(word) for word in text.split()}
    return {shape(line) for line in lines}


def rule_for(path):
    return next((rule for pattern, rule, _ in RULES if re.match(pattern, path)), None)


def compare_text(path, native, ours):
    """What is wrong, or None."""
    rule = rule_for(path)
    if rule == SKIP:
        return None
    want, got = lines_of(native, rule), lines_of(ours, rule)
    if rule in (SUBSET, WORDS):
        want &= got
    if want == got:
        return None
    return f"lines {sorted(got - want)[:4]}, natively {sorted(want - got)[:4]}"


def compare(path, native, ours):
    """What differs, in words."""
    for key in ("mode", "owner", "size"):
        if native.get(key) != ours.get(key):
            meant = any(re.match(pattern, path) and key == what for pattern, what, _ in MEANT)
            if not meant:
                yield f"{key} {ours.get(key)}, natively {native.get(key)}"
    if "text" in native and "text" in ours:
        wrong = compare_text(path, native["text"], ours["text"])
        if wrong:
            yield wrong


def files_of(root, runtime, scratch):
    launcher = sandbox.Launcher(runtime, sandbox.runtime_flags(runtime), root, scratch)
    run = launcher.start(["/usr/bin/python3", "-c", WALK], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        out = run.process.communicate(timeout=300)[0].decode()
        if run.status() != 0:
            sys.exit(f"{runtime}: status {run.status()}")
    finally:
        run.close()
    files = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    # The walker's own thread has another number in each place.
    return {re.sub(r"/task/\d+/", "/task/TID/", file["path"]): file for file in files}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runtime", required=True)
    parser.add_argument("--missing", action="store_true", help="also list the files that only Linux has")
    args = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("shapes.py: needs root")
    root = sandbox.make_root("debian")
    with tempfile.TemporaryDirectory(prefix="runsc-shapes-") as scratch:
        native = files_of(root, sandbox.NATIVE, scratch)
        ours = files_of(root, args.runtime, scratch)
    common = sorted(native.keys() & ours.keys())
    bad = 0
    for path in common:
        for wrong in compare(path, native[path], ours[path]):
            print(f"{path}: {wrong}")
            bad += 1
    if args.missing:
        print("\n".join(sorted(native.keys() - ours.keys())))
    print(f"{len(common)} files in both places, {bad} differences")
    if len(common) < FEWEST:
        sys.exit(f"shapes.py: at least {FEWEST} files are expected in both places")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
