# strace inside: the calls of a program and of its child, and their count.
set -euo pipefail
trap '[ $? = 0 ] || tail -n 20 *' EXIT
cd "$(mktemp -d)"
strace -f -o trace sh -c '/bin/echo hello; exit 3' && exit 1 || [ $? = 3 ]
grep -q 'execve("/bin/echo", \["/bin/echo", "hello"\]' trace
grep -q 'write(1, "hello\\n", 6) *= 6' trace
grep -q '+++ exited with 3 +++' trace
strace -c -o count true
grep -q execve count
echo "strace shows exec, write and exit"

# A running process: attached to, its calls seen, let go; and calls made to fail.
( while :; do sleep 0.05; done ) & loop=$!
timeout 2 strace -f -o attached -p $loop || true
kill $loop
grep -q 'clone\|vfork\|fork' attached
grep -q 'execve("/.*sleep"' attached
grep -q 'SIGCHLD' attached
strace -o injected -P /etc/hostname -e inject=openat:error=EMFILE cat /etc/hostname && exit 1
grep -q 'EMFILE.*INJECTED' injected
strace -o raw -e trace=nanosleep,clock_nanosleep -e signal=all -r sleep 0.1
grep -q 'clock_nanosleep(.*) = 0' raw
strace -f -o threads python3 -c 'import threading; t = [threading.Thread(target=print, args=(i,)) for i in range(5)]; [x.start() for x in t]; [x.join() for x in t]' > printed
[ "$(grep -c exited threads)" = 6 ]
echo "strace attaches, makes calls fail, follows threads"
