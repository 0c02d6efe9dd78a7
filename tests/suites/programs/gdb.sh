# gdb inside: a breakpoint, a backtrace, a variable changed, a signal caught.
set -euo pipefail
cd "$(mktemp -d)"
cat > t.c <<'C'
#include <signal.h>
#include <stdio.h>
int add(int a, int b) { return a + b; }
int main(void) { int r = add(2, 3); printf("r=%d\n", r); fflush(stdout); raise(SIGUSR1); return 0; }
C
gcc -g -O0 t.c -o t
gdb -q -batch -ex 'break add' -ex run -ex bt -ex 'set var a=40' -ex 'continue' -ex 'info program' ./t > out 2>&1 || true
grep -q 'Breakpoint 1, add (a=2, b=3)' out
grep -q '#1 .* in main' out
grep -q 'r=43' out
grep -q 'received signal SIGUSR1' out
echo "a breakpoint, a variable, a signal"
