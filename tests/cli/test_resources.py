"""update, events: limits changed and usage told, as runc does."""

import json
import os

from harness import expect, expect_failure, expect_success
from test_cgroups import V2_ONLY, group_of, limited, read


def sleeper(w, **resources):
    path = group_of(w)
    expect_success(w.run("create", "--bundle", limited(w, "/bin/sleep", "100", path=path, **resources), w.id()))
    expect_success(w.run("start", "c1"))
    return path


def memory_limit(path):
    return read("memory", path, "memory.max" if V2_ONLY else "memory.limit_in_bytes")


def test_update_by_flags(w):
    path = sleeper(w, memory={"limit": 256 << 20})
    expect_success(w.run("update", "--memory", "128m", "--cpu-share", "512", "--pids-limit", "10", "c1"), "")
    expect(memory_limit(path) == str(128 << 20), memory_limit(path))
    expect(read("cpu", path, "cpu.weight" if V2_ONLY else "cpu.shares") == ("20" if V2_ONLY else "512"), "cpu")
    expect(read("pids", path, "pids.max") == "94", "pids")


def test_update_by_file_and_standard_input(w):
    path = sleeper(w)
    file = os.path.join(w.dir, "resources.json")
    with open(file, "w") as out:
        json.dump({"memory": {"limit": 64 << 20}}, out)
    expect_success(w.run("update", "--resources", file, "c1"))
    expect(memory_limit(path) == str(64 << 20), memory_limit(path))
    with open(file, "w") as out:
        json.dump({"memory": {"limit": 96 << 20}}, out)
    with open(file) as stdin:
        expect_success(w.run("update", "--resources=-", "c1", stdin=stdin))
    expect(memory_limit(path) == str(96 << 20), memory_limit(path))


def test_update_raises_and_lowers_memory_with_swap(w):
    path = sleeper(w, memory={"limit": 64 << 20, "swap": 64 << 20})
    for size in (256 << 20, 32 << 20):
        expect_success(w.run("update", "--memory", str(size), "--memory-swap", str(size), "c1"))
        expect(memory_limit(path) == str(size), memory_limit(path))


def test_update_refuses(w):
    sleeper(w)
    expect_failure(w.run("update", "--memory", "lots", "c1"), "--memory", "lots")
    expect_failure(w.run("update", "--cpuset-cpus", "9999", "c1"), "cpuset.cpus")
    expect_failure(w.run("update", "--l3-cache-schema", "x", "c1"), "not supported")
    expect_failure(w.run("update", "-r", "/nonexistent", "c1"), "/nonexistent")
    expect_failure(w.run("update", "--memory", "1m", "unknown"), "does not exist")
    resources = os.path.join(w.dir, "resources.json")
    with open(resources, "w") as out:
        json.dump({"memory": {"limit": 4096, "checkBeforeUpdate": True}}, out)
    expect_failure(w.run("update", "-r", resources, "c1"), "below the", "in use")


def test_events_stats(w):
    sleeper(w, memory={"limit": 64 << 20}, pids={"limit": 20})
    outcome = w.run("events", "--stats", "c1")
    expect_success(outcome)
    event = json.loads(outcome.stdout)
    expect(event["type"] == "stats" and event["id"] == "c1", event)
    data = event["data"]
    expect(data["cpu"]["usage"]["total"] > 0, data)
    expect(data["memory"]["usage"]["limit"] == 64 << 20, data)
    expect(0 < data["memory"]["usage"]["usage"] < 64 << 20, data)
    expect(data["pids"] == {"limit": 20, "current": 1}, data)
    expect(set(data) >= {"cpu", "memory", "pids", "blkio", "hugetlb"}, data)


def test_events_stream_ends_with_the_container(w):
    sleeper(w)
    stream = w.popen("events", "--interval", "20ms", "c1")
    lines = [json.loads(stream.stdout.readline()) for _ in range(3)]
    expect(all(line["type"] == "stats" for line in lines), lines)
    w.run("kill", "c1", "KILL")
    stream.stdout.read()
    expect(stream.wait(60) == 0, "the stream ends")


def test_events_oom(w):
    path = group_of(w)
    script = "read go; sh -c 'x=0123456789abcdef; while true; do x=$x$x; done'; sleep 100"
    bundle = limited(w, "/bin/sh", "-c", script, path=path, memory={"limit": 64 << 20, "swap": 64 << 20})
    fifo = os.path.join(w.dir, "go")
    os.mkfifo(fifo)
    go = os.open(fifo, os.O_RDWR)
    expect_success(w.run("create", "--bundle", bundle, w.id(), stdin=go))
    expect_success(w.run("start", "c1"))
    stream = w.popen("events", "--interval", "1h", "c1")
    expect(json.loads(stream.stdout.readline())["type"] == "stats", "the first sample")
    os.write(go, b"\n")
    expect(json.loads(stream.stdout.readline()) == {"type": "oom", "id": "c1"}, "the news")
    expect(w.state("c1")["status"] == "running", "the container lives")
    w.run("kill", "c1", "KILL")
    stream.stdout.read()
    expect(stream.wait(60) == 0, "the stream ends")
    os.close(go)


def test_events_refuses(w):
    expect_failure(w.run("events", "--stats", "unknown"), "does not exist")
    bundle = w.bundle(w.spec("/bin/sleep", "100"))
    expect_success(w.run("create", "--bundle", bundle, w.id()))
    expect_failure(w.run("events", "--stats", "c1"), "no cgroup")
    expect_failure(w.run("events", "--interval", "never", "c1"), "")
    w.run("delete", "--force", "c1")
    expect_success(w.run("run", "--keep", "--bundle", w.bundle(w.spec(), name="b2"), w.id("c2")))
    expect_failure(w.run("events", "--stats", "c2"), "not running")
    expect_failure(w.run("update", "--memory", "1m", "c2"), "not running")
