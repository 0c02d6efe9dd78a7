#!/usr/bin/env python3
"""Fails if docs/syscalls.md is not what the table of system calls says. With --write: writes it."""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/syscalls.md"
HEAD = """# System calls

Written by `tests/lint/check_syscall_docs.py --write` from the table that serves them
(`runsc help syscalls`); a test fails when it is out of date.

| number | name | support | note |
| ---: | --- | --- | --- |
"""


def page(runsc):
    out = subprocess.run([runsc, "help", "syscalls", "--format=json"], stdout=subprocess.PIPE, check=True)
    rows = json.loads(out.stdout)
    rows = rows if isinstance(rows, list) else rows["syscalls"]
    lines = [f"| {r['number']} | {r['name']} | {r['support']} | {r.get('note', '').replace('|', ', ')} |"
             for r in rows]
    return HEAD + "\n".join(lines) + "\n"


def main():
    runsc = os.environ.get("RUNSC", str(ROOT / "build/release/runsc"))
    want = page(runsc)
    if "--write" in sys.argv:
        PAGE.write_text(want)
        return 0
    if not PAGE.exists() or PAGE.read_text() != want:
        print("docs/syscalls.md is out of date: run tests/lint/check_syscall_docs.py --write")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
