// rtnetlink(7): the loopback interface, its addresses and routes.
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>

#include <cstring>

#include "sentry/kernel/task.h"
#include "sentry/net/net_stack.h"
#include "sentry/net/netlink_socket.h"
#include "sentry/net/socket_listing.h"

namespace runsc {
namespace {

constexpr uint32_t kForever = ~uint32_t{0};

std::string_view Bytes(const IpAddress& address) {
  const auto* bytes = reinterpret_cast<const char*>(address.bytes.data());
  return address.is_v4() ? std::string_view(bytes + 12, 4) : std::string_view(bytes, 16);
}

void DescribeCounters(NetlinkMessage& link, NetStack& stack) {
  const auto [packets, bytes] = TotalsOf(stack);
  rtnl_link_stats64 stats{};
  stats.rx_packets = stats.tx_packets = packets;
  stats.rx_bytes = stats.tx_bytes = bytes;
  rtnl_link_stats old{};
  old.rx_packets = old.tx_packets = static_cast<uint32_t>(stats.rx_packets);
  old.rx_bytes = old.tx_bytes = static_cast<uint32_t>(stats.rx_bytes);
  link.Attribute(IFLA_STATS64, stats);
  link.Attribute(IFLA_STATS, old);
}

void DescribeLink(NetlinkRequest& request) {
  constexpr unsigned kLowerUp = 1 << 16;  // IFF_LOWER_UP
  constexpr uint8_t kOperUnknown = 0, kOperDown = 2;
  const bool up = request.stack.loopback().up();
  NetlinkMessage& link = request.Answer(RTM_NEWLINK);
  ifinfomsg info{};
  info.ifi_type = ARPHRD_LOOPBACK;
  info.ifi_index = kLoopbackIndex;
  info.ifi_flags = IFF_LOOPBACK | (up ? IFF_UP | IFF_RUNNING | kLowerUp : 0);
  link.Append(info);
  link.Text(IFLA_IFNAME, kLoopbackName);
  link.Attribute(IFLA_TXQLEN, uint32_t{1000});
  link.Attribute(IFLA_OPERSTATE, up ? kOperUnknown : kOperDown);
  link.Attribute(IFLA_LINKMODE, uint8_t{0});
  link.Attribute(IFLA_MTU, uint32_t{kLoopbackMtu});
  link.Attribute(IFLA_GROUP, uint32_t{0});
  link.Attribute(IFLA_PROMISCUITY, uint32_t{0});
  link.Attribute(IFLA_NUM_TX_QUEUES, uint32_t{1});
  link.Attribute(IFLA_NUM_RX_QUEUES, uint32_t{1});
  link.Attribute(IFLA_CARRIER, uint8_t{1});
  link.Text(IFLA_QDISC, up ? "noqueue" : "noop");
  link.AttributeBytes(IFLA_ADDRESS, std::string(6, '\0'));
  link.AttributeBytes(IFLA_BROADCAST, std::string(6, '\0'));
  DescribeCounters(link, request.stack);
}

// Whether a request names the interface there is. EINVAL, ENODEV.
Result<void> CheckLink(const NetlinkRequest& request) {
  const auto wanted = ReadHeader<ifinfomsg>(request.body);
  std::string_view name = FindAttribute(request.body, sizeof(ifinfomsg), IFLA_IFNAME);
  name = name.substr(0, name.find('\0'));
  if (wanted.ifi_index == 0 && name.empty()) return Errno(EINVAL);
  const bool ours = wanted.ifi_index > 0 ? wanted.ifi_index == kLoopbackIndex : name == kLoopbackName;
  return ours ? Result<void>() : Errno(ENODEV);
}

// One link by index or name, or all of them.
Result<void> GetLink(NetlinkRequest& request) {
  if (!request.dump()) TRY(CheckLink(request));
  DescribeLink(request);
  return {};
}

// Up or down. Interfaces are not made, and other attributes not changed.
Result<void> SetLink(NetlinkRequest& request) {
  const auto found = CheckLink(request);
  if (!found.ok() && (request.header.nlmsg_flags & NLM_F_CREATE)) return Errno(EOPNOTSUPP);
  TRY(found);
  for (const uint16_t unsupported : {IFLA_MTU, IFLA_ADDRESS, IFLA_NET_NS_FD, IFLA_NET_NS_PID, IFLA_MASTER}) {
    if (!FindAttribute(request.body, sizeof(ifinfomsg), unsupported).empty()) return Errno(EOPNOTSUPP);
  }
  const auto wanted = ReadHeader<ifinfomsg>(request.body);
  if (wanted.ifi_change == 0 ? wanted.ifi_flags != 0 : wanted.ifi_change & IFF_UP) {
    request.stack.loopback().SetUp(wanted.ifi_flags & IFF_UP);
  }
  return {};
}

// Of 4 or 16 bytes in network order. EINVAL.
Result<IpAddress> ParseAddress(std::string_view bytes) {
  IpAddress address;
  if (bytes.size() == address.bytes.size()) {
    std::memcpy(address.bytes.data(), bytes.data(), bytes.size());
    return address;
  }
  uint32_t network_order;
  if (bytes.size() != sizeof(network_order)) return Errno(EINVAL);
  std::memcpy(&network_order, bytes.data(), sizeof(network_order));
  return IpAddress::V4(ntohl(network_order));
}

Result<InterfaceAddress> RequestedAddress(const NetlinkRequest& request) {
  const auto header = ReadHeader<ifaddrmsg>(request.body);
  if (header.ifa_index != kLoopbackIndex) return Errno(ENODEV);
  std::string_view bytes = FindAttribute(request.body, sizeof(ifaddrmsg), IFA_LOCAL);
  if (bytes.empty()) bytes = FindAttribute(request.body, sizeof(ifaddrmsg), IFA_ADDRESS);
  const IpAddress address = TRY(ParseAddress(bytes));
  if (address.is_v4() != (header.ifa_family == AF_INET)) return Errno(EINVAL);
  return InterfaceAddress{address, header.ifa_prefixlen};
}

Result<void> AddAddress(NetlinkRequest& request) {
  const auto added = request.stack.loopback().Add(TRY(RequestedAddress(request)));
  const bool replaces = !added.ok() && added.error() == Errno(EEXIST) && (request.header.nlmsg_flags & NLM_F_REPLACE);
  return replaces ? Result<void>() : added;
}

void DescribeAddress(NetlinkRequest& request, const IpAddress& address, uint8_t prefix) {
  NetlinkMessage& message = request.Answer(RTM_NEWADDR);
  ifaddrmsg info{};
  info.ifa_family = address.is_v4() ? AF_INET : AF_INET6;
  info.ifa_prefixlen = prefix;
  info.ifa_flags = IFA_F_PERMANENT;
  info.ifa_scope = address.is_loopback() ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
  info.ifa_index = kLoopbackIndex;
  message.Append(info);
  message.AttributeBytes(IFA_ADDRESS, Bytes(address));
  if (address.is_v4()) {
    message.AttributeBytes(IFA_LOCAL, Bytes(address));
    message.Text(IFA_LABEL, kLoopbackName);
  }
  message.Attribute(IFA_FLAGS, uint32_t{IFA_F_PERMANENT});
  message.Attribute(IFA_CACHEINFO, ifa_cacheinfo{kForever, kForever, 0, 0});
}

Result<void> GetAddresses(NetlinkRequest& request) {
  const int family = ReadHeader<rtgenmsg>(request.body).rtgen_family;
  if (!request.dump()) return Errno(EOPNOTSUPP);
  const auto wanted = ReadHeader<ifaddrmsg>(request.body);
  if (request.body.size() >= sizeof(ifaddrmsg) && wanted.ifa_index > kLoopbackIndex) return {};
  for (const int listed : {AF_INET, AF_INET6}) {
    if (family != AF_UNSPEC && family != listed) continue;
    for (const InterfaceAddress& own : request.stack.loopback().addresses()) {
      if (own.address.is_v4() == (listed == AF_INET)) DescribeAddress(request, own.address, own.prefix);
    }
  }
  return {};
}

struct Route {
  IpAddress to;
  uint8_t prefix, table, type;
  IpAddress source;
};

void DescribeRoute(NetlinkRequest& request, const Route& route, uint32_t flags) {
  NetlinkMessage& message = request.Answer(RTM_NEWROUTE);
  rtmsg info{};
  info.rtm_family = route.to.is_v4() ? AF_INET : AF_INET6;
  info.rtm_dst_len = route.prefix;
  info.rtm_table = route.table;
  info.rtm_protocol = flags != 0 ? RTPROT_UNSPEC : RTPROT_KERNEL;
  info.rtm_scope = flags != 0 || !route.to.is_v4() ? RT_SCOPE_UNIVERSE
                   : route.type == RTN_BROADCAST   ? RT_SCOPE_LINK
                                                   : RT_SCOPE_HOST;
  info.rtm_type = route.type;
  info.rtm_flags = flags;
  message.Append(info);
  message.Attribute(RTA_TABLE, uint32_t{route.table});
  message.AttributeBytes(RTA_DST, Bytes(route.to));
  message.Attribute(RTA_OIF, uint32_t{kLoopbackIndex});
  if (route.to.is_v4() || flags != 0) {
    message.AttributeBytes(RTA_PREFSRC, Bytes(route.source));
  }
  if (!route.to.is_v4()) message.Attribute(RTA_PRIORITY, uint32_t{route.table == RT_TABLE_MAIN ? 256u : 0u});
}

// What the addresses of lo bring along.
std::vector<Route> RoutesOf(const NetStack& stack) {
  std::vector<Route> v4, v6;
  for (const auto& [own, prefix] : stack.loopback().addresses()) {
    if (!own.is_v4()) {
      v6.push_back({own, 128, RT_TABLE_MAIN, RTN_UNICAST, own});
      v6.push_back({own, 128, RT_TABLE_LOCAL, RTN_LOCAL, own});
      continue;
    }
    const uint32_t host_bits = prefix == 0 ? ~uint32_t{0} : prefix < 32 ? ~uint32_t{0} >> prefix : 0;
    if (prefix < 32) v4.push_back({IpAddress::V4(own.v4() & ~host_bits), prefix, RT_TABLE_LOCAL, RTN_LOCAL, own});
    v4.push_back({own, 32, RT_TABLE_LOCAL, RTN_LOCAL, own});
    if (prefix < 31 && stack.loopback().up()) {
      v4.push_back({IpAddress::V4(own.v4() | host_bits), 32, RT_TABLE_LOCAL, RTN_BROADCAST, own});
    }
  }
  v4.insert(v4.end(), v6.begin(), v6.end());
  return v4;
}

Result<void> DumpRoutes(NetlinkRequest& request) {
  const auto wanted = ReadHeader<rtmsg>(request.body);
  const bool any = wanted.rtm_family == AF_UNSPEC;
  for (const Route& route : RoutesOf(request.stack)) {
    const bool family = any || wanted.rtm_family == (route.to.is_v4() ? AF_INET : AF_INET6);
    const bool table = wanted.rtm_table == RT_TABLE_UNSPEC || wanted.rtm_table == route.table;
    if (family && table) DescribeRoute(request, route, 0);
  }
  return {};
}

// "ip route get": the way to one address.
Result<void> GetRoute(NetlinkRequest& request) {
  if (request.dump()) return DumpRoutes(request);
  const IpAddress address = TRY(ParseAddress(FindAttribute(request.body, sizeof(rtmsg), RTA_DST)));
  const IpAddress source = TRY(request.stack.Route(address));
  const uint8_t prefix = address.is_v4() ? 32 : 128;
  DescribeRoute(request, {address, prefix, RT_TABLE_LOCAL, RTN_LOCAL, source}, RTM_F_CLONED);
  return {};
}

void DescribeRule(NetlinkRequest& request, uint8_t family, uint8_t table, uint32_t priority) {
  NetlinkMessage& message = request.Answer(RTM_NEWRULE);
  rtmsg rule{};
  rule.rtm_family = family;
  rule.rtm_table = table;
  rule.rtm_type = RTN_UNICAST;
  message.Append(rule);
  message.Attribute(15 /* FRA_TABLE */, uint32_t{table});
  if (priority != 0) message.Attribute(6 /* FRA_PRIORITY */, priority);
}

Result<void> GetRules(NetlinkRequest& request) {
  if (!request.dump()) return Errno(EOPNOTSUPP);
  const uint8_t family = ReadHeader<rtgenmsg>(request.body).rtgen_family == AF_INET6 ? AF_INET6 : AF_INET;
  DescribeRule(request, family, RT_TABLE_LOCAL, 0);
  DescribeRule(request, family, RT_TABLE_MAIN, 32766);
  if (family == AF_INET) DescribeRule(request, family, RT_TABLE_DEFAULT, 32767);
  return {};
}

Result<void> AskHost(NetlinkRequest& request) {
  const auto answers =
      TRY(request.stack.host()->AskRoute(request.header.nlmsg_type, request.header.nlmsg_flags, request.body));
  for (const std::string& answer : answers)
    request.answers.emplace_back(answer, request.header.nlmsg_seq, request.port);
  return {};
}

}  // namespace

Result<void> ServeRoute(NetlinkRequest& request) {
  const uint16_t type = request.header.nlmsg_type;
  if (request.body.size() < sizeof(rtgenmsg)) return Errno(EINVAL);
  const bool reads = (type - RTM_BASE) % 4 == 2;  // every fourth is a GET
  if (!reads && !request.stack.Allows(request.task, CAP_NET_ADMIN)) return Errno(EPERM);
  if (request.stack.host()) return reads ? AskHost(request) : Errno(EPERM);
  switch (type) {
    case RTM_GETLINK:
      return GetLink(request);
    case RTM_NEWLINK:
    case RTM_SETLINK:
      return SetLink(request);
    case RTM_NEWADDR:
      return AddAddress(request);
    case RTM_DELADDR:
      return request.stack.loopback().Remove(TRY(RequestedAddress(request)));
    case RTM_GETADDR:
      return GetAddresses(request);
    case RTM_GETROUTE:
      return GetRoute(request);
    case RTM_GETRULE:
      return GetRules(request);
    case RTM_GETNEIGH:
    case RTM_GETQDISC:
      return request.dump() ? Result<void>() : Errno(EOPNOTSUPP);  // there are none
    default:
      return Errno(EOPNOTSUPP);
  }
}

}  // namespace runsc
