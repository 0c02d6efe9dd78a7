#!/usr/bin/env python3
"""Random system calls in the sandbox. `attack` looks for its death, hang or growth; `compare` for results that
are not Linux's, in sequences that have to give the same everywhere.

    tests/suites/fuzz.py attack --seconds 60 --seed 7
    tests/suites/fuzz.py compare --sequences 500
"""

import argparse
import collections
import pathlib
import re
import subprocess
import sys
import tempfile

import suite

sandbox = suite.sandbox

# What the guest may do: all that an ordinary container's root may, and more.
EXTRA_CAPABILITIES = ["CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_IPC_LOCK"]
GROWTH_LIMIT = 96 << 20  # of the sentry's own memory, from the first third on
SILENCE = 60  # seconds


class Monitor:
    """The memory of the processes below one, as the host counts it."""

    def __init__(self, pid):
        self.pid, self.samples = pid, []

    def sentry(self):
        """The process of the sentry, a child of the runtime's."""
        for line in subprocess.run(["ps", "-eo", "pid,ppid,args"], stdout=subprocess.PIPE, check=True).stdout.decode().splitlines():
            words = line.split(None, 2)
            if len(words) == 3 and words[2].startswith("runsc-sandbox") and int(words[1]) == self.pid:
                return int(words[0])
        return None

    def sample(self):
        pid = self.sentry()
        if pid is None:
            return
        try:
            text = pathlib.Path(f"/proc/{pid}/status").read_text()
            descriptors = len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))
        except OSError:  # it ended just now
            return
        fields = dict(re.findall(r"^(RssAnon|Threads):\s+(\d+)", text, re.M))
        self.samples.append((int(fields["RssAnon"]) << 10, int(fields["Threads"]), descriptors))

    def growth(self):
        rest = self.samples[len(self.samples) // 3:]
        return rest[-1][0] - rest[0][0] if rest else 0


def start(args, binary, mode, runtime, scratch, words):
    root = sandbox.make_root("busybox")
    flags = args.flags.split() if args.flags is not None else sandbox.runtime_flags(runtime)
    launcher = sandbox.Launcher(runtime, flags, root, scratch)
    command = [sandbox.install_tool(root, binary), mode, *words]
    return launcher.start(command, cwd="/tmp", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def attack(args, scratch):
    """0 if the sandbox survived."""
    with_capabilities(EXTRA_CAPABILITIES)
    limit = ["--seconds", str(args.seconds)] if args.seconds else ["--calls", str(args.calls)]
    run = start(args, args.binary, "attack", args.runtime, scratch,
                ["--seed", str(args.seed), "--threads", str(args.threads), *limit])
    monitor, last = Monitor(run.process.pid), ""
    lines = suite.LineReader(run.process.stdout.fileno())
    try:
        while (line := lines.next(SILENCE)) is not None:
            if re.fullmatch(r"calls \d+ workers \d+|alive|broken|fuzz: .*", line):
                last = line
            if args.verbose:
                print(line, monitor.samples[-1:], flush=True)
            monitor.sample()
        status = run.process.wait(SILENCE)
    except (TimeoutError, subprocess.TimeoutExpired):
        print(f"HANG: no sign of life for {SILENCE} s, seed {args.seed}, last: {last}")
        return 1
    finally:
        if not args.keep:
            run.close()
    growth = monitor.growth()
    print(f"seed {args.seed}: {last}, status {status}, sentry grew by {growth >> 20} MiB; "
          f"memory, threads, descriptors: {monitor.samples[:1]} to {monitor.samples[-1:]}")
    return 0 if last == "alive" and status == 0 and growth < GROWTH_LIMIT else 1


def with_capabilities(more):
    """The spec of tests/support gives Docker's; the attacker gets more."""
    original = sandbox.spec

    def spec(*args, **kwargs):
        config = original(*args, **kwargs)
        for kind in ("bounding", "effective", "permitted"):
            config["process"]["capabilities"][kind] = config["process"]["capabilities"][kind] + more
        return config
    sandbox.spec = spec


def collect(args, runtime, scratch):
    """seed -> lines."""
    run = start(args, args.binary, "compare", runtime, scratch,
                ["--seed", str(args.seed), "--calls", str(args.calls), "--sequences", str(args.sequences)])
    out, _ = run.process.communicate(timeout=args.timeout + args.sequences)
    run.close()
    found = collections.defaultdict(list)
    for line in out.decode("utf-8", "replace").splitlines():
        seed, _, rest = line.partition(" ")
        found[seed].append(rest)
    return found


def key(native, inside):
    """A difference without its arguments: the call, and both results."""
    if inside is None:
        return "missing"
    name = re.match(r"\d+ (\w+)", native)
    results = [re.sub(r".*\) = (\S+).*", r"\1", line) for line in (native, inside)]
    error = [r if re.fullmatch(r"E\w+", r) else "ok" for r in results]
    return f"{name.group(1) if name else 'end'}:{error[0]}:{error[1]}"


def differences(lines, others):
    """(key, native line, sandbox line) of each, to the first after which the states may differ."""
    for i, line in enumerate(lines):
        other = others[i] if i < len(others) else None
        if line != other:
            name = key(line, other)
            yield name, line, other
            if not re.fullmatch(r"\w+:E\w+:E\w+", name):
                return


def compare(args, scratch):
    """0 if no sequence differs in a way that is not known."""
    native = collect(args, sandbox.NATIVE, scratch)
    inside = collect(args, args.runtime, scratch)
    known, groups, equal = suite.known_failures("fuzz"), collections.defaultdict(list), 0
    for seed, lines in native.items():
        found = list(differences(lines, inside.get(seed, [])))
        equal += not found
        for name, line, other in found:
            groups[name].append((seed, line, other))
    print(f"{len(native)} sequences, {equal} the same")
    for name, cases in sorted(groups.items(), key=lambda item: -len(item[1])):
        print(f"{len(cases)} x {name}" + (f"  (known: {known[name]})" if name in known else ""))
        for seed, line, other in cases[:args.show if name not in known else 0]:
            print(f"    {seed} native  {line}\n    {' ' * len(seed)} sandbox {other}")
    return 0 if native and not set(groups) - set(known) else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    suite.add_arguments(parser)
    parser.add_argument("mode", choices=["attack", "compare"])
    parser.add_argument("--binary", default=str(sandbox.REPO / "build/release/tests/fuzz"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--calls", type=int, help="attack: in all; compare: of each sequence")
    parser.add_argument("--seconds", type=int, help="attack: this long, instead of a number of calls")
    parser.add_argument("--threads", type=int, default=3, help="attack: of a worker")
    parser.add_argument("--sequences", type=int, default=200, help="compare: how many")
    parser.add_argument("--show", type=int, default=2, help="compare: cases of each kind")
    parser.add_argument("--keep", action="store_true", help="attack: leave a sandbox that hangs for a look")
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    args.calls = args.calls or (20000 if args.mode == "attack" else 60)
    with tempfile.TemporaryDirectory(prefix="runsc-fuzz-") as scratch:
        return (attack if args.mode == "attack" else compare)(args, pathlib.Path(scratch))


if __name__ == "__main__":
    sys.exit(main())
