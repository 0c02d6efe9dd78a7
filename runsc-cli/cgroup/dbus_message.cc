// Messages of the D-Bus specification, version 1.
#include <algorithm>

#include "runsc-cli/cgroup/dbus.h"

namespace runsc {
namespace {

constexpr size_t kMaxMessage = 1 << 20;
constexpr uint8_t kLittleEndian = 'l', kVersion = 1;
enum Field : uint8_t { kPath = 1, kInterface, kMember, kErrorName, kReplySerial, kDestination, kSender, kSignature };

size_t RoundUp(size_t size, size_t alignment) { return (size + alignment - 1) / alignment * alignment; }

void AddField(DBusWriter& out, Field field, std::string_view type, const std::string& value) {
  if (value.empty()) return;
  out.Align(8).Byte(field).Signature(type);
  if (type == "g") {
    out.Signature(value);
  } else {
    out.String(value);
  }
}

void AddFields(DBusWriter& out, const DBusMessage& message) {
  AddField(out, kPath, "o", message.path);
  AddField(out, kInterface, "s", message.interface);
  AddField(out, kMember, "s", message.member);
  AddField(out, kErrorName, "s", message.error);
  if (message.reply_to != 0) out.Align(8).Byte(kReplySerial).Signature("u").Uint32(message.reply_to);
  AddField(out, kDestination, "s", message.destination);
  AddField(out, kSignature, "g", message.signature);
}

// False: it is of a type that no field of ours has.
bool ReadField(DBusReader& in, DBusMessage& message) {
  const uint8_t field = in.Byte();
  const std::string type = in.Signature();
  if (type == "u") {
    const uint32_t value = in.Uint32();
    if (field == kReplySerial) message.reply_to = value;
    return true;
  }
  if (type != "s" && type != "o" && type != "g") return false;
  std::string value = type == "g" ? in.Signature() : in.String();
  switch (field) {
    case kPath:
      message.path = std::move(value);
      break;
    case kInterface:
      message.interface = std::move(value);
      break;
    case kMember:
      message.member = std::move(value);
      break;
    case kErrorName:
      message.error = std::move(value);
      break;
    case kSignature:
      message.signature = std::move(value);
      break;
    default:
      break;
  }
  return true;
}

}  // namespace

DBusWriter& DBusWriter::Align(size_t alignment) {
  bytes_.resize(RoundUp(bytes_.size(), alignment), '\0');
  return *this;
}

DBusWriter& DBusWriter::Number(uint64_t value, size_t size) {
  Align(size);
  for (size_t i = 0; i < size; ++i) bytes_.push_back(static_cast<char>(value >> 8 * i));
  return *this;
}

DBusWriter& DBusWriter::Byte(uint8_t value) { return Number(value, 1); }

DBusWriter& DBusWriter::String(std::string_view value) {
  Uint32(static_cast<uint32_t>(value.size()));
  bytes_.append(value).push_back('\0');
  return *this;
}

DBusWriter& DBusWriter::Signature(std::string_view value) {
  Byte(static_cast<uint8_t>(value.size()));
  bytes_.append(value).push_back('\0');
  return *this;
}

// The length counts from the first element, not the padding before it.
DBusWriter& DBusWriter::Array(size_t element_alignment, const std::function<void(DBusWriter&)>& elements) {
  Uint32(0);
  const size_t length_at = bytes_.size() - 4;
  Align(element_alignment);
  const size_t begin = bytes_.size();
  elements(*this);
  const size_t length = bytes_.size() - begin;
  for (size_t i = 0; i < 4; ++i) bytes_[length_at + i] = static_cast<char>(length >> 8 * i);
  return *this;
}

void DBusReader::Align(size_t alignment) {
  position_ = RoundUp(position_, alignment);
  if (position_ > bytes_.size()) ok_ = false;
}

uint64_t DBusReader::Number(size_t size) {
  Align(size);
  if (!ok_ || bytes_.size() - position_ < size) {
    ok_ = false;
    return 0;
  }
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) value |= uint64_t{static_cast<uint8_t>(bytes_[position_ + i])} << 8 * i;
  position_ += size;
  return value;
}

std::string DBusReader::Text(size_t size) {
  if (!ok_ || bytes_.size() - position_ <= size) {
    ok_ = false;
    return {};
  }
  std::string text(bytes_.substr(position_, size));
  position_ += size + 1;  // its zero
  return text;
}

std::string DBusReader::String() { return Text(Uint32()); }
std::string DBusReader::Signature() { return Text(Byte()); }

std::string EncodeDBusMessage(const DBusMessage& message) {
  DBusWriter out;
  out.Byte(kLittleEndian).Byte(static_cast<uint8_t>(message.type)).Byte(0).Byte(kVersion);
  out.Uint32(static_cast<uint32_t>(message.body.size())).Uint32(message.serial);
  out.Array(8, [&](DBusWriter& fields) { AddFields(fields, message); });
  return out.Align(8).bytes() + message.body;
}

std::optional<size_t> DBusMessageSize(std::string_view head) {
  DBusReader in(head);
  const uint8_t order = in.Byte();
  in.Byte(), in.Byte();
  const uint8_t version = in.Byte();
  const size_t body = in.Uint32();
  in.Uint32();
  const size_t fields = in.Uint32();
  if (!in.ok() || order != kLittleEndian || version != kVersion) return std::nullopt;
  if (body > kMaxMessage || fields > kMaxMessage) return std::nullopt;
  return RoundUp(kDBusHead + fields, 8) + body;
}

std::optional<DBusMessage> DecodeDBusMessage(std::string_view bytes) {
  const std::optional<size_t> size = DBusMessageSize(bytes);
  if (!size || *size != bytes.size()) return std::nullopt;
  DBusMessage message;
  DBusReader in(bytes);
  in.Byte();
  message.type = static_cast<DBusType>(in.Byte());
  in.Byte(), in.Byte();
  const size_t body = in.Uint32();
  message.serial = in.Uint32();
  const size_t end = in.Uint32() + kDBusHead;
  while (in.ok() && in.position() < end) {
    in.Align(8);
    if (in.position() < end && !ReadField(in, message)) return std::nullopt;
  }
  if (!in.ok() || in.position() > end) return std::nullopt;
  message.body = std::string(bytes.substr(bytes.size() - body));
  return message;
}

}  // namespace runsc
