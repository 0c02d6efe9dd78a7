# redis over a unix socket and TCP: benchmark, then SIGKILL and a restart from the append-only file.
set -euo pipefail
cd "$(mktemp -d)"
start() {
  redis-server --port 7777 --bind 127.0.0.1 --unixsocket "$PWD/sock" --dir "$PWD" --appendonly yes \
    --appendfsync always --save '' >log 2>&1 &
  server=$!
  for _ in $(seq 100); do redis-cli -s sock ping 2>/dev/null | grep -q PONG && return; sleep 0.1; done
  cat log; exit 1
}
start
redis-benchmark -s "$PWD/sock" -q -n 2000 -c 20 -t set,get,lpush,lrange_100 | tr '\r' '\n' | grep 'per second'
redis-benchmark -h 127.0.0.1 -p 7777 -q -n 2000 -c 20 -t set,get | tr '\r' '\n' | grep 'per second'
for i in $(seq 200); do echo "set key$i value$i"; done | redis-cli -s sock >/dev/null
kill -KILL $server; wait $server || true
start
[ "$(redis-cli -s sock get key200)" = value200 ]
redis-cli -s sock bgrewriteaof >/dev/null
for _ in $(seq 100); do redis-cli -s sock info persistence | grep -q 'aof_rewrite_in_progress:0' && break; sleep 0.1; done
redis-cli -s sock info persistence | grep -q 'aof_last_bgrewrite_status:ok'
redis-cli -s sock shutdown nosave || true
wait $server || true
echo "redis kept what it had acknowledged"
