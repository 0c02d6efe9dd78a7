// The registry of unix socket names.
#include "sentry/net/unix_names.h"

#include <sys/un.h>

#include <cstdio>
#include <cstring>
#include <map>
#include <set>

#include "sentry/net/unix_endpoint.h"

namespace runsc {
namespace {

constexpr size_t kPathOffset = offsetof(sockaddr_un, sun_path);

RefPtr<UnixEndpoint> Hold(UnixEndpoint* endpoint) {
  if (endpoint == nullptr || !endpoint->TryIncRef()) return nullptr;
  return RefPtr<UnixEndpoint>::Adopt(endpoint);
}

}  // namespace

SocketAddress UnnamedUnixAddress() {
  SocketAddress out;
  out.storage.ss_family = AF_UNIX;
  out.size = kPathOffset;
  return out;
}

// Abstract names have a leading NUL and no end mark; others end with a NUL that counts.
SocketAddress UnixAddress::ToSocketAddress() const {
  SocketAddress out = UnnamedUnixAddress();
  char* dst = reinterpret_cast<char*>(&out.storage) + kPathOffset;
  std::memcpy(abstract ? dst + 1 : dst, path.data(), path.size());
  out.size = static_cast<uint32_t>(kPathOffset + path.size() + 1);
  return out;
}

Result<std::optional<UnixAddress>> ParseUnixAddress(const SocketAddress& address) {
  if (address.size < kPathOffset || address.size > sizeof(sockaddr_un)) return Errno(EINVAL);
  if (address.family() != AF_UNIX) return Errno(EINVAL);
  const size_t length = address.size - kPathOffset;
  if (length == 0) return std::optional<UnixAddress>();
  const char* path = reinterpret_cast<const char*>(&address.storage) + kPathOffset;
  if (path[0] == '\0') return std::optional<UnixAddress>({std::string(path + 1, length - 1), true});
  return std::optional<UnixAddress>({std::string(path, strnlen(path, length)), false});
}

struct UnixNames::Tables {
  Mutex mu{LockRank::kSocket};
  std::map<std::pair<const NetStack*, std::string>, UnixEndpoint*> abstract ABSL_GUARDED_BY(mu);
  std::map<Inode*, UnixEndpoint*> nodes ABSL_GUARDED_BY(mu);
  std::set<UnixEndpoint*> all ABSL_GUARDED_BY(mu);
  uint32_t next_autobind ABSL_GUARDED_BY(mu) = 0;
};

UnixNames::UnixNames() : tables_(new Tables) {}

UnixNames& UnixNames::Get() {
  static UnixNames* const names = new UnixNames;
  return *names;
}

Result<void> UnixNames::BindAbstract(const std::string& name, UnixEndpoint& endpoint) {
  MutexLock l(tables_->mu);
  if (!tables_->abstract.emplace(std::pair(endpoint.net().get(), name), &endpoint).second) return Errno(EADDRINUSE);
  return {};
}

Result<std::string> UnixNames::Autobind(UnixEndpoint& endpoint) {
  constexpr uint32_t kNames = 1 << 20;
  MutexLock l(tables_->mu);
  for (uint32_t tries = 0; tries < kNames; ++tries) {
    char name[8];
    std::snprintf(name, sizeof(name), "%05x", tables_->next_autobind++ % kNames);
    if (tables_->abstract.emplace(std::pair(endpoint.net().get(), name), &endpoint).second) return std::string(name);
  }
  return Errno(ENOSPC);
}

void UnixNames::BindNode(Inode& node, UnixEndpoint& endpoint) {
  MutexLock l(tables_->mu);
  tables_->nodes[&node] = &endpoint;
}

void UnixNames::UnbindAbstract(const std::string& name, UnixEndpoint& endpoint) {
  MutexLock l(tables_->mu);
  auto it = tables_->abstract.find({endpoint.net().get(), name});
  if (it != tables_->abstract.end() && it->second == &endpoint) tables_->abstract.erase(it);
}

void UnixNames::UnbindNode(Inode& node, UnixEndpoint& endpoint) {
  MutexLock l(tables_->mu);
  auto it = tables_->nodes.find(&node);
  if (it != tables_->nodes.end() && it->second == &endpoint) tables_->nodes.erase(it);
}

RefPtr<UnixEndpoint> UnixNames::FindAbstract(const NetStack* net, const std::string& name) {
  MutexLock l(tables_->mu);
  auto it = tables_->abstract.find({net, name});
  return it == tables_->abstract.end() ? nullptr : Hold(it->second);
}

RefPtr<UnixEndpoint> UnixNames::FindNode(Inode& node) {
  MutexLock l(tables_->mu);
  auto it = tables_->nodes.find(&node);
  return it == tables_->nodes.end() ? nullptr : Hold(it->second);
}

void UnixNames::Register(UnixEndpoint& endpoint) {
  MutexLock l(tables_->mu);
  tables_->all.insert(&endpoint);
}

void UnixNames::Unregister(UnixEndpoint& endpoint) {
  MutexLock l(tables_->mu);
  tables_->all.erase(&endpoint);
}

std::vector<RefPtr<UnixEndpoint>> UnixNames::All() {
  std::vector<RefPtr<UnixEndpoint>> out;
  MutexLock l(tables_->mu);
  for (UnixEndpoint* endpoint : tables_->all) {
    if (RefPtr<UnixEndpoint> held = Hold(endpoint)) out.push_back(std::move(held));
  }
  return out;
}

std::vector<RefPtr<UnixEndpoint>> UnixNames::AllIn(const NetStack* net) {
  auto out = All();
  std::erase_if(out, [net](const RefPtr<UnixEndpoint>& endpoint) { return endpoint->net().get() != net; });
  return out;
}

std::string DescribeUnixSockets(Task& whose) {
  constexpr int kAcceptsConnections = 0x10000;  // __SO_ACCEPTCON
  constexpr int kUnconnected = 1, kConnected = 3;
  std::string text;
  for (const RefPtr<UnixEndpoint>& endpoint : UnixNames::Get().AllIn(NetStackOf(whose).get())) {
    const UnixEndpoint::Status s = endpoint->status();
    char line[96];
    std::snprintf(line, sizeof(line), "%016x: %08lX %08X %08X %04X %02X %5lu", 0, endpoint->ref_count(), 0,
                  s.listening ? kAcceptsConnections : 0, s.type, s.connected ? kConnected : kUnconnected, s.ino);
    text += line;
    if (s.name != nullptr) text += (s.name->abstract ? " @" : " ") + s.name->path;
    text += '\n';
  }
  return text;
}

}  // namespace runsc
