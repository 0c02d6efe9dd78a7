"""The command line itself: flags, verbs, help, logs. No sandbox is started."""

import json
import os
import re
import stat

from harness import expect, expect_failure, expect_success


def test_version_has_runcs_shape(w):
    for spelling in ("--version", "-version", "-v"):
        outcome = w.run(spelling)
        expect_success(outcome)
        expect(re.fullmatch(r"runsc version \S+\nspec: \d+\.\d+\.\d+\n", outcome.stdout), outcome)


def test_no_verb(w):
    expect_failure(w.run(), "no command given")


def test_unknown_verb(w):
    expect_failure(w.run("frobnicate"), 'unknown command "frobnicate"; see')
    expect_failure(w.run("rnu"), 'unknown command "rnu" (did you mean "run"?)')


def test_unknown_global_flag(w):
    for flag in ("--nosuch", "-nosuch", "--nosuch=1"):
        expect_failure(w.run("list", globals_=[flag]), "flag provided but not defined: --nosuch")


def test_unknown_verb_flag(w):
    expect_failure(w.run("list", "--nosuch"), "list: flag provided but not defined: --nosuch; see")
    expect_failure(w.run("debug", "--stack", "c1"), '--stack (did you mean "stacks"?)')


def test_bad_flag_values(w):
    cases = [("--debug=maybe", "true or false"), ("--network=bridge", "one of"), ("--platform=xen", "one of"),
             ("--overlay2=disk", "--overlay2"), ("--overlay2=root:dir=rel", "--overlay2"),
             ("--log-format=xml", "one of"), ("--strace-log-size=-1", "not negative"),
             ("--watchdog-action=explode", "one of"), ("--fdlimit=many", "a number")]
    for flag, text in cases:
        expect_failure(w.run("list", globals_=[flag]), text)


def test_go_spelling_of_flags(w):
    for flags in (["-debug"], ["--debug=true"], ["-debug=false"], ["--network", "none"], ["-network=none"],
                  ["--log-format", "json", "-strace"]):
        expect_success(w.run("list", globals_=flags))


def test_flags_clients_pass_are_accepted(w):
    expect_success(w.run("list", globals_=[
        "--systemd-cgroup", "--rootless=true", "--log-format=json", "--criu=criu", "--cgroup-manager=disabled",
        "--panic-log=/x", "--ignore-cgroups", "--net-raw", "--directfs=false", "--host-uds=all",
        "--file-access=shared", "--nvproxy=false", "--gso=false", "--qdisc=none", "--dcache=5", "--vfs2"]))


def test_flag_without_effect_is_in_the_debug_log(w):
    log = os.path.join(w.dir, "debug.log")
    expect_success(w.run("list", globals_=["--gso=false", f"--debug-log={log}"]))
    with open(log) as file:
        expect("flag --gso has no effect yet" in file.read(), "no line about --gso")


def test_debug_log_names(w):
    expect_success(w.run("list", globals_=["--debug", f"--debug-log={w.dir}/logs/", "--gso"]))
    names = os.listdir(f"{w.dir}/logs")
    expect(len(names) == 1 and re.fullmatch(r"runsc\.log\..*\.list\.txt", names[0]), names)
    w.run("state", "c9", globals_=["--gso", f"--debug-log={w.dir}/%COMMAND%-%ID%.txt"])
    expect(os.path.exists(f"{w.dir}/state-c9.txt"), os.listdir(w.dir))
    w.run("list", globals_=["--gso", f"--debug-log={w.dir}/no.txt", "--debug-command=create,start"])
    expect(not os.path.exists(f"{w.dir}/no.txt"), "--debug-command did not exclude list")


def test_error_is_one_json_line_in_log(w):
    log = os.path.join(w.dir, "log.json")
    with open(log, "w") as file:
        file.write("earlier\n")
    for _ in range(2):
        expect_failure(w.run("state", "nosuch", globals_=["--log", log, "--log-format=json"]), "does not exist")
    with open(log) as file:
        lines = file.read().splitlines()
    expect(len(lines) == 3 and lines[0] == "earlier", lines)
    entry = json.loads(lines[2])
    expect(entry["level"] == "error" and "does not exist" in entry["msg"], entry)
    expect(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", entry["time"]), entry)


def test_usage_error_is_in_log_too(w):
    log = os.path.join(w.dir, "log.json")
    expect_failure(w.run("nosuch", globals_=["--log", log, "--log-format=json"]))
    with open(log) as file:
        expect("nosuch" in json.loads(file.read())["msg"], "no such message")


def test_unwritable_log(w):
    expect_failure(w.run("list", globals_=["--log=/nonexistent/dir/log"]), "open log file /nonexistent/dir/log")


def test_own_words_of_a_verb_are_named_once(w):
    for args in (("completion", "fsh"), ("debug", "c1")):
        outcome = w.run(*args)
        expect_failure(outcome)
        expect(outcome.stderr.count(args[0] + ": ") == 1, outcome)
    expect_failure(w.run("do", ""), "do: the command's name is empty")


def test_argument_counts(w):
    for verb in ("create", "run", "start", "state", "kill", "delete", "do", "wait"):
        expect_failure(w.run(verb), f"{verb}: missing argument")
    for args in (("state", "a", "b"), ("start", "a", "b"), ("create", "a", "b"), ("kill", "a", "1", "2"),
                 ("list", "x")):
        expect_failure(w.run(*args), "too many arguments")


def test_help(w):
    outcome = w.run("help")
    expect_success(outcome)
    for verb in ("run", "do", "create", "start", "state", "kill", "delete", "list", "spec", "help"):
        expect(re.search(rf"^  {verb} ", outcome.stdout, re.M), verb)
        expect("Flags" in w.run("help", verb).stdout or verb in w.run("help", verb).stdout, verb)
    expect("boot" not in outcome.stdout, "internal verbs are in the help")
    expect_success(w.run("--help"))
    expect("--bundle" in w.run("create", "-h").stdout, "create -h")
    expect("--overlay2" in w.run("flags").stdout, "flags")
    expect_failure(w.run("help", "nosuch"), 'no help for "nosuch"')


def test_help_syscalls(w):
    rows = json.loads(w.run("help", "syscalls", "--format=json").stdout)
    expect(rows[0]["number"] == 0 and rows[0]["name"] == "read", rows[0])
    expect(all(row["support"] in ("full", "partial", "unsupported") for row in rows), "support values")
    expect(len({row["number"] for row in rows}) == len(rows) > 350, len(rows))
    csv = w.run("help", "syscalls", "-format", "csv").stdout.splitlines()
    expect(csv[0] == "number,name,support,note" and len(csv) == len(rows) + 1, csv[:2])
    expect(w.run("help", "syscalls").stdout.startswith("NUM"), "table")
    expect_failure(w.run("help", "syscalls", "--format=xml"), "one of")


def test_full_standard_output_is_an_error(w):
    import subprocess
    with open("/dev/full", "w") as full:
        done = subprocess.run(w.command("help"), stdout=full, stderr=subprocess.PIPE)
    expect(done.returncode == 128 and b"No space left" in done.stderr, done)


def test_spec_writes_a_usable_file_once(w):
    bundle = os.path.join(w.dir, "b")
    os.mkdir(bundle)
    expect_success(w.run("spec", "--bundle", bundle))
    path = os.path.join(bundle, "config.json")
    with open(path) as file:
        spec = json.load(file)
    expect(spec["process"]["args"] == ["sh"] and spec["root"]["path"] == "rootfs", spec)
    expect(stat.S_IMODE(os.stat(path).st_mode) == 0o644, oct(os.stat(path).st_mode))
    expect_failure(w.run("spec", "-b", bundle), "exists")
    os.remove(path)
    expect_success(w.run("spec", "--cwd=/x", "--", "/hello", "world", cwd=bundle))
    with open(path) as file:
        spec = json.load(file)
    expect(spec["process"]["args"] == ["/hello", "world"] and spec["process"]["cwd"] == "/x", spec)


def test_spec_into_missing_directory(w):
    expect_failure(w.run("spec", "--bundle", "/nonexistent"), "/nonexistent", "No such file")


def test_list_without_containers(w):
    expect(w.run("list").stdout.split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"], "header")
    expect_success(w.run("list", "-q"), "")
    expect(json.loads(w.run("list", "--format", "json").stdout) is None, "runc prints null")


def test_unusable_state_root(w):
    blocker = os.path.join(w.dir, "file")
    open(blocker, "w").close()
    for root in ("/proc/nosuch", blocker, f"{blocker}/below"):
        expect_failure(w.run("list", globals_=["--root", root]), "state directory" if root == blocker else "create directory")


def test_verbs_on_missing_containers(w):
    for verb in ("state", "start", "delete", "wait", "kill"):
        expect_failure(w.run(verb, "nosuch"), 'container "nosuch" does not exist')
    expect_success(w.run("delete", "--force", "nosuch"), "")


def test_malformed_ids(w):
    bundle = w.bundle()
    for bad in ("a/b", "..", ".", "", "a b", "a\n", "\u00e9", "x" * 256, "../../etc"):
        for verb in ("state", "start", "delete", "kill"):
            expect_failure(w.run(verb, bad), "container id")
        expect_failure(w.run("create", "--bundle", bundle, bad), "container id")
    expect(os.listdir(w.root) == [], os.listdir(w.root))


def test_unknown_signal(w):
    for signal in ("NOPE", "65", "-1", "SIG", ""):
        expect_failure(w.run("kill", "--", "c1", signal), "unknown signal")
