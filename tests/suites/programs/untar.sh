# 10,000 small files: made, packed, unpacked twice, compared, removed.
set -euo pipefail
cd "$(mktemp -d -p /root)"
python3 - <<'PY'
import os
for i in range(10000):
    d = f"in/{i % 50}"
    os.makedirs(d, exist_ok=True)
    with open(f"{d}/{i}", "w") as f:
        f.write(str(i) * (i % 40))
PY
tar czf all.tgz in
mkdir a b
tar xzf all.tgz -C a
tar xzf all.tgz -C b --same-owner --preserve-permissions
diff -r a b
[ "$(find a -type f | wc -l)" = 10000 ]
rm -rf a b in
[ "$(ls)" = all.tgz ]
echo "10000 files"
