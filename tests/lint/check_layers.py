#!/usr/bin/env python3
"""Fails if an include crosses the layers of docs/layers.txt."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'\s*#\s*include\s+"([^"]+)"')


def read_layers():
    layers = {}
    for line in (ROOT / "docs/layers.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, allowed = line.partition(":")
            layers[name.strip()] = set(allowed.split())
    return layers


def layer_of(path, layers):
    return max((l for l in layers if path.startswith(l + "/")), key=len, default=None)


def violations(file, layers):
    name = file.relative_to(ROOT).as_posix()
    own = layer_of(name, layers)
    if own is None:
        yield f"{name}: in no layer of docs/layers.txt"
        return
    if name.endswith("_test.cc") or "/testing/" in name or "/testdata/" in name:
        return
    for number, line in enumerate(file.read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        target = match.group(1)
        layer = layer_of(target, layers)
        if re.search(r"^(tests|bench)/|/testing/", target) and not name.startswith(target.split("/")[0] + "/"):
            yield f"{name}:{number}: product code includes {target}"
        elif layer and layer != own and layer not in layers[own]:
            yield f"{name}:{number}: {own} may not include {layer}"


def main():
    layers = read_layers()
    unknown = {b for allowed in layers.values() for b in allowed} - set(layers)
    bad = [f"docs/layers.txt: unknown folder {name}" for name in sorted(unknown)]
    for top in sorted({name.split("/")[0] for name in layers}):
        for file in sorted((ROOT / top).rglob("*")):
            if file.suffix in {".cc", ".h", ".inc"}:
                bad += violations(file, layers)
    print("\n".join(bad))
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
