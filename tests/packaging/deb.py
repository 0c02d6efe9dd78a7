#!/usr/bin/env python3
"""Builds the Debian package of a build directory, installs it below a scratch root and uses what is there."""

import argparse
import gzip
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cli"))
from harness import World, expect, make_rootfs  # noqa: E402

FILES = [
    "usr/bin/runsc",
    "usr/share/man/man8/runsc.8",
    "usr/share/bash-completion/completions/runsc",
    "usr/share/zsh/vendor-completions/_runsc",
    "usr/share/fish/vendor_completions.d/runsc.fish",
    "usr/share/doc/runsc/install.md",
    "usr/share/doc/runsc/runtimeclass.yaml",
]


def call(*command, **options):
    return subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, check=True, text=True, **options).stdout


def build(directory, out):
    call("cpack", "-G", "DEB", "-B", out, cwd=directory)
    packages = list(out.glob("*.deb"))
    expect(len(packages) == 1, packages)
    return packages[0]


def install(package, root):
    """By dpkg, with a database of its own, so that what it refuses is seen."""
    for name in ("info", "updates", "triggers"):
        (root / "var/lib/dpkg" / name).mkdir(parents=True)
    for name in ("status", "available"):
        (root / "var/lib/dpkg" / name).touch()
    log = root / "dpkg.log"
    call("dpkg", f"--root={root}", "--force-not-root", "--force-depends", f"--log={log}", "-i", package)
    listed = call("dpkg-query", f"--admindir={root}/var/lib/dpkg", "-L", "runsc").split()
    return [path.lstrip("/") for path in listed]


def check_files(root, listed):
    for name in FILES:
        found = [n for n in (name, name + ".gz") if (root / n).exists()]
        expect(found and found[0] in listed, f"{name} in {listed}")
        expect((root / found[0]).stat().st_size > 0, f"{found[0]} is empty")
    expect(not any(n.startswith(("usr/lib", "usr/include")) for n in listed), f"nothing else: {listed}")


def check_control(package):
    fields = dict(line.split(": ", 1) for line in call("dpkg-deb", "-f", package).splitlines() if ": " in line)
    expect(fields["Package"] == "runsc" and fields["Architecture"] == "amd64", fields)
    expect("Depends" not in fields, "a static program depends on nothing")
    version = fields["Version"]
    return version


def check_program(root, version):
    program = root / "usr/bin/runsc"
    expect(call(program, "--version").startswith(f"runsc version {version}"), "its version")
    call("bash", "-n", root / "usr/share/bash-completion/completions/runsc")
    page = next(p for p in (root / "usr/share/man/man8").iterdir())
    text = gzip.open(page, "rt").read() if page.suffix == ".gz" else page.read_text()
    expect(text.startswith(".TH") and ".SH" in text, "a manual page")
    with tempfile.TemporaryDirectory() as rootfs:
        make_rootfs(rootfs)
        w = World(str(program), rootfs)
        try:
            outcome = w.run("run", "--bundle", w.bundle(w.spec("/bin/echo", "from the package")), w.id())
            expect(outcome.stdout == "from the package\n" and outcome.code == 0, outcome)
        finally:
            w.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path, help="a build directory in which everything is built")
    args = parser.parse_args()
    if not shutil.which("cpack") or not shutil.which("dpkg"):
        print("left out: cpack and dpkg are not installed")
        return 0
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="runsc-deb-"))
    try:
        package = build(args.build.resolve(), scratch)
        root = scratch / "root"
        version = check_control(package)
        listed = install(package, root)
        check_files(root, listed)
        check_program(root, version)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print("ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
