// The network of the host's namespace the container is in, reached through the broker (--network=host).
#pragma once

#include <memory>
#include <vector>

#include "platform/base/ref_ptr.h"
#include "platform/netbroker/client.h"

namespace runsc {

class HostNetwork : public RefCounted {
 public:
  // EIO and others: the broker does not answer.
  static Result<RefPtr<HostNetwork>> Open(UniqueFd channel);
  HostNetwork(std::unique_ptr<NetBroker> broker, UniqueFd route)
      : broker_(std::move(broker)), route_(std::move(route)) {}

  NetBroker& broker() { return *broker_; }
  // What the kernel answers to a netlink route request that reads: whole messages, with the sender's sequence number
  // and port still to be set. Errors are the kernel's.
  Result<std::vector<std::string>> AskRoute(uint16_t type, uint16_t flags, std::string_view body);
  // Whether somebody set the namespace up: an interface but lo, or an address of lo that reaches beyond the host.
  bool HasLinks();

  // The lines of /proc/net/{dev,route,if_inet6}.
  std::string DevText();
  std::string RouteText();
  std::string IfInet6Text();

 protected:
  ~HostNetwork() override = default;

 private:
  Result<std::vector<std::string>> ReceiveAnswers() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // By index; "" for one that is not there any more.
  std::string NameOf(int index);

  const std::unique_ptr<NetBroker> broker_;
  Mutex mu_{LockRank::kGoferClient};  // one request at a time
  uint32_t sequence_ ABSL_GUARDED_BY(mu_) = 0;
  const UniqueFd route_;
};

}  // namespace runsc
