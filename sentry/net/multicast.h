// What programs ask of IP multicast (ip(7), ipv6(7)): the loopback interface is the only one there is.
#pragma once

#include <string_view>

#include "sentry/net/ip_address.h"
#include "sentry/net/net_stack.h"

namespace runsc {

// IP_ADD_MEMBERSHIP and its like. `present`: the interface asked for exists.
struct GroupRequest {
  IpAddress group;
  bool present = false;
  bool any_interface = false;  // none was named: the route to the group decides, and there is none
};
// EINVAL: too short.
Result<GroupRequest> ParseGroup4(std::string_view value, const NetStack& stack);
Result<GroupRequest> ParseGroup6(std::string_view value);

// IP_MULTICAST_IF: by which interface, and the address that getsockopt shows.
struct OutgoingInterface {
  int index = 0;
  in_addr address{};
};
// EINVAL; EADDRNOTAVAIL: no interface has the address.
Result<OutgoingInterface> ParseOutgoing4(std::string_view value, const NetStack& stack);

}  // namespace runsc
