#!/bin/bash
# box.sh ROOT SCRATCH RUNTIME COMMAND...: runs a command as the only tenant of a machine of its own: ROOT under a
# throw-away overlay, new mount, pid, network, ipc, uts and cgroup namespaces. Whatever the clients start, mount, bridge
# or route ends with it. SCRATCH becomes /scratch (a real file system, which overlayfs needs under images), RUNTIME
# /usr/local/bin/runsc, this source tree /src.
set -euo pipefail

root=$1 scratch=$2 runtime=$3
shift 3
src=$(cd "$(dirname "$0")/../.." && pwd)
hierarchies=/sys/fs/cgroup
name=runsc-clients-$$

# Each mounted hierarchy as "mount-point our-path", where our-path is this process's group in it.
groups() {
  local id controllers path mount
  while IFS=: read -r id controllers path; do
    if [ "$id" = 0 ]; then
      mount=$hierarchies/unified
      [ -e "$hierarchies/cgroup.controllers" ] && mount=$hierarchies
    else
      mount=$hierarchies/${controllers#name=}
    fi
    if [ -d "$mount" ]; then echo "$mount ${path%/}"; fi
  done < /proc/self/cgroup
}

enter_groups() {
  local mount path group file
  while read -r mount path; do
    group=$mount$path/$name
    mkdir "$group"
    for file in cpuset.cpus cpuset.mems; do
      # A new v1 cpuset is empty and takes no task until it is filled.
      if [ -e "$group/$file" ]; then cat "$mount$path/$file" > "$group/$file"; fi
    done
    echo 0 > "$group/cgroup.procs"
  done <<< "$1"
}

leave_groups() {
  local mount path group
  while read -r mount path; do
    echo $$ > "$mount$path/cgroup.procs"
    for _ in $(seq 50); do
      # Deepest first; a killed process is in its group until it is reaped.
      find "$mount$path/$name" -depth -type d -exec rmdir {} + 2>/dev/null || true
      [ -e "$mount$path/$name" ] || break
      sleep 0.1
    done
  done <<< "$1"
}

mount_groups() {
  local mount path at
  mount -t tmpfs -o mode=755 cgroup "$2"
  while read -r mount path; do
    at=$2${mount#"$hierarchies"}
    mkdir -p "$at"
    case $mount in
      "$hierarchies"|*/unified) mount -t cgroup2 cgroup "$at" ;;
      */systemd) mount -t cgroup -o none,name=systemd cgroup "$at" ;;
      *) mount -t cgroup -o "${mount##*/}" cgroup "$at" ;;
    esac
  done <<< "$1"
}

case ${RUNSC_BOX:-} in
  '')
    joined=$(groups)
    trap 'leave_groups "$joined"' EXIT
    enter_groups "$joined"
    RUNSC_BOX=$joined unshare --mount --pid --fork --kill-child --net --ipc --uts --cgroup \
      "$0" "$root" "$scratch" "$runtime" "$@"
    exit
    ;;
esac

mkdir -p "$scratch"/{upper,work,root,data}
mount --make-rprivate /
r=$scratch/root
mount -t overlay -o "lowerdir=$root,upperdir=$scratch/upper,workdir=$scratch/work" overlay "$r"
mount -t proc proc "$r/proc"
mount -t sysfs sysfs "$r/sys"
mount -t tmpfs -o mode=755 tmpfs "$r/run"
mount -t tmpfs -o mode=755 tmpfs "$r/dev"
mkdir "$r/dev/pts" "$r/dev/shm" "$r/dev/net"
for node in 'null 1 3' 'zero 1 5' 'full 1 7' 'random 1 8' 'urandom 1 9' 'tty 5 0' 'fuse 10 229' 'net/tun 10 200'; do
  read -r path major minor <<< "$node"
  mknod -m 666 "$r/dev/$path" c "$major" "$minor"
done
[ ! -e /dev/kvm ] || mknod -m 666 "$r/dev/kvm" c 10 232
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$r/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$r/dev/shm"
ln -s pts/ptmx "$r/dev/ptmx"
for fd in fd:/proc/self/fd stdin:/proc/self/fd/0 stdout:/proc/self/fd/1 stderr:/proc/self/fd/2; do
  ln -s "${fd#*:}" "$r/dev/${fd%%:*}"
done
mkdir -p "$r/scratch" "$r/src" "$r/usr/local/bin"
mount --bind "$scratch/data" "$r/scratch"
mount --bind "$src" "$r/src"
: > "$r/usr/local/bin/runsc"
mount --bind "$runtime" "$r/usr/local/bin/runsc"
printf 'nameserver 127.0.0.1\n' > "$r/etc/resolv.conf"
hostname clients
ip link set lo up 2>/dev/null || chroot "$r" ip link set lo up

mount_groups "$RUNSC_BOX" "$r/sys/fs/cgroup"
unset RUNSC_BOX
cd "$r"
# Not chroot: runc pivots, which needs a root that is a mount of its own.
pivot_root . .
umount -l .
cd /
mapfile -t settings < <(env | grep '^RUNSC_CLIENTS_')
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=xterm \
  "${settings[@]}" tini -- "$@"
