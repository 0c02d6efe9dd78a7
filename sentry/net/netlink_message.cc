// Netlink's headers, attributes and alignment.
#include "sentry/net/netlink_message.h"

#include <algorithm>
#include <cstring>

namespace runsc {

NetlinkMessage::NetlinkMessage(uint16_t type, uint16_t flags, uint32_t sequence, uint32_t port) {
  const nlmsghdr header{sizeof(nlmsghdr), type, flags, sequence, port};
  bytes_.assign(reinterpret_cast<const char*>(&header), sizeof(header));
}

NetlinkMessage::NetlinkMessage(std::string_view whole, uint32_t sequence, uint32_t port) : bytes_(whole) {
  auto header = ReadHeader<nlmsghdr>(whole);
  header.nlmsg_seq = sequence;
  header.nlmsg_pid = port;
  std::memcpy(bytes_.data(), &header, std::min(bytes_.size(), sizeof(header)));
}

void NetlinkMessage::AppendBytes(const void* data, size_t size) {
  bytes_.append(static_cast<const char*>(data), size);
  Close();
}

void NetlinkMessage::AttributeBytes(uint16_t type, std::string_view value) {
  const nlattr header{static_cast<uint16_t>(NLA_HDRLEN + value.size()), type};
  bytes_.append(reinterpret_cast<const char*>(&header), sizeof(header));
  bytes_.append(value);
  Close();
}

void NetlinkMessage::Text(uint16_t type, std::string_view text) { AttributeBytes(type, std::string(text) + '\0'); }

void NetlinkMessage::Close() {
  bytes_.resize(NLMSG_ALIGN(bytes_.size()), '\0');
  const uint32_t length = static_cast<uint32_t>(bytes_.size());
  std::memcpy(bytes_.data(), &length, sizeof(length));
}

std::string_view FindAttribute(std::string_view body, size_t skip, uint16_t type) {
  for (size_t at = NLA_ALIGN(skip); at + NLA_HDRLEN <= body.size();) {
    nlattr header;
    std::memcpy(&header, body.data() + at, sizeof(header));
    if (header.nla_len < NLA_HDRLEN || header.nla_len > body.size() - at) break;
    if ((header.nla_type & NLA_TYPE_MASK) == type) {
      return body.substr(at + NLA_HDRLEN, header.nla_len - NLA_HDRLEN);
    }
    at += NLA_ALIGN(header.nla_len);
  }
  return {};
}

}  // namespace runsc
