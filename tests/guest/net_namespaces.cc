// Network namespaces: what a new one has, and that ports, names and interfaces are its own.

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/capability.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

// With a user namespace of its own, so that anybody may.
void EnterNew() { EXPECT_OK(unshare(CLONE_NEWUSER | CLONE_NEWNET)); }

sockaddr_in V4(const char* address, int port) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(static_cast<uint16_t>(port));
  in.sin_addr.s_addr = inet_addr(address);
  return in;
}

int Connect(int fd, const sockaddr_in& to) { return connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)); }
int Bind(int fd, const sockaddr_in& to) { return bind(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)); }
int Stream() { return socket(AF_INET, SOCK_STREAM, 0); }

sockaddr_in NameOf(int fd) {
  sockaddr_in in{};
  socklen_t size = sizeof(in);
  EXPECT_OK(getsockname(fd, reinterpret_cast<sockaddr*>(&in), &size));
  return in;
}

// A listener on a port of the system's choice, which is returned.
int Listen(int* fd, const char* address = "127.0.0.1") {
  *fd = Stream();
  EXPECT_OK(Bind(*fd, V4(address, 0)));
  EXPECT_OK(listen(*fd, 5));
  return ntohs(NameOf(*fd).sin_port);
}

int ConnectV6() {
  sockaddr_in6 to{};
  to.sin6_family = AF_INET6;
  to.sin6_port = htons(9);
  to.sin6_addr = in6addr_loopback;
  return connect(socket(AF_INET6, SOCK_STREAM, 0), reinterpret_cast<sockaddr*>(&to), sizeof(to));
}

int Flags() {
  ifreq request{};
  strcpy(request.ifr_name, "lo");
  EXPECT_OK(ioctl(Stream(), SIOCGIFFLAGS, &request));
  return request.ifr_flags;
}

int SetUp(bool up) {
  ifreq request{};
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = up ? IFF_UP : 0;
  return ioctl(Stream(), SIOCSIFFLAGS, &request);
}

std::string Addresses() {
  ifaddrs* list = nullptr;
  EXPECT_OK(getifaddrs(&list));
  std::string out;
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
    char text[64] = "";
    if (at->ifa_addr == nullptr) continue;
    if (at->ifa_addr->sa_family == AF_INET) {
      inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(at->ifa_addr)->sin_addr, text, sizeof(text));
    } else if (at->ifa_addr->sa_family == AF_INET6) {
      inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6*>(at->ifa_addr)->sin6_addr, text, sizeof(text));
    }
    if (text[0] != 0) out += std::string(at->ifa_name) + "=" + text + " ";
  }
  freeifaddrs(list);
  return out;
}

struct AddressRequest {
  nlmsghdr header{};
  ifaddrmsg body{};
  rtattr local{sizeof(rtattr) + sizeof(in_addr_t), IFA_LOCAL};
  in_addr_t address = 0;
};

// The errno of the acknowledgement.
int Ask(nlmsghdr& header) {
  header.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
  const int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  struct {
    nlmsghdr header;
    nlmsgerr error;
    char rest[512];
  } answer{};
  EXPECT_EQ(send(fd, &header, header.nlmsg_len, 0), header.nlmsg_len);
  EXPECT(recv(fd, &answer, sizeof(answer), 0) > 0);
  EXPECT_EQ(answer.header.nlmsg_type, NLMSG_ERROR);
  close(fd);
  return -answer.error.error;
}

int ChangeAddress(uint16_t type, const char* address, uint8_t prefix) {
  AddressRequest request;
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = type;
  request.header.nlmsg_flags = type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_EXCL : 0;
  request.body = {AF_INET, prefix, 0, 0, if_nametoindex("lo")};
  request.address = inet_addr(address);
  return Ask(request.header);
}

int SetLink(unsigned flags) {
  struct {
    nlmsghdr header;
    ifinfomsg body;
  } request{};
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = RTM_NEWLINK;
  request.body.ifi_index = static_cast<int>(if_nametoindex("lo"));
  request.body.ifi_flags = flags;
  request.body.ifi_change = IFF_UP;
  return Ask(request.header);
}

void DropCapabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  EXPECT_OK(syscall(SYS_capset, &header, none));
}

}  // namespace

TEST(FreshNetNamespaceHasLoDown) {
  EnterNew();
  EXPECT_EQ(Flags(), IFF_LOOPBACK);
  EXPECT_EQ(Addresses(), "");
  EXPECT_ERRNO(Connect(Stream(), V4("127.0.0.1", 9)), ENETUNREACH);
  EXPECT_ERRNO(Connect(Stream(), V4("0.0.0.0", 9)), ENETUNREACH);
  EXPECT_ERRNO(ConnectV6(), EADDRNOTAVAIL);
  EXPECT_OK(Bind(Stream(), V4("0.0.0.0", 0)));
}

TEST(LoComesUpWithItsAddresses) {
  EnterNew();
  EXPECT_OK(SetUp(true));
  EXPECT_EQ(Flags(), IFF_LOOPBACK | IFF_UP | IFF_RUNNING);
  EXPECT_EQ(Addresses(), "lo=127.0.0.1 lo=::1 ");
  EXPECT_ERRNO(Connect(Stream(), V4("127.0.0.1", 9)), ECONNREFUSED);
  EXPECT_ERRNO(ConnectV6(), ECONNREFUSED);
  EXPECT_OK(SetUp(false));
  EXPECT_EQ(Addresses(), "lo=127.0.0.1 ");
}

TEST(LoNeedsNetAdmin) {
  EnterNew();
  DropCapabilities();
  EXPECT_ERRNO(SetUp(true), EPERM);
  EXPECT_EQ(SetLink(IFF_UP), EPERM);
  EXPECT_EQ(ChangeAddress(RTM_NEWADDR, "10.9.0.1", 24), EPERM);
}

TEST(PortsBelongToTheNetNamespace) {
  int listener;
  const int port = Listen(&listener);
  const int before = Stream();
  EnterNew();
  EXPECT_OK(SetUp(true));
  EXPECT_ERRNO(Connect(Stream(), V4("127.0.0.1", port)), ECONNREFUSED);
  EXPECT_OK(Bind(Stream(), V4("127.0.0.1", port)));
  EXPECT_OK(Connect(before, V4("127.0.0.1", port)));  // a socket stays in the namespace it was made in
  const int accepted = EXPECT_OK(accept(listener, nullptr, nullptr));
  EXPECT_EQ(write(before, "x", 1), 1);
  char byte;
  EXPECT_EQ(read(accepted, &byte, 1), 1);
}

TEST(AbstractNamesBelongToTheNetNamespace) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  strcpy(name.sun_path + 1, "net-namespace-test");
  const auto* address = reinterpret_cast<const sockaddr*>(&name);
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0), before = socket(AF_UNIX, SOCK_STREAM, 0);
  EXPECT_OK(bind(listener, address, sizeof(name)));
  EXPECT_OK(listen(listener, 1));
  EnterNew();
  EXPECT_ERRNO(connect(socket(AF_UNIX, SOCK_STREAM, 0), address, sizeof(name)), ECONNREFUSED);
  EXPECT_OK(bind(socket(AF_UNIX, SOCK_STREAM, 0), address, sizeof(name)));
  EXPECT_OK(connect(before, address, sizeof(name)));
}

TEST(SetnsReturnsToANetNamespace) {
  EnterNew();
  EXPECT_OK(SetUp(true));
  const int first = EXPECT_OK(open("/proc/self/ns/net", O_RDONLY));
  int listener;
  const int port = Listen(&listener);
  EXPECT_OK(unshare(CLONE_NEWNET));
  EXPECT_EQ(Flags(), IFF_LOOPBACK);
  EXPECT_OK(setns(first, CLONE_NEWNET));
  EXPECT_OK(Connect(Stream(), V4("127.0.0.1", port)));
}

TEST(ProcNetIsThatOfTheProcess) {
  int listener;
  const int port = Listen(&listener);
  char entry[32];
  snprintf(entry, sizeof(entry), "0100007F:%04X 00000000:0000 0A", port);
  const std::string parent = "/proc/" + std::to_string(getpid()) + "/net/tcp";
  const int status = RunInChild([&] {
    EnterNew();
    EXPECT(ReadAll("/proc/self/net/tcp").find(entry) == std::string::npos);
    EXPECT(ReadAll(parent.c_str()).find(entry) != std::string::npos);
    return Failed() ? 1 : 0;
  });
  EXPECT_EQ(status, 0);
}

TEST(NetlinkConfiguresLo) {
  EnterNew();
  EXPECT_EQ(ChangeAddress(RTM_NEWADDR, "10.9.0.1", 24), 0);
  EXPECT_EQ(ChangeAddress(RTM_NEWADDR, "10.9.0.1", 24), EEXIST);
  EXPECT_EQ(SetLink(IFF_UP), 0);
  EXPECT_EQ(Addresses(), "lo=127.0.0.1 lo=10.9.0.1 lo=::1 ");
  int listener;
  const int port = Listen(&listener, "10.9.0.77");  // all of a loopback interface's prefix is local
  const int client = Stream();
  EXPECT_OK(Connect(client, V4("10.9.0.77", port)));
  EXPECT_EQ(NameOf(client).sin_addr.s_addr, inet_addr("10.9.0.1"));
  EXPECT_ERRNO(Bind(Stream(), V4("10.9.1.1", 0)), EADDRNOTAVAIL);
  EXPECT_EQ(ChangeAddress(RTM_DELADDR, "10.9.0.1", 24), 0);
  EXPECT_EQ(ChangeAddress(RTM_DELADDR, "10.9.0.1", 24), EADDRNOTAVAIL);
  EXPECT_ERRNO(Connect(Stream(), V4("10.9.0.77", port)), ENETUNREACH);
  EXPECT_EQ(SetLink(0), 0);
  EXPECT_EQ(Flags(), IFF_LOOPBACK);
}

// A destination in 127.0.0.0/8 is reached from the interface's own address.
TEST(LoopbackSourceIsTheInterfacesAddress) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  EXPECT_OK(Connect(fd, V4("127.0.0.2", 9)));
  EXPECT_EQ(NameOf(fd).sin_addr.s_addr, inet_addr("127.0.0.1"));
}
