// Building and taking apart netlink messages (netlink(7)).
#pragma once

#include <linux/netlink.h>

#include <string>
#include <string_view>

namespace runsc {

// One message in the making; lengths are kept right as it grows.
class NetlinkMessage {
 public:
  NetlinkMessage(uint16_t type, uint16_t flags, uint32_t sequence, uint32_t port);

  // One from the host's kernel, addressed anew.
  NetlinkMessage(std::string_view whole, uint32_t sequence, uint32_t port);

  template <typename T>
  void Append(const T& body) {
    AppendBytes(&body, sizeof(body));
  }
  template <typename T>
  void Attribute(uint16_t type, const T& value) {
    AttributeBytes(type, {reinterpret_cast<const char*>(&value), sizeof(value)});
  }
  void Text(uint16_t type, std::string_view text);  // with its NUL
  void AttributeBytes(uint16_t type, std::string_view value);
  const std::string& bytes() const { return bytes_; }

 private:
  void AppendBytes(const void* data, size_t size);
  void Close();
  std::string bytes_;
};

// The value of an attribute behind a fixed header of `skip` bytes; empty: not there.
std::string_view FindAttribute(std::string_view body, size_t skip, uint16_t type);
// A fixed header, zero-filled when the message is shorter.
template <typename T>
T ReadHeader(std::string_view body) {
  T out{};
  __builtin_memcpy(&out, body.data(), body.size() < sizeof(out) ? body.size() : sizeof(out));
  return out;
}

}  // namespace runsc
