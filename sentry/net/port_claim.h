// What a socket asks of the ports of its protocol.
#pragma once

#include <sys/types.h>

#include "sentry/net/ip_address.h"

namespace runsc {

struct PortClaim {
  IpEndpoint local;
  bool v6_socket = false;
  bool v6_only = false;
  bool reuse_address = false;
  bool reuse_port = false;
  bool automatic = false;  // chosen for a connection, so that those to elsewhere may have it too
  uid_t uid = 0;

  bool TakesV4() const { return local.address.is_v4() || (local.address.is_any() && !v6_only); }
  bool TakesV6() const { return !local.address.is_v4(); }
};

}  // namespace runsc
