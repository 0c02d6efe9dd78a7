// Questions to the sandbox that a container lives in.
#pragma once

#include <span>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "runsc-cli/container/store.h"
#include "runsc-cli/control/channel.h"

namespace runsc {

inline constexpr int kCallTimeoutSeconds = 30;

// A connection to the sandbox of the container with this state. 0: answers may take for ever.
absl::StatusOr<ControlChannel> ConnectToSandbox(StateStore& store, const ContainerState& state,
                                                int timeout_seconds = kCallTimeoutSeconds);

// Why a question had no answer: a sandbox that ended meanwhile took the container along.
absl::Status WhyNoAnswer(const ContainerState& state, const absl::Status& failure);

// One question about a container that runs. `fds` are sent along; they stay the caller's.
template <typename Reply>
absl::StatusOr<Reply> AskSandbox(StateStore& store, const ContainerState& state, ControlType type, std::string body,
                                 std::span<const int> fds = {}, int timeout_seconds = kCallTimeoutSeconds) {
  const absl::StatusOr<ControlChannel> channel = ConnectToSandbox(store, state, timeout_seconds);
  if (!channel.ok()) return WhyNoAnswer(state, channel.status());
  absl::StatusOr<Reply> reply = channel->CallFor<Reply>(type, std::move(body), fds);
  return reply.ok() ? std::move(reply) : WhyNoAnswer(state, reply.status());
}

// One question without an answer in words.
absl::Status TellSandbox(StateStore& store, const ContainerState& state, ControlType type, std::string body);

}  // namespace runsc
