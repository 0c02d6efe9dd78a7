// rtnetlink(7): the loopback interface, its addresses and routes, to be read.
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>

#include <cstring>

#include "sentry/kernel/task.h"
#include "sentry/net/net_stack.h"
#include "sentry/net/netlink_socket.h"

namespace runsc {
namespace {

constexpr uint32_t kForever = ~uint32_t{0};

std::string_view Bytes(const IpAddress& address) {
  const auto* bytes = reinterpret_cast<const char*>(address.bytes.data());
  return address.is_v4() ? std::string_view(bytes + 12, 4) : std::string_view(bytes, 16);
}

void DescribeCounters(NetlinkMessage& link) {
  const NetStack& stack = NetStack::Get();
  rtnl_link_stats64 stats{};
  stats.rx_packets = stats.tx_packets = stack.packets();
  stats.rx_bytes = stats.tx_bytes = stack.bytes();
  rtnl_link_stats old{};
  old.rx_packets = old.tx_packets = static_cast<uint32_t>(stats.rx_packets);
  old.rx_bytes = old.tx_bytes = static_cast<uint32_t>(stats.rx_bytes);
  link.Attribute(IFLA_STATS64, stats);
  link.Attribute(IFLA_STATS, old);
}

void DescribeLink(NetlinkRequest& request) {
  NetlinkMessage& link = request.Answer(RTM_NEWLINK);
  ifinfomsg info{};
  info.ifi_type = ARPHRD_LOOPBACK;
  info.ifi_index = kLoopbackIndex;
  info.ifi_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING | (1 << 16) /* IFF_LOWER_UP */;
  link.Append(info);
  link.Text(IFLA_IFNAME, "lo");
  link.Attribute(IFLA_TXQLEN, uint32_t{1000});
  link.Attribute(IFLA_OPERSTATE, uint8_t{0});
  link.Attribute(IFLA_LINKMODE, uint8_t{0});
  link.Attribute(IFLA_MTU, uint32_t{kLoopbackMtu});
  link.Attribute(IFLA_GROUP, uint32_t{0});
  link.Attribute(IFLA_PROMISCUITY, uint32_t{0});
  link.Attribute(IFLA_NUM_TX_QUEUES, uint32_t{1});
  link.Attribute(IFLA_NUM_RX_QUEUES, uint32_t{1});
  link.Attribute(IFLA_CARRIER, uint8_t{1});
  link.Text(IFLA_QDISC, "noqueue");
  link.AttributeBytes(IFLA_ADDRESS, std::string(6, '\0'));
  link.AttributeBytes(IFLA_BROADCAST, std::string(6, '\0'));
  DescribeCounters(link);
}

// One link by index or name, or all of them.
Result<void> GetLink(NetlinkRequest& request) {
  if (!request.dump()) {
    const auto wanted = ReadHeader<ifinfomsg>(request.body);
    std::string_view name = FindAttribute(request.body, sizeof(ifinfomsg), IFLA_IFNAME);
    name = name.substr(0, name.find('\0'));
    if (wanted.ifi_index == 0 && name.empty()) return Errno(EINVAL);
    if (wanted.ifi_index > 0 ? wanted.ifi_index != kLoopbackIndex : name != "lo") return Errno(ENODEV);
  }
  DescribeLink(request);
  return {};
}

void DescribeAddress(NetlinkRequest& request, const IpAddress& address, uint8_t prefix) {
  NetlinkMessage& message = request.Answer(RTM_NEWADDR);
  ifaddrmsg info{};
  info.ifa_family = address.is_v4() ? AF_INET : AF_INET6;
  info.ifa_prefixlen = prefix;
  info.ifa_flags = IFA_F_PERMANENT;
  info.ifa_scope = RT_SCOPE_HOST;
  info.ifa_index = kLoopbackIndex;
  message.Append(info);
  message.AttributeBytes(IFA_ADDRESS, Bytes(address));
  if (address.is_v4()) {
    message.AttributeBytes(IFA_LOCAL, Bytes(address));
    message.Text(IFA_LABEL, "lo");
  }
  message.Attribute(IFA_FLAGS, uint32_t{IFA_F_PERMANENT});
  message.Attribute(IFA_CACHEINFO, ifa_cacheinfo{kForever, kForever, 0, 0});
}

Result<void> GetAddresses(NetlinkRequest& request) {
  const int family = ReadHeader<rtgenmsg>(request.body).rtgen_family;
  if (!request.dump()) return Errno(EOPNOTSUPP);
  const auto wanted = ReadHeader<ifaddrmsg>(request.body);
  if (request.body.size() >= sizeof(ifaddrmsg) && wanted.ifa_index > kLoopbackIndex) return {};
  if (family == AF_UNSPEC || family == AF_INET) DescribeAddress(request, IpAddress::V4(INADDR_LOOPBACK), 8);
  if (family == AF_UNSPEC || family == AF_INET6) DescribeAddress(request, IpAddress::V6Loopback(), 128);
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
    message.AttributeBytes(flags != 0 && !route.to.is_v4() ? uint16_t{RTA_PREFSRC} : uint16_t{RTA_PREFSRC},
                           Bytes(route.source));
  }
  if (!route.to.is_v4()) message.Attribute(RTA_PRIORITY, uint32_t{route.table == RT_TABLE_MAIN ? 256u : 0u});
}

Result<void> DumpRoutes(NetlinkRequest& request) {
  const auto wanted = ReadHeader<rtmsg>(request.body);
  const bool any = wanted.rtm_family == AF_UNSPEC;
  const IpAddress lo = IpAddress::V4(INADDR_LOOPBACK), lo6 = IpAddress::V6Loopback();
  const Route routes[] = {
      {IpAddress::V4(0x7f000000), 8, RT_TABLE_LOCAL, RTN_LOCAL, lo},
      {lo, 32, RT_TABLE_LOCAL, RTN_LOCAL, lo},
      {IpAddress::V4(0x7fffffff), 32, RT_TABLE_LOCAL, RTN_BROADCAST, lo},
      {lo6, 128, RT_TABLE_MAIN, RTN_UNICAST, lo6},
      {lo6, 128, RT_TABLE_LOCAL, RTN_LOCAL, lo6},
  };
  for (const Route& route : routes) {
    const bool family = any || wanted.rtm_family == (route.to.is_v4() ? AF_INET : AF_INET6);
    const bool table = wanted.rtm_table == RT_TABLE_UNSPEC || wanted.rtm_table == route.table;
    if (family && table) DescribeRoute(request, route, 0);
  }
  return {};
}

// "ip route get": the way to one address.
Result<void> GetRoute(NetlinkRequest& request) {
  if (request.dump()) return DumpRoutes(request);
  const std::string_view to = FindAttribute(request.body, sizeof(rtmsg), RTA_DST);
  IpAddress address;
  if (to.size() == 4) {
    uint32_t network_order;
    std::memcpy(&network_order, to.data(), sizeof(network_order));
    address = IpAddress::V4(ntohl(network_order));
  } else if (to.size() == 16) {
    std::memcpy(address.bytes.data(), to.data(), to.size());
  } else {
    return Errno(EINVAL);
  }
  const IpAddress source = TRY(NetStack::Get().Route(address));
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

}  // namespace

Result<void> ServeRoute(NetlinkRequest& request) {
  const uint16_t type = request.header.nlmsg_type;
  if (request.body.size() < sizeof(rtgenmsg)) return Errno(EINVAL);
  const bool reads = (type - RTM_BASE) % 4 == 2;  // every fourth is a GET
  if (!reads && !request.task.creds()->Has(CAP_NET_ADMIN)) return Errno(EPERM);
  switch (type) {
    case RTM_GETLINK:
      return GetLink(request);
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
