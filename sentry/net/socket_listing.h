// What /proc/net and sock_diag tell about Internet sockets.
#pragma once

#include "sentry/net/net_stack.h"

namespace runsc {

inline constexpr uint8_t kWaitTimer = 3;  // of TIME_WAIT, among the timers that lines and diagnoses have

struct SocketListing {
  int family;
  int state;  // TCP_*; a UDP socket's is TCP_CLOSE, or TCP_ESTABLISHED with a peer
  IpEndpoint local, remote;
  size_t receive_queue, send_queue;
  uid_t uid;
  uint64_t ino, drops;
  bool v6_only;
  int64_t left_ns = 0;  // until the end of a closed connection is forgotten
};

std::vector<SocketListing> ListTcp(NetStack& stack);
std::vector<SocketListing> ListUdp(NetStack& stack);

// What went over lo.
struct LinkTotals {
  uint64_t packets, bytes;
};
LinkTotals TotalsOf(NetStack& stack);

// Of /proc/net, for the network namespace of a task; empty where the network is the host's (net_statistics.cc).
std::string SnmpText(Task& whose);
std::string Snmp6Text(Task& whose);
std::string NetstatText(Task& whose);

// Makes the files of /proc/net that speak of sockets do so. Once, at boot.
void PublishProcNet();

}  // namespace runsc
