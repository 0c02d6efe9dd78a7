#!/bin/bash
# Installs what is missing, builds the release preset and runs every test. Arguments go to ctest,
# e.g. `tests/run.sh -L guest`. Its last lines are ctest's.
set -euo pipefail
cd "$(dirname "$0")/.."

tests/setup.sh
# In the background, as it waits for the network while the compiler does not.
tests/rootfs/make.sh debian > /tmp/runsc-rootfs.log 2>&1 < /dev/null &
rootfs=$!
cmake --preset release
cmake --build --preset release
tests/rootfs/make.sh busybox
wait "$rootfs" || { tail -n 30 /tmp/runsc-rootfs.log; echo "no Debian test root: see /tmp/runsc-rootfs.log" >&2; exit 1; }
exec ctest --preset release -j "$(nproc)" --no-tests=error "$@"
