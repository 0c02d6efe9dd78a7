"""Runs one module of CPython's test suite inside a root and reports every single test on standard output.

cpython_inside.py MODULE SKIP [PATTERN]: the first SKIP tests are passed over, so that the outside can go on
after a test that hung or died. A line is "@@ <event> <test> <detail>"; what tests print goes to standard error.
"""

import fnmatch
import importlib
import os
import sys
import unittest

from test import support
from test.support import os_helper

RESOURCES = ("largefile", "subprocess", "cpu", "decimal", "walltime", "network")


class Reporter:
    """Writes whole lines to the real standard output, which no test can reach by number 1."""

    def __init__(self):
        self.fd = os.dup(1)
        os.dup2(2, 1)

    def say(self, *words):
        line = " ".join(w.replace("\n", "\\n") for w in words)
        os.write(self.fd, f"\n@@ {line}\n".encode("utf-8", "backslashreplace"))


class Result(unittest.TestResult):
    """Tells of each test at once; a test with a failed subtest has failed."""

    def __init__(self, reporter):
        super().__init__()
        self.reporter = reporter
        self.outcome = None

    def startTest(self, test):
        super().startTest(test)
        self.outcome, self.detail = "pass", ""
        self.reporter.say("start", test.id())

    def stopTest(self, test):
        super().stopTest(test)
        self.reporter.say(self.outcome, test.id(), self.detail)

    def _bad(self, outcome, test, err):
        text = self._exc_info_to_string(err, test)
        print(f"--- {outcome}: {test.id()}\n{text}", file=sys.stderr, flush=True)
        detail = text.strip().splitlines()[-1][:300]
        if isinstance(test, unittest.suite._ErrorHolder):  # setUpClass, setUpModule
            self.reporter.say(outcome, test.id(), detail)
        self.outcome, self.detail = outcome, detail

    def addError(self, test, err):
        self._bad("error", test, err)

    def addFailure(self, test, err):
        self._bad("fail", test, err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self._bad("fail", subtest, err)

    def addSkip(self, test, reason):
        self.outcome, self.detail = "skip", reason

    def addExpectedFailure(self, test, err):
        self.outcome = "pass"

    def addUnexpectedSuccess(self, test):
        self.outcome = "fail"


def flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


class Runner:
    def __init__(self, skip, pattern):
        self.result = Result(Reporter())
        self.skip, self.pattern = skip, pattern
        self.index = 0

    def run(self, suite):
        chosen = unittest.TestSuite()
        for test in flatten(suite):
            if not fnmatch.fnmatchcase(test.id(), self.pattern):
                continue
            if self.index >= self.skip:
                chosen.addTest(test)
            self.index += 1
        chosen.run(self.result)


def run_module(name, runner):
    support._run_suite = runner.run
    module = importlib.import_module("test." + name)
    if hasattr(module, "test_main"):
        module.test_main()
    else:
        support.run_unittest(unittest.defaultTestLoader.loadTestsFromModule(module))


def main():
    name, skip = sys.argv[1], int(sys.argv[2])
    runner = Runner(skip, sys.argv[3] if len(sys.argv) > 3 else "*")
    support.use_resources = list(RESOURCES)
    support.verbose = 0
    support.MS_WINDOWS = False
    support.PGO = False
    try:
        with os_helper.temp_cwd(f"suite_{os.getpid()}"):
            run_module(name, runner)
    except unittest.SkipTest as e:
        runner.result.reporter.say("skip", name, str(e))
    except BaseException as e:  # whatever it is: the outside must hear of it
        import traceback
        traceback.print_exc()
        runner.result.reporter.say("error", name, repr(e))
    runner.result.reporter.say("end", name)
    os._exit(0)  # a thread that a test left behind must not keep the module from ending


if __name__ == "__main__":
    main()
