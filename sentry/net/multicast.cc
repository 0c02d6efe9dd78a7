#include "sentry/net/multicast.h"

#include <algorithm>
#include <cstring>

namespace runsc {
namespace {

template <typename T>
T Prefix(std::string_view value) {
  T out{};
  std::memcpy(&out, value.data(), std::min(sizeof(out), value.size()));
  return out;
}

bool IsOurs(in_addr address, const NetStack& stack) {
  return address.s_addr != 0 && stack.loopback().SourceFor(IpAddress::V4(ntohl(address.s_addr))).has_value();
}

}  // namespace

Result<GroupRequest> ParseGroup4(std::string_view value, const NetStack& stack) {
  if (value.size() < sizeof(ip_mreq)) return Errno(EINVAL);
  const bool with_index = value.size() >= sizeof(ip_mreqn);
  const auto request = Prefix<ip_mreqn>(value.substr(0, with_index ? sizeof(ip_mreqn) : sizeof(ip_mreq)));
  GroupRequest out;
  out.group = IpAddress::V4(ntohl(request.imr_multiaddr.s_addr));
  out.any_interface = request.imr_ifindex == 0 && request.imr_address.s_addr == 0;
  out.present = request.imr_ifindex != 0 ? request.imr_ifindex == kLoopbackIndex : IsOurs(request.imr_address, stack);
  return out;
}

Result<GroupRequest> ParseGroup6(std::string_view value) {
  if (value.size() < sizeof(ipv6_mreq)) return Errno(EINVAL);
  const auto request = Prefix<ipv6_mreq>(value);
  GroupRequest out;
  std::memcpy(out.group.bytes.data(), &request.ipv6mr_multiaddr, out.group.bytes.size());
  out.any_interface = request.ipv6mr_interface == 0;
  out.present = request.ipv6mr_interface == kLoopbackIndex;
  return out;
}

Result<OutgoingInterface> ParseOutgoing4(std::string_view value, const NetStack& stack) {
  if (value.size() < sizeof(in_addr)) return Errno(EINVAL);
  ip_mreqn request{};
  if (value.size() >= sizeof(ip_mreq)) {
    request = Prefix<ip_mreqn>(value.substr(0, value.size() >= sizeof(ip_mreqn) ? sizeof(ip_mreqn) : sizeof(ip_mreq)));
  } else {
    request.imr_address = Prefix<in_addr>(value);
  }
  if (request.imr_ifindex != 0) {
    if (request.imr_ifindex != kLoopbackIndex) return Errno(EADDRNOTAVAIL);
  } else if (request.imr_address.s_addr == 0) {
    return OutgoingInterface{};
  } else if (!IsOurs(request.imr_address, stack)) {
    return Errno(EADDRNOTAVAIL);
  }
  return OutgoingInterface{kLoopbackIndex, request.imr_address};
}

}  // namespace runsc
