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

# The tests' scratch directory by mount: what rules hold on tmpfs must hold on the root too.
PLACES = {"tmpfs": "/tmp", "root": "/root"}

# What some programs test needs more than a container usually has.
EXTRA_CAPABILITIES = {"guest_file_attrs": ["SYS_ADMIN"], "guest_file_ops": ["LINUX_IMMUTABLE"],
                      "guest_sockets": ["SYS_RESOURCE"], "guest_terminals": ["SYS_ADMIN"]}


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


def main():
    args = arguments()
    flags = args.flags.split() if args.flags is not None else sandbox.runtime_flags(args.runtime)
    sandbox.CAPABILITIES += EXTRA_CAPABILITIES.get(pathlib.Path(args.program).name, [])
    root = sandbox.make_root("busybox")
    program = sandbox.install_tool(root, args.program)
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="guest-"))
    env = {"GUEST_TEST_DIR": PLACES[args.place]}
    if args.runtime != sandbox.NATIVE:
        env["RUNSC_GUEST_TEST"] = "1"
        env["RUNSC_PLATFORM"] = os.environ.get("RUNSC_PLATFORM", "")
        env["GUEST_KNOWN_FAILURES"] = known_failures(pathlib.Path(args.program).name)
    launcher = sandbox.Launcher(args.runtime, flags, root, scratch)
    run = launcher.start([program, *([args.pattern] if args.pattern else [])], env=env, cwd="/tmp",
                         stdin=subprocess.DEVNULL)
    try:
        run.process.wait(args.timeout)
        return run.status()
    except subprocess.TimeoutExpired:
        print(f"{os.path.basename(args.program)}: no end after {args.timeout} s", flush=True)
        return 124
    finally:
        run.close()
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
