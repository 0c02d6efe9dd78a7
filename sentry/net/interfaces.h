// The network interfaces guests see (today: lo), for the old ioctls. Netlink says the same at more length.
#pragma once

#include "sentry/net/net_stack.h"

namespace runsc {

// SIOCGIF*, SIOCSIF* and their like, on any socket of `stack`. ENODEV: no such interface; EPERM; ENOTTY: not one of
// them.
Result<int64_t> InterfaceIoctl(Task& task, NetStack& stack, uint32_t request, uint64_t arg);

}  // namespace runsc
