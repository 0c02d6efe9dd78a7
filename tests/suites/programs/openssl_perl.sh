# openssl's speed and s_server over lo; perl's fork, pipes, sockets and SysV IPC.
set -euo pipefail
cd "$(mktemp -d)"
openssl speed -seconds 1 -bytes 1024 sha256 2>/dev/null | grep -q sha256
openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -subj /CN=localhost -days 1 2>/dev/null
echo secret > page
openssl s_server -accept 127.0.0.1:8443 -key key -cert cert -WWW -quiet >/dev/null 2>&1 &
server=$!
for _ in $(seq 50); do curl -sk https://127.0.0.1:8443/page | grep -q secret && break; sleep 0.1; done
curl -s --cacert cert https://localhost:8443/page --resolve localhost:8443:127.0.0.1 | grep -q secret
kill $server
perl -MSocket -MIPC::SysV=IPC_PRIVATE,S_IRUSR,S_IWUSR,IPC_RMID -e '
  my $id = shmget(IPC_PRIVATE, 100, S_IRUSR | S_IWUSR) // die "shmget: $!";
  socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die;
  if (!fork) { shmwrite($id, "from perl", 0, 9) or die; syswrite $b, "x"; exit 7 }
  sysread $a, my $c, 1; wait; die $? unless $? >> 8 == 7;
  shmread($id, my $text, 0, 9); shmctl($id, IPC_RMID, 0); die $text unless $text eq "from perl"; '
echo "TLS over lo, perl IPC"
