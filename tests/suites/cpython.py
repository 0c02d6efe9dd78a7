#!/usr/bin/env python3
"""Runs CPython's own test suite natively and in the sandbox, and compares every single test.

    tests/suites/cpython.py                              # all modules below
    tests/suites/cpython.py test_os test_io              # some
    tests/suites/cpython.py test_os -k '*test_fork*'     # some tests of one
"""

import argparse
import subprocess
import sys

import suite

MODULES = """
    test_os test_posix test_subprocess test_signal test_threading test_socket test_select test_selectors
    test_epoll test_fcntl test_mmap test_multiprocessing_fork test_multiprocessing_spawn test_asyncio
    test_tempfile test_shutil test_pathlib test_tarfile test_zipfile test_sqlite3 test_pty test_resource
    test_time test_largefile test_ssl test_wait3 test_wait4 test_concurrent_futures test_io test_file
    test_fork1 test_faulthandler test_socketserver test_httpservers test_ftplib test_smtplib
""".split()

# Modules that are packages: each of their parts is run alone.
PACKAGES = {"test_asyncio", "test_sqlite3"}


def parts(root, module):
    if module not in PACKAGES:
        return [module]
    folder = root / "usr/lib/python3.11/test" / module
    # A package that this Python comes without shows as one that has nothing that passes.
    return [f"{module}.{p.stem}" for p in sorted(folder.glob("test_*.py"))] or [module]


class ModuleRun:
    """All tests of one module in one place; a test that hangs or kills its container is charged and passed over."""

    def __init__(self, launcher, module, pattern, timeout, log):
        self.launcher, self.module, self.pattern = launcher, module, pattern
        self.timeout, self.log = timeout, log
        self.results = {}
        self.started = 0
        self.current = None

    def run(self):
        # A start that gives no test at all would repeat for ever.
        while True:
            before = self.started
            if self._run_once() or self.started == before:
                return self.results

    def _run_once(self):
        args = ["/usr/bin/python3", "/opt/suite/cpython_inside.py", self.module, str(self.started), self.pattern]
        run = self.launcher.start(args, cwd="/tmp", binds=[(suite.HERE, "/opt/suite", "ro")],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log)
        self.current = None
        try:
            return self._follow(suite.LineReader(run.process.stdout.fileno()))
        finally:
            run.close()

    def _follow(self, lines):
        while True:
            try:
                line = lines.next(self.timeout)
            except TimeoutError:
                return self._charge("timeout")
            if line is None:
                return self._charge("died")
            if line.startswith("@@ ") and self._event(line.split(" ", 3)[1:]):
                return True

    def _event(self, words):
        event, name, detail = words[0], words[1], words[2] if len(words) > 2 else ""
        if event == "end":
            return True
        if event == "start":
            self.current = name
            self.started += 1
        else:
            self.results[name] = [event, detail]
            self.current = None
        return False

    def _charge(self, outcome):
        self.results[self.current or self.module] = [outcome, f"after {self.timeout} s" if outcome == "timeout" else ""]
        return self.current is None


def run_module(places, module, args):
    """(native, inside) results of one module."""
    found = {n: r for n, r in places.native_results.items() if n == module or n.startswith(f"test.{module}.")
             or f"(test.{module}." in n}
    return suite.run_both(places, "cpython", module, found,
                          lambda launcher, log: ModuleRun(launcher, module, args.k, args.timeout, log).run())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    suite.add_arguments(parser)
    parser.add_argument("-k", default="*", help="only tests whose full name matches this pattern")
    parser.add_argument("modules", nargs="*", default=MODULES)
    args = parser.parse_args()
    places = suite.Places(args, "cpython")
    modules = [part for module in args.modules for part in parts(places.root, module)]
    return suite.run_groups(places, "cpython", modules, lambda module: run_module(places, module, args))


if __name__ == "__main__":
    sys.exit(main())
