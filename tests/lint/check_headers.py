#!/usr/bin/env python3
"""Fails if a header does not compile on its own."""

import concurrent.futures
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ["platform", "gofer", "sentry", "syscalls", "runsc-cli"]
FLAGS = ["-std=gnu++20", "-fno-exceptions", "-fno-rtti", "-Wall", "-Wextra", "-Wno-missing-field-initializers",
         "-Wno-pragma-once-outside-header", "-fsyntax-only", "-O0", f"-I{ROOT}"]


def compile_alone(header):
    name = header.relative_to(ROOT).as_posix()
    generated = [f"-I{path}" for path in [os.environ.get("BUILD_DIR")] if path]
    command = [os.environ.get("CXX", "g++"), *FLAGS, *generated, "-x", "c++", "-include", name, "/dev/null"]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT)
    return f"{name}:\n{run.stdout.decode()[:600]}" if run.returncode else ""


def main():
    headers = [h for f in FOLDERS for h in sorted((ROOT / f).rglob("*.h")) if "/stub/" not in h.as_posix()
               and "/testdata/" not in h.as_posix()]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        bad = [text for text in pool.map(compile_alone, headers) if text]
    print("\n".join(bad))
    print(f"{len(headers)} headers, {len(bad)} bad")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
