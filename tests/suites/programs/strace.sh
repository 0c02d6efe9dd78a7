# strace inside: the calls of a program and of its child, and their count.
set -euo pipefail
cd "$(mktemp -d)"
strace -f -o trace sh -c '/bin/echo hello; exit 3' && exit 1 || [ $? = 3 ]
grep -q 'execve("/bin/echo", \["/bin/echo", "hello"\]' trace
grep -q 'write(1, "hello\\n", 6) *= 6' trace
grep -q '+++ exited with 3 +++' trace
strace -c -o count true
grep -q execve count
echo "strace shows exec, write and exit"
