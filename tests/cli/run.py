#!/usr/bin/env python3
"""Runs the command line tests: run.py --runtime PATH [-k PATTERN] [--list].

Every function called test_* in the test_*.py files beside this one is a test; it gets a World.
"""

import argparse
import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import traceback

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


def run_one(function, runtime, rootfs):
    world = harness.World(runtime, rootfs)
    try:
        function(world)
        return None
    except (harness.Failure, subprocess.TimeoutExpired) as problem:
        return str(problem)
    except Exception:  # a bug of the test itself
        return traceback.format_exc()
    finally:
        world.close()


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
    rootfs = tempfile.mkdtemp(prefix="runsc-cli-rootfs-")
    os.chmod(rootfs, 0o755)
    harness.make_rootfs(rootfs)
    failed = 0
    for name, function in tests:
        problem = run_one(function, os.path.abspath(options.runtime), rootfs)
        failed += problem is not None
        print(f"{'FAIL' if problem else 'ok  '} {name}", flush=True)
        if problem:
            print("     " + problem.replace("\n", "\n     "), flush=True)
    shutil.rmtree(rootfs, ignore_errors=True)
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
