// netdevice(7) ioctls for the loopback interface.
#include "sentry/net/interfaces.h"

#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "sentry/kernel/task.h"

namespace runsc {
namespace {

constexpr int kQueueLength = 1000;

short Flags(const NetStack& stack) {
  return static_cast<short>(IFF_LOOPBACK | (stack.loopback().up() ? IFF_UP | IFF_RUNNING : 0));
}

// The first IPv4 address, which is the one these ioctls know.
std::optional<InterfaceAddress> FirstV4(const NetStack& stack) {
  for (const InterfaceAddress& own : stack.loopback().addresses()) {
    if (own.address.is_v4()) return own;
  }
  return std::nullopt;
}

uint32_t MaskOf(uint8_t prefix) { return prefix == 0 ? 0 : ~uint32_t{0} << (32 - prefix); }

void SetAddress(ifreq& request, uint32_t address) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr.s_addr = htonl(address);
  std::memcpy(&request.ifr_addr, &in, sizeof(in));
}

// EADDRNOTAVAIL: the interface has none.
Result<void> AnswerAddress(const NetStack& stack, uint32_t what, ifreq& request) {
  const auto own = FirstV4(stack);
  if (!own) return Errno(EADDRNOTAVAIL);
  const uint32_t address = what == SIOCGIFNETMASK ? MaskOf(own->prefix) : own->address.v4();
  SetAddress(request, what == SIOCGIFBRDADDR ? 0 : address);
  return {};
}

// Fills in what was asked for. ENOTTY: nothing we know.
Result<void> Answer(const NetStack& stack, uint32_t what, ifreq& request) {
  switch (what) {
    case SIOCGIFINDEX:
      request.ifr_ifindex = kLoopbackIndex;
      return {};
    case SIOCGIFFLAGS:
      request.ifr_flags = Flags(stack);
      return {};
    case SIOCGIFADDR:
    case SIOCGIFNETMASK:
    case SIOCGIFBRDADDR:
    case SIOCGIFDSTADDR:
      return AnswerAddress(stack, what, request);
    case SIOCGIFMTU:
      request.ifr_mtu = kLoopbackMtu;
      return {};
    case SIOCGIFMETRIC:
      request.ifr_metric = 0;
      return {};
    case SIOCGIFTXQLEN:
      request.ifr_qlen = kQueueLength;
      return {};
    case SIOCGIFHWADDR:
      std::memset(&request.ifr_hwaddr, 0, sizeof(request.ifr_hwaddr));
      request.ifr_hwaddr.sa_family = ARPHRD_LOOPBACK;
      return {};
    case SIOCGIFMAP:
      std::memset(&request.ifr_map, 0, sizeof(request.ifr_map));
      return {};
    default:
      return Errno(ENOTTY);
  }
}

Result<ifreq> ReadNamed(Task& task, uint64_t arg) {
  ifreq request = TRY(task.CopyInObject<ifreq>(arg));
  request.ifr_name[IFNAMSIZ - 1] = '\0';
  if (std::strcmp(request.ifr_name, kLoopbackName) != 0) return Errno(ENODEV);
  return request;
}

Result<int64_t> ByName(Task& task, const NetStack& stack, uint32_t what, uint64_t arg) {
  ifreq request = TRY(ReadNamed(task, arg));
  TRY(Answer(stack, what, request));
  TRY(task.CopyOutObject(arg, request));
  return int64_t{0};
}

Result<int64_t> ByIndex(Task& task, uint64_t arg) {
  ifreq request = TRY(task.CopyInObject<ifreq>(arg));
  if (request.ifr_ifindex != kLoopbackIndex) return Errno(ENODEV);
  std::memcpy(request.ifr_name, kLoopbackName, sizeof(kLoopbackName));
  TRY(task.CopyOutObject(arg, request));
  return int64_t{0};
}

// Replaces the first IPv4 address, or its mask.
Result<void> SetFirstV4(NetStack& stack, uint32_t what, const ifreq& request) {
  sockaddr_in in;
  std::memcpy(&in, &request.ifr_addr, sizeof(in));
  if (in.sin_family != AF_INET) return Errno(EINVAL);
  const uint32_t value = ntohl(in.sin_addr.s_addr);
  const auto old = FirstV4(stack);
  InterfaceAddress wanted = old.value_or(InterfaceAddress{});
  if (what == SIOCSIFADDR) {
    wanted = {IpAddress::V4(value), static_cast<uint8_t>(value >> 31 == 0 ? 8 : value >> 30 == 2 ? 16 : 24)};
  } else {
    if (!old) return Errno(EADDRNOTAVAIL);
    if (~value & (~value + 1)) return Errno(EINVAL);  // not a mask
    wanted.prefix = static_cast<uint8_t>(std::popcount(value));
  }
  if (old) TRY(stack.loopback().Remove(*old));
  return stack.loopback().Add(wanted);
}

Result<int64_t> Configure(Task& task, NetStack& stack, uint32_t what, uint64_t arg) {
  if (!stack.Allows(task, CAP_NET_ADMIN)) return Errno(EPERM);
  const ifreq request = TRY(ReadNamed(task, arg));
  if (what == SIOCSIFFLAGS) {
    stack.loopback().SetUp(request.ifr_flags & IFF_UP);
  } else {
    TRY(SetFirstV4(stack, what, request));
    if (what == SIOCSIFADDR) stack.loopback().SetUp(true);
  }
  return int64_t{0};
}

// The host's, which nobody here may change.
Result<int64_t> AskHost(Task& task, HostNetwork& host, uint32_t what, uint64_t arg) {
  const ifreq request = TRY(task.CopyInObject<ifreq>(arg));
  const std::string_view bytes(reinterpret_cast<const char*>(&request), sizeof(request));
  const std::string answer = TRY(host.broker().Interface(what, bytes));
  if (answer.size() != sizeof(request)) return Errno(EIO);
  TRY(task.CopyOut(arg, answer.data(), answer.size()));
  return int64_t{0};
}

Result<int64_t> ListHost(Task& task, HostNetwork& host, uint64_t arg) {
  ifconf list = TRY(task.CopyInObject<ifconf>(arg));
  const std::string all = TRY(host.broker().Interface(SIOCGIFCONF, {}));
  const auto buffer = reinterpret_cast<uint64_t>(list.ifc_buf);
  const size_t room = list.ifc_len < 0 ? 0 : static_cast<size_t>(list.ifc_len) / sizeof(ifreq) * sizeof(ifreq);
  const size_t size = buffer == 0 ? all.size() : std::min(all.size(), room);
  if (buffer != 0 && size > 0) TRY(task.CopyOut(buffer, all.data(), size));
  list.ifc_len = static_cast<int>(size);
  TRY(task.CopyOutObject(arg, list));
  return int64_t{0};
}

// The list: as many as there is room for, or with no buffer the room they need.
Result<int64_t> List(Task& task, const NetStack& stack, uint64_t arg) {
  ifconf list = TRY(task.CopyInObject<ifconf>(arg));
  const auto own = FirstV4(stack);  // only those with an address are listed
  const bool fits = own && list.ifc_len >= static_cast<int>(sizeof(ifreq));
  ifreq one{};
  std::memcpy(one.ifr_name, kLoopbackName, sizeof(kLoopbackName));
  SetAddress(one, own ? own->address.v4() : 0);
  const auto buffer = reinterpret_cast<uint64_t>(list.ifc_buf);
  if (buffer != 0 && fits) TRY(task.CopyOutObject(buffer, one));
  list.ifc_len = own && (buffer == 0 || fits) ? sizeof(ifreq) : 0;
  TRY(task.CopyOutObject(arg, list));
  return int64_t{0};
}

}  // namespace

Result<int64_t> InterfaceIoctl(Task& task, NetStack& stack, uint32_t request, uint64_t arg) {
  switch (request) {
    case SIOCGIFCONF:
      return stack.host() ? ListHost(task, *stack.host(), arg) : List(task, stack, arg);
    case SIOCGIFNAME:
      return stack.host() ? AskHost(task, *stack.host(), request, arg) : ByIndex(task, arg);
    case SIOCGIFINDEX:
    case SIOCGIFFLAGS:
    case SIOCGIFADDR:
    case SIOCGIFNETMASK:
    case SIOCGIFBRDADDR:
    case SIOCGIFDSTADDR:
    case SIOCGIFMTU:
    case SIOCGIFMETRIC:
    case SIOCGIFTXQLEN:
    case SIOCGIFHWADDR:
    case SIOCGIFMAP:
      return stack.host() ? AskHost(task, *stack.host(), request, arg) : ByName(task, stack, request, arg);
    case SIOCSIFFLAGS:
    case SIOCSIFADDR:
    case SIOCSIFNETMASK:
      if (stack.host()) return Errno(EPERM);
      return Configure(task, stack, request, arg);
    default:
      return Errno(ENOTTY);
  }
}

}  // namespace runsc
