#!/usr/bin/env python3
"""Fails if a function is longer than 60 lines, or a line than the agreed columns.

Reads braces, not C++: a function is a block whose opening brace ends a line that starts at the left
margin or inside a class, and whose line is no namespace, class, enum, array or extern.
"""

import pathlib
import re
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ["platform", "gofer", "sentry", "syscalls", "runsc-cli"]
LONGEST = 60
NO_FUNCTION = re.compile(r"^\s*(namespace|class|struct|union|enum|extern|using|template|constexpr .*=|"
                         r"const .*=|static const.*=|inline constexpr.*=)|=\s*\{$")
STRINGS = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])\'|//.*')


def functions(lines):
    """(first line, length) of each function: the outermost blocks within namespaces and classes."""
    stack, head = [], 0
    for number, raw in enumerate(lines, 1):
        line = STRINGS.sub("", raw)
        if not any(kind == "function" for kind, _ in stack):
            if re.match(r"\s*\S", line) and not line.strip().startswith(("}", "#")):
                head = head or number
        for char in line:
            if char == "{":
                inside = any(kind in ("function", "table") for kind, _ in stack)
                text = " ".join(STRINGS.sub("", l) for l in lines[head - 1:number]) if head else line
                kind = "block" if inside or NO_FUNCTION.search(text) or "(" not in text else "function"
                if not inside and re.search(r"=\s*$|return\s*$", line[:line.index("{")]):
                    kind = "table"
                stack.append((kind, head or number))
            elif char == "}" and stack:
                kind, start = stack.pop()
                if kind == "function":
                    yield start, number - start + 1
        if not any(kind == "function" for kind, _ in stack) and re.search(r"[;{}]\s*$", line):
            head = 0


def main():
    bad, lengths = [], []
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*")):
            if file.suffix not in {".cc", ".h"} or file.name.endswith("_test.cc") or {"testdata", "testing"} & set(file.parts):
                continue
            for start, length in functions(file.read_text().splitlines()):
                lengths.append(length)
                if length > LONGEST:
                    bad.append(f"{file.relative_to(ROOT)}:{start}: a function of {length} lines")
    print("\n".join(bad))
    if lengths:
        print(f"{len(lengths)} functions, median {statistics.median(lengths):.0f} lines, longest {max(lengths)}")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
