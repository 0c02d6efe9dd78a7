// What a guest pays for one system call of each kind: the list of gVisor's test/perf, by Google Benchmark.
//
// Every result is checked: a call that fails ends the program. Runs on any Linux that has libbenchmark.
#include <benchmark/benchmark.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "bench/checked.h"

namespace {

using benchmark::State;

std::string TempPath() {
  char path[] = "/tmp/bench.XXXXXX";
  const int fd = mkstemp(path);
  CHECKED(fd >= 0 && close(fd) == 0);
  return path;
}

// A descriptor of a file of `size` bytes that has no name any more.
int TempFile(size_t size) {
  const std::string path = TempPath();
  const int fd = open(path.c_str(), O_RDWR);
  CHECKED(fd >= 0 && unlink(path.c_str()) == 0);
  const std::vector<char> bytes(size, 'x');
  CHECKED(write(fd, bytes.data(), size) == static_cast<ssize_t>(size));
  return fd;
}

void getpid(State& state) {
  for (auto _ : state) CHECKED(syscall(SYS_getpid) > 0);
}
void gettid(State& state) {
  for (auto _ : state) CHECKED(syscall(SYS_gettid) > 0);
}
void sched_yield(State& state) {
  for (auto _ : state) CHECKED(syscall(SYS_sched_yield) == 0);
}
void clock_gettime(State& state) {
  timespec now;
  for (auto _ : state) CHECKED(::clock_gettime(CLOCK_MONOTONIC, &now) == 0);
}
void clock_getres(State& state) {
  timespec resolution;
  for (auto _ : state) CHECKED(::clock_getres(CLOCK_MONOTONIC, &resolution) == 0);
}
void dup(State& state) {
  const int fd = TempFile(1);
  for (auto _ : state) {
    const int copy = ::dup(fd);
    CHECKED(copy >= 0 && close(copy) == 0);
  }
  close(fd);
}

void stat(State& state) {
  struct stat st;
  for (auto _ : state) CHECKED(::stat("/bin/true", &st) == 0);
}
void stat_missing(State& state) {
  struct stat st;
  for (auto _ : state) CHECKED(::stat("/bin/there-is-no-such-file", &st) == -1 && errno == ENOENT);
}
void open_close(State& state) {
  for (auto _ : state) {
    const int fd = open("/bin/true", O_RDONLY);
    CHECKED(fd >= 0 && close(fd) == 0);
  }
}
void open_read_close(State& state) {
  char bytes[512];
  for (auto _ : state) {
    const int fd = open("/etc/passwd", O_RDONLY);
    CHECKED(fd >= 0 && ::read(fd, bytes, sizeof(bytes)) > 0 && close(fd) == 0);
  }
}
void create_unlink(State& state) {
  const std::string path = TempPath();
  for (auto _ : state) {
    CHECKED(::unlink(path.c_str()) == 0);
    const int fd = open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY, 0600);
    CHECKED(fd >= 0 && close(fd) == 0);
  }
  ::unlink(path.c_str());
}
void getdents(State& state) {
  static char bytes[32768];
  const int fd = open("/etc", O_RDONLY | O_DIRECTORY);
  for (auto _ : state) {
    CHECKED(lseek(fd, 0, SEEK_SET) == 0);
    while (syscall(SYS_getdents64, fd, bytes, sizeof(bytes)) > 0) {
    }
  }
  close(fd);
}
void read(State& state) {
  std::vector<char> bytes(state.range(0));
  const int fd = TempFile(bytes.size());
  for (auto _ : state) CHECKED(pread(fd, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  close(fd);
}
void randread(State& state) {
  constexpr size_t kSize = 16 << 20;
  std::vector<char> bytes(state.range(0));
  const int fd = TempFile(kSize);
  size_t at = 1;
  for (auto _ : state) {
    at = (at * 1103515245 + 12345) % (kSize - bytes.size());
    CHECKED(pread(fd, bytes.data(), bytes.size(), at) == static_cast<ssize_t>(bytes.size()));
  }
  close(fd);
}
void seqwrite(State& state) {
  constexpr size_t kSize = 16 << 20;
  const std::vector<char> bytes(state.range(0), 'y');
  const int fd = TempFile(kSize);
  size_t at = 0;
  for (auto _ : state) {
    CHECKED(pwrite(fd, bytes.data(), bytes.size(), at) == static_cast<ssize_t>(bytes.size()));
    at = (at + bytes.size()) % (kSize - bytes.size());
  }
  close(fd);
}

void pipe_write_read(State& state) {
  int fds[2];
  CHECKED(::pipe(fds) == 0);
  std::vector<char> bytes(state.range(0));
  for (auto _ : state) {
    CHECKED(::write(fds[1], bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    CHECKED(::read(fds[0], bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  close(fds[0]);
  close(fds[1]);
}
void send_recv(State& state) {
  int fds[2];
  CHECKED(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
  std::vector<char> bytes(state.range(0));
  for (auto _ : state) {
    CHECKED(send(fds[1], bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
    CHECKED(recv(fds[0], bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  }
  close(fds[0]);
  close(fds[1]);
}

// Ready descriptors among many that are not.
struct EventFds {
  explicit EventFds(int count) {
    for (int i = 0; i < count; ++i) {
      fds.push_back(eventfd(0, EFD_NONBLOCK));
      CHECKED(fds.back() >= 0);
    }
    eventfd_write(fds.back(), 1);
  }
  ~EventFds() {
    for (const int fd : fds) close(fd);
  }
  std::vector<int> fds;
};

void poll(State& state) {
  const EventFds events(static_cast<int>(state.range(0)));
  std::vector<pollfd> polled;
  for (const int fd : events.fds) polled.push_back({fd, POLLIN, 0});
  for (auto _ : state) CHECKED(::poll(polled.data(), polled.size(), 0) == 1);
}
void select(State& state) {
  const EventFds events(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    fd_set set;
    FD_ZERO(&set);
    for (const int fd : events.fds) FD_SET(fd, &set);
    timeval zero{};
    CHECKED(::select(events.fds.back() + 1, &set, nullptr, nullptr, &zero) == 1);
  }
}
void epoll(State& state) {
  const EventFds events(static_cast<int>(state.range(0)));
  const int poller = epoll_create1(0);
  for (const int fd : events.fds) {
    epoll_event event{EPOLLIN, {}};
    CHECKED(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) == 0);
  }
  epoll_event event;
  for (auto _ : state) CHECKED(epoll_wait(poller, &event, 1, 0) == 1);
  close(poller);
}

void OnSignal(int) {}
void signal_self(State& state) {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  CHECKED(sigaction(SIGUSR1, &action, nullptr) == 0);
  for (auto _ : state) CHECKED(kill(::getpid(), SIGUSR1) == 0);
}
void sleep_1us(State& state) {
  const timespec least{0, 1000};
  for (auto _ : state) CHECKED(nanosleep(&least, nullptr) == 0);
}

long Futex(std::atomic<int>* word, int operation, int value) {
  return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, nullptr, nullptr, 0);
}
void futex_wake_nobody(State& state) {
  std::atomic<int> word = 0;
  for (auto _ : state) CHECKED(Futex(&word, FUTEX_WAKE, 1) == 0);
}
void Hand(std::atomic<int>& turn, int from, int to) {
  while (turn.load() != from) Futex(&turn, FUTEX_WAIT, to);
  turn = to;
  Futex(&turn, FUTEX_WAKE, 1);
}
void futex_ping_pong(State& state) {
  std::atomic<int> turn = 0;
  std::atomic<bool> done = false;
  std::thread peer([&] {
    while (true) {
      while (turn.load() != 1) Futex(&turn, FUTEX_WAIT, 0);
      if (done) return;
      turn = 0;
      Futex(&turn, FUTEX_WAKE, 1);
    }
  });
  for (auto _ : state) {
    Hand(turn, 0, 1);
    while (turn.load() != 0) Futex(&turn, FUTEX_WAIT, 1);
  }
  done = true;
  Hand(turn, 0, 1);
  peer.join();
}

void mapping(State& state) {
  const size_t size = state.range(0);
  for (auto _ : state) {
    char* area = static_cast<char*>(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECKED(area != MAP_FAILED);
    for (size_t at = 0; at < size; at += 4096) area[at] = 1;
    CHECKED(munmap(area, size) == 0);
  }
}
void fork_death(State& state) {
  for (auto _ : state) {
    const pid_t child = ::fork();
    if (child == 0) _exit(0);
    int status = 1;
    CHECKED(waitpid(child, &status, 0) == child && status == 0);
  }
}

// Room for the 10,000 descriptors of the epoll case, if the limits allow it.
int MostDescriptors() {
  rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<int>(std::min<rlim_t>(limit.rlim_cur - 16, 10000));
}

void Register() {
#define CASE(function) benchmark::RegisterBenchmark(#function, function)->UseRealTime()
  CASE(getpid);
  CASE(gettid);
  CASE(sched_yield);
  CASE(clock_gettime);
  CASE(clock_getres);
  CASE(dup);
  CASE(stat);
  CASE(stat_missing);
  CASE(open_close);
  CASE(open_read_close);
  CASE(create_unlink);
  CASE(getdents);
  CASE(read)->Arg(1)->Arg(4096)->Arg(65536)->Arg(1 << 20);
  CASE(randread)->Arg(4096);
  CASE(seqwrite)->Arg(4096)->Arg(65536);
  CASE(pipe_write_read)->Arg(1)->Arg(4096);
  CASE(send_recv)->Arg(1)->Arg(4096);
  CASE(poll)->Arg(1)->Arg(100);
  CASE(select)->Arg(1)->Arg(100);
  CASE(epoll)->Arg(1)->Arg(MostDescriptors());
  CASE(signal_self);
  CASE(sleep_1us);
  CASE(futex_wake_nobody);
  CASE(futex_ping_pong);
  CASE(mapping)->Arg(4096)->Arg(1 << 20);
  CASE(fork_death);
#undef CASE
}

}  // namespace

int main(int argc, char** argv) {
  Register();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
