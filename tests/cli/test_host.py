"""Verbs about the host: features, doctor, install, uninstall."""

import json
import os
import subprocess

from harness import expect, expect_failure, expect_success


def test_features(w):
    outcome = w.run("features")
    expect_success(outcome)
    features = json.loads(outcome.stdout)
    expect(features["ociVersionMin"] == "1.0.0", features)
    expect(features["hooks"] == ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"], features)
    expect("rbind" in features["mountOptions"] and "rro" in features["mountOptions"], features["mountOptions"])
    linux = features["linux"]
    expect("CAP_SYS_ADMIN" in linux["capabilities"], linux)
    expect(linux["seccomp"]["enabled"] and "SCMP_ACT_NOTIFY" not in linux["seccomp"]["actions"], linux)
    expect(not linux["apparmor"]["enabled"] and not linux["mountExtensions"]["idmap"]["enabled"], linux)


def test_features_names_every_mount_option_that_is_taken(w):
    options = json.loads(w.run("features").stdout)["mountOptions"]
    options.remove("tmpcopyup")  # not of a bind mount
    spec = w.spec("/bin/true")
    spec["mounts"].append({"destination": "/mnt", "type": "bind", "source": w.dir, "options": options})
    expect_success(w.run("run", "--bundle", w.bundle(spec), w.id()))


def test_doctor(w):
    outcome = w.run("doctor")
    expect(outcome.code == 0, outcome)
    for subject in ("kernel", "namespaces", "seccomp", "ptrace_scope", "cgroups"):
        expect(f" {subject}: " in outcome.stdout, outcome)
    expect("problem" not in outcome.stdout, outcome)


def config(w, name, text=None):
    path = os.path.join(w.dir, name)
    if text is not None:
        with open(path, "w") as file:
            file.write(text)
    return path


def content(path):
    with open(path) as file:
        return file.read()


def test_install_and_uninstall(w):
    docker = config(w, "daemon.json", '{"debug": true}')
    toml = config(w, "config.toml", "version = 2\n# mine\n")
    flags = ["--config_file", docker, "--containerd-config", toml]
    expect_success(w.run("install", *flags, "--", "--debug"))
    runtime = json.loads(content(docker))["runtimes"]["runsc"]
    expect(runtime["path"] == os.path.realpath(w.runtime) and runtime["runtimeArgs"] == ["--debug"], runtime)
    expect(json.loads(content(docker))["debug"] is True, "the rest is kept")
    expect("# mine" in content(toml) and os.path.realpath(w.runtime) in content(toml), content(toml))
    expect(content(docker + ".before-runsc") == '{"debug": true}', "the old file is kept")
    again = w.run("install", *flags, "--", "--debug")
    expect(again.stdout.count("nothing to change") == 2, again)
    expect_failure(w.run("install", *flags), "another runtime", "--clobber")
    expect_success(w.run("uninstall", *flags))
    expect(json.loads(content(docker)) == {"debug": True}, content(docker))
    expect(content(toml) == "version = 2\n# mine\n", content(toml))


def test_install_leaves_damaged_files_alone(w):
    docker = config(w, "daemon.json", '{"debug": tru')
    expect_failure(w.run("install", "--config_file", docker, "--containerd-config="), "daemon.json", "not valid JSON")
    expect(content(docker) == '{"debug": tru', "unchanged")
    expect(not os.path.exists(docker + ".before-runsc"), "no copy")


def test_install_makes_missing_files(w):
    docker = config(w, "daemon.json")
    expect_success(w.run("install", "--config_file", docker, "--containerd-config=", "--runtime", "sandboxed"))
    expect("sandboxed" in json.loads(content(docker))["runtimes"], content(docker))


def test_install_without_an_engine(w):
    expect_failure(w.run("install", "--config_file=", "--containerd-config="), "neither Docker nor containerd")


def test_host_without_proc_is_named(w):
    command = ["unshare", "--mount", "sh", "-c", 'umount -lR /proc && exec "$@"', "sh", *w.command("do", "true")]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    expect(done.returncode == 128 and "control socket /proc/self/fd/" in done.stderr, done)
    expect(os.listdir(w.root) == [], os.listdir(w.root))
