"""What the runners of other people's test suites share: outcomes, comparison with native, the report."""

import json
import os
import pathlib
import select
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import sandbox  # noqa: E402

BAD = ("fail", "error", "timeout", "died", "missing")


def make_root():
    """The root with the suites installed, made when it is missing."""
    return sandbox.extend_root("suites", HERE / "packages.txt")


def add_arguments(parser):
    parser.add_argument("--runtime", default=str(sandbox.REPO / "build/release/runsc"),
                        help='an OCI runtime, or "native" to take only the reference')
    parser.add_argument("--flags", help="the runtime's global flags, instead of the usual ones")
    parser.add_argument("--out", default="/tmp/runsc-suites", help="logs and results go here")
    parser.add_argument("--native", help="take the native results from this file (an earlier run's) if it has them")
    parser.add_argument("--timeout", type=float, default=90, help="seconds that one test may take")


def known_failures(suite):
    """Test name -> reason, of the lines of `suite` in known_failures.txt."""
    known = {}
    for line in (HERE / "known_failures.txt").read_text().splitlines():
        head, _, reason = line.partition("#")
        words = head.split()
        if len(words) == 2 and words[0] == suite:
            known[words[1]] = reason.strip()
    return known


class Places:
    """Launchers for native and for the runtime, over one root, with one output directory."""

    def __init__(self, args, suite):
        self.out = pathlib.Path(args.out)
        self.out.mkdir(parents=True, exist_ok=True)
        scratch = self.out / "scratch"
        scratch.mkdir(exist_ok=True)
        self.root = make_root()
        flags = args.flags.split() if args.flags is not None else sandbox.runtime_flags(args.runtime)
        self.native = sandbox.Launcher(sandbox.NATIVE, [], self.root, scratch)
        self.sandbox = None
        if args.runtime != sandbox.NATIVE:
            self.sandbox = sandbox.Launcher(os.path.realpath(args.runtime), flags, self.root, scratch)
        self.native_file = pathlib.Path(args.native or self.out / f"{suite}-native.json")
        self.sandbox_file = self.out / f"{suite}-sandbox.json"
        self.native_results = load(self.native_file) if args.native else {}

    def save(self, native, inside):
        merge(self.native_file, native)
        merge(self.sandbox_file, inside)


def run_both(places, suite, name, found, run_in):
    """(native, inside) results of one group: `run_in(launcher, log)` in each place, natively only without `found`."""
    results = []
    for place, launcher in (("native", places.native), ("sandbox", places.sandbox)):
        if launcher is None or (place == "native" and found):
            results.append(found if place == "native" else {})
            continue
        begin = time.monotonic()
        with open(places.out / f"{suite}-{name.replace('/', '_')}-{place}.log", "w") as log:
            results.append(run_in(launcher, log))
        passed = sum(r[0] == "pass" for r in results[-1].values())
        print(f"{name} {place}: {passed} of {len(results[-1])} pass, {time.monotonic() - begin:.0f} s", flush=True)
    return results


def run_groups(places, suite, names, run):
    """Runs every group by `run(name)`, as run_both does, and reports; the exit status."""
    groups, native, inside = {}, {}, {}
    for name in names:
        outside, within = run(name)
        groups[name] = sorted(outside)
        native.update(outside)
        inside.update(within)
        places.save(outside, within)
    return verdict(places, suite, groups, native, inside)


def verdict(places, suite, groups, native, inside):
    """The exit status: 0 if only the reference was taken, or nothing failed that is not known."""
    return 0 if places.sandbox is None or compare(suite, groups, native, inside) else 1


def load(path):
    return json.loads(path.read_text()) if path.exists() else {}


def merge(path, results):
    whole = path.with_suffix(".new")  # an aborted run leaves no half file
    whole.write_text(json.dumps({**load(path), **results}, indent=0, sort_keys=True))
    whole.rename(path)


class LineReader:
    """Lines of a pipe, each awaited until a deadline."""

    def __init__(self, fd):
        self.fd, self.buffer = fd, b""

    def next(self, seconds):
        """The next line without its end; None at end of file. TimeoutError."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise TimeoutError
            data = os.read(self.fd, 65536)
            if not data:
                return None
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode("utf-8", "replace")


def compare(suite, groups, native, inside):
    """Prints the table and every difference; True when nothing failed that is not known."""
    known = known_failures(suite)
    print(f"\n{'group':34} {'native':>7} {'sandbox':>8} {'percent':>8}")
    total = good = 0
    bad = []
    for group, names in groups.items():
        reference = [n for n in names if native[n][0] == "pass"]
        passed = [n for n in reference if inside.get(n, ["missing"])[0] == "pass"]
        bad += [n for n in reference if n not in set(passed)]
        total, good = total + len(reference), good + len(passed)
        if reference:
            print(f"{group:34} {len(reference):7} {len(passed):8} {100 * len(passed) / len(reference):8.1f}")
        else:
            print(f"{group:34} {0:7}   (nothing passes natively)")
    print(f"{'total':34} {total:7} {good:8} {100 * good / max(total, 1):8.2f}")
    unknown = list_failures(bad, inside, known)
    healed = sorted(n for n in known if inside.get(n, [""])[0] == "pass" and native.get(n, [""])[0] == "pass")
    for name in healed:
        print(f"passes now, take it off known_failures.txt: {name}")
    return not unknown and total > 0


def list_failures(bad, inside, known):
    unknown = [n for n in bad if n not in known]
    for title, names in (("known to fail", [n for n in bad if n in known]), ("FAILED", unknown)):
        if names:
            print(f"\n{title}:")
        for name in names:
            outcome, detail = (inside.get(name, ["missing"]) + [""])[:2]
            print(f"  {name}: {outcome}: {known.get(name, detail)}")
    return unknown
