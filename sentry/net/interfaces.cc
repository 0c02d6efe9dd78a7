// netdevice(7) ioctls for the loopback interface.
#include "sentry/net/interfaces.h"

#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>

#include <algorithm>
#include <cstring>

#include "sentry/kernel/task.h"

namespace runsc {
namespace {

constexpr char kName[] = "lo";
constexpr int kQueueLength = 1000;

void SetAddress(ifreq& request, uint32_t address) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr.s_addr = htonl(address);
  std::memcpy(&request.ifr_addr, &in, sizeof(in));
}

// Fills in what was asked for. ENOTTY: nothing we know.
Result<void> Answer(uint32_t what, ifreq& request) {
  switch (what) {
    case SIOCGIFINDEX:
      request.ifr_ifindex = kLoopbackIndex;
      return {};
    case SIOCGIFFLAGS:
      request.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
      return {};
    case SIOCGIFADDR:
      SetAddress(request, INADDR_LOOPBACK);
      return {};
    case SIOCGIFNETMASK:
      SetAddress(request, 0xff000000);
      return {};
    case SIOCGIFBRDADDR:
    case SIOCGIFDSTADDR:
      SetAddress(request, what == SIOCGIFBRDADDR ? 0 : INADDR_LOOPBACK);
      return {};
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

Result<int64_t> ByName(Task& task, uint32_t what, uint64_t arg) {
  ifreq request = TRY(task.CopyInObject<ifreq>(arg));
  request.ifr_name[IFNAMSIZ - 1] = '\0';
  if (std::strcmp(request.ifr_name, kName) != 0) return Errno(ENODEV);
  TRY(Answer(what, request));
  TRY(task.CopyOutObject(arg, request));
  return int64_t{0};
}

Result<int64_t> ByIndex(Task& task, uint64_t arg) {
  ifreq request = TRY(task.CopyInObject<ifreq>(arg));
  if (request.ifr_ifindex != kLoopbackIndex) return Errno(ENODEV);
  std::memcpy(request.ifr_name, kName, sizeof(kName));
  TRY(task.CopyOutObject(arg, request));
  return int64_t{0};
}

// The list: as many as there is room for, or with no buffer the room they need.
Result<int64_t> List(Task& task, uint64_t arg) {
  ifconf list = TRY(task.CopyInObject<ifconf>(arg));
  const bool fits = list.ifc_len >= static_cast<int>(sizeof(ifreq));
  ifreq one{};
  std::memcpy(one.ifr_name, kName, sizeof(kName));
  SetAddress(one, INADDR_LOOPBACK);
  const auto buffer = reinterpret_cast<uint64_t>(list.ifc_buf);
  if (buffer != 0 && fits) TRY(task.CopyOutObject(buffer, one));
  list.ifc_len = buffer == 0 || fits ? sizeof(ifreq) : 0;
  TRY(task.CopyOutObject(arg, list));
  return int64_t{0};
}

}  // namespace

Result<int64_t> InterfaceIoctl(Task& task, uint32_t request, uint64_t arg) {
  switch (request) {
    case SIOCGIFCONF:
      return List(task, arg);
    case SIOCGIFNAME:
      return ByIndex(task, arg);
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
      return ByName(task, request, arg);
    default:
      return Errno(ENOTTY);
  }
}

}  // namespace runsc
