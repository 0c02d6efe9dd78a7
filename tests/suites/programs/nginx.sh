# nginx with two workers under wrk; every answer is whole.
set -euo pipefail
cd "$(mktemp -d)"
chmod 755 .
seq 2000 > index.html
cat > conf <<CONF
worker_processes 2; pid $PWD/pid; error_log $PWD/errors; user root;
events { worker_connections 256; }
http { access_log off; server { listen 127.0.0.1:8088; root $PWD; } }
CONF
nginx -c "$PWD/conf"
for _ in $(seq 50); do curl -s -o /dev/null http://127.0.0.1:8088/ && break; sleep 0.1; done
curl -s http://127.0.0.1:8088/ | cmp - index.html
wrk -t2 -c16 -d2s http://127.0.0.1:8088/ > out
! grep -E 'Socket errors|Non-2xx' out
kill -HUP "$(cat pid)"; sleep 0.5
curl -s http://127.0.0.1:8088/ | cmp - index.html
nginx -c "$PWD/conf" -s quit
for _ in $(seq 50); do [ -e pid ] || break; sleep 0.1; done
[ ! -e pid ]
grep Requests/sec out
