# memcached over TCP and a unix socket.
set -euo pipefail
cd "$(mktemp -d)"
memcached -u root -l 127.0.0.1 -p 11311 &
server=$!
python3 - <<'PY'
import socket, time
for _ in range(50):
    try:
        s = socket.create_connection(("127.0.0.1", 11311)); break
    except OSError:
        time.sleep(0.1)
f = s.makefile("rwb")
value = b"x" * 100000
for i in range(50):
    f.write(b"set k%d 0 0 %d\r\n%s\r\n" % (i, len(value), value)); f.flush()
    assert f.readline() == b"STORED\r\n"
f.write(b"get k49\r\n"); f.flush()
assert f.readline().startswith(b"VALUE k49 0 100000")
assert f.read(100000) == value
PY
kill $server; wait $server || true
echo "50 values of 100 kB"
