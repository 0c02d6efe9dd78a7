"""The inner half of run.py: plays the steps of the clients, in the box; writes /scratch/results.json."""

import importlib
import json
import re
import shutil
import sys

from harness import SCRATCH

MODULES = {"containerd": "Containerd", "cri": "Cri", "docker": "Docker", "podman": "Podman", "rootless": "Rootless"}


def main():
    order = json.loads(sys.argv[1])
    results = {}
    for name in order["clients"]:
        cls = getattr(importlib.import_module(name), MODULES[name])
        for runtime in order["runtimes"]:

            def report(title, seconds, error):
                results.setdefault((name, title), {})[runtime] = error
                print(f"{'ok  ' if not error else 'FAIL'} {name} {runtime} {seconds:5.1f} s  {title}", flush=True)
                if error:
                    print("     " + error.strip().replace("\n", "\n     "), flush=True)

            client = cls(shutil.which(runtime))
            client.play(lambda title: re.search(order["match"], title, re.IGNORECASE), report)
    with open(f"{SCRATCH}/results.json", "w") as file:
        json.dump([(client, title, errors) for (client, title), errors in results.items()], file)


if __name__ == "__main__":
    main()
