// Pipes, eventfd, epoll, poll, select.

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <atomic>
#include <vector>

#include "tests/guest/harness.h"
#include "tests/guest/pipe.h"

using namespace guest;

namespace {

size_t Fill(int fd) {
  char block[4096] = {};
  size_t total = 0;
  for (ssize_t n; (n = write(fd, block, sizeof(block))) > 0;) total += n;
  EXPECT_EQ(errno, EAGAIN);
  return total;
}

// Runs `action` in a child after a delay.
template <typename F>
void Later(int milliseconds, F action) {
  if (fork() == 0) {
    SleepMs(milliseconds);
    action();
    _exit(0);
  }
}

}  // namespace

TEST(PipeCarriesBytes) {
  Pipe pipe;
  char buffer[10];
  EXPECT_EQ(write(pipe.writer(), "hello", 5), 5);
  EXPECT_EQ(read(pipe.reader(), buffer, 2), 2);
  EXPECT_EQ(read(pipe.reader(), buffer, 10), 3);
  EXPECT_EQ(memcmp(buffer, "llo", 3), 0);
}

TEST(PipeEnds) {
  Pipe pipe;
  char c;
  EXPECT_ERRNO(write(pipe.reader(), "x", 1), EBADF);
  EXPECT_ERRNO(read(pipe.writer(), &c, 1), EBADF);
  EXPECT_ERRNO(lseek(pipe.reader(), 0, SEEK_SET), ESPIPE);
  EXPECT_ERRNO(pread(pipe.reader(), &c, 1, 0), ESPIPE);
  EXPECT_EQ(read(pipe.reader(), &c, 0), 0);
  close(pipe.writer());
  EXPECT_EQ(read(pipe.reader(), &c, 1), 0);
}

TEST(WritingToAClosedPipe) {
  Pipe pipe;
  close(pipe.reader());
  const int status = RunInChild([&] { return write(pipe.writer(), "x", 1) == 1; });
  EXPECT_EQ(WTERMSIG(status), SIGPIPE);
  signal(SIGPIPE, SIG_IGN);
  EXPECT_ERRNO(write(pipe.writer(), "x", 1), EPIPE);
}

TEST(PipeCapacity) {
  Pipe pipe(O_NONBLOCK);
  EXPECT_EQ(fcntl(pipe.writer(), F_GETPIPE_SZ), 65536);
  EXPECT_EQ(Fill(pipe.writer()), 65536u);
  int available = 0;
  EXPECT_OK(ioctl(pipe.reader(), FIONREAD, &available));
  EXPECT_EQ(available, 65536);
  EXPECT_ERRNO(fcntl(pipe.writer(), F_SETPIPE_SZ, 4096), EBUSY);
  EXPECT_EQ(fcntl(pipe.writer(), F_SETPIPE_SZ, 131072), 131072);
  EXPECT_EQ(Fill(pipe.writer()), 65536u);
}

TEST(SmallWritesAreAtomic) {
  Pipe pipe;
  std::vector<pid_t> writers;
  for (int i = 0; i < 4; i++) {
    writers.push_back(fork());
    if (writers.back() != 0) continue;
    char record[512];
    memset(record, 'a' + i, sizeof(record));
    for (int k = 0; k < 200; k++) {
      if (write(pipe.writer(), record, sizeof(record)) != sizeof(record)) _exit(1);
    }
    _exit(0);
  }
  close(pipe.writer());
  std::string all;
  char buffer[4096];
  for (ssize_t n; (n = read(pipe.reader(), buffer, sizeof(buffer))) > 0;) all.append(buffer, n);
  EXPECT_EQ(all.size(), 4u * 200 * 512);
  bool torn = false;
  for (size_t at = 0; at < all.size(); at += 512) torn |= all.find_first_not_of(all[at], at) < at + 512;
  EXPECT(!torn);
  for (pid_t writer : writers) EXPECT_EQ(WaitStatus(writer), 0);
}

TEST(BlockedWriterContinues) {
  Pipe pipe;
  const pid_t child = fork();
  if (child == 0) {
    std::vector<char> big(1 << 20, 'x');
    _exit(write(pipe.writer(), big.data(), big.size()) != 1 << 20);
  }
  close(pipe.writer());
  char buffer[30000];
  size_t total = 0;
  for (ssize_t n; (n = read(pipe.reader(), buffer, sizeof(buffer))) > 0;) total += n;
  EXPECT_EQ(total, 1u << 20);
  EXPECT_EQ(WaitStatus(child), 0);
}

TEST(PacketPipe) {
  Pipe pipe(O_DIRECT);
  char buffer[10];
  EXPECT_EQ(write(pipe.writer(), "abc", 3), 3);
  EXPECT_EQ(write(pipe.writer(), "de", 2), 2);
  EXPECT_EQ(read(pipe.reader(), buffer, 10), 3);
  EXPECT_EQ(read(pipe.reader(), buffer, 1), 1);
  EXPECT_EQ(write(pipe.writer(), "f", 1), 1);
  EXPECT_EQ(read(pipe.reader(), buffer, 10), 1);
}

TEST(VectorReadsAndWrites) {
  Pipe pipe;
  char a[3], b[4] = {};
  iovec out[] = {{(void*)"one", 3}, {(void*)"", 0}, {(void*)"two", 3}};
  iovec in[] = {{a, 3}, {b, 4}};
  EXPECT_EQ(writev(pipe.writer(), out, 3), 6);
  EXPECT_EQ(readv(pipe.reader(), in, 2), 6);
  EXPECT_EQ(memcmp(b, "two", 3), 0);
  EXPECT_ERRNO(readv(pipe.reader(), in, -1), EINVAL);
  EXPECT_ERRNO(writev(pipe.writer(), out, 1025), EINVAL);
  out[0].iov_len = SIZE_MAX;
  EXPECT_ERRNO(writev(pipe.writer(), out, 3), EINVAL);
}

TEST(FifoRendezvous) {
  ASSERT_OK(mkfifo("fifo", 0600));
  EXPECT_ERRNO(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
  Later(50, [] {
    const int fd = open("fifo", O_WRONLY);
    if (write(fd, "via", 3) != 3) _exit(1);
  });
  const int fd = EXPECT_OK(open("fifo", O_RDONLY));
  char buffer[10];
  EXPECT_EQ(read(fd, buffer, 10), 3);
  EXPECT_EQ(read(fd, buffer, 10), 0);
}

// A writer that waited for the reader may have written and gone before the reader looks for it.
TEST(FifoWriterIsGoneBeforeItsReaderLooks) {
  constexpr int kRounds = 2000;
  ASSERT_OK(mkfifo("fifo", 0600));
  Pipe next_round;
  const pid_t writer = ASSERT_OK(fork());
  if (writer == 0) {
    close(next_round.writer());
    for (char round; read(next_round.reader(), &round, 1) == 1;) {
      const int fd = open("fifo", O_WRONLY);
      if (write(fd, &round, 1) != 1) _exit(1);
      close(fd);
    }
    _exit(0);
  }
  for (int i = 0; i < kRounds; ++i) {
    char byte = static_cast<char>(i), got = 0;
    EXPECT_EQ(write(next_round.writer(), &byte, 1), 1);
    const int fd = EXPECT_OK(open("fifo", O_RDONLY));
    EXPECT_EQ(read(fd, &got, 1), 1);
    EXPECT_EQ(got, byte);
    EXPECT_EQ(read(fd, &got, 1), 0);
    close(fd);
  }
  close(next_round.writer());
  int status;
  EXPECT_EQ(waitpid(writer, &status, 0), writer);
  EXPECT_EQ(status, 0);
}

TEST(EventfdCounts) {
  const int fd = ASSERT_OK(eventfd(3, EFD_NONBLOCK));
  uint64_t value = 4;
  EXPECT_EQ(write(fd, &value, 8), 8);
  EXPECT_EQ(read(fd, &value, 8), 8);
  EXPECT_EQ(value, 7u);
  EXPECT_ERRNO(read(fd, &value, 8), EAGAIN);
  EXPECT_ERRNO(read(fd, &value, 4), EINVAL);
  value = ~0ull;
  EXPECT_ERRNO(write(fd, &value, 8), EINVAL);
  value = ~0ull - 1;
  EXPECT_EQ(write(fd, &value, 8), 8);
  value = 1;
  EXPECT_ERRNO(write(fd, &value, 8), EAGAIN);
}

TEST(EventfdSemaphore) {
  const int fd = ASSERT_OK(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK));
  uint64_t value;
  EXPECT_EQ(read(fd, &value, 8), 8);
  EXPECT_EQ(value, 1u);
  EXPECT_EQ(read(fd, &value, 8), 8);
  EXPECT_ERRNO(read(fd, &value, 8), EAGAIN);
}

TEST(EventfdWakesAReader) {
  const int fd = ASSERT_OK(eventfd(0, 0));
  Later(50, [=] {
    uint64_t one = 1;
    if (write(fd, &one, 8) != 8) _exit(1);
  });
  uint64_t value;
  EXPECT_EQ(read(fd, &value, 8), 8);
  EXPECT_EQ(value, 1u);
}

TEST(PollReportsReadiness) {
  Pipe pipe;
  pollfd fds[] = {{pipe.reader(), POLLIN, 0}, {pipe.writer(), POLLOUT, 0}, {-1, POLLIN, 99}, {500, POLLIN, 0}};
  EXPECT_EQ(poll(fds, 4, 0), 2);
  EXPECT_EQ(fds[0].revents, 0);
  EXPECT_EQ(fds[1].revents, POLLOUT);
  EXPECT_EQ(fds[2].revents, 0);
  EXPECT_EQ(fds[3].revents, POLLNVAL);
  EXPECT_EQ(fds[0].events, POLLIN);
  EXPECT_EQ(write(pipe.writer(), "x", 1), 1);
  EXPECT_EQ(poll(fds, 1, -1), 1);
  close(pipe.writer());
  EXPECT_EQ(poll(fds, 1, -1), 1);
  EXPECT_EQ(fds[0].revents, POLLIN | POLLHUP);
}

TEST(PollHangupAndError) {
  Pipe pipe;
  pollfd writer = {pipe.writer(), POLLOUT, 0};
  close(pipe.reader());
  EXPECT_EQ(poll(&writer, 1, 0), 1);
  EXPECT_EQ(writer.revents, POLLOUT | POLLERR);
}

TEST(PollTimesOut) {
  Pipe pipe;
  pollfd reader = {pipe.reader(), POLLIN, 0};
  const double start = NowSeconds();
  EXPECT_EQ(poll(&reader, 1, 50), 0);
  EXPECT(NowSeconds() - start >= 0.049);
  EXPECT_EQ(poll(nullptr, 0, 10), 0);
  timespec bad = {0, -1};
  EXPECT_ERRNO(ppoll(&reader, 1, &bad, nullptr), EINVAL);
  EXPECT_ERRNO(poll((pollfd*)8, 1, 0), EFAULT);
  EXPECT_ERRNO(poll(&reader, 1 << 30, 0), EINVAL);
}

TEST(PollIsWoken) {
  Pipe pipe;
  pollfd reader = {pipe.reader(), POLLIN, 0};
  Later(50, [&] { EXPECT_EQ(write(pipe.writer(), "x", 1), 1); });
  EXPECT_EQ(poll(&reader, 1, 5000), 1);
  EXPECT_EQ(reader.revents, POLLIN);
}

TEST(PollOnRegularFiles) {
  const int fd = ASSERT_OK(open("f", O_RDWR | O_CREAT, 0600));
  pollfd file = {fd, POLLIN | POLLOUT, 0};
  EXPECT_EQ(poll(&file, 1, -1), 1);
  EXPECT_EQ(file.revents, POLLIN | POLLOUT);
}

TEST(SelectWorks) {
  Pipe pipe;
  fd_set readers, writers;
  FD_ZERO(&readers);
  FD_ZERO(&writers);
  FD_SET(pipe.reader(), &readers);
  FD_SET(pipe.writer(), &writers);
  timeval wait = {0, 20000};
  EXPECT_EQ(select(pipe.writer() + 1, &readers, &writers, nullptr, &wait), 1);
  EXPECT(!FD_ISSET(pipe.reader(), &readers) && FD_ISSET(pipe.writer(), &writers));
  FD_SET(pipe.reader(), &readers);
  wait = {0, 20000};
  EXPECT_EQ(select(pipe.writer() + 1, &readers, nullptr, nullptr, &wait), 0);
  EXPECT_EQ(wait.tv_usec, 0);
  FD_SET(30, &readers);
  EXPECT_ERRNO(select(31, &readers, nullptr, nullptr, &wait), EBADF);
  EXPECT_ERRNO(select(-1, nullptr, nullptr, nullptr, &wait), EINVAL);
}

TEST(PpollSwapsTheMask) {
  Pipe pipe;
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  sigaction(SIGUSR1, &action, nullptr);
  sigset_t block, none;
  sigemptyset(&none);
  sigemptyset(&block);
  sigaddset(&block, SIGUSR1);
  sigprocmask(SIG_BLOCK, &block, nullptr);
  raise(SIGUSR1);
  pollfd reader = {pipe.reader(), POLLIN, 0};
  EXPECT_ERRNO(ppoll(&reader, 1, nullptr, &none), EINTR);
  sigset_t pending;
  sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGUSR1), 0);
}

TEST(EpollLevelTriggered) {
  Pipe pipe;
  const int ep = ASSERT_OK(epoll_create1(EPOLL_CLOEXEC));
  epoll_event event = {.events = EPOLLIN, .data = {.u64 = 0x123456789abcdef}}, got[4];
  EXPECT_OK(epoll_ctl(ep, EPOLL_CTL_ADD, pipe.reader(), &event));
  EXPECT_ERRNO(epoll_ctl(ep, EPOLL_CTL_ADD, pipe.reader(), &event), EEXIST);
  EXPECT_EQ(epoll_wait(ep, got, 4, 0), 0);
  EXPECT_EQ(write(pipe.writer(), "xy", 2), 2);
  for (int i = 0; i < 2; i++) {
    EXPECT_EQ(epoll_wait(ep, got, 4, -1), 1);
    EXPECT_EQ(got[0].events, (uint32_t)EPOLLIN);
    EXPECT_EQ(got[0].data.u64, 0x123456789abcdefull);
  }
  EXPECT_OK(epoll_ctl(ep, EPOLL_CTL_DEL, pipe.reader(), nullptr));
  EXPECT_EQ(epoll_wait(ep, got, 4, 0), 0);
  EXPECT_ERRNO(epoll_ctl(ep, EPOLL_CTL_DEL, pipe.reader(), nullptr), ENOENT);
  EXPECT_ERRNO(epoll_ctl(ep, EPOLL_CTL_MOD, pipe.reader(), &event), ENOENT);
}

TEST(EpollEdgeTriggered) {
  Pipe pipe;
  const int ep = ASSERT_OK(epoll_create1(0));
  epoll_event event = {.events = EPOLLIN | EPOLLET, .data = {}}, got[4];
  EXPECT_OK(epoll_ctl(ep, EPOLL_CTL_ADD, pipe.reader(), &event));
  EXPECT_EQ(write(pipe.writer(), "a", 1), 1);
  EXPECT_EQ(epoll_wait(ep, got, 4, 0), 1);
  EXPECT_EQ(epoll_wait(ep, got, 4, 0), 0);
  EXPECT_EQ(write(pipe.writer(), "b", 1), 1);
  EXPECT_EQ(epoll_wait(ep, got, 4, 0), 1);
}

TEST(EpollOneshot) {
  Pipe pipe;
  const int ep = ASSERT_OK(epoll_create1(0));
  epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data = {}}, got[4];
  EXPECT_OK(epoll_ctl(ep, EPOLL_CTL_ADD, pipe.reader(), &event));
  EXPECT_EQ(write(pipe.writer(), "a", 1), 1);
  EXPECT_EQ(epoll_wait(ep, got, 4, 0), 1);
  EXPECT_EQ(epoll_wait(ep, got, 4, 0), 0);
  EXPECT_OK(epoll_ctl(ep, EPOLL_CTL_MOD, pipe.reader(), &event));
  EXPECT_EQ(epoll_wait(ep, got, 4, 0), 1);
}

TEST(EpollForgetsClosedFiles) {
  Pipe pipe;
  const int ep = ASSERT_OK(epoll_create1(0));
  epoll_event event = {.events = EPOLLIN, .data = {}}, got[4];
  EXPECT_OK(epoll_ctl(ep, EPOLL_CTL_ADD, pipe.reader(), &event));
  EXPECT_EQ(write(pipe.writer(), "a", 1), 1);
  const int copy = dup(pipe.reader());
  close(pipe.reader());
  EXPECT_EQ(epoll_wait(ep, got, 4, 0), 1);  // the description lives on in the copy
  close(copy);
  EXPECT_EQ(epoll_wait(ep, got, 4, 0), 0);
}

TEST(EpollNestedAndErrors) {
  Pipe pipe;
  const int outer = ASSERT_OK(epoll_create1(0)), inner = ASSERT_OK(epoll_create1(0));
  epoll_event event = {.events = EPOLLIN, .data = {}}, got[4];
  EXPECT_OK(epoll_ctl(inner, EPOLL_CTL_ADD, pipe.reader(), &event));
  EXPECT_OK(epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event));
  EXPECT_EQ(write(pipe.writer(), "a", 1), 1);
  EXPECT_EQ(epoll_wait(outer, got, 4, 1000), 1);
  EXPECT_ERRNO(epoll_ctl(inner, EPOLL_CTL_ADD, outer, &event), ELOOP);
  EXPECT_ERRNO(epoll_ctl(outer, EPOLL_CTL_ADD, outer, &event), EINVAL);
  const int file = open("f", O_RDWR | O_CREAT, 0600);
  EXPECT_ERRNO(epoll_ctl(outer, EPOLL_CTL_ADD, file, &event), EPERM);
  EXPECT_ERRNO(epoll_wait(outer, got, 0, 0), EINVAL);
  EXPECT_ERRNO(epoll_wait(file, got, 1, 0), EINVAL);
  EXPECT_ERRNO(epoll_ctl(outer, EPOLL_CTL_ADD, 444, &event), EBADF);
}

TEST(EpollWakesAcrossThreads) {
  static Pipe* pipe;
  pipe = new Pipe;
  const int ep = ASSERT_OK(epoll_create1(0));
  epoll_event event = {.events = EPOLLIN, .data = {}}, got[4];
  EXPECT_OK(epoll_ctl(ep, EPOLL_CTL_ADD, pipe->reader(), &event));
  pthread_t thread;
  pthread_create(
      &thread, nullptr,
      [](void*) -> void* {
        for (int i = 0; i < 100; i++) {
          if (write(pipe->writer(), "x", 1) != 1) break;
          usleep(200);
        }
        return nullptr;
      },
      nullptr);
  int total = 0;
  for (char buffer[100]; total < 100;) {
    if (epoll_wait(ep, got, 4, 5000) != 1) break;
    total += read(pipe->reader(), buffer, sizeof(buffer));
  }
  pthread_join(thread, nullptr);
  EXPECT_EQ(total, 100);
}

TEST(EpollPwaitMask) {
  const int ep = ASSERT_OK(epoll_create1(0));
  epoll_event got;
  sigset_t all;
  sigfillset(&all);
  EXPECT_EQ(epoll_pwait(ep, &got, 1, 10, &all), 0);
  EXPECT_ERRNO(syscall(SYS_epoll_pwait, ep, &got, 1, 10, &all, 3), EINVAL);
}
