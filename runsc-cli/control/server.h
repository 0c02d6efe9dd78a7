// The sandbox's side of the control socket.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "platform/base/result.h"
#include "platform/base/unique_fd.h"
#include "runsc-cli/control/channel.h"

namespace runsc {

// What a sandbox can be asked. Called from the server's threads, several at a time. The error says why not, in words
// for the user.
class ControlHandler {
 public:
  virtual ~ControlHandler() = default;
  virtual absl::Status Create(const CreateRequest& request, std::vector<UniqueFd> fds) = 0;
  virtual absl::Status Start(const std::string& container) = 0;
  virtual absl::StatusOr<ExecReply> Exec(const ExecRequest& request, std::vector<UniqueFd> fds) = 0;
  virtual absl::Status Signal(const SignalRequest& request) = 0;
  virtual absl::StatusOr<WaitReply> Wait(const WaitRequest& request) = 0;  // blocks
  virtual absl::StatusOr<StateReply> State(const std::string& container) = 0;
  virtual absl::StatusOr<ProcessesReply> Processes(const std::string& container) = 0;
  virtual absl::Status Pause(const PauseRequest& request) = 0;
  virtual absl::Status Limit(const LimitRequest& request) = 0;
  virtual absl::StatusOr<FamilyReply> MakeFamily(const std::string& container) = 0;
  virtual absl::StatusOr<TasksReply> Tasks(const std::string& container) = 0;
  virtual absl::Status Strace(const StraceRequest& request, std::vector<UniqueFd> fds) = 0;
  virtual absl::Status Destroy(const std::string& container) = 0;
};

class ControlServer {
 public:
  // `listener` from BindControlSocket. Only peers with the user id `owner` (as this process's user
  // namespace sees it) are served. `handler` outlives the process' threads.
  ControlServer(UniqueFd listener, uid_t owner, ControlHandler& handler)
      : listener_(std::move(listener)), owner_(owner), handler_(handler) {}

  // Accepts connections until the listener fails, each on its own thread. Run it on a thread.
  void Serve();
  // Waits a moment for replies under way, before the process ends.
  void FinishReplies();

 private:
  static constexpr int kMaxConnections = 32;

  void ServeConnection(ControlChannel channel);
  bool IsOwner(int fd) const;

  UniqueFd listener_;
  const uid_t owner_;
  ControlHandler& handler_;
  std::atomic<int> connections_{0};
  std::atomic<int> replies_due_{0};
};

// The reply to one request; never crashes on what the peer sent.
ControlMessage HandleControlRequest(ControlHandler& handler, ControlMessage request);

// User id of whoever made the socket `fd`, as this process' user namespace sees it.
Result<uid_t> PeerUid(int fd);

}  // namespace runsc
