// Internet addresses and ports of both families. An IPv4 address is kept as the IPv6 address it maps to.
#pragma once

#include <netinet/in.h>

#include <array>
#include <compare>
#include <cstdint>

#include "sentry/net/socket.h"

namespace runsc {

struct IpAddress {
  std::array<uint8_t, 16> bytes{};  // network order

  static IpAddress V4(uint32_t host_order);
  static IpAddress V6Any() { return {}; }
  static IpAddress V4Any() { return V4(0); }
  static IpAddress AnyOf(int family) { return family == AF_INET ? V4Any() : V6Any(); }
  static IpAddress V6Loopback();

  bool is_v4() const;
  uint32_t v4() const;       // host order
  bool is_any() const;       // of either family
  bool is_loopback() const;  // 127.0.0.0/8 or ::1
  bool is_multicast() const;
  bool is_broadcast() const;  // 255.255.255.255, or that of 127.0.0.0/8
  // Where a packet for an unspecified address goes.
  IpAddress OrLoopback() const;
  auto operator<=>(const IpAddress&) const = default;
};

struct IpEndpoint {
  IpAddress address;
  uint16_t port = 0;  // host order
  auto operator<=>(const IpEndpoint&) const = default;
};

// EINVAL: too short; EAFNOSUPPORT: not of the socket's family. With `allow_v4`, an IPv6 socket takes IPv4
// addresses too (UDP).
Result<IpEndpoint> ParseInetAddress(const SocketAddress& address, int family, bool allow_v4 = false);
// As a socket of `family` shows it.
SocketAddress ToSocketAddress(const IpEndpoint& endpoint, int family);

}  // namespace runsc
