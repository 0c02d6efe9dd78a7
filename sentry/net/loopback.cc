// What Linux does to lo when it is set up or down, and what its addresses cover.
#include "sentry/net/loopback.h"

#include <algorithm>

namespace runsc {
namespace {

const InterfaceAddress kFirstV4{IpAddress::V4(INADDR_LOOPBACK), 8};
const InterfaceAddress kFirstV6{IpAddress::V6Loopback(), 128};

bool IsV4(const InterfaceAddress& own) { return own.address.is_v4(); }

bool Covers(const InterfaceAddress& own, const IpAddress& to) {
  if (own.address == to) return true;
  if (!own.address.is_v4() || !to.is_v4()) return false;
  const uint32_t mask = own.prefix == 0 ? 0 : ~uint32_t{0} << (32 - own.prefix);
  return ((own.address.v4() ^ to.v4()) & mask) == 0;
}

}  // namespace

void Loopback::AddLocked(const InterfaceAddress& address) {
  if (IsV4(address)) touched_ = true;
  if (std::find(addresses_.begin(), addresses_.end(), address) != addresses_.end()) return;
  // Those of this host alone come first.
  const auto wider = [](const InterfaceAddress& own) { return !own.address.is_loopback(); };
  const bool narrow = address.address.is_loopback();
  const auto place = narrow ? std::find_if(addresses_.begin(), addresses_.end(), wider) : addresses_.end();
  addresses_.insert(place, address);
}

void Loopback::SetUp(bool up) {
  MutexLock l(mu_);
  up_ = up;
  if (!up) return DropV6Locked();
  AddLocked(kFirstV4);
  if (v6_allowed_) AddLocked(kFirstV6);
}

void Loopback::DropV6Locked() {
  std::erase_if(addresses_, [](const InterfaceAddress& own) { return !IsV4(own); });
}

void Loopback::AllowV6(bool allowed) {
  MutexLock l(mu_);
  v6_allowed_ = allowed;
  if (!allowed) {
    DropV6Locked();
  } else if (up_) {
    AddLocked(kFirstV6);
  }
}

std::vector<InterfaceAddress> Loopback::addresses() const {
  MutexLock l(mu_);
  return addresses_;
}

Result<void> Loopback::Add(const InterfaceAddress& address) {
  if (address.prefix > (IsV4(address) ? 32 : 128)) return Errno(EINVAL);
  MutexLock l(mu_);
  if (!v6_allowed_ && !IsV4(address)) return Errno(EACCES);
  for (const InterfaceAddress& own : addresses_) {
    if (own.address == address.address && (own.prefix == address.prefix || !IsV4(own))) return Errno(EEXIST);
  }
  AddLocked(address);
  return {};
}

Result<void> Loopback::Remove(const InterfaceAddress& address) {
  MutexLock l(mu_);
  return std::erase(addresses_, address) > 0 ? Result<void>() : Errno(EADDRNOTAVAIL);
}

std::optional<IpAddress> Loopback::SourceFor(const IpAddress& to) const {
  MutexLock l(mu_);
  std::optional<IpAddress> source;
  int longest = -1;
  for (const InterfaceAddress& own : addresses_) {
    if (own.address == to) return to;
    if (own.prefix <= longest || !Covers(own, to)) continue;
    longest = own.prefix;
    source = own.address;
  }
  return source;
}

}  // namespace runsc
