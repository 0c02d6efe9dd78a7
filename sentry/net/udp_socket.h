// UDP and UDP-Lite sockets over loopback: a datagram goes straight into its receiver's queue.
#pragma once

#include <deque>
#include <memory>
#include <mutex>

#include "sentry/net/inet_socket.h"

namespace runsc {

struct Datagram {
  std::unique_ptr<std::byte[]> data;
  size_t size = 0;
  IpEndpoint from;
  IpAddress to;
  int tos = 0, ttl = 64;
  int64_t arrived_ns = 0;  // real time
};

// What came back for a datagram that could not be delivered (IP_RECVERR): the start of ip(7)'s error queue.
struct DatagramError {
  Datagram sent;               // as it went out
  IpEndpoint to;               // where it went
  int error = 0;               // errno
  uint8_t type = 0, code = 0;  // of the ICMP message
};

// What senders find through the port table; outlives the description while one holds it.
class UdpEndpoint : public PortOwner {
 public:
  UdpEndpoint(RefPtr<NetStack> stack, PortTable& ports, int family, uid_t uid)
      : stack_(std::move(stack)), ports_(ports), family_(family), uid_(uid) {}
  ~UdpEndpoint() override { ports_.Unbind(*this); }
  PortTable& ports() const { return ports_; }
  int family() const { return family_; }
  uid_t uid() const { return uid_; }
  WaitQueue& queue() { return queue_; }

  void Close();
  // Dropped when there is no room, as a network may.
  void Deliver(Datagram datagram) { Deliver(std::make_shared<const Datagram>(std::move(datagram))); }
  void Deliver(std::shared_ptr<const Datagram> datagram);

  // Groups it is a member of. EADDRINUSE, ENOBUFS; EADDRNOTAVAIL: it is none.
  Result<void> Join(const IpAddress& group);
  Result<void> Leave(const IpAddress& group);
  bool IsMember(const IpAddress& group) const;
  // Whether what others of the namespace joined is heard here too.
  std::atomic<bool> hears_all_groups{true};
  // The first one, taken off or, to peek, shared. EAGAIN, an error, or null at the end (SHUT_RD).
  Result<std::shared_ptr<const Datagram>> Next(bool peek);
  void SetRemote(std::optional<IpEndpoint> remote);
  std::optional<IpEndpoint> remote() const;
  IpEndpoint local() const;
  void AddShutdown(int bits);
  int shutdown() const;
  void SetError(int error);
  // For MSG_ERRQUEUE, beside the error itself. Dropped when there are too many.
  void QueueError(DatagramError error);
  // The oldest, taken off. EAGAIN.
  Result<std::shared_ptr<const DatagramError>> NextError();
  int TakeError();
  EventMask Readiness() const;
  size_t FirstSize() const;  // FIONREAD
  size_t QueuedBytes() const;
  uint64_t drops() const { return drops_.load(); }
  // In the namespace's counters, by the protocol; what is neither UDP nor UDP-Lite has none.
  void Count(bool v4, NetCount of_udp, NetCount of_udplite);

  std::atomic<size_t> receive_buffer{212992};
  std::atomic<uint64_t> ino{0};

 private:
  const RefPtr<NetStack> stack_;  // whose ports they are
  PortTable& ports_;
  const int family_;
  const uid_t uid_;
  mutable Mutex mu_{LockRank::kSocket};
  std::deque<std::shared_ptr<const Datagram>> datagrams_ ABSL_GUARDED_BY(mu_);
  size_t queued_ ABSL_GUARDED_BY(mu_) = 0;  // bytes, overhead included
  std::optional<IpEndpoint> remote_ ABSL_GUARDED_BY(mu_);
  int shutdown_ ABSL_GUARDED_BY(mu_) = 0;  // SHUT_* + 1
  int error_ ABSL_GUARDED_BY(mu_) = 0;
  std::deque<std::shared_ptr<const DatagramError>> errors_ ABSL_GUARDED_BY(mu_);
  size_t error_bytes_ ABSL_GUARDED_BY(mu_) = 0;  // of what they are about, against the receive buffer as well
  std::vector<IpAddress> groups_ ABSL_GUARDED_BY(mu_);
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  std::atomic<uint64_t> drops_{0};
  WaitQueue queue_;
};

class UdpSocket : public InetSocket {
 public:
  static const char kKind;
  UdpSocket(RefPtr<AnonInode> inode, RefPtr<NetStack> stack, RefPtr<UdpEndpoint> endpoint, int type, int protocol,
            int flags);
  ~UdpSocket() override { endpoint_->Close(); }
  const void* kind() const override { return &kKind; }

  Result<void> Bind(Task& task, const SocketAddress& address) override;
  Result<void> Listen(Task& task, int backlog) override { return Errno(EOPNOTSUPP); }
  Result<RefPtr<Socket>> Accept(Task& task, int flags) override { return Errno(EOPNOTSUPP); }
  Result<void> Connect(Task& task, const SocketAddress& address) override;
  Result<void> Shutdown(int how) override;
  Result<SocketAddress> GetName() override;
  Result<SocketAddress> GetPeer() override;
  Result<size_t> Send(Task& task, SendRequest& request) override;
  Result<size_t> Receive(Task& task, ReceiveRequest& request) override;
  EventMask Readiness(EventMask mask) override { return endpoint_->Readiness() & (mask | EPOLLERR | EPOLLHUP); }
  WaitQueue* wait_queue() override { return &endpoint_->queue(); }
  Result<int64_t> Ioctl(Task& task, uint32_t request, uint64_t arg) override;
  Result<void> EnsureBound(Task& task);

 protected:
  int TakeError() override { return endpoint_->TakeError(); }
  bool bound() const override { return endpoint_->local().port != 0; }
  bool has_peer() const override { return endpoint_->remote().has_value(); }
  void OptionChanged(int level, int name) override;
  std::optional<std::string> GetOwnOption(int level, int name) override;
  Result<void> SetOwnOption(int level, int name, std::string_view value) override;
  // Where other protocols than UDP differ: what they claim, what they send, and who gets it.
  virtual PortClaim AdjustClaim(PortClaim claim) const { return claim; }
  virtual Result<void> CheckMessage(Datagram& datagram) const { return {}; }
  virtual void Dispatch(const IpEndpoint& to, Datagram datagram, bool connected);

 private:
  Result<IpEndpoint> Destination(SendRequest& request, bool* connected) const;
  Result<IpAddress> SourceFor(const IpAddress& to) const;
  Result<void> ChangeMembership(int level, bool join, std::string_view value);
  void CountUnreachable(bool v4, size_t size);
  void Refuse(const IpEndpoint& to, Datagram datagram, bool connected);
  Result<size_t> ReceiveError(ReceiveRequest& request);
  Result<void> ApplyControl(const SendRequest& request, Datagram& datagram) const;
  void DescribeArrival(const Datagram& datagram, ControlData& control) const;
  void DescribeIp(const Datagram& datagram, ControlData& control) const;

  const RefPtr<UdpEndpoint> endpoint_;
  std::atomic<int> group_interface_{0}, group_interface6_{0};  // IP_MULTICAST_IF, IPV6_MULTICAST_IF
  std::atomic<uint32_t> group_address_{0};                     // as the first was named, in network order
};

// `protocol`: IPPROTO_UDP or IPPROTO_UDPLITE.
Result<RefPtr<Socket>> NewUdpSocket(Task& task, int domain, int protocol, int flags);

}  // namespace runsc
