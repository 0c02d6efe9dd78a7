// What a guest pays for a system call, a fault, a process: one line "NAME NANOSECONDS" per case.
//
// Runs on any Linux, so that the same binary gives the native figure too. Each case is repeated in
// batches, the median batch counts, and every result is checked: a call that fails ends the program.

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "bench/checked.h"

namespace {

constexpr size_t kPage = 4096;
constexpr int kBatches = 11;

const char* self;       // executed by the exec cases, with "-x"
const char* data_file;  // a file of the root file system, at least 1 MiB long

double Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e9 + now.tv_nsec;
}

// The median over batches of the time of one `body`, after a warm-up.
template <typename F>
void Measure(const char* name, int count, F body) {
  for (int i = 0; i < count / 4 + 1; i++) body();
  std::vector<double> batches;
  for (int batch = 0; batch < kBatches; batch++) {
    const double start = Now();
    for (int i = 0; i < count; i++) body();
    batches.push_back((Now() - start) / count);
  }
  std::nth_element(batches.begin(), batches.begin() + kBatches / 2, batches.end());
  printf("%s %.1f\n", name, batches[kBatches / 2]);
  fflush(stdout);
}

void WaitForZero(pid_t child) {
  int status;
  CHECKED(child > 0);
  CHECKED(waitpid(child, &status, 0) == child && status == 0);
}

void SimpleCalls() {
  const long pid = syscall(SYS_getpid);
  Measure("getpid", 20000, [=] { CHECKED(syscall(SYS_getpid) == pid); });
  Measure("clock_gettime", 20000, [] {
    timespec now;
    CHECKED(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
  });
  const int zero = open("/dev/zero", O_RDONLY);
  char byte = 1;
  Measure("read-zero-1", 5000, [&] { CHECKED(read(zero, &byte, 1) == 1 && byte == 0); });
  close(zero);
}

void Pipes() {
  int fds[2];
  CHECKED(pipe(fds) == 0);
  char byte = 7;
  Measure("pipe-write-read", 5000, [&] {
    CHECKED(write(fds[1], &byte, 1) == 1);
    CHECKED(read(fds[0], &byte, 1) == 1 && byte == 7);
  });
}

void Files() {
  static char buffer[65536];
  struct stat st;
  const int fd = open(data_file, O_RDONLY);
  CHECKED(fd >= 0 && fstat(fd, &st) == 0 && st.st_size >= 1 << 20);
  int turn = 0;
  Measure("pread-4k", 3000, [&] { CHECKED(pread(fd, buffer, 4096, (turn++ % 200) * 4096L) == 4096); });
  Measure("pread-64k", 1000, [&] { CHECKED(pread(fd, buffer, 65536, (turn++ % 15) * 65536L) == 65536); });
  Measure("fstat", 5000, [&] { CHECKED(fstat(fd, &st) == 0 && st.st_size > 0); });
  Measure("open-close", 2000, [] {
    const int opened = open(data_file, O_RDONLY);
    CHECKED(opened >= 0 && close(opened) == 0);
  });
  close(fd);
}

void Memory() {
  Measure("mmap-munmap", 2000, [] {
    void* page = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECKED(page != MAP_FAILED && munmap(page, kPage) == 0);
  });
  constexpr size_t kSize = 32 << 20;
  std::vector<double> rounds;
  for (int round = 0; round < kBatches; round++) {
    volatile char* area =
        (volatile char*)mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECKED(area != MAP_FAILED);
    madvise((void*)area, kSize, MADV_NOHUGEPAGE);
    const double start = Now();
    for (size_t at = 0; at < kSize; at += kPage) area[at] = 1;
    rounds.push_back((Now() - start) / (kSize / kPage));
    CHECKED(munmap((void*)area, kSize) == 0);
  }
  std::sort(rounds.begin(), rounds.end());
  printf("page-fault %.1f\n", rounds[kBatches / 2]);
  fflush(stdout);
}

pid_t ExecAfter(pid_t child) {
  if (child == 0) {
    execl(self, self, "-x", nullptr);
    _exit(9);
  }
  return child;
}

void Processes() {
  Measure("fork-exit-wait", 40, [] {
    const pid_t child = fork();
    if (child == 0) _exit(0);
    WaitForZero(child);
  });
  Measure("fork-exec-wait", 20, [] { WaitForZero(ExecAfter(fork())); });
  constexpr size_t kBig = 100 << 20;
  char* big = (char*)mmap(nullptr, kBig, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECKED(big != MAP_FAILED);
  memset(big, 1, kBig);
  Measure("vfork-exec-100M", 20, [] {
    const pid_t child = vfork();
    if (child == 0) {
      execl(self, self, "-x", nullptr);
      _exit(9);
    }
    WaitForZero(child);
  });
  CHECKED(munmap(big, kBig) == 0);
}

void Threads() {
  Measure("thread-create-join", 200, [] {
    pthread_t thread;
    CHECKED(pthread_create(
                &thread, nullptr, [](void* p) -> void* { return p; }, nullptr) == 0);
    CHECKED(pthread_join(thread, nullptr) == 0);
  });
  static int there[2], back[2];
  CHECKED(pipe(there) == 0 && pipe(back) == 0);
  pthread_t echo;
  pthread_create(
      &echo, nullptr,
      [](void*) -> void* {
        char byte;
        while (read(there[0], &byte, 1) == 1) CHECKED(write(back[1], &byte, 1) == 1);
        return nullptr;
      },
      nullptr);
  char byte = 3;
  Measure("pipe-ping-pong", 1000, [&] {
    CHECKED(write(there[1], &byte, 1) == 1);
    CHECKED(read(back[0], &byte, 1) == 1 && byte == 3);
  });
  close(there[1]);
  pthread_join(echo, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "-x") == 0) return 0;
  self = argv[0];
  data_file = argc > 1 ? argv[1] : self;
  const struct {
    const char* name;
    void (*run)();
  } groups[] = {{"calls", SimpleCalls}, {"pipes", Pipes},     {"files", Files},
                {"memory", Memory},     {"threads", Threads}, {"processes", Processes}};
  for (const auto& group : groups) {
    bool wanted = argc <= 2;  // guest_bench FILE GROUP...: only those
    for (int i = 2; i < argc; i++) wanted |= strcmp(argv[i], group.name) == 0;
    if (wanted) group.run();
  }
  return 0;
}
