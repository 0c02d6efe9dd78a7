// Classes of addresses, and sockaddr_in and sockaddr_in6.
#include "sentry/net/ip_address.h"

#include <algorithm>
#include <cstring>

namespace runsc {
namespace {

constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr size_t kShortestV6 = 24;  // before sin6_scope_id came

IpEndpoint FromV4(const SocketAddress& address) {
  sockaddr_in in;
  std::memcpy(&in, &address.storage, sizeof(in));
  return {IpAddress::V4(ntohl(in.sin_addr.s_addr)), ntohs(in.sin_port)};
}

IpEndpoint FromV6(const SocketAddress& address) {
  sockaddr_in6 in;
  std::memcpy(&in, &address.storage, sizeof(in));
  IpEndpoint out;
  std::memcpy(out.address.bytes.data(), &in.sin6_addr, out.address.bytes.size());
  out.port = ntohs(in.sin6_port);
  return out;
}

}  // namespace

IpAddress IpAddress::V4(uint32_t host_order) {
  IpAddress out;
  std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), out.bytes.begin());
  const uint32_t network_order = htonl(host_order);
  std::memcpy(out.bytes.data() + kMappedPrefix.size(), &network_order, sizeof(network_order));
  return out;
}

IpAddress IpAddress::V6Loopback() {
  IpAddress out;
  out.bytes[15] = 1;
  return out;
}

bool IpAddress::is_v4() const { return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes.begin()); }

uint32_t IpAddress::v4() const {
  uint32_t network_order;
  std::memcpy(&network_order, bytes.data() + kMappedPrefix.size(), sizeof(network_order));
  return ntohl(network_order);
}

bool IpAddress::is_any() const { return *this == V6Any() || *this == V4Any(); }

bool IpAddress::is_loopback() const { return is_v4() ? v4() >> 24 == 127 : *this == V6Loopback(); }

bool IpAddress::is_multicast() const { return is_v4() ? v4() >> 28 == 14 : bytes[0] == 0xff; }

bool IpAddress::is_broadcast() const { return is_v4() && (v4() == INADDR_BROADCAST || v4() == 0x7fffffff); }

IpAddress IpAddress::OrLoopback() const {
  if (!is_any()) return *this;
  return is_v4() ? V4(INADDR_LOOPBACK) : V6Loopback();
}

Result<IpEndpoint> ParseInetAddress(const SocketAddress& address, int family, bool allow_v4) {
  if (address.size < sizeof(sa_family_t)) return Errno(EINVAL);
  if (family == AF_INET || (allow_v4 && address.family() == AF_INET)) {
    if (address.size < sizeof(sockaddr_in)) return Errno(EINVAL);
    if (address.family() != AF_INET) return Errno(EAFNOSUPPORT);
    return FromV4(address);
  }
  if (address.size < kShortestV6) return address.family() == AF_INET6 ? Errno(EINVAL) : Errno(EAFNOSUPPORT);
  if (address.family() != AF_INET6) return Errno(EAFNOSUPPORT);
  return FromV6(address);
}

SocketAddress ToSocketAddress(const IpEndpoint& endpoint, int family) {
  SocketAddress out;
  if (family == AF_INET) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(endpoint.port);
    if (endpoint.address.is_v4()) in.sin_addr.s_addr = htonl(endpoint.address.v4());
    std::memcpy(&out.storage, &in, out.size = sizeof(in));
    return out;
  }
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(endpoint.port);
  std::memcpy(&in.sin6_addr, endpoint.address.bytes.data(), endpoint.address.bytes.size());
  std::memcpy(&out.storage, &in, out.size = sizeof(in));
  return out;
}

}  // namespace runsc
