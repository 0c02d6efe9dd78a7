"""A state directory that cannot be written: the error says so, and nothing is left."""

import os
import subprocess

from harness import expect, expect_failure, expect_success, processes_of, wait_until


class Tmpfs:
    """A small file system at the state root."""

    def __init__(self, w, options):
        self.path = w.root
        os.makedirs(self.path)
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.path], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # A process of an ended sandbox may hold the directory for a moment longer.
        wait_until(lambda: subprocess.run(["umount", self.path], stderr=subprocess.DEVNULL).returncode == 0,
                   "the state directory to be free", seconds=60)

    def fill(self):
        with open(os.path.join(self.path, "full"), "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass


def test_full(w):
    with Tmpfs(w, "size=64k") as state:
        state.fill()
        outcome = w.run("create", "--bundle", w.bundle(), w.id())
        expect_failure(outcome, "no space left on device")
        wait_until(lambda: not processes_of(w), "the end of all processes")
        os.remove(os.path.join(state.path, "full"))
        expect(os.listdir(state.path) == [], os.listdir(state.path))
        expect_success(w.run("run", "--bundle", w.bundle(), w.id()), "")


def test_full_while_it_runs(w):
    with Tmpfs(w, "size=64k") as state:
        expect_success(w.run("create", "--bundle", w.bundle(w.spec("/bin/sleep", "100")), w.id()))
        state.fill()
        outcome = w.run("start", "c1")
        expect(outcome.code in (0, 128) and (outcome.code == 0 or "No space left" in outcome.stderr), outcome)
        expect_success(w.run("delete", "--force", "c1"), "")
        wait_until(lambda: not processes_of(w), "the end of all processes")


def test_read_only(w):
    with Tmpfs(w, "size=64k,ro"):
        expect_failure(w.run("create", "--bundle", w.bundle(), w.id()), "read-only file system", w.root)
        expect_failure(w.run("state", "c1"), "does not exist")


def test_not_a_directory(w):
    with open(w.root, "w"):
        pass
    expect_failure(w.run("create", "--bundle", w.bundle(), w.id()), w.root)
