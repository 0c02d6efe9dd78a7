#!/usr/bin/env python3
"""Compares the same work natively, in runc, crun, gVisor's runsc and ours: a table, JSON and a page with plots.

Ratios are to the native run of the same round: rounds are interleaved and the median of rounds counts, as a machine's
speed drifts.

    bench/run.py                                   # everything that is measured, three rounds
    bench/run.py micro syscalls start idle         # guest microbenchmarks, start to exit, an idle sandbox
    bench/run.py processes files -k 'shell|find'   # groups of workloads/*.toml, by name
    bench/run.py --cpus 1 --busy                   # on one CPU, with a neighbour that wants it too
    bench/run.py --before OLD/results.json         # with an earlier run's ratios beside
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests/support"))
import containers  # noqa: E402
import report  # noqa: E402
import sandbox  # noqa: E402
import workload  # noqa: E402

TARGETS = {  # of the microbenchmark, as ratios to native
    "getpid": 0.2, "read-zero-1": 4, "pipe-write-read": 2, "pread-4k": 3, "pread-64k": 3, "fstat": 3,
    "open-close": 2.5, "mmap-munmap": 1.5, "page-fault": 1.2, "fork-exit-wait": 3, "fork-exec-wait": 2,
    "vfork-exec-100M": 2, "thread-create-join": 2, "pipe-ping-pong": 2,
}


def runtimes(args):
    """name -> path of each runtime that is there, native first; and notes on those that are not."""
    found, notes = {"native": sandbox.NATIVE}, []
    wanted = args.only.split(",") if args.only else ["runc", "crun", "gvisor", "ours"]
    paths = {"runc": shutil.which("runc"), "crun": shutil.which("crun"), "gvisor": args.gvisor, "ours": args.runtime}
    for name in wanted:
        if paths.get(name) and os.access(paths[name], os.X_OK):
            found[name] = paths[name]
        elif name != "native":
            notes.append(f"{name}: not installed, left out")
    return found, notes


class Bench:
    """The places to run in, the rows so far, and what went wrong."""

    def __init__(self, args, scratch):
        self.args, self.scratch, self.rows = args, scratch, []
        self.found, self.notes = runtimes(args)

    def launchers(self, root):
        profile = json.loads(self.args.seccomp.read_text()) if self.args.seccomp else None
        return {name: sandbox.Launcher(path, sandbox.runtime_flags(path), root, self.scratch, profile)
                for name, path in self.found.items()}

    def add(self, group, name, unit, values, rate=False, target=None):
        row = {"group": group, "name": name, "unit": unit, "rate": rate, "target": target, "values": values}
        self.rows.append(row)
        print(report.markdown([row], list(self.found)).splitlines()[-1], flush=True)

    def note(self, place, what, text):
        self.notes.append(f"{place}: {what}: {text}")
        print(self.notes[-1], file=sys.stderr, flush=True)


def pairs_of(text):
    """guest_bench's lines "NAME NANOSECONDS"."""
    return {words[0]: float(words[1]) for line in text.splitlines() if len(words := line.split()) == 2}


def benchmarks_of(text):
    """Google Benchmark's JSON: name -> nanoseconds."""
    found = json.loads(text)["benchmarks"] if text else []
    return {b["name"].removesuffix("/real_time"): b["real_time"] for b in found}


def guest_round(launcher, command, seconds, parse):
    """name -> nanoseconds of one run of a guest benchmark; {} and a note when it failed."""
    run = launcher.start(command, cwd="/", stdin=subprocess.DEVNULL, stdout=-1, stderr=-1)
    try:
        out, err = run.process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return {}, "timed out"
    finally:
        run.close()
    if run.status() != 0:
        return {}, f"status {run.status()}: {err.decode()[-200:].strip()}"
    return parse(out.decode()), ""


def guest_benchmark(bench, group, root, command, parse):
    rounds = {name: [] for name in bench.found}
    for _ in range(bench.args.rounds):
        for name, launcher in bench.launchers(root).items():
            figures, note = guest_round(launcher, command, bench.args.timeout, parse)
            rounds[name].append({case: value / 1e3 for case, value in figures.items()})
            if note:
                bench.note(name, group, note)
    for case in rounds["native"][0]:
        values = {name: [r.get(case) for r in mine] for name, mine in rounds.items()}
        bench.add(group, case, "us", values, target=TARGETS.get(case))


def static_benchmark(group, program):
    """One that prints pairs and needs nothing: on busybox's root."""
    def measure(bench):
        root = sandbox.make_root("busybox")
        guest = sandbox.install_tool(root, bench.args.programs / program)
        guest_benchmark(bench, group, root, [guest], pairs_of)
    return measure


def syscalls(bench):
    """gVisor's list of system calls, on the root of the workloads, which has libbenchmark."""
    root = workload_root()
    program = sandbox.install_tool(root, bench.args.programs / "syscall_bench")
    command = [program, "--benchmark_format=json", "--benchmark_min_time=0.1"]
    guest_benchmark(bench, "syscalls", root, command, benchmarks_of)


ENGINE = {  # a case of engine_bench -> what the host takes for the like
    "HandOff": "NativeCall", "Trap": "NativeCall", "MapUnmap": "NativeMapUnmap", "CopyIn/8": "NativeCopy/8",
    "CopyIn/4096": "NativeCopy/4096", "CopyIn/65536": "NativeCopy/65536", "Thread": "NativeThread", "Fork": "NativeFork",
    "PtraceStop": "NativeCall", "PtraceThread": "NativeThread", "PtraceFork": "NativeFork",
}


def engine(bench):
    """Our engine without the kernel above it."""
    command = [bench.args.programs / "engine_bench", "--benchmark_format=json", "--benchmark_min_time=0.1"]
    rounds = []
    for _ in range(bench.args.rounds):
        out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
        rounds.append({case: ns / 1e3 for case, ns in benchmarks_of(out.decode()).items()})
    for ours, native in ENGINE.items():
        values = {name: [] for name in bench.found}
        bench.add("engine", ours, "us", values | {"native": [r[native] for r in rounds], "ours": [r[ours] for r in rounds]})


def start(bench):
    """`run /bin/true`: start to exit, and starts a second two at a time. Ratios are to runc, for lack of a native start."""
    launchers = {n: l for n, l in bench.launchers(sandbox.make_root("busybox")).items() if n != "native"}
    times = {name: [] for name in launchers}
    for _ in range(bench.args.starts):
        for name, launcher in launchers.items():
            times[name].append(containers.start_to_exit(launcher))
    for name, values in times.items():
        good = [v * 1e3 for v in values if v]
        text = f"{statistics.median(good):.1f} ms, least {min(good):.1f}" if good else "failed"
        rate = containers.burst(launchers[name], bench.args.starts)
        bench.note(name, "run /bin/true", f"{text}; {rate:.0f} starts/s")


def idle(bench):
    for name, launcher in bench.launchers(sandbox.make_root("busybox")).items():
        if name != "native":
            cost = containers.idle_cost(launcher, bench.args.idle)
            bench.note(name, f"idle for {bench.args.idle} s", ", ".join(f"{v} {k}" for k, v in cost.items()))


def density(bench):
    """Create, start, delete; many sandboxes at once; the memory of a sleeping thread."""
    root = sandbox.make_root("busybox")
    program = sandbox.install_tool(root, bench.args.programs / "scale_bench")
    launchers = bench.launchers(root)
    for name, launcher in launchers.items():
        if name == "native":
            continue
        cycles = [containers.cycle(launcher) for _ in range(bench.args.starts)]
        medians = {verb: statistics.median(c[verb] for c in cycles) * 1e3 for verb in cycles[0]}
        bench.note(name, "cycle", ", ".join(f"{verb} {ms:.1f} ms" for verb, ms in medians.items()))
        cost = containers.crowd(launcher, bench.args.crowd)
        bench.note(name, f"{bench.args.crowd} at once", ", ".join(f"{v} {k}" for k, v in cost.items()))
    values = {name: [containers.thread_kib(l, program, bench.args.threads)] for name, l in launchers.items()}
    bench.add("density", f"sleeping thread, of {bench.args.threads}", "KiB", values)


def run_workload(bench, launchers, one):
    values, digests = {name: [] for name in launchers}, {}
    for _ in range(bench.args.rounds):
        for name, launcher in launchers.items():
            outcome = workload.measure(launcher, one)
            if outcome.value is not None and outcome.digest != digests.setdefault("native", outcome.digest):
                outcome = workload.Outcome(None, note="its output is not native's")
            values[name].append(outcome.value)
            if outcome.note:
                bench.note(name, one.name, outcome.note)
    bench.add(one.group, one.name, "/s" if one.rate else "s", values, one.rate, one.target)


def workload_root():
    return sandbox.extend_root("bench", HERE / "packages.txt")


def run_groups(bench, groups, pattern):
    chosen = [w for w in workload.load() if w.group in groups and re.search(pattern, w.name)]
    if not chosen:
        return
    launchers = bench.launchers(workload_root())
    for one in chosen:
        run_workload(bench, launchers, one)


MEASURES = {
    "micro": static_benchmark("micro", "guest_bench"), "latency": static_benchmark("latency", "latency_bench"),
    "scaling": static_benchmark("scaling", "scale_bench"), "syscalls": syscalls, "engine": engine, "start": start, "idle": idle,
    "density": density,
}


@contextlib.contextmanager
def surroundings(args):
    """--cpus and --busy, for this process and so for all it starts."""
    if args.cpus:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:args.cpus])
    neighbour = subprocess.Popen(["sh", "-c", "while :; do :; done"]) if args.busy else None
    try:
        yield
    finally:
        if neighbour:
            neighbour.kill()
            neighbour.wait()


def facts(args):
    commit = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return {"commit": commit.stdout.strip(), "kernel": os.uname().release, "CPUs": args.cpus or os.cpu_count(),
            "rounds": args.rounds, "busy neighbour": "yes" if args.busy else "no"}


def arguments():
    groups = list(MEASURES) + sorted({w.group for w in workload.load()})
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", default=groups, metavar="GROUP", help=", ".join(groups))
    parser.add_argument("-k", default="", metavar="PATTERN", help="only workloads whose name matches")
    parser.add_argument("--runtime", default=str(sandbox.REPO / "build/release/runsc"), help="ours")
    parser.add_argument("--gvisor", default="/usr/bin/runsc", help="gVisor's runsc")
    parser.add_argument("--programs", type=pathlib.Path, default=sandbox.REPO / "build/release/bench",
                        help="directory of the guest benchmarks")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--idle", type=int, default=10, help="seconds an idle sandbox is watched")
    parser.add_argument("--crowd", type=int, default=100, help="sandboxes at once")
    parser.add_argument("--threads", type=int, default=10_000, help="guest threads that sleep")
    parser.add_argument("--only", help="comma-separated: native is always there")
    parser.add_argument("--timeout", type=int, default=180, help="seconds for one run of the microbenchmark")
    parser.add_argument("--cpus", type=int, default=0, help="run on so many CPUs")
    parser.add_argument("--busy", action="store_true", help="beside a process that never sleeps")
    parser.add_argument("--seccomp", type=pathlib.Path, help="linux.seccomp of every container's config.json, as JSON")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("/tmp/runsc-bench"))
    parser.add_argument("--before", type=pathlib.Path, help="results.json of an earlier run")
    args = parser.parse_args()
    if unknown := set(args.groups) - set(groups):
        parser.error(f"no such group: {', '.join(sorted(unknown))}")
    return args


def main():
    args = arguments()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
    bench = Bench(args, scratch)
    try:
        with surroundings(args):
            for name, measure in MEASURES.items():
                if name in args.groups:
                    measure(bench)
            run_groups(bench, args.groups, args.k)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        places = list(bench.found)
        if args.before:
            report.with_before(bench.rows, json.loads(args.before.read_text())["rows"])
            places.append("before")
        report.save(args.out, bench.rows, places, facts(args), bench.notes)
    print(f"\n{report.markdown(bench.rows, places)}\n" + "\n".join(bench.notes) + f"\n\n{args.out}/report.html")


if __name__ == "__main__":
    main()
