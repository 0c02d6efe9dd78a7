// Listing sockets, and the texts of /proc/net/{tcp,udp,...}.
#include "sentry/net/socket_listing.h"

#include <algorithm>
#include <cstring>

#include "sentry/fs/proc_net.h"
#include "sentry/fs/simple_fs_text.h"
#include "sentry/net/tcp_endpoint.h"
#include "sentry/net/udp_socket.h"
#include "sentry/net/unix_endpoint.h"

namespace runsc {
namespace {

constexpr int64_t kUserHz = 100;

// Addresses are shown as the words they are in memory.
std::string Hex(const IpEndpoint& endpoint, int family) {
  std::string out;
  for (size_t at = family == AF_INET ? 12 : 0; at < 16; at += 4) {
    uint32_t word;
    std::memcpy(&word, endpoint.address.bytes.data() + at, sizeof(word));
    AppendFormat(&out, "%08X", family == AF_INET && !endpoint.address.is_v4() ? 0 : word);
  }
  AppendFormat(&out, ":%04X", endpoint.port);
  return out;
}

std::string Line(size_t number, const SocketListing& s) {
  return Format("%4zu: %s %s %02X %08zX:%08zX %02X:%08lX 00000000 %5u %8d %lu ", number, Hex(s.local, s.family).c_str(),
                Hex(s.remote, s.family).c_str(), s.state, s.state == TCP_LISTEN ? 0 : s.send_queue, s.receive_queue,
                s.left_ns > 0 ? kWaitTimer : 0, s.left_ns / (kNsPerSecond / kUserHz), s.uid, 0, s.ino);
}

std::string TcpText(Task& whose, int family) {
  std::string text;
  size_t number = 0;
  for (const SocketListing& s : ListTcp(*NetStackOf(whose))) {
    if (s.family != family) continue;
    const char* tail = s.left_ns > 0           ? "3 0000000000000000"
                       : s.state == TCP_LISTEN ? "1 0000000000000000 100 0 0 10 0"
                                               : "1 0000000000000000 20 4 30 10 -1";
    const std::string line = Line(number++, s) + tail;
    text += family == AF_INET ? Format("%-149s\n", line.c_str()) : line + '\n';
  }
  return text;
}

std::string UdpText(Task& whose, int family) {
  std::string text;
  size_t number = 0;
  for (const SocketListing& s : ListUdp(*NetStackOf(whose))) {
    if (s.family != family) continue;
    const std::string line = ' ' + Line(number++, s) + Format("2 0000000000000000 %lu", s.drops);
    text += family == AF_INET ? Format("%-127s\n", line.c_str()) : line.substr(1) + '\n';
  }
  return text;
}

std::string Tcp4Text(Task& whose) { return TcpText(whose, AF_INET); }
std::string Tcp6Text(Task& whose) { return TcpText(whose, AF_INET6); }
std::string Udp4Text(Task& whose) { return UdpText(whose, AF_INET); }
std::string Udp6Text(Task& whose) { return UdpText(whose, AF_INET6); }

// Without what closed ones left behind.
size_t Count(const std::vector<SocketListing>& sockets, int family) {
  size_t n = 0;
  for (const SocketListing& s : sockets) n += s.family == family && s.left_ns == 0;
  return n;
}

std::string SockstatText(Task& whose) {
  const RefPtr<NetStack> stack = NetStackOf(whose);
  const auto tcp = ListTcp(*stack), udp = ListUdp(*stack);
  const size_t tcp4 = Count(tcp, AF_INET), all = tcp4 + Count(tcp, AF_INET6);
  const size_t used = all + udp.size() + UnixNames::Get().AllIn(stack.get()).size();
  return Format(
      "sockets: used %zu\nTCP: inuse %zu orphan 0 tw %zu alloc %zu mem 0\nUDP: inuse %zu mem 0\n"
      "UDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n",
      used, tcp4, tcp.size() - all, all, Count(udp, AF_INET));
}

std::string Sockstat6Text(Task& whose) {
  const RefPtr<NetStack> stack = NetStackOf(whose);
  return Format("TCP6: inuse %zu\nUDP6: inuse %zu\nUDPLITE6: inuse 0\nRAW6: inuse 0\nFRAG6: inuse 0 memory 0\n",
                Count(ListTcp(*stack), AF_INET6), Count(ListUdp(*stack), AF_INET6));
}

std::string DevText(Task& whose) {
  const RefPtr<NetStack> stack = NetStackOf(whose);
  if (stack->host()) return stack->host()->DevText();
  const auto [packets, bytes] = TotalsOf(*stack);
  return Format(
      "    lo: %7lu %7lu    0    0    0     0          0         0 %8lu %7lu    0    0    0     0       0"
      "          0\n",
      bytes, packets, bytes, packets);
}

std::string RouteText(Task& whose) {
  const RefPtr<NetStack> stack = NetStackOf(whose);
  return stack->host() ? stack->host()->RouteText() : std::string();  // loopback has none in the main table
}

std::string IfInet6Text(Task& whose) {
  const RefPtr<NetStack> stack = NetStackOf(whose);
  if (stack->host()) return stack->host()->IfInet6Text();
  std::string text;
  for (const InterfaceAddress& own : stack->loopback().addresses()) {
    if (own.address.is_v4()) continue;
    for (const uint8_t byte : own.address.bytes) AppendFormat(&text, "%02x", byte);
    const int scope = own.address.is_loopback() ? 0x10 : 0;
    AppendFormat(&text, " %02x %02x %02x 80       lo\n", kLoopbackIndex, own.prefix, scope);
  }
  return text;
}

}  // namespace

std::vector<SocketListing> ListTcp(NetStack& stack) {
  std::vector<SocketListing> out;
  for (const RefPtr<PortOwner>& owner : stack.tcp().All()) {
    const auto& endpoint = static_cast<const TcpEndpoint&>(*owner);
    const TcpEndpoint::Status s = endpoint.status();
    if (s.state == TCP_CLOSE) continue;  // bound only
    out.push_back({endpoint.family(), s.state, s.local, s.remote, s.receive_queue, s.send_queue, endpoint.uid(),
                   endpoint.ino.load(), 0, stack.tcp().IsV6Only(*owner)});
  }
  const int64_t now = Kernel::MonotonicNs();
  for (const TimeWait& wait : stack.tcp().LeftBehind()) {
    const int family = wait.claim.v6_socket ? AF_INET6 : AF_INET;
    out.push_back({family, wait.state, wait.claim.local, wait.remote, 0, 0, 0, 0, 0, wait.claim.v6_only,
                   std::max<int64_t>(wait.until_ns - now, 1)});
  }
  return out;
}

std::vector<SocketListing> ListUdp(NetStack& stack) {
  std::vector<SocketListing> out;
  for (const RefPtr<PortOwner>& owner : stack.udp().All()) {
    const auto& endpoint = static_cast<const UdpEndpoint&>(*owner);
    const auto remote = endpoint.remote();
    out.push_back({endpoint.family(), remote ? TCP_ESTABLISHED : TCP_CLOSE, endpoint.local(),
                   remote.value_or(IpEndpoint{IpAddress::AnyOf(endpoint.family()), 0}), endpoint.QueuedBytes(), 0,
                   endpoint.uid(), endpoint.ino.load(), endpoint.drops(), stack.udp().IsV6Only(*owner)});
  }
  return out;
}

void PublishProcNet() {
  SetProcNetText("unix", DescribeUnixSockets);
  SetProcNetText("tcp", Tcp4Text);
  SetProcNetText("tcp6", Tcp6Text);
  SetProcNetText("udp", Udp4Text);
  SetProcNetText("udp6", Udp6Text);
  SetProcNetText("dev", DevText);
  SetProcNetText("if_inet6", IfInet6Text);
  SetProcNetText("route", RouteText);
  SetProcNetText("sockstat", SockstatText);
  SetProcNetText("sockstat6", Sockstat6Text);
  SetProcNetText("snmp", SnmpText);
  SetProcNetText("snmp6", Snmp6Text);
  SetProcNetText("netstat", NetstatText);
}

}  // namespace runsc
