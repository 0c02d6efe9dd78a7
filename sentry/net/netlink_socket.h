// Netlink sockets: requests to the kernel about interfaces and sockets, answered into the receive queue.
#pragma once

#include <linux/netlink.h>

#include <deque>

#include "sentry/net/net_stack.h"
#include "sentry/net/netlink_message.h"

namespace runsc {

// A request, and where its answers go.
struct NetlinkRequest {
  Task& task;
  NetStack& stack;
  nlmsghdr header;
  std::string_view body;
  uint32_t port;  // of the asking socket
  std::vector<NetlinkMessage> answers;

  bool dump() const { return (header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP; }
  NetlinkMessage& Answer(uint16_t type) {
    const uint16_t flags = dump() ? NLM_F_MULTI : 0;
    return answers.emplace_back(type, flags, header.nlmsg_seq, port);
  }
};

// The subsystems. Errors are told to the asker.
Result<void> ServeRoute(NetlinkRequest& request);     // NETLINK_ROUTE
Result<void> ServeSockDiag(NetlinkRequest& request);  // NETLINK_SOCK_DIAG

class NetlinkSocket : public Socket {
 public:
  static const char kKind;
  NetlinkSocket(RefPtr<AnonInode> inode, RefPtr<NetStack> stack, int type, int protocol, int flags);
  ~NetlinkSocket() override;
  const void* kind() const override { return &kKind; }

  Result<void> Bind(Task& task, const SocketAddress& address) override;
  Result<void> Listen(Task& task, int backlog) override { return Errno(EOPNOTSUPP); }
  Result<RefPtr<Socket>> Accept(Task& task, int flags) override { return Errno(EOPNOTSUPP); }
  Result<void> Connect(Task& task, const SocketAddress& address) override;
  Result<void> Shutdown(int how) override { return Errno(EOPNOTSUPP); }
  Result<SocketAddress> GetName() override;
  Result<SocketAddress> GetPeer() override;
  Result<size_t> Send(Task& task, SendRequest& request) override;
  Result<size_t> Receive(Task& task, ReceiveRequest& request) override;
  Result<std::string> GetOption(Task& task, int level, int name) override;
  Result<void> SetOption(Task& task, int level, int name, std::string_view value) override;
  int64_t receive_timeout_ns() const override { return receive_timeout_ns_.load(); }
  EventMask Readiness(EventMask mask) override;
  WaitQueue* wait_queue() override { return &queue_; }
  // From the kernel. When the receive buffer is full it is lost, and the reader told (ENOBUFS).
  void Queue(std::string datagram);

 private:
  void EnsurePort(Task& task);
  void Serve(Task& task, const nlmsghdr& header, std::string_view body);
  void Reply(const NetlinkRequest& request, Errno error);
  void QueueAll(std::vector<std::string> datagrams);

  const RefPtr<NetStack> stack_;
  Mutex mu_{LockRank::kSocket};
  std::deque<std::string> queued_ ABSL_GUARDED_BY(mu_);
  size_t queued_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  bool overrun_ ABSL_GUARDED_BY(mu_) = false;
  std::atomic<uint32_t> port_{0}, groups_{0};
  std::atomic<bool> pass_credentials_{false};
  std::atomic<uint32_t> netlink_options_{0};  // bits by number
  std::atomic<int> send_buffer_{212992}, receive_buffer_{212992};
  std::atomic<int64_t> receive_timeout_ns_{0};
  WaitQueue queue_;
};

Result<RefPtr<Socket>> NewNetlinkSocket(Task& task, int type, int protocol);

}  // namespace runsc
