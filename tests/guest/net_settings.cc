// /proc/sys/net: what its settings do, each in a network namespace of its own.

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

std::string PathOf(const char* setting) { return std::string("/proc/sys/net/") + setting; }

// The errno of the write, or 0.
int Set(const char* setting, const std::string& value) {
  const int fd = open(PathOf(setting).c_str(), O_WRONLY);
  if (fd < 0) return errno;
  const ssize_t n = write(fd, value.data(), value.size());
  const int error = n == static_cast<ssize_t>(value.size()) ? 0 : errno;
  close(fd);
  return error;
}

std::string Get(const char* setting) {
  std::string text = ReadAll(PathOf(setting).c_str());
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

void WriteTo(const char* path, const char* text) {
  const int fd = EXPECT_OK(open(path, O_WRONLY));
  EXPECT_EQ(write(fd, text, strlen(text)), static_cast<ssize_t>(strlen(text)));
  close(fd);
}

void SetUpLo() {
  ifreq request{};
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  EXPECT_OK(ioctl(fd, SIOCSIFFLAGS, &request));
  close(fd);
}

// As root of a new user namespace, so that anybody may.
void EnterNew() {
  const std::string users = "0 " + std::to_string(geteuid()) + " 1", groups = "0 " + std::to_string(getegid()) + " 1";
  ASSERT_OK(unshare(CLONE_NEWUSER | CLONE_NEWNET));
  WriteTo("/proc/self/setgroups", "deny");
  WriteTo("/proc/self/uid_map", users.c_str());
  WriteTo("/proc/self/gid_map", groups.c_str());
  SetUpLo();
}

sockaddr_in Loopback(int port) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(static_cast<uint16_t>(port));
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return in;
}

sockaddr_in6 Loopback6() {
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_addr = in6addr_loopback;
  return in;
}

template <typename T>
int Bind(int fd, const T& to) {
  return bind(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
}

template <typename T>
int Connect(int fd, const T& to) {
  return connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
}

int PortOf(int fd) {
  sockaddr_in in{};
  socklen_t size = sizeof(in);
  EXPECT_OK(getsockname(fd, reinterpret_cast<sockaddr*>(&in), &size));
  return ntohs(in.sin_port);
}

int Option(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_OK(getsockopt(fd, level, name, &value, &size));
  return value;
}

int Stream(int family = AF_INET) { return ASSERT_OK(socket(family, SOCK_STREAM, 0)); }

bool Readable(int fd, int milliseconds) {
  pollfd p{fd, POLLIN, 0};
  return poll(&p, 1, milliseconds) == 1 && (p.revents & POLLIN);
}

}  // namespace

TEST(NumbersAreKeptForEachNamespace) {
  EnterNew();
  const std::string before = Get("ipv4/tcp_syncookies");
  EXPECT_EQ(Set("ipv4/tcp_syncookies", "2\n"), 0);
  EXPECT_EQ(Get("ipv4/tcp_syncookies"), "2");
  EXPECT_EQ(Set("ipv4/conf/all/rp_filter", "1"), 0);
  EXPECT_EQ(Get("ipv4/conf/all/rp_filter"), "1");
  EXPECT_OK(unshare(CLONE_NEWNET));
  EXPECT_EQ(Get("ipv4/tcp_syncookies"), before);
}

TEST(WhatIsNoNumberIsRefused) {
  EnterNew();
  EXPECT_EQ(Set("core/somaxconn", "many\n"), EINVAL);
  EXPECT_EQ(Set("core/somaxconn", "12a\n"), EINVAL);
  EXPECT_EQ(Set("core/somaxconn", "\n"), EINVAL);
  EXPECT_EQ(Set("core/somaxconn", "-1\n"), EINVAL);
  EXPECT_EQ(Set("ipv4/tcp_syncookies", "256\n"), EINVAL);
  EXPECT_EQ(Set("core/somaxconn", " 77 \n"), 0);
  EXPECT_EQ(Get("core/somaxconn"), "77");
}

TEST(SettingIsForTheNamespacesRoot) {
  EnterNew();
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  EXPECT_OK(syscall(SYS_capset, &header, none));
  EXPECT_EQ(Set("core/somaxconn", "5"), 0);  // with no capability
}

TEST(PortsAreChosenFromTheRange) {
  EnterNew();
  EXPECT_EQ(Set("ipv4/ip_local_port_range", "5000 5009"), 0);
  EXPECT_EQ(Get("ipv4/ip_local_port_range"), "5000\t5009");
  EXPECT_EQ(Set("ipv4/ip_local_reserved_ports", "5002,5004-5009"), 0);
  EXPECT_EQ(Get("ipv4/ip_local_reserved_ports"), "5002,5004-5009");
  for (int i = 0; i < 3; ++i) {
    const int fd = Stream();
    EXPECT_OK(Bind(fd, Loopback(0)));
    const int port = PortOf(fd);
    EXPECT(port == 5000 || port == 5001 || port == 5003);
  }
  EXPECT_ERRNO(Bind(Stream(), Loopback(0)), EADDRINUSE);
  EXPECT_OK(Bind(Stream(), Loopback(5004)));  // who asks for it gets it
  EXPECT_EQ(Set("ipv4/ip_local_reserved_ports", "\n"), 0);
  EXPECT_OK(Bind(Stream(), Loopback(0)));
}

TEST(ConnectionsToElsewhereShareAPort) {
  EnterNew();
  int listeners[2];
  for (int& listener : listeners) {
    listener = Stream();
    EXPECT_OK(Bind(listener, Loopback(0)));
    EXPECT_OK(listen(listener, 5));
  }
  EXPECT_EQ(Set("ipv4/ip_local_port_range", "5000 5001"), 0);
  for (const int listener : listeners) {
    for (int i = 0; i < 2; ++i) EXPECT_OK(Connect(Stream(), Loopback(PortOf(listener))));
    EXPECT_ERRNO(Connect(Stream(), Loopback(PortOf(listener))), EADDRNOTAVAIL);
  }
}

TEST(NoMoreTimeWaitsThanAllowed) {
  EnterNew();
  EXPECT_EQ(Set("ipv4/tcp_max_tw_buckets", "0"), 0);
  const int listener = Stream(), client = Stream();
  EXPECT_OK(Bind(listener, Loopback(0)));
  EXPECT_OK(listen(listener, 5));
  EXPECT_OK(Connect(client, Loopback(PortOf(listener))));
  const int server = EXPECT_OK(accept(listener, nullptr, nullptr)), port = PortOf(client);
  close(client);
  close(server);
  EXPECT(Eventually([port] { return Bind(Stream(), Loopback(port)) == 0; }));
}

TEST(PortRangesThatAreNone) {
  EnterNew();
  EXPECT_EQ(Set("ipv4/ip_local_port_range", "6000 5000"), EINVAL);
  EXPECT_EQ(Set("ipv4/ip_local_port_range", "61000"), EINVAL);  // the other end stays
  EXPECT_EQ(Set("ipv4/ip_local_port_range", "0 5000"), EINVAL);
  EXPECT_EQ(Set("ipv4/ip_local_port_range", "100 5000"), EINVAL);  // below what is open to all
  EXPECT_EQ(Set("ipv4/ip_unprivileged_port_start", "40000"), EINVAL);
  EXPECT_EQ(Set("ipv4/ip_unprivileged_port_start", "90"), 0);
  EXPECT_EQ(Set("ipv4/ip_local_port_range", "100 5000"), 0);
  EXPECT_EQ(Set("ipv4/ip_local_reserved_ports", "7-5"), EINVAL);
  EXPECT_EQ(Set("ipv4/ip_local_reserved_ports", "70000"), EINVAL);
}

TEST(SomaxconnBoundsTheBacklog) {
  EnterNew();
  EXPECT_EQ(Set("core/somaxconn", "2"), 0);
  const int listener = Stream();
  EXPECT_OK(Bind(listener, Loopback(0)));
  EXPECT_OK(listen(listener, 100));
  tcp_info info{};
  socklen_t size = sizeof(info);
  EXPECT_OK(getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, &size));
  EXPECT_EQ(info.tcpi_sacked, 2u);
}

TEST(OptionsFollowTheirSettingUntilSet) {
  EnterNew();
  const int fd = Stream(), own = Stream();
  const int five = 5;
  EXPECT_OK(setsockopt(own, IPPROTO_TCP, TCP_KEEPIDLE, &five, sizeof(five)));
  EXPECT_EQ(Set("ipv4/tcp_keepalive_time", "100"), 0);
  EXPECT_EQ(Set("ipv4/tcp_keepalive_intvl", "11"), 0);
  EXPECT_EQ(Set("ipv4/tcp_keepalive_probes", "3"), 0);
  EXPECT_EQ(Set("ipv4/tcp_fin_timeout", "20"), 0);
  EXPECT_EQ(Set("ipv4/tcp_syn_retries", "4"), 0);
  EXPECT_EQ(Set("ipv4/ip_default_ttl", "33"), 0);
  EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 100);
  EXPECT_EQ(Option(own, IPPROTO_TCP, TCP_KEEPIDLE), 5);
  EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 11);
  EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
  EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_LINGER2), 20);
  EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_SYNCNT), 4);
  EXPECT_EQ(Option(fd, IPPROTO_IP, IP_TTL), 33);
}

TEST(LingerTwoIsBounded) {
  const int fd = Stream();
  const auto set = [fd](int value) { EXPECT_OK(setsockopt(fd, IPPROTO_TCP, TCP_LINGER2, &value, sizeof(value))); };
  const int usual = Option(fd, IPPROTO_TCP, TCP_LINGER2);
  set(5);
  EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_LINGER2), 5);
  set(500);
  EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_LINGER2), 120);
  set(-7);
  EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_LINGER2), -1);
  set(0);
  EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_LINGER2), usual);
}

TEST(BuffersOfTcpHaveTheirOwnDefaults) {
  EnterNew();
  EXPECT_EQ(Set("ipv4/tcp_wmem", "4096 20000 4194304"), 0);
  EXPECT_EQ(Set("ipv4/tcp_rmem", "4096 140000 6291456"), 0);
  EXPECT_EQ(Get("ipv4/tcp_wmem"), "4096\t20000\t4194304");
  const int fd = Stream();
  EXPECT_EQ(Option(fd, SOL_SOCKET, SO_SNDBUF), 20000);
  EXPECT_EQ(Option(fd, SOL_SOCKET, SO_RCVBUF), 140000);
  EXPECT_EQ(Option(socket(AF_INET, SOCK_DGRAM, 0), SOL_SOCKET, SO_RCVBUF), 212992);
}

TEST(SocketsAreOfV6AloneWhenAsked) {
  EnterNew();
  EXPECT_EQ(Set("ipv6/bindv6only", "1"), 0);
  EXPECT_EQ(Option(Stream(AF_INET6), IPPROTO_IPV6, IPV6_V6ONLY), 1);
}

TEST(DisabledV6HasNoAddresses) {
  EnterNew();
  EXPECT_EQ(Set("ipv6/conf/all/disable_ipv6", "1"), 0);
  EXPECT_EQ(Get("ipv6/conf/default/disable_ipv6"), "1");
  EXPECT_EQ(Get("ipv6/conf/lo/disable_ipv6"), "1");
  EXPECT_ERRNO(Bind(Stream(AF_INET6), Loopback6()), EADDRNOTAVAIL);
  EXPECT_ERRNO(Connect(Stream(AF_INET6), Loopback6()), EADDRNOTAVAIL);
  sockaddr_in6 any = Loopback6();
  any.sin6_addr = in6addr_any;
  EXPECT_OK(Bind(Stream(AF_INET6), any));
  EXPECT_EQ(Set("ipv6/conf/lo/disable_ipv6", "0"), 0);
  EXPECT_OK(Bind(Stream(AF_INET6), Loopback6()));
}

TEST(ForwardingOfAllIsThatOfEach) {
  EnterNew();
  EXPECT_EQ(Set("ipv4/ip_forward", "1"), 0);
  EXPECT_EQ(Get("ipv4/conf/all/forwarding"), "1");
  EXPECT_EQ(Get("ipv4/conf/default/forwarding"), "1");
  EXPECT_EQ(Get("ipv4/conf/lo/forwarding"), "1");
  EXPECT_EQ(Set("ipv4/conf/lo/forwarding", "0"), 0);
  EXPECT_EQ(Get("ipv4/ip_forward"), "1");
}

TEST(SocketsMayBindToWhatIsNotLocal) {
  EnterNew();
  sockaddr_in far = Loopback(0);
  far.sin_addr.s_addr = inet_addr("192.0.2.1");
  EXPECT_ERRNO(Bind(Stream(), far), EADDRNOTAVAIL);
  EXPECT_EQ(Set("ipv4/ip_nonlocal_bind", "1"), 0);
  EXPECT_OK(Bind(Stream(), far));
}

TEST(DatagramQueuesOfUnixAreBounded) {
  EnterNew();
  EXPECT_EQ(Set("unix/max_dgram_qlen", "3"), 0);
  sockaddr_un name{AF_UNIX, "\0net-settings"};
  const int receiver = ASSERT_OK(socket(AF_UNIX, SOCK_DGRAM, 0));
  EXPECT_OK(Bind(receiver, name));
  const int sender = ASSERT_OK(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
  EXPECT_OK(Connect(sender, name));
  int sent = 0;
  while (sent < 100 && send(sender, "x", 1, 0) == 1) ++sent;
  EXPECT_EQ(sent, 4);
}

// --- ping sockets

namespace {

int Ping(int family) { return socket(family, SOCK_DGRAM, family == AF_INET ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6}); }

void AllowPing() {
  EnterNew();
  EXPECT_EQ(Set("ipv4/ping_group_range", "0 0"), 0);
  EXPECT_EQ(Get("ipv4/ping_group_range"), "0\t0");
}

}  // namespace

TEST(PingSocketsAreForAGroup) {
  EnterNew();
  EXPECT_ERRNO(Ping(AF_INET), EACCES);
  EXPECT_EQ(Set("ipv4/ping_group_range", "0 0"), 0);
  EXPECT_OK(Ping(AF_INET));
  EXPECT_EQ(Set("ipv4/ping_group_range", "0 7"), EINVAL);  // no group of the namespace's
}

TEST(PingSocketIsAnswered) {
  AllowPing();
  const int fd = ASSERT_OK(Ping(AF_INET));
  icmphdr request{};
  request.type = ICMP_ECHO;
  request.un.echo.id = htons(1);  // the kernel has its own
  request.un.echo.sequence = htons(7);
  const sockaddr_in to = Loopback(0);
  const auto* address = reinterpret_cast<const sockaddr*>(&to);
  EXPECT_EQ(sendto(fd, &request, sizeof(request), 0, address, sizeof(to)), static_cast<ssize_t>(sizeof(request)));
  const int id = PortOf(fd);
  EXPECT(id != 0);
  EXPECT(Readable(fd, 10000));
  icmphdr reply{};
  sockaddr_in from{};
  socklen_t size = sizeof(from);
  EXPECT_EQ(recvfrom(fd, &reply, sizeof(reply), 0, reinterpret_cast<sockaddr*>(&from), &size),
            static_cast<ssize_t>(sizeof(reply)));
  EXPECT_EQ(reply.type, ICMP_ECHOREPLY);
  EXPECT_EQ(ntohs(reply.un.echo.id), id);
  EXPECT_EQ(ntohs(reply.un.echo.sequence), 7);
  EXPECT_EQ(ntohl(from.sin_addr.s_addr), INADDR_LOOPBACK);
  EXPECT_EQ(from.sin_port, 0);
}

TEST(PingSocketOfV6IsAnswered) {
  AllowPing();
  const int fd = ASSERT_OK(Ping(AF_INET6));
  EXPECT_OK(Connect(fd, Loopback6()));
  icmp6_hdr request{};
  request.icmp6_type = ICMP6_ECHO_REQUEST;
  EXPECT_EQ(send(fd, &request, sizeof(request), 0), static_cast<ssize_t>(sizeof(request)));
  EXPECT(Readable(fd, 10000));
  icmp6_hdr reply{};
  EXPECT_EQ(recv(fd, &reply, sizeof(reply), 0), static_cast<ssize_t>(sizeof(reply)));
  EXPECT_EQ(reply.icmp6_type, ICMP6_ECHO_REPLY);
}

TEST(PingSocketsSendEchoesOnly) {
  AllowPing();
  const int fd = ASSERT_OK(Ping(AF_INET));
  EXPECT_OK(Connect(fd, Loopback(0)));
  icmphdr request{};
  EXPECT_ERRNO(send(fd, &request, 4, 0), EINVAL);
  request.type = ICMP_REDIRECT;
  EXPECT_ERRNO(send(fd, &request, sizeof(request), 0), EINVAL);
  request.type = ICMP_ECHO;
  request.code = 3;
  EXPECT_ERRNO(send(fd, &request, sizeof(request), 0), EINVAL);
}

TEST(PingIdentifiersAreLikePorts) {
  AllowPing();
  const int fd = ASSERT_OK(Ping(AF_INET));
  EXPECT_OK(Bind(fd, Loopback(80)));  // none of them is reserved
  EXPECT_EQ(PortOf(fd), 80);
  EXPECT_OK(Bind(ASSERT_OK(Ping(AF_INET)), Loopback(80)));
  const int own = ASSERT_OK(Ping(AF_INET)), off = 0;
  EXPECT_EQ(Option(own, SOL_SOCKET, SO_REUSEADDR), 1);
  EXPECT_OK(setsockopt(own, SOL_SOCKET, SO_REUSEADDR, &off, sizeof(off)));
  EXPECT_ERRNO(Bind(own, Loopback(80)), EADDRINUSE);
}

TEST(EchoesCanBeIgnored) {
  AllowPing();
  EXPECT_EQ(Set("ipv4/icmp_echo_ignore_all", "1"), 0);
  const int fd = ASSERT_OK(Ping(AF_INET));
  EXPECT_OK(Connect(fd, Loopback(0)));
  icmphdr request{};
  request.type = ICMP_ECHO;
  EXPECT_EQ(send(fd, &request, sizeof(request), 0), static_cast<ssize_t>(sizeof(request)));
  EXPECT(!Readable(fd, 50));
}
