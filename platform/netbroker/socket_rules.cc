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

// To read only. Each writes a value and looks at nothing but the room for it. TCP_ZEROCOPY_RECEIVE for one would take
// addresses of ours from what the guest had us leave there.
constexpr SocketOption kFacts[] = {
    {SOL_SOCKET, SO_TYPE},
    {SOL_SOCKET, SO_DOMAIN},
    {SOL_SOCKET, SO_PROTOCOL},
    {SOL_SOCKET, SO_ERROR},
    {SOL_SOCKET, SO_ACCEPTCONN},
    {SOL_SOCKET, SO_DEBUG},
    {SOL_SOCKET, SO_SNDLOWAT},
    {SOL_SOCKET, SO_MARK},
    {SOL_SOCKET, SO_RXQ_OVFL},
    {SOL_SOCKET, SO_TIMESTAMPING},
    {SOL_SOCKET, SO_BUSY_POLL},
    {SOL_SOCKET, SO_MAX_PACING_RATE},
    {SOL_SOCKET, SO_MEMINFO},
    {SOL_SOCKET, SO_INCOMING_NAPI_ID},
    {SOL_SOCKET, SO_SELECT_ERR_QUEUE},
    {SOL_SOCKET, SO_PEEK_OFF},
    {SOL_SOCKET, SO_LOCK_FILTER},
    {SOL_SOCKET, SO_ZEROCOPY},
    {SOL_SOCKET, SO_PASSCRED},
    {IPPROTO_IP, IP_OPTIONS},
    {IPPROTO_IP, IP_HDRINCL},
    {IPPROTO_IP, IP_RECVOPTS},
    {IPPROTO_IP, IP_RETOPTS},
    {IPPROTO_IP, IP_MTU},
    {IPPROTO_IP, IP_MINTTL},
    {IPPROTO_IP, IP_NODEFRAG},
    {IPPROTO_IP, IP_CHECKSUM},
    {IPPROTO_IP, IP_RECVFRAGSIZE},
    {IPPROTO_IP, IP_TRANSPARENT},
    {IPPROTO_IP, IP_UNICAST_IF},
    {IPPROTO_IPV6, IPV6_MTU},
    {IPPROTO_IPV6, IPV6_DONTFRAG},
    {IPPROTO_IPV6, IPV6_CHECKSUM},
    {IPPROTO_IPV6, IPV6_RECVHOPOPTS},
    {IPPROTO_IPV6, IPV6_RECVRTHDR},
    {IPPROTO_IPV6, IPV6_RECVDSTOPTS},
    {IPPROTO_IPV6, IPV6_RECVPATHMTU},
    {IPPROTO_IPV6, IPV6_RECVFRAGSIZE},
    {IPPROTO_IPV6, IPV6_RECVORIGDSTADDR},
    {IPPROTO_IPV6, IPV6_TRANSPARENT},
    {IPPROTO_IPV6, IPV6_UNICAST_IF},
    {IPPROTO_IPV6, IPV6_AUTOFLOWLABEL},
    {IPPROTO_IPV6, IPV6_MINHOPCOUNT},
    {IPPROTO_IPV6, IPV6_MULTICAST_ALL},
    {IPPROTO_TCP, TCP_INFO},
    {IPPROTO_TCP, TCP_CC_INFO},
    {IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS},
    {IPPROTO_TCP, TCP_THIN_DUPACK},
    {IPPROTO_TCP, TCP_TIMESTAMP},
    {IPPROTO_TCP, TCP_SAVE_SYN},
    {IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE},
    {IPPROTO_TCP, TCP_ULP},
};

bool IsListed(std::span<const SocketOption> options, int level, int name) {
  return std::any_of(options.begin(), options.end(),
                     [&](const SocketOption& o) { return o.level == level && o.name == name; });
}

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

bool MaySetOption(int level, int name) { return IsListed(kOptions, level, name); }
bool MayReadOption(int level, int name) { return MaySetOption(level, name) || IsListed(kFacts, level, name); }

bool IsAllowedKind(int domain, int type, int protocol) {
  return std::any_of(std::begin(kKinds), std::end(kKinds), [&](const SocketKind& k) {
    return k.domain == domain && k.type == type && k.protocol == protocol;
  });
}

}  // namespace runsc
