"""Workloads: shell commands of workloads/*.toml, run and timed inside a container.

Keys of a [[workload]]: name; run (for bash, its standard output must be the native one's); optionally prepare (not timed), cleanup,
timeout (seconds), target (ratio to native), figure (a pattern whose group is the figure to compare
instead of the time of `run`: its output may then differ) and rate (the figure is better when it is greater).
"""

import dataclasses
import hashlib
import pathlib
import re
import subprocess
import tomllib

HERE = pathlib.Path(__file__).resolve().parent

# $EPOCHREALTIME is the shell's own: reading it starts no process.
SCRIPT = r"""
set -eo pipefail
cd /root
eval "$PREPARE" > /tmp/.prepared 2>&1 || { tail -n 5 /tmp/.prepared; echo "prepare failed"; exit 1; }
begin=$EPOCHREALTIME
eval "$RUN" > /tmp/.output
end=$EPOCHREALTIME
cat /tmp/.output
eval "$CLEANUP" > /dev/null 2>&1
echo "seconds $(( ${end/./} - ${begin/./} ))"
"""


@dataclasses.dataclass
class Workload:
    name: str
    run: str
    group: str = ""
    prepare: str = ":"
    cleanup: str = ":"
    timeout: float = 120
    target: float | None = None
    figure: str | None = None
    rate: bool = False


@dataclasses.dataclass
class Outcome:
    """`value` is None when the run failed, and `note` says why. `digest` is of the output that must be the same."""
    value: float | None
    digest: str = ""
    note: str = ""


def load():
    """Every workload, in the order of the files."""
    found = []
    for path in sorted((HERE / "workloads").glob("*.toml")):
        for table in tomllib.loads(path.read_text()).get("workload", []):
            found.append(Workload(group=path.stem, **table))
    return found


def measure(launcher, workload):
    """Runs it once in a container of its own."""
    env = {"PREPARE": workload.prepare, "RUN": workload.run, "CLEANUP": workload.cleanup}
    run = launcher.start(["/bin/bash", "-c", SCRIPT], env=env, cwd="/",
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, err = run.process.communicate(timeout=workload.timeout)
    except subprocess.TimeoutExpired:
        return Outcome(None, note=f"not done after {workload.timeout:.0f} s")
    finally:
        run.close()
    if run.status() != 0:
        last = (err or out).decode(errors="replace").strip()[-200:].replace("\n", " | ")
        return Outcome(None, note=f"status {run.status()}: {last}")
    return outcome_of(workload, out.decode(errors="replace"))


def outcome_of(workload, text):
    output, _, microseconds = text.rpartition("seconds ")
    if workload.figure is None:
        return Outcome(int(microseconds) / 1e6, hashlib.sha256(output.encode()).hexdigest())
    figures = re.findall(workload.figure, output, re.MULTILINE)
    if not figures:
        return Outcome(None, note=f"no figure in {output[-200:]!r}")
    return Outcome(float(figures[-1]))
