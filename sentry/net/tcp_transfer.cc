// Sending and receiving over loopback TCP: from the sender's memory into the receiver's queue, and on.
#include <algorithm>
#include <memory>

#include "sentry/kernel/kernel.h"
#include "sentry/net/tcp_endpoint.h"

namespace runsc {
namespace {

constexpr int64_t kLongestHoldNs = 200'000'000;  // tcp(7), TCP_CORK

}  // namespace

size_t TcpEndpoint::UnreadByPeer() const {
  MutexLock l(mu_);
  return peer_ ? peer_->incoming_.available() : 0;
}

// Whom to send to; null when the other side is gone and this one has not noticed yet.
Result<RefPtr<TcpEndpoint>> TcpEndpoint::CheckSend() {
  MutexLock l(mu_);
  if (error_ != 0) return Errno(std::exchange(error_, 0));
  if (phase_ == Phase::kConnecting) return Errno(EAGAIN);
  if (phase_ != Phase::kConnected || sent_fin_ || reset_) return Errno(EPIPE);
  return peer_;
}

// It goes out, and only the answer tells.
Result<size_t> TcpEndpoint::SendToNobody(SendRequest& request) {
  constexpr size_t kMost = 65536;
  const size_t size = std::min(request.src.remaining(), kMost);
  const auto scratch = std::make_unique<std::byte[]>(std::max<size_t>(size, 1));
  const size_t n = TRY(request.src.Read({scratch.get(), size}));
  if (size > 0) BreakPipe();
  return n;
}

void TcpEndpoint::CountSent(size_t size) {
  constexpr size_t kLargest = 65483;  // segment
  bytes_sent_.fetch_add(size, std::memory_order_relaxed);
  segments_sent_.fetch_add((size + kLargest - 1) / kLargest, std::memory_order_relaxed);
}

Result<size_t> TcpEndpoint::Send(SendRequest& request) {
  const RefPtr<TcpEndpoint> peer = TRY(CheckSend());
  if (!peer) return SendToNobody(request);
  const bool urgent = (request.flags & MSG_OOB) && request.src.remaining() > 0;
  const bool hold = !urgent && ((request.flags & MSG_MORE) || corked_.load(std::memory_order_relaxed));
  const auto n = peer->incoming_.Write(request.src, {.urgent = urgent, .hold = hold});
  if (n.ok()) CountSent(*n);
  if (n.ok() && peer->is_deferred_.load(std::memory_order_relaxed)) peer->EndDeferral(true);
  if (hold) return Hold(*peer, n, request.src.remaining() == 0);
  if (!n.ok()) return n;
  peer->queue_.Notify(urgent ? EPOLLIN | EPOLLRDNORM | EPOLLPRI : EPOLLIN | EPOLLRDNORM);
  return n;
}

// Of what was written with more to come, the reader hears of full segments; of the rest when there is no room for
// more, or when its time is over.
Result<size_t> TcpEndpoint::Hold(TcpEndpoint& peer, Result<size_t> written, bool all) {
  if (!all) peer.ShowHeld();
  const size_t held = peer.incoming_.held();
  if (written.ok() && held < *written) peer.queue_.Notify(EPOLLIN | EPOLLRDNORM);
  if (written.ok() && held <= *written) held_since_ns_ = Kernel::MonotonicNs();
  if (held > 0) FlushLater();
  return written;
}

void TcpEndpoint::ShowHeld() {
  if (incoming_.Flush()) queue_.Notify(EPOLLIN | EPOLLRDNORM);
}

size_t TcpEndpoint::HeldBytes() const {
  MutexLock l(mu_);
  return peer_ ? peer_->incoming_.held() : 0;
}

void TcpEndpoint::FlushHeld() {
  RefPtr<TcpEndpoint> peer;
  {
    MutexLock l(mu_);
    peer = peer_;
  }
  if (peer) peer->ShowHeld();
}

void TcpEndpoint::SetCork(bool on) {
  corked_ = on;
  if (!on) FlushHeld();
}

// One is set at most: what is held after that waits for the rest of its time then.
void TcpEndpoint::FlushLater() {
  {
    MutexLock l(mu_);
    if (delay_) return;
  }
  SetDelay(held_since_ns_.load() + kLongestHoldNs, &TcpEndpoint::OnFlushDue);
}

void TcpEndpoint::OnFlushDue() {
  {
    MutexLock l(mu_);
    delay_.reset();
  }
  const bool over = Kernel::MonotonicNs() >= held_since_ns_.load() + kLongestHoldNs;
  if (over) FlushHeld();
  if (HeldBytes() > 0) FlushLater();
}

// Why there is nothing to read: EAGAIN, the end, or an error.
Result<size_t> TcpEndpoint::EmptyReceive() {
  MutexLock l(mu_);
  if (phase_ == Phase::kListening) return Errno(ENOTCONN);
  if (error_ != 0) return Errno(std::exchange(error_, 0));
  if (no_receive_ || reset_ || got_fin_) return size_t{0};
  if (phase_ == Phase::kIdle || phase_ == Phase::kClosed) return Errno(ENOTCONN);
  return Errno(EAGAIN);
}

Result<size_t> TcpEndpoint::Receive(ReceiveRequest& request) {
  if (request.flags & MSG_OOB) {
    if (state() == TCP_LISTEN || state() == TCP_SYN_SENT) return Errno(ENOTCONN);
    if (urgent_inline.load()) return Errno(EINVAL);
    const size_t n = TRY(incoming_.ReadUrgent(request.dst, request.flags & MSG_PEEK));
    request.out_flags |= MSG_OOB;
    return n;
  }
  ByteQueue::ReadMode mode{};
  mode.peek = request.flags & MSG_PEEK;
  mode.discard = (request.flags & MSG_TRUNC) && !mode.peek;
  mode.urgent_inline = urgent_inline.load(std::memory_order_relaxed);
  mode.at_least = low_water.load(std::memory_order_relaxed);
  bool made_room = false;
  auto n = incoming_.Read(request.dst, mode, &made_room);
  if (!n.ok() && n.error() == Errno(EAGAIN)) {
    n = EmptyReceive();
    if (n.ok() && incoming_.available() > 0) {  // less than wanted came before the end
      mode.at_least = 1;
      n = incoming_.Read(request.dst, mode, &made_room);
    }
  }
  if (n.ok() && !mode.peek) bytes_received_.fetch_add(*n, std::memory_order_relaxed);
  if (!made_room) return n;
  RefPtr<TcpEndpoint> peer;
  {
    MutexLock l(mu_);
    peer = peer_;
  }
  if (peer) peer->queue_.Notify(EPOLLOUT | EPOLLWRNORM);
  return n;
}

}  // namespace runsc
