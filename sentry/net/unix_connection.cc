// Connecting, listening and shutting down unix sockets.
#include <algorithm>

#include "sentry/net/unix_endpoint.h"

namespace runsc {
namespace {

constexpr EventMask kConnectionEvents = EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM;

}  // namespace

Result<void> UnixEndpoint::Listen(int backlog, ucred owner) {
  {
    MutexLock l(mu_);
    if (name_ == nullptr || state_ == State::kConnected) return Errno(EINVAL);
    state_ = State::kListening;
    // Negative means the largest, as the comparison is unsigned on Linux.
    max_backlog_ =
        std::min(static_cast<unsigned>(backlog), static_cast<unsigned>(net_->settings().at(NetSetting::kSomaxconn)));
    own_credentials_ = owner;
  }
  WakeStalled();
  return {};
}

// `server` is new: nobody else knows it.
Result<void> UnixEndpoint::ConnectStream(UnixEndpoint& client, UnixEndpoint& listener,
                                         ucred client_creds) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  if (client.type_ != listener.type_) return Errno(EPROTOTYPE);
  RefPtr<UnixEndpoint> server = MakeRef<UnixEndpoint>(client.type_, client_creds, listener.net_);
  std::deque<RefPtr<UnixEndpoint>> gone;  // freed after the locks
  {
    MutexLockPair l(client.mu_, listener.mu_);
    if (client.state_ == State::kConnected) return Errno(EISCONN);
    if (client.state_ == State::kListening) return Errno(EINVAL);
    if (listener.state_ != State::kListening || listener.closed_ || (listener.shutdown_ & kNoReceive)) {
      return Errno(ECONNREFUSED);
    }
    if (listener.backlog_.size() > listener.max_backlog_) {
      listener.AddStalledLocked(RefPtr<UnixEndpoint>(&client), &gone);
      return Errno(EAGAIN);
    }
    server->state_ = client.state_ = State::kConnected;
    server->peer_ = RefPtr<UnixEndpoint>(&client);
    server->name_ = listener.name_;
    server->own_credentials_ = listener.own_credentials_;
    server->peer_credentials_ = client_creds;
    client.own_credentials_ = client_creds;
    client.peer_credentials_ = listener.own_credentials_;
    client.peer_ = server;
    client.shutdown_ = 0;
    listener.backlog_.push_back(std::move(server));
  }
  client.queue_.Notify(kConnectionEvents);
  listener.queue_.Notify(EPOLLIN | EPOLLRDNORM);
  return {};
}

Result<void> UnixEndpoint::ConnectDatagram(RefPtr<UnixEndpoint> peer) {
  MutexLock l(mu_);
  state_ = peer ? State::kConnected : State::kUnconnected;
  std::swap(peer_, peer);
  return {};
}

void UnixEndpoint::Pair(UnixEndpoint& a, UnixEndpoint& b) {
  MutexLockPair l(a.mu_, b.mu_);
  a.state_ = b.state_ = State::kConnected;
  a.peer_ = RefPtr<UnixEndpoint>(&b);
  b.peer_ = RefPtr<UnixEndpoint>(&a);
  a.peer_credentials_ = b.own_credentials_;
  b.peer_credentials_ = a.own_credentials_;
}

Result<RefPtr<UnixEndpoint>> UnixEndpoint::Accept() {
  RefPtr<UnixEndpoint> accepted;
  {
    MutexLock l(mu_);
    if (state_ != State::kListening) return Errno(EINVAL);
    if (backlog_.empty()) return (shutdown_ & kNoReceive) ? Errno(EINVAL) : Errno(EAGAIN);
    accepted = std::move(backlog_.front());
    backlog_.pop_front();
  }
  WakeStalled();
  return accepted;
}

Result<void> UnixEndpoint::Shutdown(int how) {
  if (how < SHUT_RD || how > SHUT_RDWR) return Errno(EINVAL);
  const int bits = how + 1;
  AddShutdown(bits);
  RefPtr<UnixEndpoint> other = peer();
  if (!other || !connection_based()) return {};
  int mirrored = 0;
  if (bits & kNoReceive) mirrored |= kNoSend;
  if (bits & kNoSend) mirrored |= kNoReceive;
  other->AddShutdown(mirrored);
  return {};
}

void UnixEndpoint::AddShutdown(int bits) {
  EventMask events = EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM | EPOLLRDHUP;
  {
    MutexLock l(mu_);
    shutdown_ |= bits;
    if (shutdown_ == (kNoReceive | kNoSend)) events |= EPOLLHUP;
  }
  queue_.Notify(events);
  WakeStalled();
}

// Senders and connecters that found no room try again.
void UnixEndpoint::WakeStalled() {
  std::deque<RefPtr<UnixEndpoint>> stalled;
  {
    MutexLock l(mu_);
    stalled = stalled_.TakeAll();
  }
  for (const RefPtr<UnixEndpoint>& endpoint : stalled) endpoint->queue_.Notify(EPOLLOUT | EPOLLWRNORM);
}

size_t UnixEndpoint::waiting() const {
  MutexLock l(mu_);
  return stalled_.size();
}

void UnixEndpoint::StallOn(UnixEndpoint& receiver) {
  std::deque<RefPtr<UnixEndpoint>> gone;  // freed after the lock
  MutexLock l(receiver.mu_);
  if (!receiver.closed_) receiver.AddStalledLocked(RefPtr<UnixEndpoint>(this), &gone);
}

void UnixEndpoint::AddStalledLocked(RefPtr<UnixEndpoint> who, std::deque<RefPtr<UnixEndpoint>>* gone) {
  if (!stalled_.Has(who)) stalled_.Add(std::move(who), gone);
}

}  // namespace runsc
