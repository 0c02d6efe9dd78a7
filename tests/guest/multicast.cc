// Groups on the loopback interface of a network namespace without another: who joins, what is sent, who hears it.

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

constexpr char kGroup[] = "239.1.2.3", kOther[] = "239.1.2.4";
constexpr uint16_t kPort = 5007;

void EnterLoopbackOnly() {
  ASSERT_OK(unshare(CLONE_NEWUSER | CLONE_NEWNET));
  ifreq request{};
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  ASSERT_OK(ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFFLAGS, &request));
}

sockaddr_in V4(const char* address, uint16_t port) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  in.sin_addr.s_addr = inet_addr(address);
  return in;
}

int Udp(const char* address = nullptr, uint16_t port = kPort) {
  const int fd = ASSERT_OK(socket(AF_INET, SOCK_DGRAM, 0));
  int on = 1;
  ASSERT_OK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
  const sockaddr_in at = V4(address == nullptr ? "0.0.0.0" : address, port);
  if (address != nullptr) ASSERT_OK(bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof(at)));
  return fd;
}

int Membership(int fd, int option, const char* group, const char* interface) {
  const ip_mreq request{{inet_addr(group)}, {inet_addr(interface)}};
  return setsockopt(fd, IPPROTO_IP, option, &request, sizeof(request));
}
int Join(int fd, const char* group, const char* interface = "127.0.0.1") {
  return Membership(fd, IP_ADD_MEMBERSHIP, group, interface);
}
int Leave(int fd, const char* group, const char* interface = "127.0.0.1") {
  return Membership(fd, IP_DROP_MEMBERSHIP, group, interface);
}

int SendBy(const char* interface) {
  const int fd = Udp();
  const in_addr by{inet_addr(interface)};
  ASSERT_OK(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof(by)));
  return fd;
}

long Send(int fd, const char* group, const char* text, uint16_t port = kPort) {
  const sockaddr_in to = V4(group, port);
  return sendto(fd, text, strlen(text), 0, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
}

std::string Heard(int fd) {
  char text[64];
  pollfd poller{fd, POLLIN, 0};
  if (poll(&poller, 1, 100) != 1) return "nothing";
  const ssize_t n = recv(fd, text, sizeof(text), MSG_DONTWAIT);
  return n < 0 ? strerrorname_np(errno) : std::string(text, n);
}

sockaddr_in6 V6(const char* address, uint16_t port) {
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  inet_pton(AF_INET6, address, &in.sin6_addr);
  return in;
}

int Membership6(int fd, int option, const char* group, unsigned interface) {
  ipv6_mreq request{};
  inet_pton(AF_INET6, group, &request.ipv6mr_multiaddr);
  request.ipv6mr_interface = interface;
  return setsockopt(fd, IPPROTO_IPV6, option, &request, sizeof(request));
}

}  // namespace

TEST(MembersHearTheGroup) {
  EnterLoopbackOnly();
  const int first = Udp("0.0.0.0"), second = Udp(kGroup), other_port = Udp("0.0.0.0", kPort + 1);
  EXPECT_OK(Join(first, kGroup));
  EXPECT_OK(Join(second, kGroup));
  EXPECT_OK(Join(other_port, kGroup));
  const int sender = SendBy("127.0.0.1");
  EXPECT_EQ(Send(sender, kGroup, "hello"), 5);
  EXPECT_EQ(Heard(first), "hello");
  EXPECT_EQ(Heard(second), "hello");
  EXPECT_EQ(Heard(first), "nothing");
  EXPECT_EQ(Heard(other_port), "nothing");
  EXPECT_EQ(Send(sender, kOther, "hello"), 5);  // nobody joined it, and nobody says so
  EXPECT_EQ(Heard(first), "nothing");
  EXPECT_EQ(Heard(sender), "nothing");
  EXPECT_OK(Leave(first, kGroup));
  int all = 0;
  EXPECT_OK(setsockopt(first, IPPROTO_IP, IP_MULTICAST_ALL, &all, sizeof(all)));
  EXPECT_EQ(Send(sender, kGroup, "again"), 5);
  EXPECT_EQ(Heard(second), "again");
  EXPECT_EQ(Heard(first), "nothing");
}

TEST(OneMemberIsEnoughForAllWhoBoundThePort) {
  EnterLoopbackOnly();
  const int member = Udp("0.0.0.0", kPort + 1), bystander = Udp("0.0.0.0"), bound_elsewhere = Udp("127.0.0.1");
  const int sender = SendBy("127.0.0.1");
  EXPECT_EQ(Send(sender, kGroup, "early"), 5);
  EXPECT_EQ(Heard(bystander), "nothing");
  EXPECT_OK(Join(member, kGroup));
  EXPECT_EQ(Send(sender, kGroup, "late"), 4);
  EXPECT_EQ(Heard(bystander), "late");
  EXPECT_EQ(Heard(bound_elsewhere), "nothing");
  close(member);
  EXPECT_EQ(Send(sender, kGroup, "gone"), 4);
  EXPECT_EQ(Heard(bystander), "nothing");
}

TEST(WhereGroupsAreSentFrom) {
  EnterLoopbackOnly();
  const int member = Udp("0.0.0.0");
  EXPECT_OK(Join(member, kGroup));
  const int plain = Udp();
  EXPECT_ERRNO(Send(plain, kGroup, "x"), ENETUNREACH);  // there is no route
  const int bound = Udp("127.0.0.1", 0);
  EXPECT_EQ(Send(bound, kGroup, "bound"), 5);
  sockaddr_in from{};
  socklen_t size = sizeof(from);
  char text[16];
  EXPECT_EQ(recvfrom(member, text, sizeof(text), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), &size), 5);
  EXPECT_EQ(from.sin_addr.s_addr, inet_addr("127.0.0.1"));
  const int connected = SendBy("127.0.0.1");
  const sockaddr_in to = V4(kGroup, kPort);
  EXPECT_OK(connect(connected, reinterpret_cast<const sockaddr*>(&to), sizeof(to)));
  EXPECT_EQ(send(connected, "connected", 9, 0), 9);
  EXPECT_EQ(Heard(member), "connected");
}

TEST(MembershipErrors) {
  EnterLoopbackOnly();
  const int fd = Udp("0.0.0.0");
  EXPECT_ERRNO(Join(fd, "10.0.0.1"), EINVAL);
  EXPECT_ERRNO(Join(fd, kGroup, "0.0.0.0"), ENODEV);
  EXPECT_ERRNO(Join(fd, kGroup, "10.0.0.1"), ENODEV);
  EXPECT_ERRNO(Leave(fd, kGroup), EADDRNOTAVAIL);
  EXPECT_OK(Join(fd, kGroup));
  EXPECT_ERRNO(Join(fd, kGroup), EADDRINUSE);
  const ip_mreqn by_index{{inet_addr(kOther)}, {}, 1}, no_index{{inet_addr(kOther)}, {}, 99};
  EXPECT_OK(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &by_index, sizeof(by_index)));
  EXPECT_ERRNO(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &no_index, sizeof(no_index)), ENODEV);
  EXPECT_ERRNO(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &by_index, 4), EINVAL);
  EXPECT_OK(setsockopt(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &by_index, sizeof(by_index)));
  EXPECT_OK(Leave(fd, kGroup));
  EXPECT_ERRNO(Leave(fd, kGroup), EADDRNOTAVAIL);
  int joined = 0;
  for (; joined < 100 && Join(fd, ("239.0.0." + std::to_string(joined)).c_str()) == 0; ++joined) {
  }
  EXPECT_EQ(errno, ENOBUFS);
  EXPECT_EQ(joined, 20);
  EXPECT_ERRNO(Join(socket(AF_INET, SOCK_STREAM, 0), kGroup), EPROTO);
}

TEST(TheInterfaceOption) {
  EnterLoopbackOnly();
  const int fd = Udp();
  in_addr by{1};
  socklen_t size = sizeof(by);
  EXPECT_OK(getsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &by, &size));
  EXPECT(by.s_addr == 0 && size == sizeof(by));
  by.s_addr = inet_addr("127.0.0.1");
  EXPECT_OK(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof(by)));
  by.s_addr = 0;
  EXPECT_OK(getsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &by, &size));
  EXPECT_EQ(by.s_addr, inet_addr("127.0.0.1"));
  by.s_addr = inet_addr("10.0.0.1");
  EXPECT_ERRNO(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof(by)), EADDRNOTAVAIL);
  by.s_addr = 0;
  EXPECT_OK(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof(by)));
  EXPECT_ERRNO(Send(fd, kGroup, "x"), ENETUNREACH);
  const ip_mreqn by_index{{}, {}, 1};
  EXPECT_OK(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &by_index, sizeof(by_index)));
  EXPECT_EQ(Send(fd, kGroup, "x"), 1);
  EXPECT_ERRNO(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &by, 1), EINVAL);
}

TEST(GroupsOfV6) {
  EnterLoopbackOnly();
  const int member = ASSERT_OK(socket(AF_INET6, SOCK_DGRAM, 0)), sender = ASSERT_OK(socket(AF_INET6, SOCK_DGRAM, 0));
  const sockaddr_in6 at = V6("::", kPort), to = V6("ff02::77", kPort);
  ASSERT_OK(bind(member, reinterpret_cast<const sockaddr*>(&at), sizeof(at)));
  EXPECT_ERRNO(Membership6(member, IPV6_JOIN_GROUP, "::1", 1), EINVAL);
  EXPECT_ERRNO(Membership6(member, IPV6_JOIN_GROUP, "ff02::77", 99), ENODEV);
  EXPECT_ERRNO(Membership6(member, IPV6_LEAVE_GROUP, "ff02::77", 1), EADDRNOTAVAIL);
  EXPECT_OK(Membership6(member, IPV6_JOIN_GROUP, "ff02::77", 1));
  EXPECT_ERRNO(Membership6(member, IPV6_JOIN_GROUP, "ff02::77", 1), EADDRINUSE);
  int index = 99;
  EXPECT_ERRNO(setsockopt(sender, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof(index)), ENODEV);
  index = 1;
  EXPECT_OK(setsockopt(sender, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof(index)));
  index = 0;
  socklen_t size = sizeof(index);
  EXPECT_OK(getsockopt(sender, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, &size));
  EXPECT_EQ(index, 1);
  // lo has no route to groups of IPv6.
  EXPECT_ERRNO(sendto(sender, "six", 3, 0, reinterpret_cast<const sockaddr*>(&to), sizeof(to)), ENETUNREACH);
  EXPECT_OK(Membership6(member, IPV6_LEAVE_GROUP, "ff02::77", 1));
  EXPECT_ERRNO(Membership6(member, IPV6_JOIN_GROUP, "ff02::77", 0), ENODEV);
}
