// The sentry's side of the channel to the network broker.
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>

#include "platform/base/mutex.h"
#include "platform/base/result.h"
#include "platform/base/unique_fd.h"
#include "platform/netbroker/protocol.h"

namespace runsc {

class NetBroker {
 public:
  explicit NetBroker(UniqueFd channel) : channel_(std::move(channel)) {}

  // Errors of all of them are the host call's; EIO: the broker is gone, or broke the protocol.
  Result<UniqueFd> Socket(int domain, int type, int protocol);
  Result<UniqueFd> RouteSocket();
  Result<void> Bind(int socket, std::string_view address);
  Result<void> Connect(int socket, std::string_view address);
  Result<void> Listen(int socket, int backlog);
  Result<void> Shutdown(int socket, int how);
  Result<std::string> GetName(int socket);
  Result<std::string> GetPeer(int socket);
  Result<void> SetOption(int socket, int level, int name, std::string_view value);
  Result<std::string> Interface(unsigned request, std::string_view ifreq);

 private:
  struct Answer {
    std::string bytes;
    UniqueFd fd;
  };
  Result<Answer> Call(BrokerRequest request, std::string_view bytes, int socket);
  Result<void> CallPlain(BrokerRequest request, std::string_view bytes, int socket);
  bool Send(const BrokerRequest& request, std::string_view bytes, int socket) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<Answer> Receive() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Mutex mu_{LockRank::kGoferClient};  // one call at a time
  const UniqueFd channel_;
};

}  // namespace runsc
