// Which sockets have which ports of one protocol: conflicts, free ports, and who gets what arrives.
#pragma once

#include <list>
#include <optional>
#include <unordered_map>
#include <vector>

#include "platform/base/mutex.h"
#include "platform/base/ref_ptr.h"
#include "sentry/net/ip_address.h"
#include "sentry/net/net_settings.h"

namespace runsc {

class PortTable;

// What a socket claims of the port space.
struct PortClaim {
  IpEndpoint local;
  bool v6_socket = false;
  bool v6_only = false;
  bool reuse_address = false;
  bool reuse_port = false;
  uid_t uid = 0;

  bool TakesV4() const { return local.address.is_v4() || (local.address.is_any() && !v6_only); }
  bool TakesV6() const { return !local.address.is_v4(); }
};

// Base of what is bound: the state behind a socket. Leaves the table before it is destroyed.
class PortOwner : public RefCounted {
 private:
  friend class PortTable;
  struct Record {
    PortClaim claim;
    std::optional<IpEndpoint> remote;
    IpAddress bound;  // what local.address is without a remote
    bool listening = false;
    std::list<PortOwner*>::iterator place;
  };
  std::optional<Record> record_;  // guarded by the table's lock
};

class PortTable {
 public:
  // TCP: listeners exclude each other even with SO_REUSEADDR.
  enum class Rules { kStream, kDatagram };
  PortTable(Rules rules, const NetSettings& settings) : rules_(rules), settings_(settings) {}

  // Port 0 picks a free one. EINVAL: bound already; EADDRINUSE.
  Result<IpEndpoint> Bind(PortOwner& owner, const PortClaim& claim);
  // A connection of a listener's has its port.
  void BindChild(PortOwner& child, const PortOwner& listener, const IpEndpoint& local, const IpEndpoint& remote);
  void Unbind(PortOwner& owner);
  // EADDRINUSE: somebody listens there already.
  Result<void> SetListening(PortOwner& owner);
  void StopListening(PortOwner& owner);  // keeps the port
  // Fixes the pair of addresses. EADDRNOTAVAIL: another connection has the same.
  Result<void> SetRemote(PortOwner& owner, const IpAddress& local, const IpEndpoint& remote);
  void ClearRemote(PortOwner& owner);

  std::optional<IpEndpoint> LocalOf(const PortOwner& owner) const;
  bool IsV6Only(const PortOwner& owner) const;
  // Who gets a connection request or datagram. Null: nobody.
  RefPtr<PortOwner> Find(const IpEndpoint& to, const IpEndpoint& from) const;
  std::vector<RefPtr<PortOwner>> All() const;

 private:
  struct Port {
    std::list<PortOwner*> owners;
    std::list<PortOwner*> receivers;  // listeners, or all of them for datagrams
  };
  using Record = PortOwner::Record;

  bool ConflictsLocked(const PortClaim& a, const Record& b) const;
  bool IsFreeLocked(const PortClaim& claim, const PortOwner* except) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<uint16_t> PickLocked(PortClaim claim, const LocalPorts& ports) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void InsertLocked(PortOwner& owner, Record record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static int Score(const Record& record, const IpEndpoint& to, const IpEndpoint& from);

  const Rules rules_;
  const NetSettings& settings_;
  mutable Mutex mu_{LockRank::kSocket};
  std::unordered_map<uint16_t, Port> ports_ ABSL_GUARDED_BY(mu_);
  uint32_t next_pick_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace runsc
