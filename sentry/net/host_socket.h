// Internet sockets that are host sockets of the container's network namespace. What names, connects or configures one
// goes through the broker; data goes straight between guest memory and the host socket.
#pragma once

#include <mutex>

#include "sentry/net/net_stack.h"
#include "sentry/net/socket.h"

namespace runsc {

class HostSocket : public Socket {
 public:
  static const char kKind;
  HostSocket(RefPtr<AnonInode> inode, RefPtr<NetStack> stack, UniqueFd fd, int domain, int type, int protocol,
             int flags);
  ~HostSocket() override;
  const void* kind() const override { return &kKind; }

  Result<void> Bind(Task& task, const SocketAddress& address) override;
  Result<void> Listen(Task& task, int backlog) override;
  Result<RefPtr<Socket>> Accept(Task& task, int flags) override;
  Result<void> Connect(Task& task, const SocketAddress& address) override;
  Result<void> Shutdown(int how) override;
  Result<SocketAddress> GetName() override;
  Result<SocketAddress> GetPeer() override;
  Result<size_t> Send(Task& task, SendRequest& request) override;
  Result<size_t> Receive(Task& task, ReceiveRequest& request) override;
  Result<std::string> GetOption(Task& task, int level, int name) override;
  Result<void> SetOption(Task& task, int level, int name, std::string_view value) override;
  int64_t receive_timeout_ns() const override { return receive_timeout_ns_.load(); }
  int64_t send_timeout_ns() const override { return send_timeout_ns_.load(); }
  EventMask Readiness(EventMask mask) override;
  WaitQueue* wait_queue() override;
  Result<int64_t> Ioctl(Task& task, uint32_t request, uint64_t arg) override;

 private:
  NetBroker& broker() const { return stack_->host()->broker(); }
  Result<void> FinishConnect();
  Result<void> CheckSetOption(Task& task, int level, int name) const;

  const RefPtr<NetStack> stack_;
  const UniqueFd fd_;
  std::atomic<bool> connecting_{false};  // a blocking connect(2) waits for the outcome
  std::atomic<int64_t> receive_timeout_ns_{0}, send_timeout_ns_{0};
  WaitQueue queue_;
  std::once_flag watch_once_;
  std::atomic<bool> watched_{false};
};

// `type` without flags. `flags`: SOCK_NONBLOCK.
Result<RefPtr<Socket>> NewHostSocket(Task& task, RefPtr<NetStack> stack, int domain, int type, int protocol, int flags);

}  // namespace runsc
