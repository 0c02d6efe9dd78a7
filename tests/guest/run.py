#!/usr/bin/env python3
"""Runs one guest test program in a container of the busybox root and passes on its verdict."""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import sandbox  # noqa: E402

# Tests that are known to fail in the sandbox, one "program.Test: reason" a line.
KNOWN_FAILURES = HERE / "known_failures.txt"

# The tests' scratch directory by mount: what rules hold on tmpfs must hold on the root too.
PLACES = {"tmpfs": "/tmp", "root": "/root"}


def known_failures(program):
    """The harness's list of the tests of `program` that tests/guest/known_failures.txt names."""
    names = []
    for line in (HERE / "known_failures.txt").read_text().splitlines():
        words = line.split("#")[0].split()
        if words and words[0] == program:
            names.append(words[1])
    return " " + " ".join(names) + " "


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("pattern", nargs="?", default="", help="only tests whose name contains it")
    parser.add_argument("--runtime", default=str(sandbox.REPO / "build/release/runsc"))
    parser.add_argument("--flags", help="the runtime's global flags, instead of the usual ones")
    parser.add_argument("--place", choices=PLACES, default="tmpfs", help="where the tests write")
    parser.add_argument("--timeout", type=int, default=300)
    return parser.parse_args()


def known_failures(program):
    """Reasons by test name, for one program."""
    known = {}
    for line in KNOWN_FAILURES.read_text().splitlines():
        name, _, reason = line.partition(": ")
        owner, _, test = name.partition(".")
        if owner == program and reason:
            known[test] = reason
    return known


def verdict(output, status, known):
    """Exit status of the run: known failures are told, and fail the run only when they pass."""
    outcome = {}
    for line in output.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] in ("ok", "FAIL"):
            outcome[words[1]] = words[0]
    passing = [name for name in known if outcome.get(name) == "ok"]
    for name in passing:
        print(f"{name} passes, but is listed as a known failure: remove the line")
    failed = [name for name, word in outcome.items() if word == "FAIL"]
    for name in failed:
        if name in known:
            print(f"known failure: {name}: {known[name]}")
    if passing:
        return 1
    return 0 if failed and all(name in known for name in failed) else status


def main():
    args = arguments()
    flags = args.flags.split() if args.flags is not None else sandbox.runtime_flags(args.runtime)
    root = sandbox.make_root("busybox")
    program = sandbox.install_tool(root, args.program)
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="guest-"))
    env = {"GUEST_TEST_DIR": PLACES[args.place]}
    if args.runtime != sandbox.NATIVE:
        env["RUNSC_GUEST_TEST"] = "1"
        env["GUEST_KNOWN_FAILURES"] = known_failures(pathlib.Path(args.program).name)
    launcher = sandbox.Launcher(args.runtime, flags, root, scratch)
    run = launcher.start([program, *([args.pattern] if args.pattern else [])], env=env, cwd="/tmp",
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        output = run.process.communicate(timeout=args.timeout)[0].decode(errors="replace")
        sys.stdout.write(output)
        name = os.path.basename(args.program).removeprefix("guest_")
        known = known_failures(name) if args.runtime != sandbox.NATIVE and not args.pattern else {}
        return verdict(output, run.status(), known)
    except subprocess.TimeoutExpired:
        print(f"{os.path.basename(args.program)}: no end after {args.timeout} s", flush=True)
        return 124
    finally:
        run.close()
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
