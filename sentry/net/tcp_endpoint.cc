// Life and state of a TCP endpoint.
#include "sentry/net/tcp_endpoint.h"

namespace runsc {
namespace {

constexpr size_t kDefaultHalf = 131072;  // of a queue: the sender's buffer and the receiver's

}  // namespace

TcpEndpoint::TcpEndpoint(RefPtr<NetStack> stack, int family, uid_t uid)
    : stack_(std::move(stack)), family_(family), uid_(uid) {}

TcpEndpoint::~TcpEndpoint() { stack_->tcp().Unbind(*this); }

// Takes everything others are told about, and moves on to `phase`.
RefPtr<TcpEndpoint> TcpEndpoint::TakePeer(Phase phase, Heard* heard) {
  MutexLock l(mu_);
  phase_ = phase;
  *heard = std::exchange(heard_, {});
  return std::exchange(peer_, nullptr);
}

void TcpEndpoint::StopListening(const Heard& heard) {
  for (const RefPtr<TcpEndpoint>& child : heard.backlog) child->Close(true);
  for (const RefPtr<TcpEndpoint>& child : heard.deferred) child->Vanish();
  for (const RefPtr<TcpEndpoint>& client : heard.waiting.all()) client->Refuse(ECONNREFUSED);
}

// Nobody remembers the connection: the other side learns of that when it sends.
void TcpEndpoint::Vanish() {
  Heard none;
  const RefPtr<TcpEndpoint> peer = TakePeer(Phase::kClosed, &none);
  EndDeferral(false);
  stack_->tcp().Unbind(*this);
  if (!peer) return;
  MutexLock l(peer->mu_);
  peer->peer_ = nullptr;  // never the last reference: the caller has one
}

// The addresses stay taken: by what this side leaves behind until the other one ends, or by what that one left.
void TcpEndpoint::LeaveBehind(bool reset, int fin_timeout_s) {
  bool sent_fin, got_fin, orphan;
  {
    MutexLock l(mu_);
    if (phase_ != Phase::kConnected || reset_) return;
    sent_fin = sent_fin_;
    got_fin = got_fin_;
    orphan = !peer_;
  }
  if (orphan && reset) {
    stack_->tcp().ResetOther(*this);
  } else if (orphan && !sent_fin) {
    stack_->tcp().EndOther(*this);
  } else if (!got_fin && !reset && fin_timeout_s > 0) {
    stack_->tcp().LeaveBehind(*this, TCP_FIN_WAIT2, fin_timeout_s * kNsPerSecond);
  }
}

bool TcpEndpoint::is_v4() const {
  MutexLock l(mu_);
  return remote_.address.is_v4();
}

// Segments without bytes.
void TcpEndpoint::CountControl(uint64_t segments) {
  constexpr uint64_t kHeaders = 52;
  Count(NetCount::kTcpSegments, segments);
  stack_->CountPackets(is_v4(), segments, segments * kHeaders);
}

// What was sent goes from this socket's counters to the namespace's.
void TcpEndpoint::TakeSent() {
  const uint64_t segments = segments_sent_.exchange(0), bytes = bytes_sent_.exchange(0);
  Count(NetCount::kTcpSegments, segments);
  Count(NetCount::kTcpDataSegments, segments);
  stack_->CountPackets(is_v4(), segments, bytes);
}

// Of a connection, by this side.
void TcpEndpoint::CountEnd(bool reset, bool unread) {
  CountControl(reset ? 1 : 2);
  if (!reset) return;
  bool half_closed;
  {
    MutexLock l(mu_);
    half_closed = sent_fin_;
  }
  Count(NetCount::kTcpSentResets);
  if (!half_closed) Count(NetCount::kTcpResets);
  Count(unread ? NetCount::kTcpAbortsOnClose : NetCount::kTcpAbortsOnData);
}

// Unread bytes mean that the other side's were lost: it gets a reset, as from Linux.
void TcpEndpoint::EndConnection(bool reset, Phase phase, int fin_timeout_s) {
  Heard heard;
  const bool unread = incoming_.available() > 0;
  reset = reset || unread;
  LeaveBehind(reset, fin_timeout_s);
  const RefPtr<TcpEndpoint> peer = TakePeer(phase, &heard);
  if (peer) peer->OnPeerClosed(reset);
  if (peer) CountEnd(reset, unread);
  StopListening(heard);
  CancelDelay();
  EndDeferral(false);
  TakeSent();
}

void TcpEndpoint::Close(bool reset, int fin_timeout_s) {
  EndConnection(reset, Phase::kClosed, fin_timeout_s);
  stack_->tcp().Unbind(*this);
}

void TcpEndpoint::Disconnect() {
  EndConnection(true, Phase::kIdle);
  bool auto_bound;
  {
    MutexLock l(mu_);
    step_ = Step::kUnconnected;
    sent_fin_ = got_fin_ = no_receive_ = reset_ = false;
    error_ = 0;
    auto_bound = std::exchange(auto_bound_, false);
  }
  if (auto_bound) stack_->tcp().Unbind(*this);
  stack_->tcp().ClearRemote(*this);
  incoming_.Reopen();
  queue_.Notify(EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLRDHUP);
}

void TcpEndpoint::OnPeerFin() {
  EventMask events = EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
  incoming_.Close();
  bool over;
  {
    MutexLock l(mu_);
    got_fin_ = true;
    over = sent_fin_;
  }
  if (over) events |= EPOLLHUP;
  if (over) stack_->tcp().LeaveBehind(*this, TCP_TIME_WAIT, TimeWait::kLengthNs);
  EndDeferral(true);
  queue_.Notify(events);
}

// The other description is gone: after a plain end this side may still read, after a reset only what came.
void TcpEndpoint::OnPeerClosed(bool reset) {
  EventMask events = EPOLLIN | EPOLLRDNORM | EPOLLRDHUP | EPOLLOUT | EPOLLWRNORM;
  if (!reset) incoming_.Close();
  RefPtr<TcpEndpoint> peer;
  bool over;
  {
    MutexLock l(mu_);
    peer = std::exchange(peer_, nullptr);
    over = !reset && sent_fin_ && !got_fin_;
    if (reset && !(sent_fin_ && got_fin_)) {
      error_ = got_fin_ ? EPIPE : ECONNRESET;
      reset_ = true;
      Count(NetCount::kTcpResets);
    }
    if (!reset) got_fin_ = true;
    if (reset || sent_fin_) events |= EPOLLHUP;
    if (reset) events |= EPOLLERR;
  }
  if (over) stack_->tcp().LeaveBehind(*this, TCP_TIME_WAIT, TimeWait::kLengthNs);
  EndDeferral(!reset);
  queue_.Notify(events);
}

// Bytes went to where nobody is any more: the answer is a reset.
void TcpEndpoint::BreakPipe() {
  {
    MutexLock l(mu_);
    if (reset_) return;
    reset_ = true;
    error_ = got_fin_ ? EPIPE : ECONNRESET;
  }
  Count(NetCount::kTcpResets);
  Count(NetCount::kTcpSentResets);
  CountControl(1);
  stack_->tcp().ResetOther(*this);
  queue_.Notify(EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDHUP);
}

int TcpEndpoint::TakeError() {
  MutexLock l(mu_);
  return std::exchange(error_, 0);
}

int TcpEndpoint::StateLocked() const {
  if (phase_ == Phase::kListening) return TCP_LISTEN;
  if (phase_ == Phase::kConnecting) return TCP_SYN_SENT;
  if (phase_ != Phase::kConnected || reset_ || (sent_fin_ && got_fin_)) return TCP_CLOSE;
  if (is_deferred_.load()) return TCP_SYN_RECV;
  if (sent_fin_) return TCP_FIN_WAIT2;
  return got_fin_ ? TCP_CLOSE_WAIT : TCP_ESTABLISHED;
}

int TcpEndpoint::state() const {
  MutexLock l(mu_);
  return StateLocked();
}

// A port that was given up with the connection is still shown.
IpEndpoint TcpEndpoint::local() const {
  if (const auto bound = stack_->tcp().LocalOf(*this)) return *bound;
  return {IpAddress::AnyOf(family_), 0};
}

std::optional<IpEndpoint> TcpEndpoint::remote() const {
  MutexLock l(mu_);
  const int state = StateLocked();
  if (state == TCP_CLOSE || state == TCP_LISTEN || state == TCP_SYN_SENT) return std::nullopt;
  return remote_;
}

TcpEndpoint::Status TcpEndpoint::status() const {
  Status out{};
  out.local = local();
  const size_t unread = UnreadByPeer();
  MutexLock l(mu_);
  out.state = StateLocked();
  out.remote = out.state == TCP_LISTEN ? IpEndpoint{IpAddress::AnyOf(family_), 0} : remote_;
  out.receive_queue = out.state == TCP_LISTEN ? heard_.backlog.size() : incoming_.available();
  out.send_queue = out.state == TCP_LISTEN ? max_backlog_ : unread;
  return out;
}

size_t TcpEndpoint::clients_waiting() const {
  MutexLock l(mu_);
  return heard_.waiting.size();
}

// As tcp_poll of Linux: a socket that was never connected hangs up, and may be written to.
EventMask TcpEndpoint::Readiness() const {
  const size_t wanted = std::max<size_t>(low_water.load(std::memory_order_relaxed), 1);
  EventMask ready = 0;
  MutexLock l(mu_);
  const int state = StateLocked();
  if (state == TCP_LISTEN) return heard_.backlog.empty() ? 0 : EPOLLIN | EPOLLRDNORM;
  if (error_ != 0) ready |= EPOLLERR;
  if (state == TCP_CLOSE) ready |= EPOLLHUP;
  if (got_fin_ || no_receive_ || reset_) ready |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
  if (state == TCP_SYN_SENT) return ready;
  if (incoming_.available() >= wanted) ready |= EPOLLIN | EPOLLRDNORM;
  if (incoming_.HasUrgent()) ready |= EPOLLPRI;
  if (!peer_ || sent_fin_ || peer_->incoming_.writable()) ready |= EPOLLOUT | EPOLLWRNORM;
  return ready;
}

// What one side may have under way: half from the sender's buffer, half from the receiver's.
void TcpEndpoint::UpdateLimit() {
  RefPtr<TcpEndpoint> peer;
  {
    MutexLock l(mu_);
    peer = peer_;
  }
  const size_t receive = receive_buffer_.load(), send = peer ? peer->send_buffer_.load() : 0;
  incoming_.set_limit((receive != 0 ? receive / 2 : kDefaultHalf) + (send != 0 ? send / 2 : kDefaultHalf));
}

// 0 leaves one as it is.
void TcpEndpoint::SetBuffers(size_t send, size_t receive) {
  if (send != 0) send_buffer_ = send;
  if (receive != 0) receive_buffer_ = receive;
  UpdateLimit();
  RefPtr<TcpEndpoint> peer;
  {
    MutexLock l(mu_);
    peer = peer_;
  }
  if (peer) peer->UpdateLimit();
  queue_.Notify(EPOLLOUT | EPOLLWRNORM);
}

}  // namespace runsc
