#!/usr/bin/env python3
"""Fails if a host system call is allowed without a reason, or twice, or if a list outgrew its limit."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMITS = {"platform/host/sentry_filter.cc": 80, "platform/host/gofer_filter.cc": 60,
          "platform/host/monitor_filter.cc": 8}
ROW = re.compile(r"\{\s*SYS_(\w+),\s*((?:\"(?:[^\"\\]|\\.)*\")?)")


def main():
    bad = []
    for name, limit in LIMITS.items():
        rows = ROW.findall((ROOT / name).read_text())
        numbers = [call for call, _ in rows]
        for call, reason in rows:
            if len(reason.strip('"').strip()) < 5:
                bad.append(f"{name}: {call} has no reason")
        # A call may have several rows, one for each set of arguments.
        if len(set(numbers)) > limit:
            bad.append(f"{name}: {len(set(numbers))} calls, more than {limit}")
        if not numbers:
            bad.append(f"{name}: no rows found")
        print(f"{name}: {len(set(numbers))} calls")
    print("\n".join(bad))
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
