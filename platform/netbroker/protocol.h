// What the sentry asks of the network broker: one seqpacket message each way, a socket beside it where one is
// meant. See docs/adr for why the sentry does not make these calls itself.
#pragma once

#include <cstddef>
#include <cstdint>

namespace runsc {

enum class BrokerOp : uint32_t {
  kSocket = 1,  // domain, type, protocol -> a non-blocking socket
  kRoute,       // -> a netlink route socket that may only read
  kBind,        // socket, address
  kConnect,     // socket, address
  kListen,      // socket, backlog
  kShutdown,    // socket, how
  kGetName,     // socket -> address
  kGetPeer,     // socket -> address
  kSetOption,   // socket, level, name, value
  kInterface,   // SIOCGIF*, an ifreq -> the ifreq; SIOCGIFCONF -> all of them
};

struct BrokerRequest {
  BrokerOp op{};
  int32_t args[3] = {};
  uint32_t size = 0;  // of the bytes that follow
};

struct BrokerReply {
  int32_t error = 0;  // errno
  uint32_t size = 0;
};

// Of what follows either header.
inline constexpr size_t kBrokerMaxBytes = 8192;

}  // namespace runsc
