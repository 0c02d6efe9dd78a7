// One end of a control connection: whole messages in, whole messages out.
#pragma once

#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "platform/base/unique_fd.h"
#include "runsc-cli/control/protocol.h"

namespace runsc {

struct ControlMessage {
  ControlType type = ControlType::kStart;
  int error = 0;
  std::string body;

  // The body as a T; nothing if it has another size.
  template <typename T>
  std::optional<T> As() const {
    T value;
    if (body.size() != sizeof(T)) return std::nullopt;
    memcpy(&value, body.data(), sizeof(T));
    return value;
  }
};

template <typename T>
std::string ControlBody(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(T));
}

class ControlChannel {
 public:
  ControlChannel() = default;
  explicit ControlChannel(UniqueFd fd) : fd_(std::move(fd)) {}
  int fd() const { return fd_.get(); }
  bool valid() const { return fd_.valid(); }
  void Close() { fd_.reset(); }

  absl::Status Send(const ControlMessage& message) const;
  // Unavailable at the end of the connection; DataLoss for anything malformed.
  absl::StatusOr<ControlMessage> Receive() const;
  // Send, then Receive a reply of the same type; an error in the reply becomes the status.
  absl::StatusOr<std::string> Call(ControlType type, std::string_view body = {}) const;

 private:
  UniqueFd fd_;
};

// A socket of `directory` (an open directory). Works for paths longer than sockaddr_un holds.
absl::StatusOr<UniqueFd> BindControlSocket(int directory);
absl::StatusOr<ControlChannel> ConnectControlSocket(int directory);

}  // namespace runsc
