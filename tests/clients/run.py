#!/usr/bin/env python3
"""The stock clients, with runc and then with ours: what passes with runc must pass with ours.

    tests/clients/run.py --runtime build/release/runsc
    tests/clients/run.py --runtime build/dev/runsc containerd -k exec     # one client, steps whose title matches

Needs root. The clients are Debian's, in a root of their own (made once, see tests/rootfs/extend.sh) and in namespaces of
their own (box.sh): the machine has none of it afterwards. `--write` puts the table into docs/clients.md.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parents[1]
CLIENTS = ("containerd", "cri", "docker", "podman", "rootless")
TABLE = REPO / "docs/clients.md"
BEGIN, END = "<!-- table: written by tests/clients/run.py -->\n", "<!-- end of table -->\n"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clients", nargs="*", metavar="CLIENT", help=", ".join(CLIENTS) + " (all)")
    parser.add_argument("--runtime", required=True, type=pathlib.Path, help="our binary")
    parser.add_argument("-k", default="", help="only steps whose title matches this regular expression")
    parser.add_argument("--only", choices=("runc", "runsc"), help="only with this runtime")
    parser.add_argument("--keep", action="store_true", help="keep the scratch directory, with the daemons' logs")
    parser.add_argument("--write", action="store_true", help="write the table of a whole run to docs/clients.md")
    parser.add_argument("--shell", action="store_true", help="a shell among the clients instead of their steps")
    options = parser.parse_args()
    unknown = set(options.clients) - set(CLIENTS)
    if unknown:
        parser.error(f"no such client: {', '.join(sorted(unknown))} (there are {', '.join(CLIENTS)})")
    if options.write and (options.clients or options.k or options.only):
        parser.error("--write needs a whole run: no client, -k or --only")
    if os.geteuid() != 0:
        parser.error("needs root: namespaces, mounts and daemons")
    if not os.access(options.runtime, os.X_OK):
        parser.error(f"{options.runtime} is not a program")
    return options


def play(options, scratch):
    """Runs the steps in the box; returns [(client, title, {runtime: error})]."""
    root = subprocess.run([REPO / "tests/rootfs/extend.sh", "clients", HERE / "packages.txt"],
                          stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    inside = ["bash"] if options.shell else [
        "python3", "-u", "/src/tests/clients/inside.py", json.dumps({
            "clients": options.clients or CLIENTS,
            "runtimes": [options.only] if options.only else ["runc", "runsc"],
            "match": options.k,
        })]
    done = subprocess.run([HERE / "box.sh", root, scratch, options.runtime.resolve(), *inside],
                          env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    results = scratch / "data/results.json"
    if not results.exists():
        sys.exit(done.returncode or 1 if not options.shell else 0)
    return json.loads(results.read_text())


def table(results):
    rows = ["| client | step | runc | runsc |", "| --- | --- | --- | --- |"]
    for client, title, errors in results:
        words = ["yes" if errors[name] == "" else "no" for name in ("runc", "runsc")]
        rows.append(f"| {client} | {title.replace('|', chr(92) + '|')} | {' | '.join(words)} |")
    return "\n".join(rows) + "\n"


def write_table(results):
    before, rest = TABLE.read_text().split(BEGIN)
    TABLE.write_text(before + BEGIN + table(results) + END + rest.split(END)[1])


def verdict(results):
    """The exit status, after a line for each runtime."""
    for name in ("runc", "runsc"):
        known = [errors[name] == "" for _, _, errors in results if name in errors]
        if known:
            print(f"{name}: {sum(known)} of {len(known)} steps pass")
    behind = [f"{client}: {title}" for client, title, errors in results if errors.get("runc", "") == "" and errors.get("runsc")]
    for line in behind:
        print(f"not as with runc: {line}")
    return 1 if behind else 0


def main():
    options = arguments()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="runsc-clients-"))
    try:
        results = play(options, scratch)
        if options.write:
            write_table(results)
        return verdict(results)
    finally:
        if options.keep:
            print(f"kept: {scratch}")
        else:
            shutil.rmtree(scratch)


if __name__ == "__main__":
    sys.exit(main())
