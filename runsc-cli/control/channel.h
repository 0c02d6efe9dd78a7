// One end of a control connection: whole messages in, whole messages out.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "platform/base/unique_fd.h"
#include "runsc-cli/control/protocol.h"
#include "runsc-cli/control/wire.h"

namespace runsc {

struct ControlMessage {
  ControlType type = ControlType::kStart;
  int error = 0;
  std::string body;
  std::vector<UniqueFd> fds;

  // The body as a T; nothing if it is not one.
  template <typename T>
  std::optional<T> As() const {
    return FromWire<T>(body);
  }
};

// Whether a call failed because the connection ended, though the other side had taken what was sent.
bool IsClosed(const absl::Status& status);
// Whether it failed because nobody is at the other side, or nobody any more; it may have taken what was sent.
bool IsGone(const absl::Status& status);

class ControlChannel {
 public:
  ControlChannel() = default;
  explicit ControlChannel(UniqueFd fd) : fd_(std::move(fd)) {}
  int fd() const { return fd_.get(); }
  bool valid() const { return fd_.valid(); }
  void Close() { fd_.reset(); }

  // `fds` are sent along; they stay the caller's.
  absl::Status Send(const ControlMessage& message, std::span<const int> fds = {}) const;
  // IsClosed at the end of the connection; DataLoss for anything malformed.
  absl::StatusOr<ControlMessage> Receive() const;
  // Send, then Receive a reply of the same type; an error in the reply becomes the status.
  absl::StatusOr<std::string> Call(ControlType type, std::string body = {}, std::span<const int> fds = {}) const;
  // The same, with a reply that has a body.
  template <typename Reply>
  absl::StatusOr<Reply> CallFor(ControlType type, std::string body, std::span<const int> fds = {}) const {
    absl::StatusOr<std::string> bytes = Call(type, std::move(body), fds);
    if (!bytes.ok()) return bytes.status();
    std::optional<Reply> reply = FromWire<Reply>(*bytes);
    if (!reply) return absl::DataLossError("malformed reply from the sandbox");
    return *std::move(reply);
  }

 private:
  UniqueFd fd_;
};

// The two ends of a new connection.
struct ControlPair {
  UniqueFd ours, theirs;
};
absl::StatusOr<ControlPair> NewControlPair();

// A socket of `directory` (an open directory). Works for paths longer than sockaddr_un holds.
absl::StatusOr<UniqueFd> BindControlSocket(int directory);
absl::StatusOr<ControlChannel> ConnectControlSocket(int directory);

}  // namespace runsc
