// The network broker: opens sockets in the network namespace it is in, and does to them what the sentry may not.
#pragma once

#include "absl/status/status.h"
#include "platform/base/unique_fd.h"
#include "platform/host/seccomp_filter.h"

namespace runsc {

// Leaves the broker an empty root and the capabilities to use low ports and ICMP sockets. `netns`: a network
// namespace to enter first, or -1. Needs CLONE_NEWNS | CLONE_NEWPID of SpawnSelf.
absl::Status EnterBrokerJail(int netns);
// Undumpable, and the broker's system call filter.
absl::Status LockDownBroker();
std::vector<AllowedCall> BrokerFilter();

// Serves until the sentry closes its end, or breaks the protocol.
void RunNetBroker(UniqueFd channel);

}  // namespace runsc
