#!/usr/bin/env python3
"""Runs the command line tests: run.py --runtime PATH [-k PATTERN] [--list].

Every function called test_* in the test_*.py files beside this one is a test; it gets a World.
"""

import argparse
import importlib
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402


def collect():
    tests = []
    for file in sorted(os.listdir(os.path.dirname(os.path.abspath(__file__)))):
        if file.startswith("test_") and file.endswith(".py"):
            module = importlib.import_module(file[:-3])
            tests += [(f"{file[5:-3]}.{name[5:]}", getattr(module, name))
                      for name in dir(module) if name.startswith("test_")]
    return tests


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runtime", default=os.environ.get("RUNSC", "build/release/runsc"))
    parser.add_argument("-k", default="", help="only tests whose name matches")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    tests = [(name, f) for name, f in collect() if re.search(options.k, name)]
    if options.list:
        print("\n".join(name for name, _ in tests))
        return 0
    return 1 if harness.run_tests(tests, options.runtime) else 0


if __name__ == "__main__":
    sys.exit(main())
