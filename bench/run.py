#!/usr/bin/env python3
"""Compares one guest natively, in runc, in gVisor's runsc and in ours; prints one table.

Ratios are to the native run of the same round: rounds are interleaved and the median of rounds counts, as
a machine's speed drifts. Then start to exit of `run /bin/true`, and what an idle sandbox costs.
"""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests/support"))
import sandbox  # noqa: E402

TARGETS = {  # the bars of our own, as ratios to native
    "getpid": 0.2, "read-zero-1": 4, "pipe-write-read": 2, "pread-4k": 3, "pread-64k": 3, "fstat": 3,
    "open-close": 2.5, "mmap-munmap": 1.5, "page-fault": 1.2, "fork-exit-wait": 3, "fork-exec-wait": 2,
    "vfork-exec-100M": 2, "thread-create-join": 3,
}
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def runtimes(ours):
    """name -> path of each runtime that is there, native first; and notes on those that are not."""
    found, notes = {"native": sandbox.NATIVE}, []
    for name, path in (("runc", shutil.which("runc")), ("gvisor", "/usr/bin/runsc"), ("ours", ours)):
        if path and os.access(path, os.X_OK):
            found[name] = path
        else:
            notes.append(f"{name}: not installed, left out")
    return found, notes


def guest_round(launcher, program, seconds):
    """name -> nanoseconds of one run of the guest benchmark; {} and a note when it failed."""
    run = launcher.start([program], cwd="/", stdin=subprocess.DEVNULL, stdout=-1, stderr=-1)
    try:
        out, err = run.process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return {}, "timed out"
    finally:
        run.close()
    figures = dict(line.split() for line in out.decode().splitlines() if len(line.split()) == 2)
    note = "" if run.status() == 0 else f"status {run.status()}: {err.decode()[-200:].strip()}"
    return {name: float(value) for name, value in figures.items()}, note


def start_to_exit(launcher):
    start = time.monotonic()
    run = launcher.start(["/bin/true"], **QUIET)
    run.process.wait(60)
    took = time.monotonic() - start
    run.close()
    return took if run.status() == 0 else None


def descendants(pid):
    """The processes below `pid`, by the parents that /proc shows."""
    parents = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rsplit(")", 1)[1].split()
            parents[int(entry.parent.name)] = int(fields[1])
        except (OSError, IndexError):
            continue
    found, grown = {pid}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in found} - found
        grown = bool(more)
        found |= more
    return found


def pss_kib(pid):
    try:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def cpu_ticks(pids):
    total = 0
    for pid in pids:
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total


def idle_cost(launcher, seconds):
    """(PSS in MB of all processes, CPU ticks over `seconds`, processes) of a sleeping container."""
    run = launcher.start(["/bin/sleep", "1000"], **QUIET)
    try:
        time.sleep(3)
        pids = descendants(run.process.pid)
        pss = sum(pss_kib(pid) for pid in pids) / 1024
        before = cpu_ticks(pids)
        time.sleep(seconds)
        return pss, cpu_ticks(pids) - before, len(pids)
    finally:
        run.close()


def scaled(nanoseconds):
    return f"{nanoseconds / 1000:.2f}" if nanoseconds < 1e5 else f"{nanoseconds / 1000:.0f}"


def table(rounds, names):
    """The Markdown table: microseconds natively, then ratio to native of the median over rounds."""
    cases = list(rounds["native"][0])
    print("| case | native us | " + " | ".join(f"{n} x" for n in names) + " | bar |")
    print("| --- | ---: |" + " ---: |" * (len(names) + 1))
    for case in cases:
        native = statistics.median(r[case] for r in rounds["native"] if case in r)
        cells = []
        for name in names:
            ratios = [mine[case] / base[case] for mine, base in zip(rounds[name], rounds["native"])
                      if case in mine and case in base]
            cells.append(f"{statistics.median(ratios):.2f}" if ratios else "-")
        bar = f"{TARGETS[case]:g}" if case in TARGETS else ""
        print(f"| {case} | {scaled(native)} | " + " | ".join(cells) + f" | {bar} |")


def guest_table(launchers, program, count, seconds):
    rounds, notes = {name: [] for name in launchers}, []
    for _ in range(count):
        for name, launcher in launchers.items():
            figures, note = guest_round(launcher, program, seconds)
            rounds[name].append(figures)
            if note:
                notes.append(f"{name}: {note}")
    table(rounds, [name for name in launchers if name != "native"])
    return notes


def start_table(launchers, count):
    times = {name: [] for name in launchers}
    for _ in range(count):
        for name, launcher in launchers.items():
            took = start_to_exit(launcher)
            if took is not None:
                times[name].append(took)
    print("\n| `run /bin/true`, start to exit | median ms | least ms |\n| --- | ---: | ---: |")
    for name, values in times.items():
        print(f"| {name} | {statistics.median(values) * 1e3:.1f} | {min(values) * 1e3:.1f} |"
              if values else f"| {name} | failed | |")


def idle_table(launchers, seconds):
    print(f"\n| idle for {seconds} s | PSS MB | CPU ticks | processes |\n| --- | ---: | ---: | ---: |")
    for name, launcher in launchers.items():
        pss, ticks, count = idle_cost(launcher, seconds)
        print(f"| {name} | {pss:.1f} | {ticks} | {count} |")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runtime", default=str(sandbox.REPO / "build/release/runsc"), help="ours")
    parser.add_argument("--program", default=str(sandbox.REPO / "build/release/bench/guest_bench"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--only", help="comma-separated: native is always there")
    parser.add_argument("--timeout", type=int, default=180, help="seconds for one run of the guest")
    return parser.parse_args()


def main():
    args = arguments()
    found, notes = runtimes(args.runtime)
    if args.only:
        found = {n: p for n, p in found.items() if n == "native" or n in args.only.split(",")}
    root = sandbox.make_root("busybox")
    program = sandbox.install_tool(root, args.program)
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
    launchers = {n: sandbox.Launcher(p, sandbox.runtime_flags(p), root, scratch) for n, p in found.items()}
    try:
        notes += guest_table(launchers, program, args.rounds, args.timeout)
        contained = {n: l for n, l in launchers.items() if n != "native"}
        start_table(contained, args.starts)
        idle_table(contained, 10)
        print("\n" + "\n".join(sorted(set(notes))))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
