// Port conflicts by Linux's rules, and the choice of a receiver.
#include "sentry/net/port_table.h"

#include <algorithm>

#include "sentry/kernel/random.h"

namespace runsc {
namespace {

bool Overlap(const PortClaim& a, const PortClaim& b) {
  const bool any = a.local.address.is_any() || b.local.address.is_any();
  if (!any) return a.local.address == b.local.address;
  return (a.TakesV4() && b.TakesV4()) || (a.TakesV6() && b.TakesV6());
}

size_t Hash(const IpEndpoint& from) { return (size_t{from.port} * 0x9e3779b97f4a7c15u) >> 32; }

}  // namespace

bool PortTable::ConflictsLocked(const PortClaim& a, const Record& b) const {
  if (!Overlap(a, b.claim)) return false;
  if (a.reuse_port && b.claim.reuse_port && a.uid == b.claim.uid) return false;
  const bool both = a.reuse_address && b.claim.reuse_address;
  return rules_ == Rules::kDatagram ? !both : !both || b.listening;
}

bool PortTable::IsFreeLocked(const PortClaim& claim, const PortOwner* except) const {
  auto it = ports_.find(claim.local.port);
  if (it == ports_.end()) return true;
  return std::none_of(it->second.owners.begin(), it->second.owners.end(), [&](const PortOwner* owner) {
    return owner != except && ConflictsLocked(claim, *owner->record_);
  });
}

// Ports in turn from a start nobody guesses, as long as nobody has anything there.
Result<uint16_t> PortTable::PickLocked(PortClaim claim, const LocalPorts& ports) {
  const uint32_t first = ports.range.first, count = ports.range.second - first + 1u;
  if (next_pick_ == 0) FillRandom(&next_pick_, sizeof(next_pick_));
  for (uint32_t tries = 0; tries < count; ++tries) {
    const auto port = static_cast<uint16_t>(first + ++next_pick_ % count);
    if (!ports_.contains(port) && !ports.IsReserved(port)) return port;
  }
  for (uint32_t i = 0; i < count; ++i) {
    claim.local.port = static_cast<uint16_t>(first + i);
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

void PortTable::BindChild(PortOwner& child, const PortOwner& listener, const IpEndpoint& local,
                          const IpEndpoint& remote) {
  MutexLock l(mu_);
  if (!listener.record_) return;  // closed meanwhile: the connection is refused
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

Result<void> PortTable::SetListening(PortOwner& owner) {
  MutexLock l(mu_);
  if (!owner.record_) return Errno(EINVAL);
  Record& record = *owner.record_;
  if (record.listening) return {};
  Port& port = ports_[record.claim.local.port];
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
    for (const PortOwner* other : ports_[from.port].owners) {
      if (other != &owner && other->record_->remote == remote && other->record_->claim.local == from) {
        return Errno(EADDRNOTAVAIL);
      }
    }
  }
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
