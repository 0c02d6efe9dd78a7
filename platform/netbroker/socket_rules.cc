#include "platform/netbroker/socket_rules.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>

namespace runsc {
namespace {

constexpr SocketOption kOptions[] = {
#define SOCKET_OPTION(level, name) {level, name},
#include "platform/netbroker/socket_options.inc"
#undef SOCKET_OPTION
};

constexpr SocketKind kKinds[] = {
    {AF_INET, SOCK_STREAM, 0},           {AF_INET, SOCK_STREAM, IPPROTO_TCP},    {AF_INET, SOCK_DGRAM, 0},
    {AF_INET, SOCK_DGRAM, IPPROTO_UDP},  {AF_INET, SOCK_DGRAM, IPPROTO_ICMP},    {AF_INET, SOCK_RAW, IPPROTO_ICMP},
    {AF_INET6, SOCK_STREAM, 0},          {AF_INET6, SOCK_STREAM, IPPROTO_TCP},   {AF_INET6, SOCK_DGRAM, 0},
    {AF_INET6, SOCK_DGRAM, IPPROTO_UDP}, {AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6}, {AF_INET6, SOCK_RAW, IPPROTO_ICMPV6},
};

constexpr unsigned kQueries[] = {
    SIOCGIFNAME,    SIOCGIFINDEX,   SIOCGIFCONF, SIOCGIFFLAGS,  SIOCGIFADDR,   SIOCGIFDSTADDR,
    SIOCGIFBRDADDR, SIOCGIFNETMASK, SIOCGIFMTU,  SIOCGIFMETRIC, SIOCGIFHWADDR, SIOCGIFTXQLEN,
};

}  // namespace

std::span<const SocketOption> SettableOptions() { return kOptions; }
std::span<const SocketKind> AllowedKinds() { return kKinds; }
std::span<const unsigned> InterfaceQueries() { return kQueries; }

bool MaySetOption(int level, int name) {
  return std::any_of(std::begin(kOptions), std::end(kOptions),
                     [&](const SocketOption& o) { return o.level == level && o.name == name; });
}

bool IsAllowedKind(int domain, int type, int protocol) {
  return std::any_of(std::begin(kKinds), std::end(kKinds), [&](const SocketKind& k) {
    return k.domain == domain && k.type == type && k.protocol == protocol;
  });
}

}  // namespace runsc
