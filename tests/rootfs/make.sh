#!/bin/bash
# Makes (once) and prints the path of a root file system for the tests: make.sh debian|busybox.
#
# Kept outside the work tree, named after this recipe, so that a changed recipe makes a new root.
# Built in a temporary directory and renamed when complete: an aborted run leaves nothing that
# a later one could take for a whole root; concurrent runs wait for each other.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${RUNSC_TEST_CACHE:-/var/cache/runsc-tests}
suite=bookworm
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
umask 022

die() { echo "make.sh: $*" >&2; exit 1; }

# The archive apt itself is configured with, so that a mirror or proxy set up there is used here.
mirror() {
  local site
  site=$(apt-get indextargets --format '$(SITE) $(CODENAME) $(COMPONENT) $(ORIGIN)' \
           'Created-By: Packages' | awk -v s=$suite '$2==s && $3=="main" && $4=="Debian" {print $1; exit}')
  echo "${site:-http://deb.debian.org/debian}"
}

packages() { grep -v '^#' "$here/packages.txt" | tr '\n' ' '; }

# dpkg must not fsync every file of a tree that is thrown away on any failure anyway.
configure_dpkg() {
  mkdir -p "$1/etc/dpkg/dpkg.cfg.d" "$1/etc/apt/apt.conf.d"
  echo force-unsafe-io > "$1/etc/dpkg/dpkg.cfg.d/tests"
  printf 'path-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\npath-exclude=/usr/share/locale/*\n' \
    >> "$1/etc/dpkg/dpkg.cfg.d/tests"
  printf '#!/bin/sh\nexit 101\n' > "$1/usr/sbin/policy-rc.d"
  chmod 755 "$1/usr/sbin/policy-rc.d"
}

install_packages() {
  local root=$1
  unshare -m bash -euc '
    root=$1; cache=$2; shift 2
    mount -t proc proc "$root/proc"
    mkdir -p "$root/var/cache/apt/archives"
    mount --bind "$cache/debs" "$root/var/cache/apt/archives"
    # The host may have apt proxies or certificates set up: its resolver and configuration count.
    cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
    cp /etc/hosts "$root/etc/hosts" 2>/dev/null || true
    chroot "$root" apt-get -q update
    chroot "$root" apt-get -qy --no-install-recommends install "$@"
  ' - "$root" "$cache" $(packages) </dev/null
}

# Files that only take space, and those that would make two machines print different things.
finish_debian() {
  local root=$1
  rm -rf "$root"/usr/lib/jvm/*/jmods "$root"/var/lib/apt/lists/* "$root"/usr/sbin/policy-rc.d
  mkdir -p "$root"/{proc,sys,dev,tmp,run,opt/runsc-tests,root/w}
  printf '127.0.0.1 localhost sandbox\n' > "$root/etc/hosts"
  : > "$root/etc/resolv.conf"
  echo sandbox > "$root/etc/hostname"
  chroot "$root" useradd -m -u 1000 -s /bin/bash guest
  chmod 1777 "$root/tmp"
}

build_debian() {
  local root=$1
  command -v debootstrap >/dev/null || die "debootstrap is not installed (./tests/setup.sh installs it)"
  mkdir -p "$cache/debs/partial"
  debootstrap --variant=minbase --cache-dir="$cache/debs" "$suite" "$root" "$(mirror)"
  configure_dpkg "$root"
  install_packages "$root"
  finish_debian "$root"
}

build_busybox() {
  local root=$1 busybox
  busybox=$(command -v busybox) || die "busybox-static is not installed (./tests/setup.sh installs it)"
  mkdir -p "$root"/{bin,sbin,etc,proc,sys,dev,tmp,run,root,var,usr/bin,usr/sbin,opt/runsc-tests}
  cp "$busybox" "$root/bin/busybox"
  "$root/bin/busybox" --list | while read -r name; do
    [ "$name" = busybox ] || ln -sf busybox "$root/bin/$name"
  done
  printf 'root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000::/tmp:/bin/sh\n' > "$root/etc/passwd"
  printf 'root:x:0:\nguest:x:1000:\n' > "$root/etc/group"
  printf '127.0.0.1 localhost sandbox\n' > "$root/etc/hosts"
  chmod 1777 "$root/tmp"
}

recipe() {
  case $1 in
    debian) cat "$here/make.sh" "$here/packages.txt" ;;
    busybox) cat "$here/make.sh"; busybox 2>&1 | head -1 ;;
  esac | sha256sum | cut -c1-12
}

main() {
  local kind=${1:-}
  case $kind in debian|busybox) ;; *) die "usage: make.sh debian|busybox" ;; esac
  [ "$(id -u)" = 0 ] || die "needs root (chroot, device-free debootstrap)"
  mkdir -p "$cache"
  exec 9>"$cache/$kind.lock"
  flock 9
  local root=$cache/$kind-$(recipe "$kind")
  if [ ! -e "$root" ]; then
    rm -rf "$cache/$kind".tmp.*  # left by an aborted run: the lock says nobody is building now
    local temp=$cache/$kind.tmp.$$
    mkdir "$temp"
    "build_$kind" "$temp" >&2
    mv -T "$temp" "$root"
  fi
  echo "$root"
}

main "$@"
