"""Figures of whole containers: start-up, the cost of an idle one."""

import pathlib
import subprocess
import time

QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def start_true(launcher):
    return launcher.start(["/bin/true"], **QUIET)


def await_end(run):
    run.process.wait(60)
    run.close()


def start_to_exit(launcher):
    """Seconds of a container that runs /bin/true; None when it failed."""
    start = time.monotonic()
    run = start_true(launcher)
    run.process.wait(60)
    took = time.monotonic() - start
    run.close()
    return took if run.status() == 0 else None


def burst(launcher, count):
    """Starts a second, of `count` containers that are started two at a time."""
    start, running = time.monotonic(), []
    for _ in range(count):
        if len(running) == 2:
            await_end(running.pop(0))
        running.append(start_true(launcher))
    for run in running:
        await_end(run)
    return count / (time.monotonic() - start)


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


def wakeups(pids):
    """Voluntary and other switches of every thread so far."""
    total = 0
    for pid in pids:
        for status in pathlib.Path(f"/proc/{pid}/task").glob("*/status"):
            try:
                lines = status.read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
    return total


def idle_cost(launcher, seconds):
    """{"PSS MB", "CPU ticks", "wake-ups", "processes"} of a container that sleeps for `seconds`."""
    run = launcher.start(["/bin/sleep", "1000"], **QUIET)
    try:
        time.sleep(3)
        pids = descendants(run.process.pid)
        pss = sum(pss_kib(pid) for pid in pids) / 1024
        ticks, switches = cpu_ticks(pids), wakeups(pids)
        time.sleep(seconds)
        return {"PSS MB": round(pss, 1), "CPU ticks": cpu_ticks(pids) - ticks,
                "wake-ups": wakeups(pids) - switches, "processes": len(pids)}
    finally:
        run.close()
