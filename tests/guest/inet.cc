// Internet sockets over loopback: TCP, UDP, netlink, and what /proc/net says of them.
#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/errqueue.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <functional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/guest/harness.h"

namespace {

sockaddr_in Loopback(int port, uint32_t address = INADDR_LOOPBACK) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  in.sin_addr.s_addr = htonl(address);
  return in;
}

const sockaddr* Generic(const sockaddr_in& in) { return reinterpret_cast<const sockaddr*>(&in); }
const sockaddr* Generic(const sockaddr_in6& in) { return reinterpret_cast<const sockaddr*>(&in); }

int PortOf(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size);
  return ntohs(reinterpret_cast<sockaddr_in*>(&storage)->sin_port);
}

int Listener(int backlog = 16) {
  const int fd = ASSERT_OK(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in any = Loopback(0);
  ASSERT_OK(bind(fd, Generic(any), sizeof(any)));
  ASSERT_OK(listen(fd, backlog));
  return fd;
}

int ConnectTo(int port, int flags = 0) {
  const int fd = ASSERT_OK(socket(AF_INET, SOCK_STREAM | flags, 0));
  const sockaddr_in to = Loopback(port);
  ASSERT_OK(connect(fd, Generic(to), sizeof(to)));
  return fd;
}

struct Pair {
  int client, server;
};

Pair Connected() {
  const int listener = Listener();
  Pair pair{ConnectTo(PortOf(listener)), -1};
  pair.server = ASSERT_OK(accept(listener, nullptr, nullptr));
  close(listener);
  return pair;
}

int Option(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof(value);
  if (getsockopt(fd, level, name, &value, &size) != 0) return -errno;
  return value;
}

int SetOption(int fd, int level, int name, int value) { return setsockopt(fd, level, name, &value, sizeof(value)); }

int Poll(int fd, int events, int timeout = 0) {
  pollfd p{fd, static_cast<short>(events), 0};
  poll(&p, 1, timeout);
  return p.revents;
}

std::string Receive(int fd, int flags = 0, size_t size = 100) {
  std::string text(size, '\0');
  const ssize_t n = recv(fd, text.data(), size, flags);
  return n < 0 ? strerrorname_np(errno) : text.substr(0, n);
}

}  // namespace

TEST(TcpCarriesBytesBothWaysAndEnds) {
  const Pair p = Connected();
  EXPECT_EQ(send(p.client, "ping", 4, 0), 4);
  EXPECT_EQ(Receive(p.server), "ping");
  EXPECT_EQ(write(p.server, "pong", 4), 4);
  EXPECT_EQ(Receive(p.client), "pong");
  EXPECT_OK(shutdown(p.client, SHUT_WR));
  EXPECT_EQ(Receive(p.server), "");
  EXPECT_EQ(send(p.server, "late", 4, 0), 4);
  EXPECT_EQ(Receive(p.client), "late");
  close(p.server);
  EXPECT_EQ(Receive(p.client), "");
}

TEST(TcpNamesBothEnds) {
  const int listener = Listener();
  const int client = ConnectTo(PortOf(listener));
  sockaddr_in peer{}, own{};
  socklen_t size = sizeof(peer);
  const int server = ASSERT_OK(accept4(listener, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK));
  EXPECT_EQ(size, sizeof(peer));
  EXPECT_EQ(ntohs(peer.sin_port), PortOf(client));
  EXPECT_EQ(ntohl(peer.sin_addr.s_addr), INADDR_LOOPBACK);
  EXPECT(fcntl(server, F_GETFL) & O_NONBLOCK);
  size = sizeof(own);
  EXPECT_OK(getpeername(client, reinterpret_cast<sockaddr*>(&own), &size));
  EXPECT_EQ(ntohs(own.sin_port), PortOf(listener));
  EXPECT_EQ(PortOf(server), PortOf(listener));
}

TEST(TcpConnectIsRefusedWhereNobodyListens) {
  const int listener = Listener();
  const sockaddr_in to = Loopback(PortOf(listener));
  close(listener);
  const int fd = ASSERT_OK(socket(AF_INET, SOCK_STREAM, 0));
  EXPECT_ERRNO(connect(fd, Generic(to), sizeof(to)), ECONNREFUSED);
  const int other = ASSERT_OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
  EXPECT_ERRNO(connect(other, Generic(to), sizeof(to)), EINPROGRESS);
  EXPECT(Poll(other, POLLOUT, 2000) & POLLERR);
  EXPECT_EQ(Option(other, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
  EXPECT_EQ(Option(other, SOL_SOCKET, SO_ERROR), 0);
}

TEST(TcpNonBlockingConnectIsInProgressThenDone) {
  const int listener = Listener();
  const sockaddr_in to = Loopback(PortOf(listener));
  const int fd = ASSERT_OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
  EXPECT_ERRNO(connect(fd, Generic(to), sizeof(to)), EINPROGRESS);
  EXPECT_EQ(Poll(fd, POLLOUT, 2000), POLLOUT);
  EXPECT_EQ(Option(fd, SOL_SOCKET, SO_ERROR), 0);
  EXPECT_OK(connect(fd, Generic(to), sizeof(to)));
  EXPECT_ERRNO(connect(fd, Generic(to), sizeof(to)), EISCONN);
}

TEST(TcpUnconnectedSocketsSaySo) {
  const int fd = ASSERT_OK(socket(AF_INET, SOCK_STREAM, 0));
  signal(SIGPIPE, SIG_IGN);
  char byte = 0;
  EXPECT_EQ(Poll(fd, POLLIN | POLLOUT), POLLOUT | POLLHUP);
  EXPECT_ERRNO(recv(fd, &byte, 1, 0), ENOTCONN);
  EXPECT_ERRNO(send(fd, &byte, 1, 0), EPIPE);
  EXPECT_ERRNO(shutdown(fd, SHUT_RDWR), ENOTCONN);
  EXPECT_ERRNO(accept(fd, nullptr, nullptr), EINVAL);
  sockaddr_in peer{};
  socklen_t size = sizeof(peer);
  EXPECT_ERRNO(getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size), ENOTCONN);
}

TEST(TcpCloseWithUnreadDataResets) {
  const Pair p = Connected();
  send(p.client, "unread", 6, 0);
  Poll(p.server, POLLIN, 2000);
  close(p.server);
  EXPECT(Poll(p.client, POLLIN, 2000) & POLLERR);
  EXPECT_EQ(Receive(p.client), "ECONNRESET");
  EXPECT_EQ(Receive(p.client), "");
}

TEST(TcpLingerZeroResets) {
  const Pair p = Connected();
  const linger now{1, 0};
  EXPECT_OK(setsockopt(p.server, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
  close(p.server);
  EXPECT_EQ(Receive(p.client), "ECONNRESET");
}

TEST(TcpSecondWriteToAClosedPeerBreaks) {
  const Pair p = Connected();
  signal(SIGPIPE, SIG_IGN);
  close(p.server);
  EXPECT_EQ(Receive(p.client), "");
  EXPECT_EQ(send(p.client, "x", 1, 0), 1);
  EXPECT(Poll(p.client, 0, 30'000) & POLLHUP);  // the answer to the first is in
  EXPECT_ERRNO(send(p.client, "x", 1, 0), EPIPE);
}

TEST(TcpUrgentByteIsOutOfBand) {
  const Pair p = Connected();
  EXPECT_EQ(send(p.client, "ab", 2, 0), 2);
  EXPECT_EQ(send(p.client, "c!", 2, MSG_OOB), 2);
  EXPECT_EQ(send(p.client, "de", 2, 0), 2);
  EXPECT(Poll(p.server, POLLPRI, 2000) & POLLPRI);
  guest::SleepMs(50);
  EXPECT_EQ(Receive(p.server), "abc");
  int mark = 0;
  EXPECT_OK(ioctl(p.server, SIOCATMARK, &mark));
  EXPECT_EQ(mark, 1);
  EXPECT_EQ(Receive(p.server, MSG_OOB), "!");
  EXPECT_EQ(Receive(p.server, MSG_OOB), "EINVAL");
  EXPECT_EQ(Receive(p.server), "de");
}

TEST(TcpPeekWaitAllAndTruncate) {
  const Pair p = Connected();
  send(p.client, "abcdef", 6, 0);
  EXPECT_EQ(Receive(p.server, MSG_PEEK, 3), "abc");
  EXPECT_EQ(recv(p.server, nullptr, 2, MSG_TRUNC), 2);
  EXPECT_EQ(Receive(p.server, 0, 1), "c");
  std::thread later([&] {
    guest::SleepMs(50);
    send(p.client, "gh", 2, 0);
  });
  EXPECT_EQ(Receive(p.server, MSG_WAITALL, 5), "defgh");
  later.join();
  EXPECT_EQ(Receive(p.server, MSG_DONTWAIT), "EAGAIN");
}

TEST(TcpFillsAndDrainsWithoutLosingAByte) {
  const Pair p = Connected();
  constexpr size_t kTotal = 8 << 20;
  std::thread writer([&] {
    std::vector<unsigned char> block(70001);
    size_t sent = 0;
    while (sent < kTotal) {
      const size_t n = std::min(block.size(), kTotal - sent);
      for (size_t i = 0; i < n; ++i) block[i] = static_cast<unsigned char>((sent + i) * 31 >> 3);
      const ssize_t done = send(p.client, block.data(), n, 0);
      if (done <= 0) break;
      sent += done;
    }
    shutdown(p.client, SHUT_WR);
  });
  std::vector<unsigned char> block(50000);
  size_t got = 0, wrong = 0;
  for (ssize_t n; (n = recv(p.server, block.data(), block.size(), 0)) > 0; got += n) {
    for (ssize_t i = 0; i < n; ++i) wrong += block[i] != static_cast<unsigned char>((got + i) * 31 >> 3);
  }
  writer.join();
  EXPECT_EQ(got, kTotal);
  EXPECT_EQ(wrong, 0u);
}

TEST(TcpBlocksWhenFullAndTellsEpollOfRoom) {
  const Pair p = Connected();
  fcntl(p.client, F_SETFL, O_NONBLOCK);
  std::vector<char> block(1 << 20);
  while (send(p.client, block.data(), block.size(), 0) > 0) {
  }
  EXPECT_EQ(errno, EAGAIN);
  const int epoll = ASSERT_OK(epoll_create1(0));
  epoll_event event{EPOLLOUT | EPOLLET, {}};
  EXPECT_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, p.client, &event));
  EXPECT_EQ(epoll_wait(epoll, &event, 1, 0), 0);
  fcntl(p.server, F_SETFL, O_NONBLOCK);
  EXPECT(guest::Eventually([&] {
    recv(p.server, block.data(), block.size(), 0);
    return epoll_wait(epoll, &event, 1, 10) == 1;
  }));
  EXPECT(event.events & EPOLLOUT);
}

TEST(TcpReceiveTimeoutGivesEagain) {
  const Pair p = Connected();
  const timeval tv{0, 100000};
  EXPECT_OK(setsockopt(p.server, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
  const double start = guest::NowSeconds();
  EXPECT_EQ(Receive(p.server), "EAGAIN");
  EXPECT(guest::NowSeconds() - start >= 0.09);
}

TEST(TcpPortsConflictByTheRules) {
  const int listener = Listener();
  const sockaddr_in same = Loopback(PortOf(listener));
  const int fd = ASSERT_OK(socket(AF_INET, SOCK_STREAM, 0));
  EXPECT_ERRNO(bind(fd, Generic(same), sizeof(same)), EADDRINUSE);
  EXPECT_OK(SetOption(fd, SOL_SOCKET, SO_REUSEADDR, 1));
  EXPECT_ERRNO(bind(fd, Generic(same), sizeof(same)), EADDRINUSE);
  const sockaddr_in other = Loopback(PortOf(listener), 0x7f000002);
  EXPECT_OK(bind(fd, Generic(other), sizeof(other)));
  EXPECT_ERRNO(bind(fd, Generic(other), sizeof(other)), EINVAL);
  const sockaddr_in foreign = Loopback(0, 0x08080808);
  const int third = ASSERT_OK(socket(AF_INET, SOCK_STREAM, 0));
  EXPECT_ERRNO(bind(third, Generic(foreign), sizeof(foreign)), EADDRNOTAVAIL);
}

namespace {

int BindTo(int port, bool reuse = false) {
  const int fd = ASSERT_OK(socket(AF_INET, SOCK_STREAM, 0));
  EXPECT_OK(SetOption(fd, SOL_SOCKET, SO_REUSEADDR, reuse));
  const sockaddr_in at = Loopback(port);
  const int result = bind(fd, Generic(at), sizeof(at));
  const int error = errno;
  close(fd);
  errno = error;
  return result;
}

// Whether /proc/net/tcp has a socket that nobody has open, from this port, in the state.
bool LeftBehind(int port, const char* state) {
  char start[64];
  snprintf(start, sizeof(start), ": 0100007F:%04X ", port);
  const std::string text = guest::ReadAll("/proc/net/tcp");
  for (size_t at = text.find(start); at != text.npos; at = text.find(start, at + 1)) {
    unsigned shown, timer, uid, timeout, ino;
    const char* fields = text.c_str() + at + strlen(start) + strlen("0100007F:FFFF ");
    if (sscanf(fields, "%x %*x:%*x %x:%*x %*x %u %u %u", &shown, &timer, &uid, &timeout, &ino) != 5) continue;
    if (shown == strtoul(state, nullptr, 16) && timer == 3 && ino == 0) return true;
  }
  return false;
}

}  // namespace

TEST(TcpTimeWaitIsOfTheSideThatClosesFirst) {
  Pair pair = Connected();
  const int client_port = PortOf(pair.client), server_port = PortOf(pair.server);
  close(pair.client);
  EXPECT(guest::Eventually([&] { return LeftBehind(client_port, "05"); }));  // FIN_WAIT2
  EXPECT_EQ(Receive(pair.server), "");
  close(pair.server);
  EXPECT(guest::Eventually([&] { return LeftBehind(client_port, "06"); }));  // TIME_WAIT
  EXPECT_ERRNO(BindTo(client_port), EADDRINUSE);
  EXPECT_OK(BindTo(server_port));
}

TEST(TcpTimeWaitOfAServerAllowsReuse) {
  const int listener = Listener();
  EXPECT_OK(SetOption(listener, SOL_SOCKET, SO_REUSEADDR, 1));
  const int port = PortOf(listener), client = ConnectTo(port);
  const int server = ASSERT_OK(accept(listener, nullptr, nullptr));
  close(listener);
  shutdown(server, SHUT_WR);
  EXPECT_EQ(Receive(client), "");
  close(client);
  EXPECT(guest::Eventually([&] { return LeftBehind(port, "06"); }));
  EXPECT_EQ(Receive(server), "");
  close(server);
  EXPECT_ERRNO(BindTo(port), EADDRINUSE);
  EXPECT_OK(BindTo(port, true));
}

TEST(TcpResetLeavesNothingBehind) {
  Pair pair = Connected();
  const int port = PortOf(pair.client);
  const linger at_once{1, 0};
  EXPECT_OK(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
  close(pair.client);
  EXPECT_OK(BindTo(port));

  pair = Connected();
  const int second = PortOf(pair.client);
  close(pair.client);
  EXPECT_EQ(Receive(pair.server), "");
  EXPECT_EQ(send(pair.server, "x", 1, MSG_NOSIGNAL), 1);  // to nobody, who resets the connection
  EXPECT(guest::Eventually([&] { return BindTo(second) == 0; }));
}

TEST(TcpFinWaitEndsWithItsTime) {
  Pair pair = Connected();
  const int port = PortOf(pair.client);
  EXPECT_OK(SetOption(pair.client, IPPROTO_TCP, TCP_LINGER2, 1));
  close(pair.client);
  EXPECT_ERRNO(BindTo(port), EADDRINUSE);
  EXPECT(guest::Eventually([&] { return BindTo(port) == 0; }, 30000));
  close(pair.server);
}

TEST(TcpReusePortSharesConnections) {
  int listeners[2];
  int port = 0;
  for (int& fd : listeners) {
    fd = ASSERT_OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    EXPECT_OK(SetOption(fd, SOL_SOCKET, SO_REUSEPORT, 1));
    const sockaddr_in at = Loopback(port);
    ASSERT_OK(bind(fd, Generic(at), sizeof(at)));
    ASSERT_OK(listen(fd, 128));
    port = PortOf(fd);
  }
  for (int i = 0; i < 64; ++i) ConnectTo(port);
  int got[2] = {0, 0};
  for (int i = 0; i < 2; ++i) {
    while (accept(listeners[i], nullptr, nullptr) >= 0) ++got[i];
  }
  EXPECT_EQ(got[0] + got[1], 64);
  EXPECT(got[0] > 0 && got[1] > 0);
}

TEST(TcpOptionsAreKeptAndInherited) {
  const int listener = Listener();
  EXPECT_OK(SetOption(listener, IPPROTO_TCP, TCP_NODELAY, 1));
  EXPECT_OK(SetOption(listener, SOL_SOCKET, SO_KEEPALIVE, 1));
  EXPECT_OK(SetOption(listener, IPPROTO_TCP, TCP_KEEPIDLE, 77));
  const int client = ConnectTo(PortOf(listener));
  const int server = ASSERT_OK(accept(listener, nullptr, nullptr));
  EXPECT_EQ(Option(server, IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(Option(server, SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(Option(server, IPPROTO_TCP, TCP_KEEPIDLE), 77);
  EXPECT_EQ(Option(client, IPPROTO_TCP, TCP_NODELAY), 0);
  EXPECT_EQ(Option(listener, SOL_SOCKET, SO_ACCEPTCONN), 1);
  EXPECT_EQ(Option(client, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
  EXPECT_EQ(Option(client, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
  EXPECT_ERRNO(SetOption(client, IPPROTO_TCP, TCP_KEEPIDLE, 0), EINVAL);
  EXPECT_ERRNO(SetOption(client, IPPROTO_TCP, 9999, 0), ENOPROTOOPT);
  EXPECT_OK(SetOption(client, SOL_SOCKET, SO_SNDBUF, 20000));
  EXPECT_EQ(Option(client, SOL_SOCKET, SO_SNDBUF), 40000);
  tcp_info info{};
  socklen_t size = sizeof(info);
  EXPECT_OK(getsockopt(client, IPPROTO_TCP, TCP_INFO, &info, &size));
  EXPECT_EQ(int{info.tcpi_state}, TCP_ESTABLISHED);
}

TEST(TcpBacklogHoldsConnectionsBack) {
  const int listener = Listener(0);
  const sockaddr_in to = Loopback(PortOf(listener));
  const int first = ConnectTo(PortOf(listener));
  const int second = ASSERT_OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
  EXPECT_ERRNO(connect(second, Generic(to), sizeof(to)), EINPROGRESS);
  EXPECT_EQ(Poll(second, POLLOUT, 100), 0);
  EXPECT_OK(accept(listener, nullptr, nullptr));
  EXPECT_EQ(Poll(second, POLLOUT, 5000), POLLOUT);
  close(first);
}

TEST(DualStackListenerTakesBothFamilies) {
  const int listener = ASSERT_OK(socket(AF_INET6, SOCK_STREAM, 0));
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  ASSERT_OK(bind(listener, Generic(any), sizeof(any)));
  ASSERT_OK(listen(listener, 5));
  ConnectTo(PortOf(listener));
  sockaddr_in6 peer{};
  socklen_t size = sizeof(peer);
  ASSERT_OK(accept(listener, reinterpret_cast<sockaddr*>(&peer), &size));
  EXPECT(IN6_IS_ADDR_V4MAPPED(&peer.sin6_addr));
  const int client = ASSERT_OK(socket(AF_INET6, SOCK_STREAM, 0));
  sockaddr_in6 to{};
  to.sin6_family = AF_INET6;
  to.sin6_addr = in6addr_loopback;
  to.sin6_port = htons(PortOf(listener));
  EXPECT_OK(connect(client, Generic(to), sizeof(to)));
  const int v4 = ASSERT_OK(socket(AF_INET, SOCK_STREAM, 0));
  const sockaddr_in same = Loopback(PortOf(listener));
  EXPECT_ERRNO(bind(v4, Generic(same), sizeof(same)), EADDRINUSE);
}

TEST(V6OnlyListenerLeavesV4Alone) {
  const int listener = ASSERT_OK(socket(AF_INET6, SOCK_STREAM, 0));
  EXPECT_OK(SetOption(listener, IPPROTO_IPV6, IPV6_V6ONLY, 1));
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  ASSERT_OK(bind(listener, Generic(any), sizeof(any)));
  ASSERT_OK(listen(listener, 5));
  EXPECT_ERRNO(SetOption(listener, IPPROTO_IPV6, IPV6_V6ONLY, 0), EINVAL);
  const int v4 = ASSERT_OK(socket(AF_INET, SOCK_STREAM, 0));
  const sockaddr_in same = Loopback(PortOf(listener));
  EXPECT_ERRNO(connect(v4, Generic(same), sizeof(same)), ECONNREFUSED);
  EXPECT_OK(bind(v4, Generic(same), sizeof(same)));
}

TEST(UdpCarriesDatagramsWithTheirSender) {
  const int receiver = ASSERT_OK(socket(AF_INET, SOCK_DGRAM, 0));
  const sockaddr_in any = Loopback(0);
  ASSERT_OK(bind(receiver, Generic(any), sizeof(any)));
  const int sender = ASSERT_OK(socket(AF_INET, SOCK_DGRAM, 0));
  const sockaddr_in to = Loopback(PortOf(receiver));
  EXPECT_EQ(sendto(sender, "hello", 5, 0, Generic(to), sizeof(to)), 5);
  EXPECT_EQ(sendto(sender, "", 0, 0, Generic(to), sizeof(to)), 0);
  char buffer[3];
  sockaddr_in from{};
  socklen_t size = sizeof(from);
  EXPECT_EQ(recvfrom(receiver, buffer, 3, MSG_TRUNC, reinterpret_cast<sockaddr*>(&from), &size), 5);
  EXPECT_EQ(ntohs(from.sin_port), PortOf(sender));
  EXPECT_EQ(recv(receiver, buffer, 3, 0), 0);
  EXPECT_ERRNO(recv(receiver, buffer, 3, MSG_DONTWAIT), EAGAIN);
  EXPECT_ERRNO(send(sender, "x", 1, 0), EDESTADDRREQ);
  std::vector<char> large(65508);
  EXPECT_ERRNO(sendto(sender, large.data(), large.size(), 0, Generic(to), sizeof(to)), EMSGSIZE);
}

TEST(UdpConnectedSocketHearsOfNobody) {
  const int fd = ASSERT_OK(socket(AF_INET, SOCK_DGRAM, 0));
  const sockaddr_in any = Loopback(0);
  ASSERT_OK(bind(fd, Generic(any), sizeof(any)));
  const sockaddr_in nobody = Loopback(PortOf(fd));
  close(fd);
  const int sender = ASSERT_OK(socket(AF_INET, SOCK_DGRAM, 0));
  EXPECT_OK(connect(sender, Generic(nobody), sizeof(nobody)));
  EXPECT_EQ(send(sender, "x", 1, 0), 1);
  EXPECT(Poll(sender, POLLIN, 2000) & POLLERR);
  EXPECT_EQ(Receive(sender, MSG_DONTWAIT), "ECONNREFUSED");
}

// ip(7): with IP_RECVERR the datagram that found nobody comes back, and who said so.
TEST(UdpErrorQueueGivesTheDatagramBack) {
  const int fd = ASSERT_OK(socket(AF_INET, SOCK_DGRAM, 0));
  const sockaddr_in any = Loopback(0);
  ASSERT_OK(bind(fd, Generic(any), sizeof(any)));
  const sockaddr_in nobody = Loopback(PortOf(fd));
  close(fd);
  const int sender = ASSERT_OK(socket(AF_INET, SOCK_DGRAM, 0));
  EXPECT_ERRNO(recv(sender, nullptr, 0, MSG_ERRQUEUE), EAGAIN);  // never waits
  EXPECT_OK(SetOption(sender, IPPROTO_IP, IP_RECVERR, 1));
  EXPECT_EQ(sendto(sender, "lost", 4, 0, Generic(nobody), sizeof(nobody)), 4);
  EXPECT(Poll(sender, 0, 2000) & POLLERR);
  char data[8], control[256];
  sockaddr_in to{};
  iovec iov{data, sizeof(data)};
  msghdr msg{&to, sizeof(to), &iov, 1, control, sizeof(control), 0};
  EXPECT_EQ(recvmsg(sender, &msg, MSG_ERRQUEUE), 4);
  EXPECT(msg.msg_flags & MSG_ERRQUEUE);
  EXPECT_EQ(to.sin_port, nobody.sin_port);
  const cmsghdr* c = CMSG_FIRSTHDR(&msg);
  ASSERT(c != nullptr);
  EXPECT_EQ(c->cmsg_level, IPPROTO_IP);
  EXPECT_EQ(c->cmsg_type, IP_RECVERR);
  sock_extended_err error;
  memcpy(&error, CMSG_DATA(c), sizeof(error));
  EXPECT_EQ(error.ee_errno, static_cast<unsigned>(ECONNREFUSED));
  EXPECT_EQ(error.ee_origin, SO_EE_ORIGIN_ICMP);
  EXPECT_EQ(error.ee_type, 3);
  EXPECT_EQ(error.ee_code, 3);
  EXPECT_EQ(Poll(sender, POLLIN, 0), 0);
}

// What ping(8) does: the request comes back, and the reply with its own header before it.
TEST(RawIcmpSocketIsAnswered) {
  const int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  if (fd < 0 && errno == EPERM) guest::Skip("no CAP_NET_RAW");
  ASSERT_OK(fd);
  const uint32_t all_but_replies = ~1u;
  EXPECT_OK(setsockopt(fd, 255 /* SOL_RAW */, 1 /* ICMP_FILTER */, &all_but_replies, sizeof(all_but_replies)));
  icmphdr request{};
  request.type = ICMP_ECHO;
  request.un.echo.id = htons(0x1234);
  request.un.echo.sequence = htons(1);
  request.checksum = static_cast<uint16_t>(~(htons(0x0800) + htons(0x1234) + htons(1)));
  const sockaddr_in to = Loopback(0);
  EXPECT_EQ(sendto(fd, &request, sizeof(request), 0, Generic(to), sizeof(to)), static_cast<ssize_t>(sizeof(request)));
  struct {
    iphdr ip;
    icmphdr icmp;
  } reply{};
  EXPECT(Poll(fd, POLLIN, 2000) & POLLIN);
  EXPECT_EQ(recv(fd, &reply, sizeof(reply), 0), static_cast<ssize_t>(sizeof(reply)));
  EXPECT_EQ(reply.ip.protocol, IPPROTO_ICMP);
  EXPECT_EQ(ntohs(reply.ip.tot_len), static_cast<int>(sizeof(reply)));
  EXPECT_EQ(reply.icmp.type, ICMP_ECHOREPLY);
  EXPECT_EQ(reply.icmp.un.echo.id, htons(0x1234));
  EXPECT_EQ(Poll(fd, POLLIN, 0), 0);  // the request itself was filtered
}

TEST(UdpPacketInfoTellsTheAddress) {
  const int receiver = ASSERT_OK(socket(AF_INET, SOCK_DGRAM, 0));
  EXPECT_OK(SetOption(receiver, IPPROTO_IP, IP_PKTINFO, 1));
  const sockaddr_in any = Loopback(0, INADDR_ANY);
  ASSERT_OK(bind(receiver, Generic(any), sizeof(any)));
  const int sender = ASSERT_OK(socket(AF_INET, SOCK_DGRAM, 0));
  const sockaddr_in to = Loopback(PortOf(receiver), 0x7f000005);
  EXPECT_EQ(sendto(sender, "x", 1, 0, Generic(to), sizeof(to)), 1);
  char data[8], control[256];
  iovec iov{data, sizeof(data)};
  msghdr msg{nullptr, 0, &iov, 1, control, sizeof(control), 0};
  ASSERT_OK(recvmsg(receiver, &msg, 0));
  const cmsghdr* c = CMSG_FIRSTHDR(&msg);
  ASSERT(c != nullptr);
  EXPECT_EQ(c->cmsg_level, IPPROTO_IP);
  EXPECT_EQ(c->cmsg_type, IP_PKTINFO);
  in_pktinfo info;
  memcpy(&info, CMSG_DATA(c), sizeof(info));
  EXPECT_EQ(ntohl(info.ipi_addr.s_addr), 0x7f000005u);
  EXPECT_EQ(info.ipi_ifindex, static_cast<int>(if_nametoindex("lo")));
}

TEST(UdpManyMessagesInOneCall) {
  const int receiver = ASSERT_OK(socket(AF_INET, SOCK_DGRAM, 0));
  const sockaddr_in any = Loopback(0);
  ASSERT_OK(bind(receiver, Generic(any), sizeof(any)));
  sockaddr_in to = Loopback(PortOf(receiver));
  const int sender = ASSERT_OK(socket(AF_INET, SOCK_DGRAM, 0));
  char text[3] = {'a', 'b', 'c'};
  iovec iov[3];
  mmsghdr messages[3] = {};
  for (int i = 0; i < 3; ++i) {
    iov[i] = {&text[i], 1};
    messages[i].msg_hdr = {&to, sizeof(to), &iov[i], 1, nullptr, 0, 0};
  }
  EXPECT_EQ(sendmmsg(sender, messages, 3, 0), 3);
  char got[3] = {};
  for (int i = 0; i < 3; ++i) {
    iov[i] = {&got[i], 1};
    messages[i].msg_hdr = {nullptr, 0, &iov[i], 1, nullptr, 0, 0};
  }
  EXPECT_EQ(recvmmsg(receiver, messages, 3, MSG_WAITFORONE, nullptr), 3);
  EXPECT_EQ(std::string(got, 3), "abc");
}

TEST(FamiliesAndTypesThatAreNot) {
  EXPECT_ERRNO(socket(AF_INET, SOCK_SEQPACKET, 0), ESOCKTNOSUPPORT);
  EXPECT_ERRNO(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
  int fds[2];
  EXPECT_ERRNO(socketpair(AF_INET, SOCK_STREAM, 0, fds), EOPNOTSUPP);
}

TEST(InterfacesHaveLoopback) {
  ifaddrs* list = nullptr;
  ASSERT_OK(getifaddrs(&list));
  bool v4 = false;
  for (ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr || strcmp(i->ifa_name, "lo") != 0) continue;
    EXPECT(i->ifa_flags & IFF_LOOPBACK);
    v4 |= i->ifa_addr->sa_family == AF_INET;
  }
  freeifaddrs(list);
  EXPECT(v4);
  const int fd = ASSERT_OK(socket(AF_INET, SOCK_DGRAM, 0));
  ifreq request{};
  strcpy(request.ifr_name, "lo");
  EXPECT_OK(ioctl(fd, SIOCGIFFLAGS, &request));
  EXPECT(request.ifr_flags & IFF_UP);
  strcpy(request.ifr_name, "none7");
  EXPECT_ERRNO(ioctl(fd, SIOCGIFFLAGS, &request), ENODEV);
}

namespace {

// A number of /proc/net/snmp or netstat, by its line's prefix and its name.
long Counter(const char* file, const std::string& prefix, const std::string& name) {
  std::istringstream text(guest::ReadAll(file));
  for (std::string names, numbers; std::getline(text, names) && std::getline(text, numbers);) {
    if (!names.starts_with(prefix + ": ")) continue;
    std::istringstream heads(names), values(numbers);
    for (std::string head, value; heads >> head && values >> value;) {
      if (head == name) return atol(value.c_str());
    }
  }
  guest::Fail(__FILE__, __LINE__, "no " + prefix + " " + name + " in " + file);
  return -1;
}

struct Growth {
  const char *file, *prefix, *name;
  long least, before = 0;
};

// Others may be counted beside us.
void ExpectGrowth(std::vector<Growth> counters, const std::function<void()>& action) {
  for (Growth& c : counters) c.before = Counter(c.file, c.prefix, c.name);
  action();
  for (const Growth& c : counters) {
    const bool grown =
        guest::Eventually([&] { return Counter(c.file, c.prefix, c.name) >= c.before + c.least; }, 30'000);
    if (!grown) guest::Fail(__FILE__, __LINE__, std::string(c.name) + " did not grow");
  }
}

constexpr char kSnmp[] = "/proc/net/snmp", kNetstat[] = "/proc/net/netstat";

}  // namespace

TEST(ProcNetCountsStreams) {
  ExpectGrowth({{kSnmp, "Tcp", "ActiveOpens", 1},
                {kSnmp, "Tcp", "PassiveOpens", 1},
                {kSnmp, "Tcp", "InSegs", 5},
                {kSnmp, "Tcp", "OutSegs", 5},
                {kSnmp, "Ip", "InReceives", 5},
                {kSnmp, "Ip", "OutRequests", 5},
                {kNetstat, "IpExt", "InOctets", 1000},
                {kNetstat, "TcpExt", "TCPOrigDataSent", 1}},
               [] {
                 const Pair pair = Connected();
                 char bytes[1000] = {};
                 EXPECT_EQ(write(pair.client, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
                 EXPECT_EQ(recv(pair.server, bytes, sizeof(bytes), MSG_WAITALL), (ssize_t)sizeof(bytes));
                 EXPECT(Counter(kSnmp, "Tcp", "CurrEstab") >= 2);
                 close(pair.client);
                 close(pair.server);
               });
  ExpectGrowth(
      {{kSnmp, "Tcp", "EstabResets", 2}, {kSnmp, "Tcp", "OutRsts", 1}, {kNetstat, "TcpExt", "TCPAbortOnData", 1}}, [] {
        const Pair pair = Connected();
        const linger at_once{1, 0};
        EXPECT_OK(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
        close(pair.client);
        char c;
        EXPECT_ERRNO(read(pair.server, &c, 1), ECONNRESET);
      });
  ExpectGrowth({{kSnmp, "Tcp", "AttemptFails", 1}}, [] {
    const int listener = Listener();
    const sockaddr_in nobody = Loopback(PortOf(listener));
    close(listener);
    const int fd = ASSERT_OK(socket(AF_INET, SOCK_STREAM, 0));
    EXPECT_ERRNO(connect(fd, Generic(nobody), sizeof(nobody)), ECONNREFUSED);
  });
}

TEST(ProcNetCountsDatagrams) {
  ExpectGrowth({{kSnmp, "Udp", "OutDatagrams", 2},
                {kSnmp, "Udp", "InDatagrams", 1},
                {kSnmp, "Udp", "NoPorts", 1},
                {kSnmp, "Icmp", "InDestUnreachs", 1}},
               [] {
                 const int receiver = ASSERT_OK(socket(AF_INET, SOCK_DGRAM, 0));
                 const sockaddr_in any = Loopback(0);
                 ASSERT_OK(bind(receiver, Generic(any), sizeof(any)));
                 const sockaddr_in to = Loopback(PortOf(receiver));
                 const int sender = ASSERT_OK(socket(AF_INET, SOCK_DGRAM, 0));
                 EXPECT_EQ(sendto(sender, "x", 1, 0, Generic(to), sizeof(to)), 1);
                 char c;
                 EXPECT_EQ(read(receiver, &c, 1), 1);
                 close(receiver);
                 EXPECT_EQ(sendto(sender, "x", 1, 0, Generic(to), sizeof(to)), 1);
               });
}

TEST(ProcNetListsAListener) {
  const int listener = Listener();
  char want[32];
  snprintf(want, sizeof(want), "0100007F:%04X 00000000:0000 0A", PortOf(listener));
  EXPECT(guest::ReadAll("/proc/net/tcp").find(want) != std::string::npos);
  EXPECT(guest::ReadAll("/proc/net/dev").find("lo:") != std::string::npos);
}

// Whoever asks and does not read loses answers, and is told.
TEST(UnreadNetlinkAnswersAreBounded) {
  const int fd = ASSERT_OK(socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_ROUTE));
  const int size = 4096;
  ASSERT_OK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)));
  struct {
    nlmsghdr header;
    ifinfomsg body;
  } request{};
  request.header = {sizeof(request), RTM_GETLINK, NLM_F_REQUEST, 1, 0};
  request.body.ifi_index = 1;
  constexpr int kAsked = 1000;
  for (int i = 0; i < kAsked; ++i) EXPECT_EQ(send(fd, &request, sizeof(request), 0), (ssize_t)sizeof(request));
  char answer[8192];
  EXPECT_ERRNO(recv(fd, answer, sizeof(answer), 0), ENOBUFS);
  int answers = 0;
  while (recv(fd, answer, sizeof(answer), 0) > 0) ++answers;
  EXPECT_EQ(errno, EAGAIN);
  EXPECT(answers > 0 && answers < 100);
  EXPECT_OK(send(fd, &request, sizeof(request), 0));
  EXPECT(recv(fd, answer, sizeof(answer), 0) > 0);
}
