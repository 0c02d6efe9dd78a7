// Names of unix sockets: addresses, and who is bound to which.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sentry/net/socket.h"

namespace runsc {

class NetStack;
class UnixEndpoint;

// An address as getsockname shows it. Shared: every datagram carries its sender's.
struct UnixAddress {
  std::string path;  // the name; abstract ones without the leading NUL
  bool abstract = false;
  SocketAddress ToSocketAddress() const;
};
using UnixAddressRef = std::shared_ptr<const UnixAddress>;

// The unnamed address.
SocketAddress UnnamedUnixAddress();
// EINVAL: wrong family or length. An empty optional asks for autobind.
Result<std::optional<UnixAddress>> ParseUnixAddress(const SocketAddress& address);

// Bound endpoints. Abstract names are those of a network namespace. References are weak: an endpoint removes itself
// when it closes.
class UnixNames {
 public:
  static UnixNames& Get();
  // EADDRINUSE.
  Result<void> BindAbstract(const std::string& name, UnixEndpoint& endpoint);
  // A free name of five hex digits.
  Result<std::string> Autobind(UnixEndpoint& endpoint);
  void BindNode(Inode& node, UnixEndpoint& endpoint);
  void UnbindAbstract(const std::string& name, UnixEndpoint& endpoint);
  void UnbindNode(Inode& node, UnixEndpoint& endpoint);
  // Null: nobody there.
  RefPtr<UnixEndpoint> FindAbstract(const NetStack* net, const std::string& name);
  RefPtr<UnixEndpoint> FindNode(Inode& node);

  // Every endpoint there is, for /proc/net/unix.
  void Register(UnixEndpoint& endpoint);
  void Unregister(UnixEndpoint& endpoint);
  std::vector<RefPtr<UnixEndpoint>> All();
  std::vector<RefPtr<UnixEndpoint>> AllIn(const NetStack* net);

 private:
  struct Tables;
  UnixNames();
  Tables* const tables_;  // never destroyed
};

// The lines of /proc/net/unix after the heading.
std::string DescribeUnixSockets(Task& whose);

}  // namespace runsc
