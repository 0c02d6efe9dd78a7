# gdb inside: a breakpoint, a backtrace, a variable changed, a signal caught.
set -euo pipefail
trap '[ $? = 0 ] || tail -40 out' EXIT
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

# Threads, steps, a call into the program, software and (where there are any) hardware watchpoints, a fork followed.
cat > threads.c <<'C'
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/wait.h>
volatile int total, go;
int twice(int x) { return 2 * x; }
void *work(void *arg) { total += twice((int)(long)arg); while (!go) usleep(1000); return 0; }
int main(void) {
  pthread_t t[3];
  for (long i = 0; i < 3; i++) pthread_create(&t[i], 0, work, (void *)(i + 1));
  while (!go) usleep(1000);
  for (int i = 0; i < 3; i++) pthread_join(t[i], 0);
  if (fork() == 0) _exit(twice(10));
  int status; wait(&status);
  printf("total=%d child=%d\n", total, WEXITSTATUS(status));
  return 0;
}
C
gcc -g -O0 -pthread threads.c -o threads
./threads > attached &
pid=$!
sleep 0.5
gdb -q -batch -p $pid -ex 'info threads' -ex 'thread apply all bt' -ex 'print twice(21)' -ex 'set var go=1' -ex detach > out 2>&1
[ "$(grep -c 'Thread 0x.* (LWP' out)" -ge 4 ]
grep -q 'in work' out
grep -q '= 42' out
wait $pid
grep -q 'total=12 child=20' attached
echo "attached to threads, called a function, detached"
gdb -q -batch -ex 'break twice' -ex 'set var go=1' -ex run -ex step -ex finish -ex next -ex stepi -ex 'delete' -ex 'set var go=1' \
  -ex 'set can-use-hw-watchpoints 0' -ex 'set follow-fork-mode child' -ex 'break twice if x == 10' -ex continue -ex 'info registers rip' -ex bt \
  -ex 'set var x=20' -ex continue ./threads > out 2>&1 || true
grep -q 'work (arg=0x[123]) at' out
grep -q 'hit Breakpoint .*twice (x=10)' out
grep -q 'exited with code 050' out
echo "steps, a condition, a child followed"
