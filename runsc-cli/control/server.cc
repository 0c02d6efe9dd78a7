// Serves control connections inside the sandbox.
#include "runsc-cli/control/server.h"

#include <errno.h>
#include <sys/socket.h>

#include <chrono>
#include <thread>

#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

ControlMessage Failure(ControlType type, const absl::Status& status) {
  return {type, ToErrno(status).value(), MessageOf(status), {}};
}

ControlMessage ToReply(ControlType type, const absl::Status& status) {
  return status.ok() ? ControlMessage{type, 0, {}, {}} : Failure(type, status);
}

template <typename Reply>
ControlMessage ToReply(ControlType type, absl::StatusOr<Reply> reply) {
  return reply.ok() ? ControlMessage{type, 0, ToWire(*std::move(reply)), {}} : Failure(type, reply.status());
}

// Decodes the body as a Request and answers with what `serve` makes of it.
template <typename Request, typename Serve>
ControlMessage Answer(const ControlMessage& message, Serve serve) {
  const std::optional<Request> request = message.As<Request>();
  if (!request) return Failure(message.type, absl::InvalidArgumentError("malformed control request"));
  return ToReply(message.type, serve(*request));
}

}  // namespace

Result<uid_t> PeerUid(int fd) {
  ucred peer;
  socklen_t size = sizeof(peer);
  TRY(FromHost(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size)));
  return peer.uid;
}

ControlMessage HandleControlRequest(ControlHandler& handler, ControlMessage message) {
  std::vector<UniqueFd> fds = std::move(message.fds);
  switch (message.type) {
    case ControlType::kCreate:
      return Answer<CreateRequest>(message, [&](const auto& r) { return handler.Create(r, std::move(fds)); });
    case ControlType::kStart:
      return Answer<ContainerRequest>(message, [&](const auto& r) { return handler.Start(r.container); });
    case ControlType::kExec:
      return Answer<ExecRequest>(message, [&](const auto& r) { return handler.Exec(r, std::move(fds)); });
    case ControlType::kSignal:
      return Answer<SignalRequest>(message, [&](const auto& r) { return handler.Signal(r); });
    case ControlType::kWait:
      return Answer<WaitRequest>(message, [&](const auto& r) { return handler.Wait(r); });
    case ControlType::kState:
      return Answer<ContainerRequest>(message, [&](const auto& r) { return handler.State(r.container); });
    case ControlType::kProcesses:
      return Answer<ContainerRequest>(message, [&](const auto& r) { return handler.Processes(r.container); });
    case ControlType::kPause:
      return Answer<PauseRequest>(message, [&](const auto& r) { return handler.Pause(r); });
    case ControlType::kLimit:
      return Answer<LimitRequest>(message, [&](const auto& r) { return handler.Limit(r); });
    case ControlType::kFamily:
      return Answer<ContainerRequest>(message, [&](const auto& r) { return handler.MakeFamily(r.container); });
    case ControlType::kTasks:
      return Answer<ContainerRequest>(message, [&](const auto& r) { return handler.Tasks(r.container); });
    case ControlType::kStrace:
      return Answer<StraceRequest>(message, [&](const auto& r) { return handler.Strace(r, std::move(fds)); });
    case ControlType::kDestroy:
      return Answer<ContainerRequest>(message, [&](const auto& r) { return handler.Destroy(r.container); });
    case ControlType::kReady:
    case ControlType::kCommit:
      break;
  }
  return Failure(message.type, absl::UnimplementedError("unknown control request"));
}

bool ControlServer::IsOwner(int fd) const {
  const Result<uid_t> uid = PeerUid(fd);
  return uid.ok() && *uid == owner_;
}

void ControlServer::ServeConnection(ControlChannel channel) {
  for (;;) {
    absl::StatusOr<ControlMessage> request = channel.Receive();
    if (!request.ok()) return;
    ++replies_due_;
    const absl::Status sent = channel.Send(HandleControlRequest(handler_, *std::move(request)));
    --replies_due_;
    if (!sent.ok()) return;
  }
}

void ControlServer::FinishReplies() {
  constexpr int kPatienceMs = 2000;  // a busy host may take long to run who replies
  for (int waited = 0; replies_due_ > 0 && waited < kPatienceMs; ++waited) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void ControlServer::Serve() {
  for (;;) {
    UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd.valid()) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return;
    }
    if (!IsOwner(fd.get()) || connections_ >= kMaxConnections) continue;  // closes it
    ++connections_;
    std::thread([this, channel = ControlChannel(std::move(fd))]() mutable {
      ServeConnection(std::move(channel));
      --connections_;
    }).detach();
  }
}

}  // namespace runsc
