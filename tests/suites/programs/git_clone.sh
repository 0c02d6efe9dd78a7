# git: 300 files committed, cloned by path, by file://, repacked, checked; and cloned over http.
set -euo pipefail
cd "$(mktemp -d)"
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git init -q one; cd one
for i in $(seq 300); do mkdir -p "d$((i % 7))"; seq "$i" > "d$((i % 7))/f$i"; done
git add .; git commit -qm first
for i in 1 2 3; do echo "$i" >> d1/f1; git commit -qam "change $i"; done
git gc -q; cd ..
git clone -q one two
git clone -q --bare "file://$PWD/one" three.git
git -C two fsck --strict
[ "$(git -C two log --oneline | wc -l)" = 4 ]
git -C three.git update-server-info
python3 -m http.server -b 127.0.0.1 8090 -d . >/dev/null 2>&1 &
server=$!
for _ in $(seq 50); do curl -s -o /dev/null http://127.0.0.1:8090/ && break; sleep 0.1; done
git clone -q http://127.0.0.1:8090/three.git four
diff -r -x .git one four
kill $server
echo "four equal trees"
