// What TCP holds back on demand (TCP_CORK, MSG_MORE, TCP_DEFER_ACCEPT), and urgent bytes, which hurry.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

constexpr int kLong = 30'000;  // ms: as long as a loaded machine may take

int SetOption(int fd, int level, int name, int value) { return setsockopt(fd, level, name, &value, sizeof(value)); }

int TcpOption(int fd, int name) {
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_OK(getsockopt(fd, IPPROTO_TCP, name, &value, &size));
  return value;
}

sockaddr_in AddressOf(int fd) {
  sockaddr_in in{};
  socklen_t size = sizeof(in);
  EXPECT_OK(getsockname(fd, reinterpret_cast<sockaddr*>(&in), &size));
  return in;
}

int Listener() {
  const int fd = ASSERT_OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_OK(bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof(any)));
  ASSERT_OK(listen(fd, 16));
  return fd;
}

// Of connections without bytes it hears after so many seconds.
int DeferringListener(int seconds) {
  const int listener = Listener();
  EXPECT_OK(SetOption(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, seconds));
  return listener;
}

int ConnectTo(int listener) {
  const int fd = ASSERT_OK(socket(AF_INET, SOCK_STREAM, 0));
  const sockaddr_in to = AddressOf(listener);
  ASSERT_OK(connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)));
  return fd;
}

bool Becomes(int fd, short events) {
  pollfd wanted = {fd, events, 0};
  return poll(&wanted, 1, kLong) == 1 && (wanted.revents & events);
}

struct Pair {
  Pair() {
    const int listener = Listener();
    client = ConnectTo(listener);
    EXPECT(Becomes(listener, POLLIN));
    server = ASSERT_OK(accept(listener, nullptr, nullptr));
    close(listener);
  }
  ~Pair() {
    close(client);
    close(server);
  }
  int client, server;
};

int Ask(int fd, unsigned long request) {
  int value = -1;
  EXPECT_OK(ioctl(fd, request, &value));
  return value;
}

int Readable(int fd) { return Ask(fd, FIONREAD); }

// Bytes are held back for 200 ms only, so what a slow machine saw says nothing: `attempt` is made until one was quick.
void Quickly(const std::function<void(Pair& pair, std::vector<int>* seen)>& attempt, const std::vector<int>& want) {
  std::vector<int> seen;
  for (int i = 0; i < 300; i++) {
    Pair pair;
    seen.clear();
    const double start = NowSeconds();
    attempt(pair, &seen);
    if (NowSeconds() - start < 0.15) break;
  }
  ASSERT(seen.size() == want.size());
  for (size_t i = 0; i < want.size(); i++) EXPECT_EQ(seen[i], want[i]);
}

std::string Receive(int fd) {
  char buffer[100];
  const ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
  return n < 0 ? strerrorname_np(errno) : std::string(buffer, n);
}

volatile int urgent_signals = 0;
void OnUrgent(int) { urgent_signals = urgent_signals + 1; }

}  // namespace

TEST(CorkHoldsBytesBack) {
  Quickly(
      [](Pair& pair, std::vector<int>* seen) {
        EXPECT_OK(SetOption(pair.client, IPPROTO_TCP, TCP_CORK, 1));
        EXPECT_EQ(send(pair.client, "one", 3, 0), 3);
        EXPECT_EQ(send(pair.client, "two", 3, 0), 3);
        seen->push_back(Readable(pair.server));
        seen->push_back(Ask(pair.client, SIOCOUTQ));
        pollfd reader = {pair.server, POLLIN, 0};
        seen->push_back(poll(&reader, 1, 0));
        EXPECT_OK(SetOption(pair.client, IPPROTO_TCP, TCP_CORK, 0));
        EXPECT_EQ(Receive(pair.server), "onetwo");
      },
      {0, 6, 0});
}

TEST(CorkedBytesComeInTheEnd) {
  Pair pair;
  EXPECT_OK(SetOption(pair.client, IPPROTO_TCP, TCP_CORK, 1));
  for (int i = 0; i < 2; i++) {
    EXPECT_EQ(send(pair.client, "late", 4, 0), 4);
    EXPECT(Becomes(pair.server, POLLIN));
    EXPECT_EQ(Receive(pair.server), "late");
  }
  EXPECT(Eventually([&] { return Ask(pair.client, SIOCOUTQ) == 0; }, kLong));
}

TEST(FullSegmentsPassTheCork) {
  static char bytes[40'000];
  Quickly(
      [](Pair& pair, std::vector<int>* seen) {
        EXPECT_OK(SetOption(pair.client, IPPROTO_TCP, TCP_CORK, 1));
        EXPECT_EQ(send(pair.client, bytes, sizeof(bytes), 0), (ssize_t)sizeof(bytes));
        const int there = Readable(pair.server);
        seen->push_back(there > 30'000 && there < (int)sizeof(bytes));
      },
      {true});
}

TEST(MoreIsForOneCall) {
  Quickly(
      [](Pair& pair, std::vector<int>* seen) {
        EXPECT_EQ(send(pair.client, "head", 4, MSG_MORE), 4);
        seen->push_back(Readable(pair.server));
        EXPECT_EQ(send(pair.client, "body", 4, 0), 4);
        EXPECT_EQ(Receive(pair.server), "headbody");
      },
      {0});
}

TEST(HeldBytesAreFlushed) {
  const std::function<void(Pair&)> flushes[] = {
      [](Pair& pair) { EXPECT_OK(SetOption(pair.client, IPPROTO_TCP, TCP_NODELAY, 1)); },
      [](Pair& pair) { EXPECT_OK(shutdown(pair.client, SHUT_WR)); },
      [](Pair& pair) { EXPECT_OK(close(std::exchange(pair.client, -1))); },
  };
  for (const auto& flush : flushes) {
    Quickly(
        [&](Pair& pair, std::vector<int>* seen) {
          EXPECT_OK(SetOption(pair.client, IPPROTO_TCP, TCP_CORK, 1));
          EXPECT_EQ(send(pair.client, "abc", 3, 0), 3);
          seen->push_back(Readable(pair.server));
          flush(pair);
          EXPECT_EQ(Receive(pair.server), "abc");
        },
        {0});
  }
}

TEST(ResetDropsWhatIsHeld) {
  Quickly(
      [](Pair& pair, std::vector<int>* seen) {
        EXPECT_OK(SetOption(pair.client, IPPROTO_TCP, TCP_CORK, 1));
        EXPECT_EQ(send(pair.client, "abc", 3, 0), 3);
        const linger at_once = {1, 0};
        EXPECT_OK(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
        close(std::exchange(pair.client, -1));
        EXPECT(Becomes(pair.server, POLLIN));
        seen->push_back(Receive(pair.server) == "ECONNRESET");
      },
      {true});
}

// More than all buffers take, so that the writer must wait while it holds.
TEST(CorkedStreamLosesNothing) {
  constexpr int kTotal = 3'000'000, kPiece = 10'007;
  Pair pair;
  EXPECT_OK(SetOption(pair.client, IPPROTO_TCP, TCP_CORK, 1));
  const int pid = fork();
  if (pid == 0) {
    std::vector<unsigned char> piece(kPiece);
    for (int at = 0; at < kTotal;) {
      const int n = std::min(kPiece, kTotal - at);
      for (int i = 0; i < n; i++) piece[i] = (at + i) % 251;
      const ssize_t sent = send(pair.client, piece.data(), n, 0);
      if (sent <= 0) _exit(1);
      at += sent;
    }
    _exit(0);
  }
  close(std::exchange(pair.client, -1));
  std::vector<unsigned char> buffer(70'000);
  int at = 0;
  for (ssize_t n; (n = recv(pair.server, buffer.data(), buffer.size(), 0)) > 0; at += n) {
    for (ssize_t i = 0; i < n; i++) {
      if (buffer[i] != (at + i) % 251) Stop();
    }
  }
  EXPECT_EQ(at, kTotal);
  EXPECT_EQ(WaitStatus(pid), 0);
}

TEST(DeferAcceptRoundsItsTime) {
  const int listener = Listener();
  const int pairs[][2] = {{0, 0}, {1, 1}, {2, 3}, {3, 3}, {4, 7}, {8, 15}, {100, 127}, {1000, 1087}, {-1, 0}};
  for (const auto& [set, got] : pairs) {
    EXPECT_OK(SetOption(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, set));
    EXPECT_EQ(TcpOption(listener, TCP_DEFER_ACCEPT), got);
  }
}

TEST(DeferAcceptWaitsForBytes) {
  const int listener = DeferringListener(100);
  const int client = ConnectTo(listener);
  EXPECT_ERRNO(accept(listener, nullptr, nullptr), EAGAIN);
  EXPECT_EQ(send(client, "hello", 5, 0), 5);
  EXPECT(Becomes(listener, POLLIN));
  const int server = ASSERT_OK(accept(listener, nullptr, nullptr));
  EXPECT_EQ(Receive(server), "hello");
  EXPECT_EQ(send(server, "back", 4, 0), 4);
  EXPECT_EQ(Receive(client), "back");
}

TEST(DeferAcceptTakesAnEndForBytes) {
  const int listener = DeferringListener(100);
  const int half = ConnectTo(listener);
  EXPECT_ERRNO(accept(listener, nullptr, nullptr), EAGAIN);
  EXPECT_OK(shutdown(half, SHUT_WR));
  EXPECT(Becomes(listener, POLLIN));
  EXPECT_EQ(Receive(ASSERT_OK(accept(listener, nullptr, nullptr))), "");
  close(ConnectTo(listener));
  EXPECT(Becomes(listener, POLLIN));
  EXPECT_EQ(Receive(ASSERT_OK(accept(listener, nullptr, nullptr))), "");
}

TEST(DeferAcceptForgetsResetConnections) {
  const int listener = DeferringListener(100);
  const int gone = ConnectTo(listener);
  const linger at_once = {1, 0};
  EXPECT_OK(setsockopt(gone, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
  close(gone);
  const int client = ConnectTo(listener);
  EXPECT_EQ(send(client, "x", 1, 0), 1);
  EXPECT(Becomes(listener, POLLIN));
  EXPECT_EQ(Receive(ASSERT_OK(accept(listener, nullptr, nullptr))), "x");
  EXPECT_ERRNO(accept(listener, nullptr, nullptr), EAGAIN);
}

TEST(DeferAcceptEndsWithItsTime) {
  const int listener = DeferringListener(1);
  const double start = NowSeconds();
  const int client = ConnectTo(listener);
  EXPECT(Becomes(listener, POLLIN));
  EXPECT(NowSeconds() - start > 0.5);
  const int server = ASSERT_OK(accept(listener, nullptr, nullptr));
  EXPECT_EQ(send(client, "x", 1, 0), 1);
  EXPECT_EQ(Receive(server), "x");
}

TEST(DeferAcceptEndsWithItsListener) {
  const int listener = DeferringListener(100);
  const int client = ConnectTo(listener);
  close(listener);
  (void)send(client, "x", 1, MSG_NOSIGNAL);
  EXPECT(Becomes(client, POLLERR));
  EXPECT_EQ(Receive(client), "ECONNRESET");
}

TEST(UrgentByteSignalsTheOwner) {
  signal(SIGURG, OnUrgent);
  Pair pair;
  EXPECT_EQ(send(pair.client, "a", 1, MSG_OOB), 1);  // to nobody's notice
  EXPECT(Becomes(pair.server, POLLPRI));
  EXPECT_EQ(urgent_signals, 0);
  EXPECT_OK(fcntl(pair.server, F_SETOWN, getpid()));
  EXPECT_EQ(send(pair.client, "plain", 5, 0), 5);
  EXPECT_EQ(send(pair.client, "b", 1, MSG_OOB), 1);
  EXPECT(Eventually([] { return urgent_signals == 1; }, kLong));
}

TEST(UrgentByteOfAUnixSocketSignalsTheOwner) {
  signal(SIGURG, OnUrgent);
  int fds[2];
  EXPECT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
  EXPECT_OK(fcntl(fds[0], F_SETOWN, getpid()));
  EXPECT_EQ(send(fds[1], "ab", 2, MSG_OOB), 2);
  EXPECT(Eventually([] { return urgent_signals == 1; }, kLong));
}

TEST(OwnersOfSocketsByIoctl) {
  signal(SIGURG, OnUrgent);
  Pair pair;
  int owner = getpid();
  EXPECT_OK(ioctl(pair.server, SIOCSPGRP, &owner));
  EXPECT_EQ(Ask(pair.server, SIOCGPGRP), getpid());
  EXPECT_EQ(fcntl(pair.server, F_GETOWN), getpid());
  owner = -getpgrp();
  EXPECT_OK(ioctl(pair.server, FIOSETOWN, &owner));
  EXPECT_EQ(Ask(pair.server, FIOGETOWN), -getpgrp());
  EXPECT_EQ(send(pair.client, "b", 1, MSG_OOB), 1);
  EXPECT(Eventually([] { return urgent_signals == 1; }, kLong));
  owner = 0x7fffffff;
  EXPECT_ERRNO(ioctl(pair.server, SIOCSPGRP, &owner), ESRCH);
  int fds[2];
  EXPECT_OK(pipe(fds));
  EXPECT_ERRNO(ioctl(fds[0], SIOCGPGRP, &owner), ENOTTY);
}

TEST(ReadableBytesEndAtTheUrgentOne) {
  Pair pair;
  EXPECT_EQ(send(pair.client, "abcU", 4, MSG_OOB), 4);
  EXPECT(Becomes(pair.server, POLLPRI));
  EXPECT_EQ(Readable(pair.server), 3);
  EXPECT_EQ(send(pair.client, "de", 2, 0), 2);
  EXPECT_EQ(Readable(pair.server), 3);
  EXPECT_EQ(Receive(pair.server), "abc");
  EXPECT_EQ(Readable(pair.server), 0);
  EXPECT_EQ(Receive(pair.server), "de");
  EXPECT_EQ(send(pair.client, "abcU", 4, MSG_OOB), 4);
  EXPECT(Becomes(pair.server, POLLPRI));
  EXPECT_OK(SetOption(pair.server, SOL_SOCKET, SO_OOBINLINE, 1));
  EXPECT_EQ(Readable(pair.server), 4);
}

TEST(CorkDoesNotHoldUrgentBytes) {
  Pair pair;
  EXPECT_OK(SetOption(pair.client, IPPROTO_TCP, TCP_CORK, 1));
  EXPECT_EQ(send(pair.client, "abc", 3, 0), 3);
  EXPECT_EQ(send(pair.client, "U", 1, MSG_OOB), 1);
  EXPECT(Becomes(pair.server, POLLPRI));
  EXPECT_EQ(Readable(pair.server), 3);
}
