// As much D-Bus as asking systemd takes: calls with a body, their replies, signals.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "platform/base/unique_fd.h"

namespace runsc {

// Marshals values of a message body, one after the other, little endian.
class DBusWriter {
 public:
  DBusWriter& Byte(uint8_t value);
  DBusWriter& Bool(bool value) { return Uint32(value); }
  DBusWriter& Uint32(uint32_t value) { return Number(value, 4); }
  DBusWriter& Uint64(uint64_t value) { return Number(value, 8); }
  DBusWriter& String(std::string_view value);  // object paths too
  DBusWriter& Signature(std::string_view value);
  // `element_alignment`: 8 for structures and 64-bit numbers, 4 for strings and 32-bit ones, 1 for bytes.
  DBusWriter& Array(size_t element_alignment, const std::function<void(DBusWriter&)>& elements);
  // The start of a structure.
  DBusWriter& Align(size_t alignment);
  const std::string& bytes() const { return bytes_; }

 private:
  DBusWriter& Number(uint64_t value, size_t size);
  std::string bytes_;
};

// Takes values out of a message. What is beyond its end reads as 0 and "", and ok() is false from then on.
class DBusReader {
 public:
  explicit DBusReader(std::string_view bytes) : bytes_(bytes) {}
  uint8_t Byte() { return static_cast<uint8_t>(Number(1)); }
  uint32_t Uint32() { return static_cast<uint32_t>(Number(4)); }
  std::string String();
  std::string Signature();
  void Align(size_t alignment);
  size_t position() const { return position_; }
  bool ok() const { return ok_; }

 private:
  uint64_t Number(size_t size);
  std::string Text(size_t size);
  std::string_view bytes_;
  size_t position_ = 0;
  bool ok_ = true;
};

enum class DBusType : uint8_t { kCall = 1, kReply = 2, kError = 3, kSignal = 4 };

struct DBusMessage {
  DBusType type = DBusType::kCall;
  uint32_t serial = 0, reply_to = 0;
  std::string path, interface, member, destination, error, signature, body;
};

std::string EncodeDBusMessage(const DBusMessage& message);
// How long the message is that begins with these 16 bytes; nothing if they begin none, or one that is too long.
inline constexpr size_t kDBusHead = 16;
std::optional<size_t> DBusMessageSize(std::string_view head);
std::optional<DBusMessage> DecodeDBusMessage(std::string_view bytes);

class DBusConnection {
 public:
  // To the bus at the socket `path`, as the user we are. Not found when nobody listens there.
  static absl::StatusOr<DBusConnection> Open(const std::string& path);

  // The reply. An error reply is a status: "NAME: TEXT".
  absl::StatusOr<DBusMessage> Call(DBusMessage call);
  // The next signal, of those that came while Call waited too.
  absl::StatusOr<DBusMessage> NextSignal();

 private:
  explicit DBusConnection(UniqueFd fd) : fd_(std::move(fd)) {}
  absl::Status Authenticate();
  absl::Status Send(std::string_view bytes);
  absl::StatusOr<std::string> Receive(size_t size);
  absl::StatusOr<DBusMessage> ReceiveMessage();

  UniqueFd fd_;
  uint32_t serial_ = 0;
  std::deque<DBusMessage> signals_;
};

}  // namespace runsc
