// Port conflicts by Linux's rules, and the choice of a receiver.
#include "sentry/net/port_table.h"

#include <netinet/tcp.h>

#include <algorithm>

#include "sentry/kernel/kernel.h"
#include "sentry/kernel/random.h"

namespace runsc {
namespace {

bool Overlap(const PortClaim& a, const PortClaim& b) {
  const bool any = a.local.address.is_any() || b.local.address.is_any();
  if (!any) return a.local.address == b.local.address;
  return (a.TakesV4() && b.TakesV4()) || (a.TakesV6() && b.TakesV6());
}

uint32_t CountOf(const LocalPorts::Range& range) { return range.second - range.first + 1u; }

size_t Hash(const IpEndpoint& from) { return (size_t{from.port} * 0x9e3779b97f4a7c15u) >> 32; }

}  // namespace

bool PortTable::Conflict(const PortClaim& a, const PortClaim& b, bool listening, bool waiting) const {
  if (!Overlap(a, b)) return false;
  if (a.reuse_port && b.reuse_port && (waiting || a.uid == b.uid)) return false;
  const bool both = a.reuse_address && b.reuse_address;
  return rules_ == Rules::kDatagram ? !both : !both || listening;
}

bool PortTable::IsFreeLocked(const PortClaim& claim, const PortOwner* except) const {
  const auto waits = [&](const TimeWait& wait) { return Conflict(claim, wait.claim, false, true); };
  if (time_waits_.AnyAt(claim.local.port, waits)) return false;
  auto it = ports_.find(claim.local.port);
  if (it == ports_.end()) return true;
  return std::none_of(it->second.owners.begin(), it->second.owners.end(), [&](const PortOwner* owner) {
    return owner != except && Conflict(claim, owner->record_->claim, owner->record_->listening, false);
  });
}

bool PortTable::IsUnusedLocked(uint16_t port) const {
  return !ports_.contains(port) && !time_waits_.AnyAt(port, [](const TimeWait&) { return true; });
}

// An old connection between the same two, whose late segments a new one could take for its own. After a second
// timestamps tell them apart (net.ipv4.tcp_tw_reuse; 2 is for loopback alone, which this is).
bool PortTable::BlocksLocked(const IpEndpoint& local, const IpEndpoint& remote) const {
  constexpr int64_t kReuseNs = 1'000'000'000;
  const TimeWait* const wait = time_waits_.Find(local, remote);
  if (wait == nullptr) return false;
  const bool reusable = wait->state == TCP_TIME_WAIT && settings_.at(NetSetting::kTimeWaitReuse) != 0;
  return !reusable || Kernel::MonotonicNs() < wait->until_ns - TimeWait::kLengthNs + kReuseNs;
}

bool PortTable::CanShareLocked(const IpEndpoint& local, const IpEndpoint& remote) const {
  if (time_waits_.AnyAt(local.port, [](const TimeWait& wait) { return !wait.claim.automatic; })) return false;
  if (BlocksLocked(local, remote)) return false;
  const auto it = ports_.find(local.port);
  if (it == ports_.end()) return true;
  return std::all_of(it->second.owners.begin(), it->second.owners.end(), [&](const PortOwner* owner) {
    const Record& record = *owner->record_;
    return record.claim.automatic && record.remote && !(*record.remote == remote && record.claim.local == local);
  });
}

// Ports in turn from a start nobody guesses.
uint16_t PortTable::NextPortLocked(const LocalPorts::Range& range) {
  if (next_pick_ == 0) FillRandom(&next_pick_, sizeof(next_pick_));
  return static_cast<uint16_t>(range.first + ++next_pick_ % CountOf(range));
}

// One where nobody has anything, or one that can be shared.
Result<uint16_t> PortTable::PickLocked(PortClaim claim, const LocalPorts& ports) {
  const uint32_t count = CountOf(ports.range);
  for (uint32_t tries = 0; tries < count; ++tries) {
    const uint16_t port = NextPortLocked(ports.range);
    if (IsUnusedLocked(port) && !ports.IsReserved(port)) return port;
  }
  for (uint32_t i = 0; i < count; ++i) {
    claim.local.port = static_cast<uint16_t>(ports.range.first + i);
    if (!ports.IsReserved(claim.local.port) && IsFreeLocked(claim, nullptr)) return claim.local.port;
  }
  return Errno(EADDRINUSE);
}

void PortTable::InsertLocked(PortOwner& owner, Record record) {
  Port& port = ports_[record.claim.local.port];
  record.place = port.owners.insert(port.owners.end(), &owner);
  if (rules_ == Rules::kDatagram) port.receivers.push_back(&owner);
  owner.record_ = std::move(record);
}

Result<IpEndpoint> PortTable::Bind(PortOwner& owner, const PortClaim& claim) {
  const std::shared_ptr<const LocalPorts> ports = settings_.local_ports();
  MutexLock l(mu_);
  time_waits_.Expire(Kernel::MonotonicNs());
  if (owner.record_) return Errno(EINVAL);
  Record record{claim};
  if (claim.local.port == 0) {
    record.claim.local.port = TRY(PickLocked(claim, *ports));
  } else if (!IsFreeLocked(claim, nullptr)) {
    return Errno(EADDRINUSE);
  }
  record.bound = claim.local.address;
  InsertLocked(owner, std::move(record));
  return owner.record_->claim.local;
}

Result<IpEndpoint> PortTable::BindToConnect(PortOwner& owner, PortClaim claim, const IpEndpoint& remote) {
  const std::shared_ptr<const LocalPorts> ports = settings_.local_ports();
  MutexLock l(mu_);
  time_waits_.Expire(Kernel::MonotonicNs());
  if (owner.record_) return Errno(EINVAL);
  for (uint32_t tries = 0; tries < CountOf(ports->range); ++tries) {
    claim.local.port = NextPortLocked(ports->range);
    if (ports->IsReserved(claim.local.port) || !CanShareLocked(claim.local, remote)) continue;
    claim.automatic = true;
    Record record{claim};
    record.bound = claim.local.address;
    InsertLocked(owner, std::move(record));
    return claim.local;
  }
  return Errno(EADDRNOTAVAIL);
}

void PortTable::BindChild(PortOwner& child, const PortOwner& listener, const IpEndpoint& local,
                          const IpEndpoint& remote) {
  MutexLock l(mu_);
  if (!listener.record_) return;  // closed meanwhile: the connection is refused
  time_waits_.Remove(local, remote);
  Record record{listener.record_->claim, remote};
  record.claim.local = local;
  InsertLocked(child, std::move(record));
}

void PortTable::Unbind(PortOwner& owner) {
  MutexLock l(mu_);
  if (!owner.record_) return;
  auto it = ports_.find(owner.record_->claim.local.port);
  it->second.owners.erase(owner.record_->place);
  if (rules_ == Rules::kDatagram || owner.record_->listening) it->second.receivers.remove(&owner);
  if (it->second.owners.empty()) ports_.erase(it);
  owner.record_.reset();
}

void PortTable::SetReuse(PortOwner& owner, bool address, bool port) {
  MutexLock l(mu_);
  if (!owner.record_) return;
  owner.record_->claim.reuse_address = address;
  owner.record_->claim.reuse_port = port;
}

Result<void> PortTable::SetListening(PortOwner& owner) {
  MutexLock l(mu_);
  if (!owner.record_) return Errno(EINVAL);
  Record& record = *owner.record_;
  if (record.listening) return {};
  Port& port = ports_[record.claim.local.port];
  time_waits_.Expire(Kernel::MonotonicNs());
  if (!IsFreeLocked(record.claim, &owner)) return Errno(EADDRINUSE);
  record.listening = true;
  port.receivers.push_back(&owner);
  return {};
}

void PortTable::StopListening(PortOwner& owner) {
  MutexLock l(mu_);
  if (!owner.record_ || !std::exchange(owner.record_->listening, false)) return;
  ports_[owner.record_->claim.local.port].receivers.remove(&owner);
}

Result<void> PortTable::SetRemote(PortOwner& owner, const IpAddress& local, const IpEndpoint& remote) {
  MutexLock l(mu_);
  if (!owner.record_) return Errno(EINVAL);
  Record& record = *owner.record_;
  const IpEndpoint from{local, record.claim.local.port};
  if (rules_ == Rules::kStream) {
    time_waits_.Expire(Kernel::MonotonicNs());
    if (BlocksLocked(from, remote)) return Errno(EADDRNOTAVAIL);
    for (const PortOwner* other : ports_[from.port].owners) {
      if (other != &owner && other->record_->remote == remote && other->record_->claim.local == from) {
        return Errno(EADDRNOTAVAIL);
      }
    }
  }
  time_waits_.Remove(from, remote);
  record.claim.local = from;
  record.remote = remote;
  return {};
}

void PortTable::ClearRemote(PortOwner& owner) {
  MutexLock l(mu_);
  if (!owner.record_) return;
  owner.record_->remote.reset();
  owner.record_->claim.local.address = owner.record_->bound;
}

void PortTable::LeaveBehind(const PortOwner& owner, int state, int64_t for_ns) {
  const int64_t now = Kernel::MonotonicNs();
  MutexLock l(mu_);
  time_waits_.Expire(now);
  if (!owner.record_ || !owner.record_->remote) return;
  if (static_cast<int64_t>(time_waits_.size()) >= settings_.at(NetSetting::kMaxTimeWaits)) return;
  time_waits_.Add({owner.record_->claim, *owner.record_->remote, state, now + for_ns});
}

void PortTable::EndOther(const PortOwner& owner) {
  const int64_t now = Kernel::MonotonicNs();
  MutexLock l(mu_);
  time_waits_.Expire(now);
  if (!owner.record_ || !owner.record_->remote) return;
  const TimeWait* const other = time_waits_.Find(*owner.record_->remote, owner.record_->claim.local);
  if (other == nullptr) return;
  time_waits_.Add({other->claim, other->remote, TCP_TIME_WAIT, now + TimeWait::kLengthNs});
}

void PortTable::ResetOther(const PortOwner& owner) {
  MutexLock l(mu_);
  if (!owner.record_ || !owner.record_->remote) return;
  time_waits_.Remove(*owner.record_->remote, owner.record_->claim.local);
}

std::vector<TimeWait> PortTable::LeftBehind() {
  MutexLock l(mu_);
  time_waits_.Expire(Kernel::MonotonicNs());
  return time_waits_.All();
}

uint64_t PortTable::EndedWaits() {
  MutexLock l(mu_);
  time_waits_.Expire(Kernel::MonotonicNs());
  return time_waits_.ended();
}

std::optional<IpEndpoint> PortTable::LocalOf(const PortOwner& owner) const {
  MutexLock l(mu_);
  return owner.record_ ? std::optional<IpEndpoint>(owner.record_->claim.local) : std::nullopt;
}

bool PortTable::IsV6Only(const PortOwner& owner) const {
  MutexLock l(mu_);
  return owner.record_ && owner.record_->claim.v6_only;
}

// Negative: not for it. The more it says about the packet, the better.
int PortTable::Score(const Record& record, const IpEndpoint& to, const IpEndpoint& from) {
  const PortClaim& claim = record.claim;
  int score = claim.v6_socket == !to.address.is_v4() ? 1 : 0;
  if (!claim.local.address.is_any()) {
    if (claim.local.address != to.address) return -1;
    score += 4;
  } else if (to.address.is_v4() ? !claim.TakesV4() : !claim.TakesV6()) {
    return -1;
  }
  if (record.remote) {
    if (*record.remote != from) return -1;
    score += 8;
  }
  return score;
}

// Of several equal ones (SO_REUSEPORT) the sender's port decides.
RefPtr<PortOwner> PortTable::Find(const IpEndpoint& to, const IpEndpoint& from) const {
  MutexLock l(mu_);
  auto it = ports_.find(to.port);
  if (it == ports_.end()) return nullptr;
  int best = -1;
  std::vector<PortOwner*> found;
  for (PortOwner* owner : it->second.receivers) {
    const int score = Score(*owner->record_, to, from);
    if (score < 0 || score < best) continue;
    if (score > best) found.clear();
    best = score;
    found.push_back(owner);
  }
  if (found.empty()) return nullptr;
  // Without SO_REUSEPORT the last one bound wins, as on Linux.
  PortOwner* chosen = found.back();
  if (chosen->record_->claim.reuse_port) chosen = found[Hash(from) % found.size()];
  return chosen->TryIncRef() ? RefPtr<PortOwner>::Adopt(chosen) : nullptr;
}

std::vector<RefPtr<PortOwner>> PortTable::All() const {
  std::vector<RefPtr<PortOwner>> out;
  MutexLock l(mu_);
  for (const auto& [number, port] : ports_) {
    for (PortOwner* owner : port.owners) {
      if (owner->TryIncRef()) out.push_back(RefPtr<PortOwner>::Adopt(owner));
    }
  }
  return out;
}

}  // namespace runsc
