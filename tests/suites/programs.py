#!/usr/bin/env python3
"""Real programs with checks of their own: each script of programs/ runs natively and in the sandbox.

A script that cannot run in a chroot says so ("# Native: not ..."). A script ends with status 0 when the program did what it should; its last line of output says what was checked.

    tests/suites/programs.py                # all
    tests/suites/programs.py redis tmux     # some
"""

import argparse
import subprocess
import sys
import time

import suite


def run_one(launcher, name, args, log):
    run = launcher.start(["/bin/bash", f"/opt/suite/{name}.sh"], cwd="/tmp", stdin=subprocess.DEVNULL,
                         stdout=log, stderr=subprocess.STDOUT,
                         binds=[(suite.HERE / "programs", "/opt/suite", "ro")])
    try:
        run.process.wait(args.timeout)
        return ["pass" if run.status() == 0 else "fail", f"status {run.status()}"]
    except subprocess.TimeoutExpired:
        return ["timeout", f"after {args.timeout:.0f} s"]
    finally:
        run.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    suite.add_arguments(parser)
    parser.set_defaults(timeout=180)
    scripts = sorted(p.stem for p in (suite.HERE / "programs").glob("*.sh"))
    parser.add_argument("programs", nargs="*", default=scripts)
    args = parser.parse_args()
    places = suite.Places(args, "programs")
    native, inside = {}, {}
    for name in args.programs:
        for place, launcher, results in (("native", places.native, native), ("sandbox", places.sandbox, inside)):
            if launcher is None:
                continue
            if place == "native" and "# Native: not" in (suite.HERE / f"programs/{name}.sh").read_text():
                native[name] = ["pass", "taken for granted, see the script"]
                continue
            path, begin = places.out / f"program-{name}-{place}.log", time.monotonic()
            with open(path, "w") as log:
                results[name] = run_one(launcher, name, args, log)
            last = (path.read_text(errors="replace").strip().splitlines() or [""])[-1][:120]
            if results[name][0] != "pass":
                results[name][1] += ": " + last
            print(f"{name} {place}: {results[name][0]}, {time.monotonic() - begin:.1f} s: {last}", flush=True)
        places.save(native, inside)
    return suite.verdict(places, "programs", {"programs": args.programs}, native, inside)


if __name__ == "__main__":
    sys.exit(main())
