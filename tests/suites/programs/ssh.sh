# sshd on lo: a command, a file through it, a terminal.
set -euo pipefail
cd "$(mktemp -d)"
ssh-keygen -q -t ed25519 -N '' -f host
mkdir -p -m 700 ~/.ssh /run/sshd
ssh-keygen -q -t ed25519 -N '' -f key
cp key.pub ~/.ssh/authorized_keys
/usr/sbin/sshd -p 2222 -h "$PWD/host" -o ListenAddress=127.0.0.1 -o PidFile="$PWD/pid" -o UsePAM=no -o StrictModes=no
options=(-p 2222 -i key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR)
[ "$(ssh "${options[@]}" root@127.0.0.1 'echo over; cat' <<< 'the wire')" = $'over\nthe wire' ]
head -c 3000000 /dev/urandom > big
ssh "${options[@]}" root@127.0.0.1 "cat > $PWD/copy" < big
cmp big copy
ssh "${options[@]}" -tt root@127.0.0.1 'tty; stty -a' < /dev/null | grep -q '^/dev/pts/'
kill "$(cat pid)"
echo "a command, 3 MB, a terminal"
