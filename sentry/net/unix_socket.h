// Unix domain sockets (unix(7)) as open file descriptions.
#pragma once

#include "sentry/net/unix_endpoint.h"

namespace runsc {

class UnixSocket : public Socket {
 public:
  static const char kKind;
  UnixSocket(RefPtr<AnonInode> inode, RefPtr<UnixEndpoint> endpoint, int protocol, int flags);
  ~UnixSocket() override;
  const void* kind() const override { return &kKind; }
  UnixEndpoint& endpoint() const { return *endpoint_; }

  Result<void> Bind(Task& task, const SocketAddress& address) override;
  Result<void> Listen(Task& task, int backlog) override;
  Result<RefPtr<Socket>> Accept(Task& task, int flags) override;
  Result<void> Connect(Task& task, const SocketAddress& address) override;
  Result<void> Shutdown(int how) override { return endpoint_->Shutdown(how); }
  Result<SocketAddress> GetName() override;
  Result<SocketAddress> GetPeer() override;
  Result<size_t> Send(Task& task, SendRequest& request) override;
  Result<size_t> Receive(Task& task, ReceiveRequest& request) override;
  Result<std::string> GetOption(Task& task, int level, int name) override;
  Result<void> SetOption(Task& task, int level, int name, std::string_view value) override;
  int64_t receive_timeout_ns() const override { return receive_timeout_ns_.load(); }
  int64_t send_timeout_ns() const override { return send_timeout_ns_.load(); }

  EventMask Readiness(EventMask mask) override;
  WaitQueue* wait_queue() override { return &endpoint_->queue(); }
  Result<int64_t> Ioctl(Task& task, uint32_t request, uint64_t arg) override;

 private:
  Result<std::string> OpenPeerPidfd(Task& task) const;
  Result<void> BindToNode(Task& task, const UnixAddress& address);
  Result<void> BindToAbstract(std::optional<UnixAddress> address);
  Result<void> SetIntOption(Task& task, int name, int value);
  Result<std::optional<int>> GetIntOption(int name);

  const RefPtr<UnixEndpoint> endpoint_;
  std::atomic<bool> pass_credentials_{false}, pass_pidfd_{false};
  std::atomic<int64_t> receive_timeout_ns_{0}, send_timeout_ns_{0};
  std::atomic<int> receive_buffer_{212992};
  std::atomic<uint32_t> plain_options_{0};  // on or off, without effect on unix sockets, as on Linux
  std::atomic<int> linger_seconds_{-1};     // likewise; negative: off
  std::atomic<int> receive_low_water_{1};
};

Result<RefPtr<Socket>> NewUnixSocket(Task& task, int type, int protocol);
Result<SocketPair> NewUnixSocketPair(Task& task, int type, int protocol);

// The credentials a message of this task carries.
ucred CredentialsOf(Task& task);

}  // namespace runsc
