# PostgreSQL: initdb, pgbench, SIGKILL of everything in the middle of it, recovery; sums still agree.
set -euo pipefail
bin=$(echo /usr/lib/postgresql/*/bin)
data=$(mktemp -d); chmod 755 "$data"; chown postgres "$data"
pg() { setpriv --reuid=postgres --regid=postgres --init-groups env HOME=/tmp PGHOST="$data" "$@"; }
start() { pg "$bin/pg_ctl" -D "$data/db" -l "$data/log" -w -t 60 -o "-k $data" start >/dev/null || { cat "$data/log"; exit 1; }; }
pg "$bin/initdb" -D "$data/db" -A trust >/dev/null
start
pg createdb bench
pg "$bin/pgbench" -i -s 1 -q bench 2>/dev/null
pg "$bin/pgbench" -c 4 -j 2 -t 25 bench | grep -E 'transactions actually processed: 100/100'
pg "$bin/pgbench" -c 4 -j 2 -T 20 bench >/dev/null 2>&1 &
sleep 2
kill -KILL "$(head -1 "$data/db/postmaster.pid")"
wait || true
for _ in $(seq 100); do pgrep -u postgres -x postgres >/dev/null || break; sleep 0.1; done
start
grep -q 'database system was not properly shut down' "$data/log"
sums=$(pg psql -At bench -c 'select count(distinct s) from (select sum(abalance) s from pgbench_accounts union
  select sum(bbalance) from pgbench_branches union select sum(tbalance) from pgbench_tellers) x')
[ "$sums" = 1 ]
pg "$bin/pg_ctl" -D "$data/db" -m fast -w stop >/dev/null
echo "recovered; balances agree"
