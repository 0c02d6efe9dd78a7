"""Figures of whole containers: start-up, the cost of an idle one, of many, of their threads."""

import pathlib
import shutil
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


def cycle(launcher):
    """verb -> seconds, of a container that is created, started and deleted."""
    bundle, name = launcher.make_bundle(["/bin/sleep", "1000"])
    took = {}
    for verb, words in {"create": ["--bundle", str(bundle), name], "start": [name], "delete": ["--force", name]}.items():
        start = time.monotonic()
        subprocess.run([*launcher.command(), verb, *words], timeout=60, check=True, **QUIET)
        took[verb] = time.monotonic() - start
    shutil.rmtree(bundle)
    return took


def start_ready(launcher, command):
    return launcher.start(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def is_ready(run):
    return run.process.stdout.readline() == b"ready\n"


def crowd(launcher, count):
    """{"seconds to start", "PSS MB each", "seconds to end"} of `count` sleeping containers that start at once."""
    start = time.monotonic()
    runs = [start_ready(launcher, ["/bin/sh", "-c", "echo ready; exec sleep 1000"]) for _ in range(count)]
    try:
        ready = sum(is_ready(run) for run in runs)
        took = time.monotonic() - start
        pss = sum(pss_kib(pid) for run in runs for pid in descendants(run.process.pid)) / 1024
    finally:
        start = time.monotonic()
        for run in runs:
            run.close()
    if ready < count:
        raise RuntimeError(f"{count - ready} of {count} containers did not start")
    return {"seconds to start": round(took, 2), "PSS MB each": round(pss / count, 2),
            "seconds to end": round(time.monotonic() - start, 2)}


def memory_kib(pids):
    """What processes occupy: their pages and page tables, and a kernel stack for each thread."""
    kernel_stack, total = 16, 0
    for pid in pids:
        total += pss_kib(pid)
        try:
            lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        total += int(fields.get("VmPTE", "0").split()[0]) + kernel_stack * int(fields["Threads"])
    return total


def threads_memory_kib(launcher, program, count):
    run = start_ready(launcher, [program, "hold-threads", str(count)])
    try:
        if not is_ready(run):
            raise RuntimeError(f"{count} threads: not possible")
        time.sleep(1)  # until the last of them sleeps
        return memory_kib(descendants(run.process.pid))
    finally:
        run.close()


def thread_kib(launcher, program, count):
    """KiB for each of `count` guest threads that sleep."""
    return (threads_memory_kib(launcher, program, count) - threads_memory_kib(launcher, program, 1)) / (count - 1)
