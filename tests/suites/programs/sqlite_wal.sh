# Four processes write one SQLite database in WAL mode; every row arrives, and the file is sound.
set -euo pipefail
cd "$(mktemp -d)"
sqlite3 db 'pragma journal_mode=wal; create table t(writer int, n int);' | grep -qx wal
for writer in 1 2 3 4; do
  (for n in $(seq 40); do echo "pragma busy_timeout=30000; insert into t values($writer,$n);"; done | sqlite3 db >/dev/null) &
  pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid"; done
[ "$(sqlite3 db 'select count(*), count(distinct writer) from t')" = '160|4' ]
[ "$(sqlite3 db 'pragma integrity_check')" = ok ]
echo "160 rows of 4 writers"
