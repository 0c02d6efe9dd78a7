"""Commands on the same container and on different ones, at the same time."""

import concurrent.futures
import os

from harness import expect, expect_success, processes_of, wait_until


def at_once(count, command):
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(command, range(count)))


def expect_nothing_left(w):
    expect(os.listdir(w.root) == [], os.listdir(w.root))
    wait_until(lambda: not processes_of(w), "the end of all processes")


def test_one_create_wins(w):
    bundle = w.bundle(w.spec("/bin/sleep", "60"))
    for _ in range(3):
        outcomes = at_once(4, lambda _: w.run("create", "--bundle", bundle, w.id()))
        expect(sorted(outcome.code for outcome in outcomes) == [0, 128, 128, 128], [str(o) for o in outcomes])
        expect(sum("already exists" in outcome.stderr for outcome in outcomes) == 3, [str(o) for o in outcomes])
        expect_success(w.run("start", "c1"))
        for outcome in at_once(4, lambda _: w.run("delete", "--force", "c1")):
            expect_success(outcome, "")
        expect_nothing_left(w)


def test_one_start_wins(w):
    expect_success(w.run("create", "--bundle", w.bundle(w.spec("/bin/sleep", "60")), w.id()))
    outcomes = at_once(4, lambda _: w.run("start", "c1"))
    expect(sorted(outcome.code for outcome in outcomes) == [0, 128, 128, 128], [str(o) for o in outcomes])
    expect(sum("already running" in outcome.stderr for outcome in outcomes) == 3, [str(o) for o in outcomes])
    expect(w.state("c1")["status"] == "running", "state")


def test_many_lives(w):
    def life(number):
        name, bundle = w.id(f"c{number}"), w.bundle(w.spec("/bin/sh", "-c", f"exit {number}"), name=f"b{number}")
        return [w.run("run", "--bundle", bundle, name).code for _ in range(3)]

    for number, codes in enumerate(at_once(6, life)):
        expect(codes == [number] * 3, f"{number}: {codes}")
    expect_nothing_left(w)


def test_starts_and_deletes_mixed(w):
    bundle = w.bundle(w.spec("/bin/sleep", "60"))

    def verb(number):
        if number % 2:
            return w.run("delete", "--force", "c1").code == 0
        return w.run("create", "--bundle", bundle, w.id()).code in (0, 128) and w.run("start", "c1").code in (0, 128)

    for _ in range(3):
        expect(all(at_once(6, verb)), "a command failed otherwise than it may")
    expect_success(w.run("delete", "--force", "c1"), "")
    expect_nothing_left(w)
