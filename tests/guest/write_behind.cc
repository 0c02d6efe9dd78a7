// Many small writes to a pipe: whoever looks at it sees them at once, whatever the reader does meanwhile.
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <atomic>
#include <string>

#include "tests/guest/harness.h"
#include "tests/guest/pipe.h"

using namespace guest;

namespace {

constexpr int kPatienceMs = 60000;

// A word that children share.
std::atomic<int>& SharedWord() {
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT(page != MAP_FAILED);
  return *static_cast<std::atomic<int>*>(page);
}

void AwaitAtLeast(std::atomic<int>& word, int value) {
  while (word.load() < value) sched_yield();
}

std::string Line(int i) { return std::to_string(i) + std::string(static_cast<size_t>(i * 37 % 200), 'x') + "\n"; }

// Computes for a while, without a call that could end anything.
void Compute(int rounds) {
  for (int i = 0; i < rounds; ++i) asm volatile("pause");
}

bool WriteAll(int fd, const std::string& text) {
  return write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// Starts a child that runs `body` with the writer only.
template <typename Body>
int StartWriter(Pipe& pipe, Body body) {
  const int child = ASSERT_OK(fork());
  if (child == 0) {
    close(pipe.reader());
    _exit(body() ? 0 : 1);
  }
  close(pipe.writer());
  return child;
}

bool WriteLines(int fd, int count, int pause = 0) {
  for (int i = 0; i < count; ++i) {
    if (!WriteAll(fd, Line(i))) return false;
    if (pause != 0) Compute(i % 7 * pause);
  }
  return true;
}

std::string Lines(int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += Line(i);
  return all;
}

// Reads to the end in pieces of many sizes; `before` each one.
template <typename Before>
std::string ReadPieces(int fd, Before before) {
  std::string all;
  char buffer[9000];
  for (size_t i = 0;; ++i) {
    before(i);
    const ssize_t n = read(fd, buffer, 1 + i * 977 % sizeof(buffer));
    if (n == 0) return all;
    if (n > 0) all.append(buffer, static_cast<size_t>(n));
    if (n < 0 && errno != EAGAIN) return all + "(failed)";
  }
}

// What all readers below have to get.
template <typename Before>
void ExpectLines(int reader_flags, Before before, int pause = 0) {
  constexpr int kLines = 20000;
  Pipe pipe;
  const int child = StartWriter(pipe, [&] { return WriteLines(pipe.writer(), kLines, pause); });
  ASSERT_OK(fcntl(pipe.reader(), F_SETFL, reader_flags));
  EXPECT(ReadPieces(pipe.reader(), [&](size_t i) { before(pipe.reader(), i); }) == Lines(kLines));
  EXPECT_EQ(WaitStatus(child), 0);
}

}  // namespace

TEST(LinesForABlockingReader) {
  ExpectLines(0, [](int, size_t) {});
}

TEST(LinesForAReaderThatWaitsNowAndThen) {
  ExpectLines(
      0, [](int, size_t i) { Compute(static_cast<int>(i % 5) * 2000); }, 300);
}

TEST(LinesForAPollingReader) {
  ExpectLines(O_NONBLOCK, [](int fd, size_t) {
    pollfd poller = {fd, POLLIN, 0};
    EXPECT_EQ(poll(&poller, 1, kPatienceMs), 1);
  });
}

TEST(LinesForAReaderThatNeverWaits) {
  ExpectLines(O_NONBLOCK, [](int, size_t i) {
    if (i % 3 == 0) sched_yield();
  });
}

TEST(LinesWhileSignalsInterrupt) {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  action.sa_flags = SA_RESTART;
  ASSERT_OK(sigaction(SIGALRM, &action, nullptr));
  constexpr int kLines = 20000;
  Pipe pipe;
  const itimerval often = {{0, 700}, {0, 700}};
  const int child = StartWriter(
      pipe, [&] { return setitimer(ITIMER_REAL, &often, nullptr) == 0 && WriteLines(pipe.writer(), kLines, 100); });
  ASSERT_OK(setitimer(ITIMER_REAL, &often, nullptr));
  EXPECT(ReadPieces(pipe.reader(), [](size_t) {}) == Lines(kLines));
  const itimerval never = {};
  ASSERT_OK(setitimer(ITIMER_REAL, &never, nullptr));
  EXPECT_EQ(WaitStatus(child), 0);
}

// An edge for each write, also while older bytes lie there.
TEST(EdgesForEachWrite) {
  constexpr int kEarly = 20, kEdges = 50;
  Pipe pipe;
  std::atomic<int>& allowed = SharedWord();
  std::atomic<int>& written = SharedWord();
  const int child = StartWriter(pipe, [&] {
    for (int i = 1; i <= kEarly + kEdges; ++i) {
      if (i > kEarly) AwaitAtLeast(allowed, i - kEarly);
      if (write(pipe.writer(), "x", 1) != 1) return false;
      written = i;
    }
    AwaitAtLeast(allowed, kEdges + 1);  // its end would be an edge too
    return true;
  });
  AwaitAtLeast(written, kEarly);
  const int epoll = ASSERT_OK(epoll_create1(0));
  epoll_event event = {};
  event.events = EPOLLIN | EPOLLET;
  ASSERT_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, pipe.reader(), &event));
  for (int i = 0; i <= kEdges; ++i) {
    EXPECT_EQ(epoll_wait(epoll, &event, 1, kPatienceMs), 1);
    EXPECT_EQ(epoll_wait(epoll, &event, 1, 0), 0);
    allowed = i + 1;
  }
  EXPECT_EQ(WaitStatus(child), 0);
}

TEST(SignalsForEachWrite) {
  constexpr int kEarly = 5, kSignals = 5;
  Pipe pipe;
  std::atomic<int>& allowed = SharedWord();
  std::atomic<int>& written = SharedWord();
  const int child = StartWriter(pipe, [&] {
    for (int i = 1; i <= kEarly + kSignals; ++i) {
      AwaitAtLeast(allowed, i - kEarly);
      if (write(pipe.writer(), "x", 1) != 1) return false;
      written = i;
    }
    return true;
  });
  AwaitAtLeast(written, kEarly);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGIO);
  ASSERT_OK(sigprocmask(SIG_BLOCK, &signals, nullptr));
  ASSERT_OK(fcntl(pipe.reader(), F_SETOWN, getpid()));
  ASSERT_OK(fcntl(pipe.reader(), F_SETFL, O_ASYNC));
  const timespec patience = {kPatienceMs / 1000, 0};
  for (int i = 1; i <= kSignals; ++i) {
    allowed = i;
    EXPECT_EQ(sigtimedwait(&signals, nullptr, &patience), SIGIO);
  }
  EXPECT_EQ(WaitStatus(child), 0);
}

// What a write that returned has put there can be seen, by all who may look.
TEST(WrittenIsThereAtOnce) {
  constexpr int kWrites = 30000;
  Pipe pipe;
  std::atomic<int>& written = SharedWord();
  const int child = StartWriter(pipe, [&] {
    for (int i = 1; i <= kWrites; ++i) {
      if (write(pipe.writer(), "xy", 2) != 2) return false;
      written = i;
    }
    return true;
  });
  ASSERT_OK(fcntl(pipe.reader(), F_SETFL, O_NONBLOCK));
  int taken = 0;
  for (int i = 0; taken < 2 * kWrites; ++i) {
    const int known = 2 * written.load();
    int there = 0;
    EXPECT_OK(ioctl(pipe.reader(), FIONREAD, &there));
    EXPECT(taken + there >= known);
    pollfd poller = {pipe.reader(), POLLIN, 0};
    if (taken < known) EXPECT_EQ(poll(&poller, 1, 0), 1);
    char buffer[100];
    const ssize_t n = read(pipe.reader(), buffer, 1 + static_cast<size_t>(i) * 7 % sizeof(buffer));
    EXPECT(n > 0 || taken >= known);
    if (n > 0) taken += static_cast<int>(n);
    if (Failed()) break;
  }
  close(pipe.reader());
  EXPECT_EQ(WaitStatus(child), 0);
}

// Two processes that take turns, each writing a few lines.
TEST(WritersKeepTheirOrder) {
  constexpr int kTurns = 300;
  Pipe pipe;
  std::atomic<int>& turn = SharedWord();
  const auto write_turns = [&](int parity) {
    for (int i = parity; i < kTurns; i += 2) {
      AwaitAtLeast(turn, i);
      for (int part = 0; part < 4; ++part) {
        if (!WriteAll(pipe.writer(), std::to_string(i * 4 + part) + "\n")) return false;
      }
      turn = i + 1;
    }
    return true;
  };
  const int other = ASSERT_OK(fork());
  if (other == 0) _exit(write_turns(1) ? 0 : 1);
  const int child = StartWriter(pipe, [&] { return write_turns(0); });
  std::string want;
  for (int i = 0; i < kTurns * 4; ++i) want += std::to_string(i) + "\n";
  EXPECT_EQ(ReadPieces(pipe.reader(), [](size_t) {}), want);
  EXPECT_EQ(WaitStatus(other), 0);
  EXPECT_EQ(WaitStatus(child), 0);
}

TEST(TheDeadHaveWrittenWhatTheyWrote) {
  for (int lines : {1, 2, 3, 50, 300}) {
    Pipe pipe;
    std::atomic<int>& done = SharedWord();
    const int child = StartWriter(pipe, [&] {
      const bool good = WriteLines(pipe.writer(), lines);
      done = 1;
      while (good) Compute(1000);
      return good;
    });
    AwaitAtLeast(done, 1);
    ASSERT_OK(kill(child, SIGKILL));
    EXPECT_EQ(ReadPieces(pipe.reader(), [](size_t) {}), Lines(lines));
    EXPECT_EQ(WaitStatus(child), SIGKILL);
  }
}

// A write lies within a page of its own, or behind the last one if it fits there.
TEST(RoomForOddWrites) {
  for (size_t size : {1, 7, 100, 1000, 3000, 4095, 4096}) {
    Pipe pipe(O_NONBLOCK);
    const std::string text(size, 't');
    size_t total = 0;
    while (WriteAll(pipe.writer(), text)) total += size;
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(total, 4096 / size * size * 16);
    close(pipe.writer());
    EXPECT_EQ(ReadPieces(pipe.reader(), [](size_t) {}).size(), total);
  }
}

TEST(TheWriterIsToldOfRoom) {
  Pipe pipe(O_NONBLOCK);
  const pollfd full = {pipe.writer(), POLLOUT, 0};
  while (write(pipe.writer(), "0123456789", 10) == 10) {
    pollfd poller = full;
    (void)poll(&poller, 1, 0);
  }
  pollfd poller = full;
  EXPECT_EQ(poll(&poller, 1, 0), 0);
  char page[4096];
  EXPECT_EQ(read(pipe.reader(), page, sizeof(page)), 4096);
  EXPECT_EQ(poll(&poller, 1, kPatienceMs), 1);
}

TEST(TheFirstWriteAfterTheReaderWentFails) {
  signal(SIGPIPE, SIG_IGN);
  Pipe pipe;
  std::atomic<int>& step = SharedWord();
  const int child = StartWriter(pipe, [&] {
    while (step.load() == 0) {
      if (write(pipe.writer(), "x", 1) != 1) return errno == EPIPE;
    }
    return write(pipe.writer(), "x", 1) == -1 && errno == EPIPE;
  });
  char buffer[100];
  for (int i = 0; i < 100; ++i) EXPECT(read(pipe.reader(), buffer, sizeof(buffer)) > 0);
  close(pipe.reader());
  step = 1;
  EXPECT_EQ(WaitStatus(child), 0);
}

TEST(DescriptorsChangeHands) {
  Pipe first, second;
  char buffer[100];
  const int fd = ASSERT_OK(dup(first.writer()));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(write(fd, "1", 1), 1);
  ASSERT_OK(dup2(second.writer(), fd));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(write(fd, "22", 2), 2);
  close(fd);
  EXPECT_ERRNO(write(fd, "3", 1), EBADF);
  EXPECT_EQ(read(first.reader(), buffer, sizeof(buffer)), 5);
  EXPECT_EQ(read(second.reader(), buffer, sizeof(buffer)), 10);
}

// Another thread that shares the descriptors replaces one in the middle of its owner's writes.
TEST(ThreadsChangeDescriptors) {
  struct Shared {
    Pipe first, second;
    int fd = -1;
    std::atomic<bool> replaced{false};
  } shared;
  shared.fd = ASSERT_OK(dup(shared.first.writer()));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(write(shared.fd, "1", 1), 1);
  pthread_t thread;
  const auto replace = [](void* arg) -> void* {
    Shared& s = *static_cast<Shared*>(arg);
    dup2(s.second.writer(), s.fd);
    s.replaced = true;
    return nullptr;
  };
  ASSERT(pthread_create(&thread, nullptr, replace, &shared) == 0);
  while (!shared.replaced) EXPECT_EQ(write(shared.fd, "?", 1), 1);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(write(shared.fd, "2", 1), 1);
  pthread_join(thread, nullptr);
  std::string all(100000, '\0');
  const ssize_t n = read(shared.second.reader(), all.data(), all.size());
  EXPECT(n >= 5);
  EXPECT(all.substr(static_cast<size_t>(n) - 5, 5) == "22222");
}

TEST(ChildrenWriteBehindTheirParent) {
  Pipe pipe;
  char buffer[100] = {};
  for (int i = 0; i < 5; ++i) EXPECT_EQ(write(pipe.writer(), "p", 1), 1);
  const int status = RunInChild([&] { return write(pipe.writer(), "c", 1) == 1 ? 0 : 1; });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(write(pipe.writer(), "q", 1), 1);
  EXPECT_EQ(read(pipe.reader(), buffer, sizeof(buffer)), 7);
  EXPECT_EQ(std::string(buffer), "pppppcq");
}

TEST(BadBuffersFail) {
  Pipe pipe;
  char buffer[100];
  auto* memory = static_cast<char*>(mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_OK(munmap(memory + 4096, 4096));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(write(pipe.writer(), "x", 1), 1);
  EXPECT_ERRNO(write(pipe.writer(), memory + 4096, 10), EFAULT);
  EXPECT_ERRNO(write(pipe.writer(), reinterpret_cast<char*>(~uint64_t{0} - 4), 10), EFAULT);
  EXPECT_ERRNO(write(pipe.writer(), reinterpret_cast<char*>(uint64_t{0x7ffffffff000}), 10), EFAULT);
  EXPECT_EQ(write(pipe.writer(), memory + 4096, 0), 0);
  EXPECT_EQ(read(pipe.reader(), buffer, sizeof(buffer)), 5);
}

TEST(WritesAreCounted) {
  const auto value = [](const char* name) {
    const std::string io = ReadAll("/proc/self/io");
    const size_t at = io.find(name);
    return at == std::string::npos ? -1 : atol(io.c_str() + at + strlen(name));
  };
  Pipe pipe;
  const long bytes = value("wchar: "), calls = value("syscw: ");
  for (int i = 0; i < 100; ++i) EXPECT_EQ(write(pipe.writer(), "0123456789", 10), 10);
  EXPECT_EQ(value("wchar: ") - bytes, 1000);
  EXPECT_EQ(value("syscw: ") - calls, 100);
}
