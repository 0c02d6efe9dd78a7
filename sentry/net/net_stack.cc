// Routing when there is only loopback, and which namespace has which stack.
#include "sentry/net/net_stack.h"

#include "sentry/kernel/namespaces.h"
#include "sentry/kernel/task.h"

namespace runsc {

NetStack::NetStack(RefPtr<UserNamespace> owner) : owner_(std::move(owner)) {}

NetStack::~NetStack() = default;

NetStack& NetStack::First() {
  static NetStack* const first = [] {
    NetStack* const stack = MakeRef<NetStack>(nullptr).release();
    stack->loopback().SetUp(true);
    return stack;
  }();
  return *first;
}

void NetStack::UseHost(RefPtr<HostNetwork> host, HostUse use) {
  host_ = std::move(host);
  host_use_ = use;
}

const RefPtr<HostNetwork>& NetStack::host() const {
  std::call_once(host_once_, [this] {
    if (host_ && host_use_ == HostUse::kIfLinks && !host_->HasLinks()) host_ = nullptr;
  });
  return host_;
}

bool NetStack::Allows(Task& task, int capability) const { return task.creds()->HasIn(owner_.get(), capability); }

bool NetStack::MaySet(Task& task) const {
  return Allows(task, CAP_NET_ADMIN) || IdFromGuest(owner_.get(), UserNamespace::kUsers, 0) == task.creds()->fsuid;
}

Result<IpAddress> NetStack::Route(const IpAddress& to) const {
  const IpAddress target = to.OrLoopback();
  const auto source = loopback_.up() ? loopback_.SourceFor(target) : std::nullopt;
  if (source) return *source;
  return target == IpAddress::V6Loopback() ? Errno(EADDRNOTAVAIL) : Errno(ENETUNREACH);
}

Result<void> NetStack::CheckLocal(const IpAddress& address) const {
  if (address.is_any() || loopback_.SourceFor(address)) return {};
  if (address.is_v4() && loopback_.untouched()) return {};
  return Errno(EADDRNOTAVAIL);
}

Result<void> NetStack::Set(size_t setting, int value) {
  TRY(settings_.Set(setting, value));
  if (setting == NetSetting::kNoV6 || setting == NetSetting::kNoV6Lo) loopback_.AllowV6(value == 0);
  return {};
}

RefPtr<NetStack> NetStackOf(const Task& task) {
  const NamespaceSetRef namespaces = NamespacesOf(task);
  PlainNamespace* ns = namespaces->net.get();
  if (ns == nullptr) return RefPtr<NetStack>(&NetStack::First());
  RefCounted* state = ns->state();
  if (state == nullptr) state = ns->KeepState(MakeRef<NetStack>(ns->owner()));
  return RefPtr<NetStack>(static_cast<NetStack*>(state));
}

}  // namespace runsc
