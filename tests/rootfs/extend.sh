#!/bin/bash
# extend.sh NAME PACKAGES-FILE: makes (once) and prints the path of a test root that is the Debian one plus
# the packages of the file, one a line. Named after its recipe and made under a lock, as make.sh does it.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${RUNSC_TEST_CACHE:-/var/cache/runsc-tests}
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
umask 022

die() { echo "extend.sh: $*" >&2; exit 1; }

# No daemon may start while packages are set up: the tests start their own.
install_packages() {
  local root=$1
  shift
  printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
  chmod 755 "$root/usr/sbin/policy-rc.d"
  unshare -m bash -euc '
    root=$1; cache=$2; shift 2
    mount -t proc proc "$root/proc"
    mkdir -p "$cache/debs/partial" "$root/var/cache/apt/archives"
    mount --bind "$cache/debs" "$root/var/cache/apt/archives"
    cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
    cp /etc/hosts "$root/etc/hosts" 2>/dev/null || true
    chroot "$root" apt-get -q update
    chroot "$root" apt-get -qy --no-install-recommends install "$@"
  ' - "$root" "$cache" "$@" </dev/null
}

build() {
  local root=$1 base=$2
  shift 2
  cp -a --reflink=auto "$base/." "$root"
  install_packages "$root" "$@"
  rm -rf "$root"/var/lib/apt/lists/* "$root/usr/sbin/policy-rc.d" "$root"/opt/runsc-tests/*
  cp "$base/etc/hosts" "$root/etc/hosts"
  : > "$root/etc/resolv.conf"
}

main() {
  [ $# = 2 ] || die "usage: extend.sh NAME PACKAGES-FILE"
  [ "$(id -u)" = 0 ] || die "needs root (chroot)"
  local name=$1 file=$2 base root temp
  base=$("$here/make.sh" debian)
  exec 9>"$cache/$name.lock"
  flock 9
  root=$cache/$name-$( (basename "$base"; cat "$here/extend.sh" "$file") | sha256sum | cut -c1-12)
  if [ ! -e "$root" ]; then
    rm -rf "$cache/$name".tmp.*  # left by an aborted run: the lock says nobody is building now
    temp=$cache/$name.tmp.$$
    mkdir "$temp"
    # shellcheck disable=SC2046  # names of packages have no spaces
    build "$temp" "$base" $(grep -v '^#' "$file") >&2
    mv -T "$temp" "$root"
  fi
  echo "$root"
}

main "$@"
