// TCP sockets as open file descriptions.
#pragma once

#include "sentry/net/inet_socket.h"
#include "sentry/net/tcp_endpoint.h"

namespace runsc {

class TcpSocket : public InetSocket {
 public:
  static const char kKind;
  TcpSocket(RefPtr<AnonInode> inode, RefPtr<NetStack> stack, RefPtr<TcpEndpoint> endpoint, int domain, int flags);
  ~TcpSocket() override;
  const void* kind() const override { return &kKind; }

  Result<void> Bind(Task& task, const SocketAddress& address) override;
  Result<void> Listen(Task& task, int backlog) override;
  Result<RefPtr<Socket>> Accept(Task& task, int flags) override;
  Result<void> Connect(Task& task, const SocketAddress& address) override;
  Result<void> Shutdown(int how) override { return endpoint_->Shutdown(how); }
  Result<SocketAddress> GetName() override;
  Result<SocketAddress> GetPeer() override;
  Result<size_t> Send(Task& task, SendRequest& request) override;
  Result<size_t> Receive(Task& task, ReceiveRequest& request) override;
  EventMask Readiness(EventMask mask) override;
  WaitQueue* wait_queue() override { return &endpoint_->queue(); }
  Result<int64_t> Ioctl(Task& task, uint32_t request, uint64_t arg) override;

 protected:
  int TakeError() override { return endpoint_->TakeError(); }
  bool listening() const override { return endpoint_->state() == TCP_LISTEN; }
  bool bound() const override { return endpoint_->local().port != 0; }
  bool has_peer() const override { return endpoint_->remote().has_value(); }
  void OptionChanged(int level, int name) override;
  std::optional<std::string> GetOwnOption(int level, int name) override;
  Result<void> SetOwnOption(int level, int name, std::string_view value) override;

 private:
  void TcpOptionChanged(int name);
  tcp_info Info() const;
  PortClaim AnyClaim(Task& task) const { return Claim(task, {IpAddress::AnyOf(domain()), 0}); }
  const RefPtr<TcpEndpoint> endpoint_;
};

Result<RefPtr<Socket>> NewTcpSocket(Task& task, int domain, int flags);

}  // namespace runsc
