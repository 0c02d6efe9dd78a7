# bubblewrap and unshare inside: namespaces of the guest's own.
# Native: not in a chroot, where Linux forbids user namespaces.
set -euo pipefail
cd /
setpriv --reuid=1000 --regid=1000 --clear-groups bwrap --unshare-all --ro-bind / / --proc /proc --dev /dev \
  --tmpfs /tmp sh -c 'test $$ -le 3 && touch /tmp/x && ! touch /usr/x 2>/dev/null && hostname' 
[ "$(unshare -Urmpf --mount-proc sh -c 'id -u; ps -e | wc -l' | head -1)" = 0 ]
unshare -u sh -c 'hostname other; [ "$(hostname)" = other ]' && [ "$(hostname)" != other ]
echo "bwrap, user, pid, mount and uts namespaces"
