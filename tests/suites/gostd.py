#!/usr/bin/env python3
"""Runs tests of Go's standard library natively and in the sandbox: the same test programs, test by test.

    tests/suites/gostd.py                 # the packages below
    tests/suites/gostd.py os os/exec
"""

import argparse
import re
import subprocess
import sys

import suite

PACKAGES = """
    os os/exec os/signal os/user syscall io io/fs net net/http runtime sync time path/filepath internal/poll
""".split()
SOURCE = "/usr/share/go-1.19/src"
VERDICT = re.compile(r"^--- (PASS|FAIL|SKIP): (\S+)")
OUTCOMES = {"PASS": "pass", "FAIL": "fail", "SKIP": "skip"}


def build(places, package):
    """The test program of a package, compiled once, natively; None when that fails."""
    folder = places.out / "gotests"
    folder.mkdir(exist_ok=True)
    name = package.replace("/", "_") + ".test"
    if not (folder / name).exists():
        run = places.native.start(
            ["/usr/bin/go", "test", "-c", "-tags", "timetzdata", "-o", f"/opt/gotests/{name}", package], cwd=f"{SOURCE}/{package}",
            env={"GOCACHE": "/opt/gotests/cache", "GOFLAGS": "-buildvcs=false", "CGO_ENABLED": "0"},
            binds=[(folder, "/opt/gotests", "rw")], stdin=subprocess.DEVNULL)
        try:
            run.process.wait(1200)
        finally:
            run.close()
    return f"/opt/gotests/{name}" if (folder / name).exists() else None


class PackageRun:
    """All tests of one package in one place; one that hangs or dies is charged and the rest goes on without it."""

    def __init__(self, launcher, folder, program, package, timeout, log):
        self.launcher, self.folder, self.program, self.package = launcher, folder, program, package
        self.timeout, self.log = timeout, log
        self.results = {}

    def start(self, *flags):
        return self.launcher.start(
            [self.program, *flags], cwd=f"{SOURCE}/{self.package}", binds=[(self.folder, "/opt/gotests", "ro")],
            env={"GOROOT": "/usr/lib/go-1.19"}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log)

    def names(self):
        run = self.start("-test.list", "^Test")
        out = run.process.communicate(timeout=60)[0].decode()
        run.close()
        return [line for line in out.splitlines() if line.startswith("Test")]

    def run(self, names):
        left = list(names)
        while left:
            self.current = None
            run = self.start("-test.v", "-test.short", "-test.run", "^(" + "|".join(left) + ")$")
            try:
                self._follow(suite.LineReader(run.process.stdout.fileno()))
            finally:
                run.close()
            after = [n for n in left if self._key(n) not in self.results]
            if len(after) == len(left):
                for name in left:
                    self.results[self._key(name)] = ["died", "the program gave no result"]
                break
            left = after
        return self.results

    def _key(self, name):
        return f"{self.package}.{name}"

    def _follow(self, lines):
        while True:
            try:
                line = lines.next(self.timeout)
            except TimeoutError:
                return self._charge("timeout")
            if line is None:
                return self._charge("died")
            self.log.write(line + "\n")
            self._event(line)

    def _event(self, line):
        if line.startswith("=== RUN ") and "/" not in line:
            self.current = line.split()[-1]
        elif match := VERDICT.match(line):
            self.results[self._key(match.group(2))] = [OUTCOMES[match.group(1)], ""]
            if match.group(2) == self.current:
                self.current = None

    def _charge(self, outcome):
        if self.current is not None:
            self.results[self._key(self.current)] = [outcome, ""]


def run_package(places, package, args):
    program = build(places, package)
    if program is None:
        return {f"{package}.build": ["fail", "does not compile"]}, {}
    found = {n: r for n, r in places.native_results.items() if n.rpartition(".")[0] == package}
    names = [n.rpartition(".")[2] for n in found]

    def run_in(launcher, log):
        nonlocal names
        run = PackageRun(launcher, places.out / "gotests", program, package, args.timeout, log)
        names = names or run.names()
        return run.run(names)

    return suite.run_both(places, "go", package, found, run_in)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    suite.add_arguments(parser)
    parser.set_defaults(timeout=300)  # one of net/http compiles most of the library
    parser.add_argument("packages", nargs="*", default=PACKAGES)
    args = parser.parse_args()
    places = suite.Places(args, "go")
    return suite.run_groups(places, "go", args.packages, lambda package: run_package(places, package, args))


if __name__ == "__main__":
    sys.exit(main())
