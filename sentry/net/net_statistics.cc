// The texts of /proc/net/{snmp,snmp6,netstat,dev}: names as Linux has them, and numbers for what can happen without
// segments. A loopback stream loses, repeats, reorders and delays nothing, and its bytes are acknowledged by nobody.
#include <algorithm>
#include <string_view>
#include <vector>

#include "sentry/fs/simple_fs_text.h"
#include "sentry/net/socket_listing.h"
#include "sentry/net/tcp_endpoint.h"

namespace runsc {
namespace {

struct Named {
  std::string_view name;
  int64_t value;
};
using Values = std::vector<Named>;

int64_t ValueOf(const Values& values, std::string_view name) {
  const auto it = std::find_if(values.begin(), values.end(), [&](const Named& named) { return named.name == name; });
  return it == values.end() ? 0 : it->value;
}

template <typename Function>
void ForEachWord(std::string_view words, Function function) {
  while (!words.empty()) {
    const size_t end = std::min(words.find(' '), words.size());
    function(words.substr(0, end));
    words.remove_prefix(std::min(end + 1, words.size()));
  }
}

// A line of names and one of numbers; 0 is what `values` does not name.
std::string Table(const char* prefix, std::string_view names, const Values& values) {
  std::string numbers;
  ForEachWord(names, [&](std::string_view name) { numbers += ' ' + std::to_string(ValueOf(values, name)); });
  return std::string(prefix) + ": " + std::string(names) + '\n' + prefix + ':' + numbers + '\n';
}

// A number a line, each name with the prefix.
std::string List(std::string_view prefix, std::string_view names, const Values& values) {
  std::string text;
  ForEachWord(names, [&](std::string_view name) {
    const std::string full = std::string(prefix) + std::string(name);
    AppendFormat(&text, "%-32s\t%ld\n", full.c_str(), ValueOf(values, name));
  });
  return text;
}

constexpr char kIp[] =
    "Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers "
    "OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates "
    "OutTransmits";
constexpr char kIcmp[] =
    "InMsgs InErrors InCsumErrors InDestUnreachs InTimeExcds InParmProbs InSrcQuenchs InRedirects InEchos InEchoReps "
    "InTimestamps InTimestampReps InAddrMasks InAddrMaskReps OutMsgs OutErrors OutRateLimitGlobal OutRateLimitHost "
    "OutDestUnreachs OutTimeExcds OutParmProbs OutSrcQuenchs OutRedirects OutEchos OutEchoReps OutTimestamps "
    "OutTimestampReps OutAddrMasks OutAddrMaskReps";
constexpr char kTcp[] =
    "RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs "
    "RetransSegs InErrs OutRsts InCsumErrors";
constexpr char kUdp[] =
    "InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors";
constexpr char kUdpLite6[] =
    "InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors MemErrors";
constexpr char kTcpExt[] =
    "SyncookiesSent SyncookiesRecv SyncookiesFailed EmbryonicRsts PruneCalled RcvPruned OfoPruned OutOfWindowIcmps "
    "LockDroppedIcmps ArpFilter TW TWRecycled TWKilled PAWSActive PAWSEstab DelayedACKs DelayedACKLocked "
    "DelayedACKLost ListenOverflows ListenDrops TCPHPHits TCPPureAcks TCPHPAcks TCPSackRecovery TCPSACKReneging "
    "TCPSACKReorder TCPRenoReorder TCPTSReorder TCPLostRetransmit TCPFastRetrans TCPSlowStartRetrans TCPTimeouts "
    "TCPLossProbes TCPRcvCollapsed TCPBacklogCoalesce TCPAbortOnData TCPAbortOnClose TCPAbortOnMemory "
    "TCPAbortOnTimeout TCPAbortOnLinger TCPAbortFailed TCPMemoryPressures TCPBacklogDrop TCPDeferAcceptDrop "
    "TCPTimeWaitOverflow TCPReqQFullDoCookies TCPReqQFullDrop TCPRetransFail TCPRcvCoalesce TCPOFOQueue TCPOFODrop "
    "TCPOFOMerge TCPChallengeACK TCPSYNChallenge TCPAutoCorking TCPSynRetrans TCPOrigDataSent TCPKeepAlive "
    "TCPDelivered TCPZeroWindowDrop TCPRcvQDrop";
constexpr char kIpExt[] =
    "InNoRoutes InTruncatedPkts InMcastPkts OutMcastPkts InBcastPkts OutBcastPkts InOctets OutOctets InMcastOctets "
    "OutMcastOctets InBcastOctets OutBcastOctets InCsumErrors InNoECTPkts InECT1Pkts InECT0Pkts InCEPkts ReasmOverlaps";
constexpr char kIp6[] =
    "InReceives InHdrErrors InTooBigErrors InNoRoutes InAddrErrors InUnknownProtos InTruncatedPkts InDiscards "
    "InDelivers OutForwDatagrams OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails "
    "FragOKs FragFails FragCreates InMcastPkts OutMcastPkts InOctets OutOctets InMcastOctets OutMcastOctets "
    "InBcastOctets OutBcastOctets InNoECTPkts InECT1Pkts InECT0Pkts InCEPkts OutTransmits";
constexpr char kIcmp6[] =
    "InMsgs InErrors OutMsgs OutErrors InCsumErrors OutRateLimitHost InDestUnreachs InPktTooBigs InTimeExcds "
    "InParmProblems InEchos InEchoReplies OutDestUnreachs OutPktTooBigs OutTimeExcds OutParmProblems OutEchos "
    "OutEchoReplies";

LinkTotals operator+(const LinkTotals& a, const LinkTotals& b) { return {a.packets + b.packets, a.bytes + b.bytes}; }

struct ByFamily {
  LinkTotals v4{}, v6{};
};

// What the connections that are still there sent.
ByFamily SentByOpen(NetStack& stack) {
  ByFamily sent;
  for (const RefPtr<PortOwner>& owner : stack.tcp().All()) {
    const auto& endpoint = static_cast<const TcpEndpoint&>(*owner);
    LinkTotals& family = endpoint.is_v4() ? sent.v4 : sent.v6;
    family = family + LinkTotals{endpoint.segments_sent(), endpoint.bytes_sent()};
  }
  return sent;
}

ByFamily TotalsByFamily(NetStack& stack) {
  const ByFamily open = SentByOpen(stack);
  const auto counted = [&](bool v4) {
    return LinkTotals{stack.counters(v4)[NetCount::kPackets], stack.counters(v4)[NetCount::kOctets]};
  };
  return {open.v4 + counted(true), open.v6 + counted(false)};
}

uint64_t OpenSegments(NetStack& stack) {
  const ByFamily open = SentByOpen(stack);
  return open.v4.packets + open.v6.packets;
}

int64_t Established(NetStack& stack) {
  const auto sockets = ListTcp(stack);
  return std::count_if(sockets.begin(), sockets.end(),
                       [](const SocketListing& s) { return s.state == TCP_ESTABLISHED || s.state == TCP_CLOSE_WAIT; });
}

int64_t Signed(uint64_t n) { return static_cast<int64_t>(n); }

Values IpValues(NetStack& stack, bool v4) {
  const ByFamily all = TotalsByFamily(stack);
  const LinkTotals& totals = v4 ? all.v4 : all.v6;
  const int64_t packets = Signed(totals.packets), bytes = Signed(totals.bytes);
  const bool forwards = stack.settings().at(NetSetting::kForwarding4) != 0;
  return {{"Forwarding", forwards ? 1 : 2},
          {"DefaultTTL", stack.settings().at(NetSetting::kDefaultTtl)},
          {"InReceives", packets},
          {"InDelivers", packets},
          {"OutRequests", packets},
          {"OutTransmits", packets},
          {"InOctets", bytes},
          {"OutOctets", bytes},
          {"InNoECTPkts", packets}};
}

Values IcmpValues(const NetCounters& c) {
  const int64_t unreachable = Signed(c[NetCount::kIcmpUnreachable]);
  const int64_t echos = Signed(c[NetCount::kIcmpEcho]), replies = Signed(c[NetCount::kIcmpReply]);
  const int64_t all = unreachable + echos + replies + Signed(c[NetCount::kIcmpOther]);
  return {{"InMsgs", all},
          {"OutMsgs", all},
          {"InDestUnreachs", unreachable},
          {"OutDestUnreachs", unreachable},
          {"InEchos", echos},
          {"OutEchos", echos},
          {"InEchoReps", replies},
          {"OutEchoReps", replies},
          {"InEchoReplies", replies},
          {"OutEchoReplies", replies}};
}

Values DatagramValues(const NetCounters& c, NetCount in, NetCount out, NetCount no_port, NetCount dropped) {
  const int64_t lost = Signed(c[dropped]);
  return {{"InDatagrams", Signed(c[in])},
          {"OutDatagrams", Signed(c[out])},
          {"NoPorts", Signed(c[no_port])},
          {"InErrors", lost},
          {"RcvbufErrors", lost}};
}

Values UdpValues(const NetCounters& c) {
  return DatagramValues(c, NetCount::kUdpIn, NetCount::kUdpOut, NetCount::kUdpNoPort, NetCount::kUdpDropped);
}

Values UdpLiteValues(const NetCounters& c) {
  return DatagramValues(c, NetCount::kUdpLiteIn, NetCount::kUdpLiteOut, NetCount::kUdpLiteNoPort,
                        NetCount::kUdpLiteDropped);
}

Values TcpValues(NetStack& stack) {
  const NetCounters& c = stack.tcp_counters();
  const int64_t segments = Signed(c[NetCount::kTcpSegments] + OpenSegments(stack));
  return {{"RtoAlgorithm", 1},
          {"RtoMin", 200},
          {"RtoMax", 120000},
          {"MaxConn", -1},
          {"ActiveOpens", Signed(c[NetCount::kTcpActiveOpens])},
          {"PassiveOpens", Signed(c[NetCount::kTcpPassiveOpens])},
          {"AttemptFails", Signed(c[NetCount::kTcpAttemptFails])},
          {"EstabResets", Signed(c[NetCount::kTcpResets])},
          {"CurrEstab", Established(stack)},
          {"InSegs", segments},
          {"OutSegs", segments},
          {"OutRsts", Signed(c[NetCount::kTcpSentResets])}};
}

Values TcpExtValues(NetStack& stack) {
  const NetCounters& c = stack.tcp_counters();
  const int64_t overflows = Signed(c[NetCount::kTcpListenOverflows]);
  const int64_t data = Signed(c[NetCount::kTcpDataSegments] + OpenSegments(stack));
  return {{"TW", Signed(stack.tcp().EndedWaits())},
          {"ListenOverflows", overflows},
          {"ListenDrops", overflows},
          {"TCPDeferAcceptDrop", Signed(c[NetCount::kTcpDeferred])},
          {"TCPAbortOnData", Signed(c[NetCount::kTcpAbortsOnData])},
          {"TCPAbortOnClose", Signed(c[NetCount::kTcpAbortsOnClose])},
          {"TCPOrigDataSent", data},
          {"TCPDelivered", data}};
}

}  // namespace

LinkTotals TotalsOf(NetStack& stack) {
  const ByFamily all = TotalsByFamily(stack);
  return all.v4 + all.v6;
}

std::string SnmpText(Task& whose) {
  const RefPtr<NetStack> stack = NetStackOf(whose);
  if (stack->host()) return {};
  const NetCounters& c = stack->counters(true);
  return Table("Ip", kIp, IpValues(*stack, true)) + Table("Icmp", kIcmp, IcmpValues(c)) +
         Table("Tcp", kTcp, TcpValues(*stack)) + Table("Udp", kUdp, UdpValues(c)) +
         Table("UdpLite", kUdp, UdpLiteValues(c));
}

std::string Snmp6Text(Task& whose) {
  const RefPtr<NetStack> stack = NetStackOf(whose);
  if (stack->host()) return {};
  const NetCounters& c = stack->counters(false);
  return List("Ip6", kIp6, IpValues(*stack, false)) + List("Icmp6", kIcmp6, IcmpValues(c)) +
         List("Udp6", kUdp, UdpValues(c)) + List("UdpLite6", kUdpLite6, UdpLiteValues(c));
}

std::string NetstatText(Task& whose) {
  const RefPtr<NetStack> stack = NetStackOf(whose);
  if (stack->host()) return {};
  return Table("TcpExt", kTcpExt, TcpExtValues(*stack)) + Table("IpExt", kIpExt, IpValues(*stack, true));
}

}  // namespace runsc
