// What one more costs when there are many: lines "WHAT-COUNT NANOSECONDS", the time for each of COUNT. Where a limit,
// or the time that ten times as many would take, allows fewer, the list ends.
//
// With "hold-threads COUNT": has so many threads that sleep, says "ready" and waits to be killed.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <vector>

namespace {

constexpr size_t kPage = 4096;

int64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

// Makes up to `count`, each by `make(i)`, until one fails; returns how many there are.
template <typename Make>
int MakeUpTo(int count, Make make) {
  int made = 0;
  while (made < count && make(made)) ++made;
  return made;
}

bool Report(const char* what, int count, int made, int64_t start) {
  if (made < count) return false;
  printf("%s-%d %.0f\n", what, count, static_cast<double>(Now() - start) / count);
  fflush(stdout);
  return true;
}

bool Descriptors(int count) {
  std::vector<int> fds;
  const int64_t start = Now();
  const int made = MakeUpTo(count, [&](int) {
    const int fd = open("/dev/null", O_RDONLY);
    if (fd >= 0) fds.push_back(fd);
    return fd >= 0;
  });
  for (const int fd : fds) close(fd);
  return Report("fd", count, made, start);
}

// Of alternating protection, so that the kernel cannot merge them.
bool Mappings(int count) {
  std::vector<void*> areas;
  const int64_t start = Now();
  const int made = MakeUpTo(count, [&](int i) {
    void* area = mmap(nullptr, kPage, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area != MAP_FAILED) areas.push_back(area);
    return area != MAP_FAILED;
  });
  for (void* area : areas) munmap(area, kPage);
  return Report("mapping", count, made, start);
}

std::atomic<bool> threads_may_end;

void* WaitForEnd(void*) {
  threads_may_end.wait(false);
  return nullptr;
}

std::vector<pthread_t> StartThreads(int count) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 32 << 10);
  std::vector<pthread_t> threads;
  MakeUpTo(count, [&](int) {
    pthread_t thread;
    if (pthread_create(&thread, &attributes, WaitForEnd, nullptr) != 0) return false;
    threads.push_back(thread);
    return true;
  });
  return threads;
}

bool Threads(int count) {
  threads_may_end = false;
  const int64_t start = Now();
  const std::vector<pthread_t> threads = StartThreads(count);
  const bool all = Report("thread", count, static_cast<int>(threads.size()), start);
  threads_may_end = true;
  threads_may_end.notify_all();
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
  return all;
}

bool Processes(int count) {
  std::vector<pid_t> children;
  const int64_t start = Now();
  const int made = MakeUpTo(count, [&](int) {
    const pid_t child = fork();
    if (child == 0) {
      pause();
      _exit(0);
    }
    if (child > 0) children.push_back(child);
    return child > 0;
  });
  const bool all = Report("process", count, made, start);
  for (const pid_t child : children) kill(child, SIGKILL);
  while (wait(nullptr) > 0) {
  }
  return all;
}

bool Files(int count) {
  char directory[] = "/tmp/scale.XXXXXX";
  if (mkdtemp(directory) == nullptr) return false;
  const auto path = [&](int i) { return std::string(directory) + "/" + std::to_string(i); };
  const int64_t start = Now();
  const int made = MakeUpTo(count, [&](int i) {
    const int fd = open(path(i).c_str(), O_CREAT | O_WRONLY, 0600);
    return fd >= 0 && close(fd) == 0;
  });
  const bool all = Report("file", count, made, start);
  for (int i = 0; i < made; ++i) unlink(path(i).c_str());
  rmdir(directory);
  return all;
}

// A system call of a process that already has `count` descriptors and mappings.
bool CallAmongMany(int count) {
  std::vector<int> fds;
  MakeUpTo(count, [&](int) {
    fds.push_back(open("/dev/null", O_RDONLY));
    return fds.back() >= 0;
  });
  if (fds.back() < 0) fds.pop_back();
  constexpr int kCalls = 2000;
  struct stat st;
  const int64_t start = Now();
  for (int i = 0; i < kCalls; ++i) fstat(fds.back(), &st);
  const int64_t took = Now() - start;
  const bool all = static_cast<int>(fds.size()) == count;
  if (all) printf("call-%d %.0f\n", count, static_cast<double>(took) / kCalls);
  fflush(stdout);
  for (const int fd : fds) close(fd);
  return all;
}

// Larger counts until one is too much.
void MeasureUpTo(int most, bool (*measure)(int)) {
  constexpr int64_t kLongestNs = 2'000'000'000;  // ten times as many would take ten times as long, or more
  for (int count = 1; count <= most; count *= 10) {
    const int64_t start = Now();
    if (!measure(count) || Now() - start > kLongestNs) return;
  }
}

int HoldThreads(int count) {
  const size_t made = StartThreads(count).size();
  puts(static_cast<int>(made) == count ? "ready" : "too many");
  fflush(stdout);
  for (;;) pause();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "hold-threads") return HoldThreads(atoi(argv[2]));
  rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  // Processes before threads: a fork copies the stacks that the C library keeps of threads.
  for (bool (*measure)(int) : {CallAmongMany, Descriptors, Mappings, Files, Processes, Threads}) {
    MeasureUpTo(10'000, measure);
  }
  return 0;
}
