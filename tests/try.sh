#!/bin/bash
# Builds runsc and runs a command in a sandbox over this machine's root file system, with a throw-away overlay.
set -euo pipefail
cd "$(dirname "$0")/.."
{
  tests/setup.sh
  cmake --preset release
  cmake --build --preset release --target runsc
} > /tmp/runsc-build.log 2>&1 || { tail -n 30 /tmp/runsc-build.log; echo "build failed: see /tmp/runsc-build.log" >&2; exit 1; }
if [ $# -eq 0 ]; then
  set -- sh -c 'uname -a; ps -ef; ls /; echo "only in the sandbox" > /runsc-was-here; cat /runsc-was-here
    command -v python3 > /dev/null && python3 -c "import os; print(\"python sees\", os.uname().release, \"and\", os.cpu_count(), \"cpus\")"'
fi
exec build/release/runsc do -- "$@"
