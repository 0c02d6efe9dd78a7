// The state of a TCP socket over loopback: its connection is two byte queues and a few flags, without
// segments. Outlives its description while the peer or a listener refers to it.
#pragma once

#include <netinet/tcp.h>

#include <deque>

#include "sentry/net/byte_queue.h"
#include "sentry/net/net_stack.h"
#include "sentry/net/tcp_delays.h"
#include "sentry/net/wait_list.h"

namespace runsc {

class TcpEndpoint : public PortOwner {
 public:
  TcpEndpoint(RefPtr<NetStack> stack, int family, uid_t uid);
  ~TcpEndpoint() override;

  int family() const { return family_; }
  uid_t uid() const { return uid_; }
  WaitQueue& queue() { return queue_; }
  // The description went. With `reset`, the peer is told so (SO_LINGER of 0). What is closed first waits for the other
  // end as long as TCP_LINGER2 says; negative: not at all.
  static constexpr int kFinTimeout = 60;
  void Close(bool reset, int fin_timeout_s = kFinTimeout);

  // Connections (tcp_connection.cc).
  Result<void> Bind(const PortClaim& claim);
  Result<void> Listen(const PortClaim& claim_if_unbound, int backlog);
  // By the steps of connect(2): EAGAIN: wait; EINPROGRESS, EALREADY, EISCONN, ECONNREFUSED...
  Result<void> Connect(const IpEndpoint& to, const PortClaim& claim_if_unbound, bool nonblocking);
  void Disconnect();  // connect(2) with AF_UNSPEC
  Result<RefPtr<TcpEndpoint>> Accept();
  Result<void> Shutdown(int how);

  // Data (tcp_transfer.cc). EAGAIN: would block.
  Result<size_t> Send(SendRequest& request);
  Result<size_t> Receive(ReceiveRequest& request);
  size_t ReadableBytes() const { return incoming_.available_to(urgent_inline.load()); }
  size_t HeldBytes() const;
  void SetCork(bool on);  // TCP_CORK
  void FlushHeld();
  size_t UnreadByPeer() const;
  bool AtMark() const { return incoming_.AtMark(); }
  EventMask Readiness() const;
  void SetBuffers(size_t send, size_t receive);

  int TakeError();
  int state() const;  // TCP_ESTABLISHED...
  IpEndpoint local() const;
  std::optional<IpEndpoint> remote() const;  // while it is connected
  struct Status {
    int state;
    IpEndpoint local, remote;
    size_t receive_queue, send_queue;  // of a listener: connections waiting, and how many may
  };
  Status status() const;
  size_t clients_waiting() const;  // of a listener: those for whom its backlog has no room
  // Since it was connected, and not yet in the namespace's counters.
  uint64_t bytes_sent() const { return bytes_sent_.load(std::memory_order_relaxed); }
  uint64_t segments_sent() const { return segments_sent_.load(std::memory_order_relaxed); }
  bool is_v4() const;  // what it is connected by
  uint64_t bytes_received() const { return bytes_received_.load(std::memory_order_relaxed); }

  std::atomic<bool> urgent_inline{false};
  std::atomic<size_t> low_water{1};
  std::atomic<int> defer_accept_s{0};  // TCP_DEFER_ACCEPT of a listener; 0: off
  std::atomic<uint64_t> ino{0};        // 0: not accepted yet

 private:
  enum class Phase { kIdle, kListening, kConnecting, kConnected, kClosed };
  enum class Step { kUnconnected, kConnecting, kConnected };  // what connect(2) knows
  enum class Joined { kEstablished, kPending, kRefused };
  using Endpoints = std::deque<RefPtr<TcpEndpoint>>;
  struct Heard {                    // of a listener
    Endpoints backlog;              // established, not accepted
    Endpoints deferred;             // established, to be accepted once bytes came
    WaitList<TcpEndpoint> waiting;  // connecting, for want of room
  };

  Result<std::optional<bool>> ContinueConnect(bool nonblocking);
  Result<Joined> StartConnect(const IpEndpoint& to, const PortClaim& claim);
  Result<IpEndpoint> ChooseLocal(const IpEndpoint& to, PortClaim claim);
  Result<void> FinishConnect(Joined joined, bool nonblocking);
  static Joined Join(TcpEndpoint& client, TcpEndpoint& listener);
  Joined JoinLocked(TcpEndpoint& listener, const RefPtr<TcpEndpoint>& server, Endpoints* gone);
  void Refuse(int error);
  void ServeWaiting();
  RefPtr<TcpEndpoint> TakePeer(Phase phase, Heard* heard);
  void LeaveBehind(bool reset, int fin_timeout_s);
  void EndConnection(bool reset, Phase phase, int fin_timeout_s = kFinTimeout);
  void CountEnd(bool reset, bool unread);
  void CountControl(uint64_t segments);
  void TakeSent();
  void Count(NetCount what, uint64_t n = 1) { stack_->tcp_counters().Add(what, n); }
  void StopListening(const Heard& heard);
  void Vanish();
  void OnPeerFin();
  void OnPeerClosed(bool reset);
  void BreakPipe();
  void UpdateLimit();
  int StateLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<RefPtr<TcpEndpoint>> CheckSend();
  Result<size_t> SendToNobody(SendRequest& request);
  void CountSent(size_t size);
  Result<size_t> Hold(TcpEndpoint& peer, Result<size_t> written, bool all);
  void ShowHeld();
  void FlushLater();
  void OnFlushDue();
  void DeferUntilBytes(int seconds);
  void OnDeferralDue() { EndDeferral(true); }
  void EndDeferral(bool accept);
  RefPtr<TcpEndpoint> TakeDeferred(const TcpEndpoint& child, bool accept);
  void SetDelay(Deadline when, void (TcpEndpoint::*action)());
  void CancelDelay();
  Result<size_t> EmptyReceive();

  const RefPtr<NetStack> stack_;
  const int family_;
  const uid_t uid_;
  mutable Mutex mu_{LockRank::kSocket};
  Phase phase_ ABSL_GUARDED_BY(mu_) = Phase::kIdle;
  Step step_ ABSL_GUARDED_BY(mu_) = Step::kUnconnected;
  bool sent_fin_ ABSL_GUARDED_BY(mu_) = false, got_fin_ ABSL_GUARDED_BY(mu_) = false;
  bool no_receive_ ABSL_GUARDED_BY(mu_) = false;  // SHUT_RD
  bool reset_ ABSL_GUARDED_BY(mu_) = false;
  bool auto_bound_ ABSL_GUARDED_BY(mu_) = false;
  int error_ ABSL_GUARDED_BY(mu_) = 0;
  IpEndpoint remote_ ABSL_GUARDED_BY(mu_);
  IpEndpoint last_local_ ABSL_GUARDED_BY(mu_);
  RefPtr<TcpEndpoint> peer_ ABSL_GUARDED_BY(mu_);
  Heard heard_ ABSL_GUARDED_BY(mu_);
  size_t max_backlog_ ABSL_GUARDED_BY(mu_) = 0;
  RefPtr<TcpEndpoint> deferred_by_ ABSL_GUARDED_BY(mu_);  // the listener in whose list this one is
  std::atomic<bool> is_deferred_{false};
  std::optional<TcpDelays::Id> delay_ ABSL_GUARDED_BY(mu_);
  std::atomic<bool> corked_{false};
  std::atomic<int64_t> held_since_ns_{0};
  std::atomic<size_t> send_buffer_{0}, receive_buffer_{0};  // 0: the default
  ByteQueue incoming_;
  std::atomic<uint64_t> bytes_sent_{0}, segments_sent_{0}, bytes_received_{0};
  WaitQueue queue_;
};

}  // namespace runsc
