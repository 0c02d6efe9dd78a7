// ICMP and ICMPv6 over loopback, and the echo that answers pings.
#pragma once

#include <span>

#include "sentry/net/udp_socket.h"

namespace runsc {

inline constexpr size_t kIcmpHeader = 8;
inline constexpr size_t kIcmpChecksumAt = 2;  // in both headers
inline constexpr size_t kIcmpEchoIdAt = 4;    // of echo requests and replies

uint16_t InternetChecksum(std::span<const std::byte> bytes);
// Of a message with its addresses.
void SetIcmpChecksum(Datagram& message);
// To whoever listens, and back if it asks for an answer.
void CarryIcmp(NetStack& stack, Datagram message);

}  // namespace runsc
