// Asking the host's kernel about links, addresses and routes.
#include "sentry/net/host_network.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/uio.h>

#include <cstring>
#include <memory>

#include "sentry/fs/simple_fs_text.h"
#include "sentry/net/netlink_message.h"

namespace runsc {
namespace {

constexpr size_t kAnswerRoom = 32768;  // of one datagram of a dump

// One message of a datagram. Empty: no whole one is there.
std::string_view FirstMessage(std::string_view datagram) {
  if (datagram.size() < sizeof(nlmsghdr)) return {};
  const auto header = ReadHeader<nlmsghdr>(datagram);
  if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > datagram.size()) return {};
  return datagram.substr(0, header.nlmsg_len);
}

// Takes a datagram apart. True: more will come. What an earlier request left is passed over.
Result<bool> Collect(std::string_view datagram, uint32_t sequence, std::vector<std::string>& answers) {
  for (;;) {
    const std::string_view message = FirstMessage(datagram);
    if (message.empty()) return Errno(EIO);
    const auto header = ReadHeader<nlmsghdr>(message);
    if (header.nlmsg_seq != sequence) return true;
    if (header.nlmsg_type == NLMSG_DONE) return false;
    if (header.nlmsg_type == NLMSG_ERROR) {
      const int error = -ReadHeader<nlmsgerr>(message.substr(sizeof(header))).error;
      return error == 0 ? Result<bool>(false) : Errno(error);
    }
    answers.emplace_back(message);
    if (!(header.nlmsg_flags & NLM_F_MULTI)) return false;
    const size_t step = NLMSG_ALIGN(message.size());
    if (step >= datagram.size()) return true;
    datagram.remove_prefix(step);
  }
}

template <typename Header>
std::string Request(uint8_t family) {
  Header header{};
  std::memcpy(&header, &family, sizeof(family));  // the first field of all of them
  return std::string(reinterpret_cast<const char*>(&header), sizeof(header));
}

std::string_view Body(const std::string& message) { return std::string_view(message).substr(sizeof(nlmsghdr)); }

std::string Text(std::string_view attribute) { return std::string(attribute.substr(0, attribute.find('\0'))); }

uint32_t Word(std::string_view attribute) { return ReadHeader<uint32_t>(attribute); }

}  // namespace

Result<RefPtr<HostNetwork>> HostNetwork::Open(UniqueFd channel) {
  auto broker = std::make_unique<NetBroker>(std::move(channel));
  UniqueFd route = TRY(broker->RouteSocket());
  return MakeRef<HostNetwork>(std::move(broker), std::move(route));
}

// The kernel has answered when the request is sent, and goes on with a dump as it is read: it is never waited for.
Result<std::vector<std::string>> HostNetwork::ReceiveAnswers() {
  std::vector<std::string> answers;
  const auto buffer = std::make_unique<char[]>(kAnswerRoom);
  for (;;) {
    iovec iov{buffer.get(), kAnswerRoom};
    msghdr message{.msg_iov = &iov, .msg_iovlen = 1};
    const ssize_t n = TRY(FromHost(recvmsg(route_.get(), &message, MSG_DONTWAIT)));
    if (n == 0 || (message.msg_flags & MSG_TRUNC)) return Errno(EIO);
    if (!TRY(Collect({buffer.get(), static_cast<size_t>(n)}, sequence_, answers))) return answers;
  }
}

Result<std::vector<std::string>> HostNetwork::AskRoute(uint16_t type, uint16_t flags, std::string_view body) {
  // Dumps end with a mark, other requests with their answer or, failing that, an error.
  const uint16_t kept = flags & (NLM_F_DUMP | NLM_F_REQUEST);
  MutexLock l(mu_);
  nlmsghdr header{static_cast<uint32_t>(sizeof(header) + body.size()), type,
                  static_cast<uint16_t>(kept | NLM_F_REQUEST), ++sequence_, 0};
  iovec parts[2] = {{&header, sizeof(header)}, {const_cast<char*>(body.data()), body.size()}};
  msghdr message{.msg_iov = parts, .msg_iovlen = 2};
  TRY(FromHost(sendmsg(route_.get(), &message, MSG_NOSIGNAL)));
  return ReceiveAnswers();
}

bool HostNetwork::HasLinks() {
  const auto links = AskRoute(RTM_GETLINK, NLM_F_DUMP, Request<ifinfomsg>(AF_UNSPEC));
  if (!links.ok()) return false;
  for (const std::string& link : *links) {
    if (!(ReadHeader<ifinfomsg>(Body(link)).ifi_flags & IFF_LOOPBACK)) return true;
  }
  // lo alone counts when somebody gave it an address that is good beyond the host.
  const auto addresses = AskRoute(RTM_GETADDR, NLM_F_DUMP, Request<ifaddrmsg>(AF_UNSPEC));
  if (!addresses.ok()) return false;
  for (const std::string& address : *addresses) {
    if (ReadHeader<ifaddrmsg>(Body(address)).ifa_scope < RT_SCOPE_HOST) return true;
  }
  return false;
}

std::string HostNetwork::NameOf(int index) {
  ifinfomsg wanted{};
  wanted.ifi_index = index;
  const auto link = AskRoute(RTM_GETLINK, 0, {reinterpret_cast<const char*>(&wanted), sizeof(wanted)});
  if (!link.ok() || link->empty()) return "";
  return Text(FindAttribute(Body(link->front()), sizeof(ifinfomsg), IFLA_IFNAME));
}

std::string HostNetwork::DevText() {
  std::string text;
  const auto links = AskRoute(RTM_GETLINK, NLM_F_DUMP, Request<ifinfomsg>(AF_UNSPEC));
  if (!links.ok()) return text;
  for (const std::string& link : *links) {
    const std::string name = Text(FindAttribute(Body(link), sizeof(ifinfomsg), IFLA_IFNAME));
    const auto s = ReadHeader<rtnl_link_stats64>(FindAttribute(Body(link), sizeof(ifinfomsg), IFLA_STATS64));
    AppendFormat(&text, "%6s: %7llu %7llu %4llu %4llu %4llu %5llu %10llu %9llu ", name.c_str(), s.rx_bytes,
                 s.rx_packets, s.rx_errors, s.rx_dropped, s.rx_fifo_errors, s.rx_frame_errors, s.rx_compressed,
                 s.multicast);
    AppendFormat(&text, "%8llu %7llu %4llu %4llu %4llu %5llu %7llu %10llu\n", s.tx_bytes, s.tx_packets, s.tx_errors,
                 s.tx_dropped, s.tx_fifo_errors, s.collisions, s.tx_carrier_errors, s.tx_compressed);
  }
  return text;
}

std::string HostNetwork::RouteText() {
  constexpr unsigned kUp = 1, kGateway = 2;  // RTF_*
  std::string text;
  const auto routes = AskRoute(RTM_GETROUTE, NLM_F_DUMP, Request<rtmsg>(AF_INET));
  if (!routes.ok()) return text;
  for (const std::string& route : *routes) {
    const auto header = ReadHeader<rtmsg>(Body(route));
    if (header.rtm_table != RT_TABLE_MAIN || header.rtm_type != RTN_UNICAST) continue;
    const auto at = [&](uint16_t type) { return Word(FindAttribute(Body(route), sizeof(rtmsg), type)); };
    const uint32_t gateway = at(RTA_GATEWAY), bits = header.rtm_dst_len;
    const uint32_t mask = bits == 0 ? 0 : htonl(~uint32_t{0} << (32 - bits));
    const std::string name = NameOf(static_cast<int>(at(RTA_OIF)));
    const std::string line = Format("%s\t%08X\t%08X\t%04X\t0\t0\t%u\t%08X\t0\t0\t0", name.c_str(), at(RTA_DST), gateway,
                                    kUp | (gateway != 0 ? kGateway : 0), at(RTA_PRIORITY), mask);
    AppendFormat(&text, "%-127s\n", line.c_str());
  }
  return text;
}

std::string HostNetwork::IfInet6Text() {
  std::string text;
  const auto addresses = AskRoute(RTM_GETADDR, NLM_F_DUMP, Request<ifaddrmsg>(AF_INET6));
  if (!addresses.ok()) return text;
  for (const std::string& address : *addresses) {
    const auto header = ReadHeader<ifaddrmsg>(Body(address));
    const int scope = header.ifa_scope == RT_SCOPE_HOST ? 0x10 : header.ifa_scope == RT_SCOPE_LINK ? 0x20 : 0;
    for (const char byte : FindAttribute(Body(address), sizeof(ifaddrmsg), IFA_ADDRESS)) {
      AppendFormat(&text, "%02x", static_cast<unsigned char>(byte));
    }
    AppendFormat(&text, " %02x %02x %02x %02x %8s\n", header.ifa_index, header.ifa_prefixlen, scope, header.ifa_flags,
                 NameOf(static_cast<int>(header.ifa_index)).c_str());
  }
  return text;
}

}  // namespace runsc
