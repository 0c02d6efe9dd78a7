#!/usr/bin/env python3
"""Runs stress-ng's verifying stressors natively and in the sandbox, each in a container of its own.

    tests/suites/stress.py                          # all stressors of the classes below, 5 s each
    tests/suites/stress.py --seconds 2 --class pipe
    tests/suites/stress.py sem-sysv mq              # these
"""

import argparse
import re
import subprocess
import sys
import time

import suite

CLASSES = ["cpu", "vm", "filesystem", "pipe", "scheduler", "interrupt", "memory", "os", "network"]

# stress-ng's exit status: what it means for the stressor.
STATUS = {0: "pass", 2: "fail", 3: "skip", 4: "skip", 5: "skip", 6: "skip", 7: "skip"}


def list_class(places, name):
    """The stressors of a class, as the stress-ng of the root names them."""
    out = subprocess.run(["chroot", places.root, "stress-ng", "--class", f"{name}?"], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False).stdout.decode()
    return re.search(r"class .*? stressors:(.*)", out, re.S).group(1).split()


def run_one(launcher, name, args, log):
    """[outcome, detail] of one stressor."""
    command = ["stress-ng", f"--{name}", "1", "--verify", "--timeout", str(args.seconds), "--temp-path", "/tmp"]
    run = launcher.start(command, cwd="/tmp", stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    try:
        run.process.wait(args.seconds + args.timeout)
        return [STATUS.get(run.status(), "died"), f"status {run.status()}"]
    except subprocess.TimeoutExpired:
        return ["timeout", f"no end {args.timeout:.0f} s after its time"]
    finally:
        run.close()


def explain(path, result):
    """The first complaint in the log of a stressor that failed."""
    if result[0] not in suite.BAD:
        return result
    for line in path.read_text(errors="replace").splitlines():
        if "fail" in line or "error" in line or "panic" in line:
            return [result[0], line[:200]]
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    suite.add_arguments(parser)
    parser.set_defaults(timeout=40)
    parser.add_argument("--seconds", type=int, default=5, help="how long each runs")
    parser.add_argument("--class", dest="classes", action="append", choices=CLASSES)
    parser.add_argument("stressors", nargs="*")
    args = parser.parse_args()
    places = suite.Places(args, "stress")
    groups, native, inside = {}, dict(places.native_results), {}
    wanted = {"chosen": args.stressors} if args.stressors else {
        c: list_class(places, c) for c in args.classes or CLASSES}
    for group, names in wanted.items():
        groups[group] = names
        for name in names:
            for place, launcher, results in (("native", places.native, native), ("sandbox", places.sandbox, inside)):
                if name in results or launcher is None or (place == "sandbox" and native[name][0] != "pass"):
                    continue
                path = places.out / f"stress-{name}-{place}.log"
                begin = time.monotonic()
                with open(path, "w") as log:
                    results[name] = run_one(launcher, name, args, log)
                results[name] = explain(path, results[name])
                print(f"{name} {place}: {results[name][0]}, {time.monotonic() - begin:.1f} s", flush=True)
            places.save({name: native[name]}, {name: inside[name]} if name in inside else {})
    return suite.verdict(places, "stress", groups, native, inside)


if __name__ == "__main__":
    sys.exit(main())
