// The Internet protocols of one network namespace: its loopback interface, or the network of the host's namespace.
// Sockets reach the network through here only, so that a stack for real links takes its place behind Route().
#pragma once

#include <mutex>

#include "sentry/net/host_network.h"
#include "sentry/net/loopback.h"
#include "sentry/net/net_counters.h"
#include "sentry/net/net_settings.h"
#include "sentry/net/port_table.h"

namespace runsc {

class Task;
class UserNamespace;

// kIfLinks: when the first guest asks and there is an interface but lo. Hooks put links into a namespace after boot.
enum class HostUse { kAlways, kIfLinks };

class NetStack : public RefCounted {
 public:
  // With lo down. `owner` decides who may configure it; null: the sandbox's first user namespace.
  explicit NetStack(RefPtr<UserNamespace> owner);
  // The sandbox's first one, where lo is up. Never destroyed.
  static NetStack& First();

  PortTable& tcp() { return tcp_; }
  PortTable& udp() { return udp_; }
  PortTable& udplite() { return udplite_; }
  PortTable& raw() { return raw_; }    // raw sockets, where the protocol is the port
  PortTable& ping() { return ping_; }  // ping sockets, where the identifier is
  Loopback& loopback() { return loopback_; }
  const Loopback& loopback() const { return loopback_; }

  // Null: the sentry's own loopback.
  const RefPtr<HostNetwork>& host() const;
  void UseHost(RefPtr<HostNetwork> host, HostUse use);  // at boot, before any socket is made

  // Whether the task has a capability over this namespace.
  bool Allows(Task& task, int capability) const;
  // Whether it may change the settings: its root, or who has CAP_NET_ADMIN.
  bool MaySet(Task& task) const;
  // The source address for packets to `to` (unspecified means loopback). ENETUNREACH; EADDRNOTAVAIL: ::1 is down.
  Result<IpAddress> Route(const IpAddress& to) const;
  // EADDRNOTAVAIL: not an address of ours.
  Result<void> CheckLocal(const IpAddress& address) const;

  NetSettings& settings() { return settings_; }
  const NetSettings& settings() const { return settings_; }
  // A number of the settings, with what follows from it. EINVAL.
  Result<void> Set(size_t setting, int value);

  // What went over lo, for its counters; TCP's that are not told by family are with those of IPv4.
  void CountPackets(bool v4, uint64_t packets, uint64_t bytes) {
    counters(v4).Add(NetCount::kPackets, packets);
    counters(v4).Add(NetCount::kOctets, bytes);
  }
  NetCounters& counters(bool v4) { return v4 ? counters_ : counters6_; }
  NetCounters& tcp_counters() { return counters_; }

 protected:
  ~NetStack() override;

 private:
  const RefPtr<UserNamespace> owner_;
  mutable std::once_flag host_once_;
  mutable RefPtr<HostNetwork> host_;
  HostUse host_use_ = HostUse::kAlways;
  NetSettings settings_;
  Loopback loopback_;
  PortTable tcp_{PortTable::Rules::kStream, settings_}, udp_{PortTable::Rules::kDatagram, settings_},
      udplite_{PortTable::Rules::kDatagram, settings_}, raw_{PortTable::Rules::kDatagram, settings_},
      ping_{PortTable::Rules::kDatagram, settings_};
  NetCounters counters_, counters6_;
};

// That of the task's network namespace. Of any task.
RefPtr<NetStack> NetStackOf(const Task& task);

}  // namespace runsc
