// Routing when there is only loopback.
#include "sentry/net/net_stack.h"

namespace runsc {

NetStack& NetStack::Get() {
  static NetStack* const stack = new NetStack;
  return *stack;
}

// From one loopback address to another the source is the destination, unless the socket is bound.
Result<IpAddress> NetStack::Route(const IpAddress& to) const {
  const IpAddress target = to.OrLoopback();
  if (!target.is_loopback()) return Errno(ENETUNREACH);
  return target;
}

Result<void> NetStack::CheckLocal(const IpAddress& address) const {
  if (address.is_any() || address.is_loopback()) return {};
  return Errno(EADDRNOTAVAIL);
}

}  // namespace runsc
