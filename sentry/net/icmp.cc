// What goes out comes back to every raw socket, and echo requests come back once more as replies.
#include "sentry/net/icmp.h"

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <netinet/ip.h>

#include <cstring>

#include "sentry/net/icmp_socket.h"
#include "sentry/net/ping_socket.h"

namespace runsc {
namespace {

using Message = std::span<const std::byte>;

uint32_t Sum(Message bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    uint16_t word;
    std::memcpy(&word, bytes.data() + i, sizeof(word));
    sum += word;
  }
  if (bytes.size() % 2 != 0) sum += static_cast<uint8_t>(bytes.back());
  return sum;
}

uint16_t Fold(uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

// Of an ICMPv6 message: the addresses count too.
uint32_t PseudoHeaderSum(const IpAddress& from, const IpAddress& to, size_t size) {
  const uint32_t tail[2] = {htonl(static_cast<uint32_t>(size)), htonl(IPPROTO_ICMPV6)};
  return Sum(std::as_bytes(std::span(from.bytes))) + Sum(std::as_bytes(std::span(to.bytes))) +
         Sum(std::as_bytes(std::span(tail)));
}

// The host's own answer, in place. False: there is none.
bool TurnIntoReply(Datagram& message) {
  if (message.size < kIcmpHeader) return false;
  const bool v4 = message.to.is_v4();
  const auto type = static_cast<uint8_t>(message.data[0]);
  if (type != (v4 ? ICMP_ECHO : ICMPV6_ECHO_REQUEST)) return false;
  message.data[0] = static_cast<std::byte>(v4 ? ICMP_ECHOREPLY : ICMPV6_ECHO_REPLY);
  std::swap(message.from.address, message.to);
  SetIcmpChecksum(message);
  return true;
}

void CountIcmp(NetStack& stack, const Datagram& message) {
  const bool v4 = message.to.is_v4();
  const int type = message.size > 0 ? static_cast<int>(message.data[0]) : -1;
  const bool echo = type == (v4 ? ICMP_ECHO : ICMPV6_ECHO_REQUEST);
  const bool reply = type == (v4 ? ICMP_ECHOREPLY : ICMPV6_ECHO_REPLY);
  stack.CountPackets(v4, 1, message.size + sizeof(iphdr));
  stack.counters(v4).Add(echo ? NetCount::kIcmpEcho : reply ? NetCount::kIcmpReply : NetCount::kIcmpOther);
}

}  // namespace

uint16_t InternetChecksum(Message bytes) { return Fold(Sum(bytes)); }

void SetIcmpChecksum(Datagram& message) {
  const std::span<std::byte> bytes(message.data.get(), message.size);
  std::memset(bytes.data() + kIcmpChecksumAt, 0, sizeof(uint16_t));
  uint32_t sum = Sum(bytes);
  if (!message.to.is_v4()) sum += PseudoHeaderSum(message.from.address, message.to, message.size);
  const uint16_t folded = Fold(sum);
  std::memcpy(bytes.data() + kIcmpChecksumAt, &folded, sizeof(folded));
}

void CarryIcmp(NetStack& stack, Datagram datagram) {
  CountIcmp(stack, datagram);
  DeliverToRaw(stack, datagram);
  const bool mute =
      stack.settings().at(datagram.to.is_v4() ? NetSetting::kEchoIgnoreAll : NetSetting::kEchoIgnoreAll6) != 0;
  if (mute || !TurnIntoReply(datagram)) return;
  CountIcmp(stack, datagram);
  DeliverToRaw(stack, datagram);
  DeliverToPing(stack, std::move(datagram));
}

}  // namespace runsc
