#!/usr/bin/env python3
"""Runs named shell commands natively and in the sandbox, and compares what they print and return.

Each case of cases/*.toml runs in a chroot of the Debian test root (own namespaces, so that `ps`
and `/proc` compare) and in a container of the same root. Standard output, standard error and the
exit status must be equal, after the normalisation that a case may carry together with its reason.
Many cases share one container; when it dies or hangs, the case that ran is the one that failed,
and the rest goes on in a new container.
"""

import argparse
import concurrent.futures
import difflib
import os
import pathlib
import re
import select
import shutil
import signal
import sys
import tempfile
import time
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import sandbox  # noqa: E402

KEYS = {"name", "run", "stdin", "stdin_repeat", "user", "cwd", "direct", "timeout", "normalise",
        "reason", "known_failure"}

# bash names the killed process: pids are handed out by whatever else ran before.
COMMON_RULES = [(re.compile(r"(line \d+:) +\d+ +(\w)", re.M), r"\1 PID \2")]


class Case:
    """One entry of a case file."""

    def __init__(self, table, source):
        unknown = set(table) - KEYS
        if unknown:
            sys.exit(f"{source}: {table.get('name')}: unknown keys {sorted(unknown)}")
        self.name = table["name"]
        self.run = table["run"]
        self.stdin = table.get("stdin", "").encode() * table.get("stdin_repeat", 1)
        self.user = table.get("user", 0)
        self.cwd = table.get("cwd", f"/root/w/{self.name}" if self.user == 0 else f"/tmp/{self.name}")
        self.direct = table.get("direct", False)
        self.timeout = table.get("timeout", 60)
        self.rules = COMMON_RULES + [(re.compile(a, re.M), b) for a, b in table.get("normalise", [])]
        self.known_failure = table.get("known_failure")
        if table.get("normalise") and not table.get("reason"):
            sys.exit(f"{source}: {self.name}: a normalisation needs a reason")
        if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", self.name):
            sys.exit(f"{source}: bad case name {self.name!r}")

    def normalise(self, data):
        text = data.decode("utf-8", "backslashreplace")
        for pattern, replacement in self.rules:
            text = pattern.sub(replacement, text)
        return text


class Result:
    """What one run of a case gave; `trouble` when it could not be run to its end."""

    def __init__(self, status=None, out=b"", err=b"", trouble=None, seconds=0.0):
        self.status, self.out, self.err = status, out, err
        self.trouble, self.seconds = trouble, seconds


def load_cases(pattern):
    cases, names = [], set()
    for path in sorted((HERE / "cases").glob("*.toml")):
        for table in tomllib.loads(path.read_text())["case"]:
            case = Case(table, path.name)
            if case.name in names:
                sys.exit(f"{path.name}: {case.name}: name used twice")
            names.add(case.name)
            if re.search(pattern, case.name):
                cases.append(case)
    return cases


def encode(case):
    run = case.run.encode()
    head = f"{case.name} {case.user} {case.cwd} {len(run)} {len(case.stdin)}\n"
    return head.encode() + run + case.stdin


class Stream:
    """Reads the driver's frames from a pipe, with a deadline."""

    def __init__(self, fd):
        self.fd = fd
        self.buffer = b""

    def _more(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self.fd], [], [], left)[0]:
            raise TimeoutError
        data = os.read(self.fd, 1 << 16)
        if not data:
            raise EOFError
        self.buffer += data

    def line(self, deadline):
        while b"\n" not in self.buffer:
            self._more(deadline)
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def take(self, count, deadline):
        while len(self.buffer) < count:
            self._more(deadline)
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def frame(self, deadline):
        """The next frame's words; what is printed between frames is not the driver's."""
        while True:
            line = self.line(deadline)
            if b"\x1e" in line:
                return line.split(b"\x1e", 1)[1].decode().split()


def shell_status(wait_status):
    if os.WIFSIGNALED(wait_status):
        return 128 + os.WTERMSIG(wait_status)
    return os.WEXITSTATUS(wait_status)


class Batch:
    """A list of cases run through one driver at a time, going on after a crash or a hang."""

    def __init__(self, launcher, driver, scratch):
        self.launcher, self.driver, self.scratch = launcher, driver, scratch
        self.results = {}

    def run(self, cases):
        """False starts are tried twice: after that every case left has that trouble."""
        left, false_starts = list(cases), 0
        while left:
            done, trouble = self._run_once(left)
            if trouble and not done:
                false_starts += 1
                if false_starts < 2:
                    continue
                for case in left:
                    self.results[case.name] = Result(trouble=trouble)
                return
            false_starts = 0
            left = left[done:]

    def _run_once(self, cases):
        """How many cases have a result now, and why it is not all of them."""
        with tempfile.TemporaryFile(dir=self.scratch) as stdin, \
                tempfile.TemporaryFile(dir=self.scratch) as log:
            stdin.write(b"".join(encode(case) for case in cases))
            stdin.seek(0)
            run = self.launcher.start([self.driver], stdin=stdin, stdout=-1, stderr=log)
            try:
                return self._follow(run, cases, log)
            finally:
                run.close()

    def _follow(self, run, cases, log):
        stream = Stream(run.process.stdout.fileno())
        for index, case in enumerate(cases):
            start, began = time.monotonic(), False
            try:
                words = stream.frame(start + 60)
                began = words == ["B", case.name]
                start = time.monotonic()
                deadline = start + case.timeout
                _, name, status, out_len, err_len = stream.frame(deadline)
                assert name == case.name
                out = stream.take(int(out_len), deadline)
                err = stream.take(int(err_len), deadline)
            except (TimeoutError, EOFError) as e:
                trouble = self._trouble(e, began, run, log)
                if not began:
                    return index, trouble
                self.results[case.name] = Result(trouble=trouble)
                return index + 1, trouble
            self.results[case.name] = Result(shell_status(int(status)), out, err,
                                             seconds=time.monotonic() - start)
        return len(cases), None

    def _trouble(self, error, began, run, log):
        if isinstance(error, TimeoutError):
            kind = "timed out" if began else "driver did not start in 60 s"
        else:
            try:
                run.process.wait(5)
                kind = f"container ended (status {run.status()})"
            except Exception:
                kind = "container closed its output"
        log.seek(0)
        tail = log.read()[-2000:].decode("utf-8", "replace").strip()
        return f"{kind}: {tail}" if tail else kind


def run_direct(launcher, case):
    """The case as the container's own init, its stdio being pipes of the runtime's process."""
    import subprocess

    args = ["/bin/bash", "-c", case.run]
    run = launcher.start(args, cwd="/tmp", stdin=-1, stdout=-1, stderr=-1)
    start = time.monotonic()
    try:
        out, err = run.process.communicate(case.stdin, timeout=case.timeout)
        return Result(run.status(), out, err, seconds=time.monotonic() - start)
    except subprocess.TimeoutExpired:
        return Result(trouble="timed out")
    finally:
        run.close()


def run_all(launcher, driver, scratch, cases, jobs):
    batches = [case for case in cases if not case.direct]
    groups = [batches[i::jobs] for i in range(jobs)]
    batch = [Batch(launcher, driver, scratch) for _ in groups]
    results = {}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda pair: pair[0].run(pair[1]), zip(batch, groups)))
        direct = [case for case in cases if case.direct]
        for case, result in zip(direct, pool.map(lambda c: run_direct(launcher, c), direct)):
            results[case.name] = result
    for one in batch:
        results.update(one.results)
    return results


def differences(case, native, ours, limit=30):
    """Lines that say how the two results differ; none when they are equal."""
    if native.trouble:
        return [f"native run: {native.trouble}"]
    if ours.trouble:
        return [f"sandbox: {ours.trouble}"]
    lines = []
    for what, a, b in (("stdout", native.out, ours.out), ("stderr", native.err, ours.err)):
        a, b = case.normalise(a), case.normalise(b)
        if a != b:
            diff = difflib.unified_diff(a.splitlines(), b.splitlines(), f"native {what}",
                                        f"sandbox {what}", lineterm="", n=1)
            lines += [line[:400] for line in diff][:limit] or [f"{what}: line endings differ"]
    if native.status != ours.status:
        lines.append(f"exit status: native {native.status}, sandbox {ours.status}")
    return lines


def judge(case, native, ours):
    """The word for the case's line, whether it counts as passed, and the explanation."""
    lines = differences(case, native, ours)
    if case.known_failure:
        if lines:
            return "known", True, [f"known failure: {case.known_failure}"]
        return "FAIL", False, ["passes, but is listed as a known failure: remove the entry"]
    return ("ok", True, []) if not lines else ("FAIL", False, lines)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runtime", default=str(sandbox.REPO / "build/release/runsc"),
                        help="OCI runtime, or 'native' to compare two native runs")
    parser.add_argument("--flags", help="the runtime's global flags, instead of the usual ones")
    parser.add_argument("--driver", default=str(sandbox.REPO / "build/release/tests/differential_driver"))
    parser.add_argument("--root", help="root file system to use, instead of the cached one")
    parser.add_argument("-k", dest="pattern", default="", help="only cases whose name matches")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("-v", "--verbose", action="store_true", help="seconds, and output of passes")
    return parser.parse_args()


def report(cases, native, ours, verbose):
    passed = failed = known = 0
    for case in cases:
        word, ok, lines = judge(case, native[case.name], ours[case.name])
        passed, failed = passed + ok, failed + (not ok)
        known += word == "known"
        extra = f" {native[case.name].seconds:.2f}s {ours[case.name].seconds:.2f}s" if verbose else ""
        print(f"{word:5} {case.name}{extra}")
        for line in lines:
            print(f"      {line}")
        if verbose and ok:
            print("      | " + case.normalise(native[case.name].out + native[case.name].err)[:600]
                  .replace("\n", "\n      | "))
    if known:
        print(f"{known} of the passed are known failures")
    print(f"{passed} passed, {failed} failed")
    return failed == 0 and passed > 0


def main():
    args = arguments()
    cases = load_cases(args.pattern)
    if args.list:
        print("\n".join(case.name for case in cases))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    root = pathlib.Path(args.root) if args.root else sandbox.make_root("debian")
    driver = sandbox.install_tool(root, args.driver)
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="differential-"))
    try:
        if args.runtime == sandbox.NATIVE:  # checks the cases: none may fail, known or not
            for case in cases:
                case.known_failure = None
        flags = args.flags.split() if args.flags is not None else sandbox.runtime_flags(args.runtime)
        runs = [sandbox.Launcher(sandbox.NATIVE, [], root, scratch),
                sandbox.Launcher(args.runtime, flags, root, scratch)]
        native, ours = (run_all(run, driver, scratch, cases, args.jobs) for run in runs)
        return 0 if report(cases, native, ours, args.verbose) else 1
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
