#!/usr/bin/env python3
"""Writes docs/syscalls.md from syscalls/table_x86_64.inc; with --check only says whether it is up to date."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = ROOT / "syscalls" / "table_x86_64.inc"
PAGE = ROOT / "docs" / "syscalls.md"
ROW = re.compile(r'^SYSCALL\((\d+), (\w+), (\w+), k(Full|Partial|None), "(.*)"\)$')
SUPPORT = {"Full": "full", "Partial": "partial", "None": "none"}


def rows():
    for line in TABLE.read_text().splitlines():
        if not line.startswith("SYSCALL("):
            continue
        match = ROW.match(line)
        if not match:
            sys.exit(f"{TABLE}: cannot parse: {line}")
        number, name, handler, support, note = match.groups()
        if (handler == "Unimplemented") != (support == "None"):
            sys.exit(f"{TABLE}: {name}: support and handler disagree")
        if support != "Full" and not note:
            sys.exit(f"{TABLE}: {name}: no note says what is missing")
        yield int(number), name, SUPPORT[support], note


def page():
    table = list(rows())
    numbers = [number for number, *_ in table]
    if numbers != sorted(set(numbers)):
        sys.exit(f"{TABLE}: numbers are not in order")
    missing = set(range(335)) | set(range(424, 470))
    missing -= set(numbers)
    if missing:
        sys.exit(f"{TABLE}: no row for {sorted(missing)}")
    count = {kind: sum(row[2] == kind for row in table) for kind in ("full", "partial", "none")}
    lines = [
        "# System calls",
        "",
        "Generated from `syscalls/table_x86_64.inc` by `tests/lint/gen_syscalls_md.py`; do not edit.",
        "",
        f"x86-64: {count['full']} full, {count['partial']} partial, {count['none']} not served. Calls without",
        "support, and numbers not listed, answer ENOSYS, as a Linux kernel configured without them does.",
        "",
        "| number | name | support | note |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| {number} | {name} | {support} | {note} |" for number, name, support, note in table]
    return "\n".join(lines) + "\n"


def main():
    text = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        sys.exit("docs/syscalls.md is stale: run tests/lint/gen_syscalls_md.py")


if __name__ == "__main__":
    main()
