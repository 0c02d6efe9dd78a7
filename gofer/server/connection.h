// One connection of the sentry: receives requests, checks and serves them, sends replies.
#pragma once

#include <memory>
#include <span>

#include "gofer/server/cpu_follower.h"
#include "gofer/server/operation.h"
#include "gofer/server/session.h"
#include "platform/base/unique_fd.h"

namespace runsc {

class GoferConnection {
 public:
  GoferConnection(GoferSession& session, UniqueFd socket);

  // Until the sentry closes the connection or breaks the protocol.
  void Serve();

  // Serves one request as received; returns the size of the reply in reply(), or 0 if the message
  // breaks the protocol. Public for tests, which feed it bytes.
  size_t Handle(std::span<const std::byte> message);
  std::span<const std::byte> reply() const { return {reply_.get(), reply_size_}; }
  UniqueFd TakeReplyFd() { return std::move(reply_fd_); }

 private:
  ssize_t Receive();
  void FollowCaller(std::span<const std::byte> message);
  bool SendReply();
  Result<void> Dispatch(const GoferOperation& row, std::span<const std::byte> body, GoferRequest& request,
                        GoferResponse& response);
  Result<void> ParseHandles(const GoferOperation& row, GoferRequest& request);

  GoferSession& session_;
  CpuFollower cpu_;
  UniqueFd socket_;
  std::unique_ptr<std::byte[]> request_;
  std::unique_ptr<std::byte[]> reply_;
  size_t reply_size_ = 0;
  UniqueFd reply_fd_;
};

}  // namespace runsc
