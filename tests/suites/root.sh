#!/bin/bash
# Makes (once) and prints the path of the root of the foreign suites: the Debian test root plus packages.txt.
# Named after its recipe and made under a lock, as tests/rootfs/make.sh does it.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${RUNSC_TEST_CACHE:-/var/cache/runsc-tests}
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
umask 022

packages() { grep -v '^#' "$here/packages.txt" | tr '\n' ' '; }

# No daemon may start while packages are set up: the tests start their own.
install_packages() {
  local root=$1
  printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
  chmod 755 "$root/usr/sbin/policy-rc.d"
  unshare -m bash -euc '
    root=$1; cache=$2; shift 2
    mount -t proc proc "$root/proc"
    mkdir -p "$cache/debs/partial" "$root/var/cache/apt/archives"
    mount --bind "$cache/debs" "$root/var/cache/apt/archives"
    cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
    chroot "$root" apt-get -q update
    chroot "$root" apt-get -qy --no-install-recommends install "$@"
  ' - "$root" "$cache" $(packages) </dev/null
}

build() {
  local root=$1
  cp -a --reflink=auto "$2/." "$root"
  install_packages "$root"
  rm -rf "$root"/var/lib/apt/lists/* "$root/usr/sbin/policy-rc.d" "$root"/opt/runsc-tests/*
  : > "$root/etc/resolv.conf"
}

main() {
  [ "$(id -u)" = 0 ] || { echo "root.sh: needs root (chroot)" >&2; exit 1; }
  local base root temp
  base=$("$here/../rootfs/make.sh" debian)
  exec 9>"$cache/suites.lock"
  flock 9
  root=$cache/suites-$( (basename "$base"; cat "$here/root.sh" "$here/packages.txt") | sha256sum | cut -c1-12)
  if [ ! -e "$root" ]; then
    rm -rf "$cache"/suites.tmp.*
    temp=$cache/suites.tmp.$$
    mkdir "$temp"
    build "$temp" "$base" >&2
    mv -T "$temp" "$root"
  fi
  echo "$root"
}

main "$@"
