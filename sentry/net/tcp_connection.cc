// Binding, listening, connecting and shutting down TCP over loopback.
#include <algorithm>

#include "sentry/kernel/kernel.h"
#include "sentry/net/tcp_endpoint.h"

namespace runsc {
namespace {

constexpr EventMask kConnected = EPOLLOUT | EPOLLWRNORM;

}  // namespace

Result<void> TcpEndpoint::Bind(const PortClaim& claim) {
  TRY(stack_->tcp().Bind(*this, claim));
  return {};
}

Result<void> TcpEndpoint::Listen(const PortClaim& claim_if_unbound, int backlog) {
  {
    MutexLock l(mu_);
    if (phase_ != Phase::kIdle && phase_ != Phase::kListening) return Errno(EINVAL);
    // Negative means the largest, as the comparison is unsigned on Linux.
    max_backlog_ =
        std::min(static_cast<unsigned>(backlog), static_cast<unsigned>(stack_->settings().at(NetSetting::kSomaxconn)));
  }
  if (!stack_->tcp().LocalOf(*this)) TRY(stack_->tcp().Bind(*this, claim_if_unbound));
  TRY(stack_->tcp().SetListening(*this));
  {
    MutexLock l(mu_);
    phase_ = Phase::kListening;
    sent_fin_ = got_fin_ = no_receive_ = reset_ = false;
  }
  ServeWaiting();
  return {};
}

// What an earlier connect(2) left: nothing (start now), or its outcome (true), or a wait.
Result<std::optional<bool>> TcpEndpoint::ContinueConnect(bool nonblocking) {
  MutexLock l(mu_);
  if (step_ == Step::kConnected || phase_ == Phase::kListening) return Errno(EISCONN);
  if (step_ == Step::kUnconnected) {
    if (phase_ != Phase::kIdle) return Errno(EISCONN);
    step_ = Step::kConnecting;
    phase_ = Phase::kConnecting;
    sent_fin_ = got_fin_ = no_receive_ = reset_ = false;
    error_ = 0;
    return std::optional<bool>();
  }
  if (phase_ == Phase::kConnecting) return nonblocking ? Errno(EALREADY) : Errno(EAGAIN);
  const bool connected = phase_ == Phase::kConnected && error_ == 0;
  step_ = connected ? Step::kConnected : Step::kUnconnected;
  if (connected) return std::optional<bool>(true);
  const int error = std::exchange(error_, 0);
  return Errno(error != 0 ? error : ECONNABORTED);
}

// The address and port to connect from.
Result<IpEndpoint> TcpEndpoint::ChooseLocal(const IpEndpoint& to, PortClaim claim) {
  const IpAddress source = TRY(stack_->Route(to.address));
  if (const auto bound = stack_->tcp().LocalOf(*this)) {
    if (bound->address.is_any()) return IpEndpoint{source, bound->port};
    if (bound->address.is_v4() != source.is_v4()) return Errno(EINVAL);
    return *bound;
  }
  claim.local = {source, 0};
  const IpEndpoint bound = TRY(stack_->tcp().BindToConnect(*this, claim, {to.address.OrLoopback(), to.port}));
  MutexLock l(mu_);
  auto_bound_ = true;
  return bound;
}

Result<TcpEndpoint::Joined> TcpEndpoint::StartConnect(const IpEndpoint& to, const PortClaim& claim) {
  const IpEndpoint local = TRY(ChooseLocal(to, claim));
  const IpEndpoint target{to.address.OrLoopback(), to.port};
  TRY(stack_->tcp().SetRemote(*this, local.address, target));
  {
    MutexLock l(mu_);
    remote_ = target;
    last_local_ = local;
  }
  const RefPtr<PortOwner> found = stack_->tcp().Find(target, local);
  Count(NetCount::kTcpActiveOpens);
  CountControl(found ? 3 : 2);
  return found ? Join(*this, static_cast<TcpEndpoint&>(*found)) : Joined::kRefused;
}

// With both locked. `server` is new: nobody else knows it.
TcpEndpoint::Joined TcpEndpoint::JoinLocked(TcpEndpoint& listener, const RefPtr<TcpEndpoint>& server,
                                            Endpoints* gone) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  if (listener.phase_ != Phase::kListening || phase_ != Phase::kConnecting) return Joined::kRefused;
  if (listener.heard_.backlog.size() > listener.max_backlog_) {
    listener.heard_.waiting.Add(RefPtr<TcpEndpoint>(this), gone);
    Count(NetCount::kTcpListenOverflows);
    return Joined::kPending;
  }
  server->peer_ = RefPtr<TcpEndpoint>(this);
  server->remote_ = last_local_;
  server->phase_ = phase_ = Phase::kConnected;
  server->step_ = Step::kConnected;
  peer_ = server;
  const bool defer = listener.defer_accept_s.load() > 0 && listener.heard_.deferred.size() <= listener.max_backlog_;
  (defer ? listener.heard_.deferred : listener.heard_.backlog).push_back(server);
  server->is_deferred_ = defer;
  if (defer) server->deferred_by_ = RefPtr<TcpEndpoint>(&listener);
  return Joined::kEstablished;
}

TcpEndpoint::Joined TcpEndpoint::Join(TcpEndpoint& client, TcpEndpoint& listener) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  const RefPtr<TcpEndpoint> server = MakeRef<TcpEndpoint>(client.stack_, listener.family_, listener.uid_);
  client.stack_->tcp().BindChild(*server, listener, client.remote_, client.last_local_);
  server->send_buffer_ = listener.send_buffer_.load();
  server->receive_buffer_ = listener.receive_buffer_.load();
  Joined joined;
  Endpoints gone;  // freed after the locks
  {
    MutexLockPair l(client.mu_, listener.mu_);
    joined = client.JoinLocked(listener, server, &gone);
  }
  if (joined != Joined::kEstablished) {
    client.stack_->tcp().Unbind(*server);
    return joined;
  }
  server->Count(NetCount::kTcpPassiveOpens);
  server->UpdateLimit();
  client.UpdateLimit();
  client.queue_.Notify(kConnected);
  if (server->is_deferred_.load()) {
    server->Count(NetCount::kTcpDeferred);
    server->DeferUntilBytes(listener.defer_accept_s.load());
  } else {
    listener.queue_.Notify(EPOLLIN | EPOLLRDNORM);
  }
  return joined;
}

// Not longer than this.
void TcpEndpoint::DeferUntilBytes(int seconds) {
  SetDelay(Kernel::MonotonicNs() + seconds * kNsPerSecond, &TcpEndpoint::OnDeferralDue);
  if (!is_deferred_.load()) CancelDelay();  // they came meanwhile
}

RefPtr<TcpEndpoint> TcpEndpoint::TakeDeferred(const TcpEndpoint& child, bool accept) {
  MutexLock l(mu_);
  const auto it = std::find_if(heard_.deferred.begin(), heard_.deferred.end(),
                               [&](const auto& other) { return other.get() == &child; });
  if (it == heard_.deferred.end()) return nullptr;
  RefPtr<TcpEndpoint> found = std::move(*it);
  heard_.deferred.erase(it);
  if (accept) heard_.backlog.push_back(found);
  return found;
}

// The listener's owner may have the connection now, or never.
void TcpEndpoint::EndDeferral(bool accept) {
  if (!is_deferred_.exchange(false)) return;
  CancelDelay();
  RefPtr<TcpEndpoint> listener;
  {
    MutexLock l(mu_);
    listener = std::exchange(deferred_by_, nullptr);
  }
  const RefPtr<TcpEndpoint> self = listener ? listener->TakeDeferred(*this, accept) : nullptr;
  if (self && accept) listener->queue_.Notify(EPOLLIN | EPOLLRDNORM);
}

// --- what happens later

void TcpEndpoint::SetDelay(Deadline when, void (TcpEndpoint::*action)()) {
  const auto run = [self = RefPtr<TcpEndpoint>(this), action] { (self.get()->*action)(); };
  const TcpDelays::Id id = TcpDelays::Get().Add(when, run);
  bool over;
  {
    MutexLock l(mu_);
    over = phase_ != Phase::kConnected;
    if (!over) delay_ = id;
  }
  if (over) TcpDelays::Get().Cancel(id);
}

void TcpEndpoint::CancelDelay() {
  std::optional<TcpDelays::Id> id;
  {
    MutexLock l(mu_);
    id = std::exchange(delay_, std::nullopt);
  }
  if (id) TcpDelays::Get().Cancel(*id);
}

// Nobody there, or no longer.
void TcpEndpoint::Refuse(int error) {
  bool auto_bound = false;
  {
    MutexLock l(mu_);
    if (phase_ != Phase::kConnecting) return;
    phase_ = Phase::kIdle;
    error_ = error;
    auto_bound = std::exchange(auto_bound_, false);
  }
  if (error != 0) {
    Count(NetCount::kTcpAttemptFails);
    Count(NetCount::kTcpSentResets);
  }
  if (auto_bound) {
    stack_->tcp().Unbind(*this);
  } else {
    stack_->tcp().ClearRemote(*this);
  }
  queue_.Notify(EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDHUP);
}

// A non-blocking connect(2) is always said to be in progress first, as on Linux.
Result<void> TcpEndpoint::FinishConnect(Joined joined, bool nonblocking) {
  if (joined == Joined::kRefused) Refuse(ECONNREFUSED);
  if (nonblocking) return Errno(EINPROGRESS);
  TRY(ContinueConnect(false));
  return {};
}

Result<void> TcpEndpoint::Connect(const IpEndpoint& to, const PortClaim& claim_if_unbound, bool nonblocking) {
  if (TRY(ContinueConnect(nonblocking))) return {};
  const auto joined = StartConnect(to, claim_if_unbound);
  if (joined.ok()) return FinishConnect(*joined, nonblocking);
  Refuse(0);
  MutexLock l(mu_);
  step_ = Step::kUnconnected;
  return joined.error();
}

Result<RefPtr<TcpEndpoint>> TcpEndpoint::Accept() {
  RefPtr<TcpEndpoint> accepted;
  {
    MutexLock l(mu_);
    if (phase_ != Phase::kListening) return Errno(EINVAL);
    if (heard_.backlog.empty()) return Errno(EAGAIN);
    accepted = std::move(heard_.backlog.front());
    heard_.backlog.pop_front();
  }
  ServeWaiting();
  return accepted;
}

// Room in the backlog: whoever waits for it longest is connected.
void TcpEndpoint::ServeWaiting() {
  for (;;) {
    RefPtr<TcpEndpoint> client;
    {
      MutexLock l(mu_);
      if (heard_.backlog.size() <= max_backlog_) client = heard_.waiting.TakeFirst();
    }
    if (!client) return;
    if (Join(*client, *this) == Joined::kRefused) client->Refuse(ECONNREFUSED);
  }
}

Result<void> TcpEndpoint::Shutdown(int how) {
  if (how < SHUT_RD || how > SHUT_RDWR) return Errno(EINVAL);
  const bool read = how != SHUT_WR, write = how != SHUT_RD;
  bool ends_orphan = false;  // of a connection whose other socket is gone
  RefPtr<TcpEndpoint> peer;
  EventMask events = EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM | EPOLLRDHUP;
  {
    MutexLock l(mu_);
    const int state = StateLocked();
    if (state == TCP_CLOSE) {  // takes effect all the same, as on Linux
      no_receive_ |= read;
      sent_fin_ |= write;
      return Errno(ENOTCONN);
    }
    if (state == TCP_LISTEN && !read) return {};
    if (state != TCP_LISTEN && state != TCP_SYN_SENT) {
      if (read) no_receive_ = true;
      if (write && !sent_fin_) peer = peer_;
      ends_orphan = write && !sent_fin_ && !peer_;
      if (write) sent_fin_ = true;
      if (StateLocked() == TCP_CLOSE || how == SHUT_RDWR) events |= EPOLLHUP;
      if (!peer && write && !got_fin_) return {};
    }
    if (state == TCP_LISTEN || state == TCP_SYN_SENT) how = -1;
  }
  if (how == -1) {
    stack_->tcp().StopListening(*this);
    EndConnection(true, Phase::kIdle);
    MutexLock l(mu_);
    step_ = Step::kUnconnected;
  }
  if (peer) peer->OnPeerFin();
  if (ends_orphan) stack_->tcp().EndOther(*this);
  queue_.Notify(events);
  return {};
}

}  // namespace runsc
