// Serves control connections inside the sandbox.
#include "runsc-cli/control/server.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

ControlMessage Failure(ControlType type, int error, std::string text) {
  return {type, error, std::move(text)};
}

ControlMessage HandleSignal(ControlHandler& handler, const ControlMessage& request) {
  const std::optional<SignalRequest> signal = request.As<SignalRequest>();
  if (!signal) return Failure(request.type, EPROTO, "malformed signal request");
  const Result<void> sent = handler.Signal(*signal);
  if (sent.ok()) return {request.type, 0, {}};
  return Failure(request.type, sent.error().value(), Cat("send signal: ", strerror(sent.error().value())));
}

ControlMessage HandleProcesses(ControlHandler& handler, const ControlMessage& request) {
  std::vector<int32_t> pids = handler.Processes();
  pids.resize(std::min(pids.size(), size_t{kMaxControlBody / sizeof(int32_t)}));
  return {request.type, 0,
          std::string(reinterpret_cast<const char*>(pids.data()), pids.size() * sizeof(int32_t))};
}

}  // namespace

Result<uid_t> PeerUid(int fd) {
  ucred peer;
  socklen_t size = sizeof(peer);
  TRY(FromHost(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size)));
  return peer.uid;
}

ControlMessage HandleControlRequest(ControlHandler& handler, const ControlMessage& request) {
  switch (request.type) {
    case ControlType::kStart: {
      const absl::Status started = handler.Start();
      if (started.ok()) return {request.type, 0, {}};
      return Failure(request.type, ToErrno(started).value(), MessageOf(started));
    }
    case ControlType::kSignal:
      return HandleSignal(handler, request);
    case ControlType::kWait:
      return {request.type, 0, ControlBody(WaitReply{handler.WaitForInit()})};
    case ControlType::kState:
      return {request.type, 0, ControlBody(StateReply{handler.Phase()})};
    case ControlType::kProcesses:
      return HandleProcesses(handler, request);
    case ControlType::kReady:
    case ControlType::kCommit:
      break;
  }
  return Failure(request.type, ENOSYS, "unknown control request");
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
    const absl::Status sent = channel.Send(HandleControlRequest(handler_, *request));
    --replies_due_;
    if (!sent.ok()) return;
  }
}

void ControlServer::FinishReplies() {
  constexpr int kPatienceMs = 200;
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
