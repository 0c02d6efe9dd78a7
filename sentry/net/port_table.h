// Which sockets have which ports of one protocol: conflicts, free ports, and who gets what arrives.
#pragma once

#include <list>
#include <optional>
#include <unordered_map>
#include <vector>

#include "platform/base/mutex.h"
#include "platform/base/ref_ptr.h"
#include "sentry/net/net_settings.h"
#include "sentry/net/port_claim.h"
#include "sentry/net/time_wait.h"

namespace runsc {

class PortTable;

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
  // A free port to connect to `remote` from, or one that only connections to elsewhere have. EADDRNOTAVAIL.
  Result<IpEndpoint> BindToConnect(PortOwner& owner, PortClaim claim, const IpEndpoint& remote);
  // A connection of a listener's has its port.
  void BindChild(PortOwner& child, const PortOwner& listener, const IpEndpoint& local, const IpEndpoint& remote);
  void Unbind(PortOwner& owner);
  // SO_REUSEADDR and SO_REUSEPORT of one that has a port already count from now on.
  void SetReuse(PortOwner& owner, bool address, bool port);
  // EADDRINUSE: somebody listens there already.
  Result<void> SetListening(PortOwner& owner);
  void StopListening(PortOwner& owner);  // keeps the port
  // Fixes the pair of addresses. EADDRNOTAVAIL: another connection has the same.
  Result<void> SetRemote(PortOwner& owner, const IpAddress& local, const IpEndpoint& remote);
  void ClearRemote(PortOwner& owner);

  // The end of a connection that stays when its socket goes, or is done with it (time_wait.h).
  void LeaveBehind(const PortOwner& owner, int state, int64_t for_ns);
  // What the other end left behind hears that this one is over, or was reset.
  void EndOther(const PortOwner& owner);
  void ResetOther(const PortOwner& owner);
  std::vector<TimeWait> LeftBehind();
  uint64_t EndedWaits();

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

  bool Conflict(const PortClaim& a, const PortClaim& b, bool listening, bool waiting) const;
  bool IsFreeLocked(const PortClaim& claim, const PortOwner* except) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  uint16_t NextPortLocked(const LocalPorts::Range& range) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<uint16_t> PickLocked(PortClaim claim, const LocalPorts& ports) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether the port can be shared for a connection from there to `remote`.
  bool CanShareLocked(const IpEndpoint& local, const IpEndpoint& remote) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool BlocksLocked(const IpEndpoint& local, const IpEndpoint& remote) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool IsUnusedLocked(uint16_t port) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void InsertLocked(PortOwner& owner, Record record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static int Score(const Record& record, const IpEndpoint& to, const IpEndpoint& from);

  const Rules rules_;
  const NetSettings& settings_;
  mutable Mutex mu_{LockRank::kSocket};
  std::unordered_map<uint16_t, Port> ports_ ABSL_GUARDED_BY(mu_);
  TimeWaitTable time_waits_ ABSL_GUARDED_BY(mu_);
  uint32_t next_pick_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace runsc
