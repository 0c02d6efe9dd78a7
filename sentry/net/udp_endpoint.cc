// The receive queue of a UDP socket.
#include "sentry/net/udp_socket.h"

#include <algorithm>

namespace runsc {
namespace {

constexpr size_t kOverhead = 512;  // of a datagram, against the receive buffer
constexpr int kNoReceive = 1, kNoSend = 2;
constexpr size_t kMaxGroups6 = 512;  // Linux: what net.core.optmem_max has room for

}  // namespace

void UdpEndpoint::Close() {
  ports_.Unbind(*this);
  std::deque<std::shared_ptr<const Datagram>> dropped;
  MutexLock l(mu_);
  closed_ = true;
  groups_.clear();
  dropped.swap(datagrams_);
}

Result<void> UdpEndpoint::Join(const IpAddress& group) {
  MutexLock l(mu_);
  if (std::find(groups_.begin(), groups_.end(), group) != groups_.end()) return Errno(EADDRINUSE);
  if (group.is_v4() && std::ssize(groups_) >= stack_->settings().at(NetSetting::kMaxMemberships)) return Errno(ENOBUFS);
  if (groups_.size() >= kMaxGroups6) return Errno(ENOMEM);
  groups_.push_back(group);
  return {};
}

Result<void> UdpEndpoint::Leave(const IpAddress& group) {
  MutexLock l(mu_);
  return std::erase(groups_, group) > 0 ? Result<void>() : Errno(EADDRNOTAVAIL);
}

bool UdpEndpoint::IsMember(const IpAddress& group) const {
  MutexLock l(mu_);
  return std::find(groups_.begin(), groups_.end(), group) != groups_.end();
}

void UdpEndpoint::Count(bool v4, NetCount of_udp, NetCount of_udplite) {
  if (&ports_ == &stack_->udp()) stack_->counters(v4).Add(of_udp);
  if (&ports_ == &stack_->udplite()) stack_->counters(v4).Add(of_udplite);
}

void UdpEndpoint::Deliver(std::shared_ptr<const Datagram> datagram) {
  const size_t charge = datagram->size + kOverhead;
  {
    MutexLock l(mu_);
    if (closed_) return;
    if (queued_ > 0 && queued_ + charge > receive_buffer.load()) {
      ++drops_;
      Count(datagram->to.is_v4(), NetCount::kUdpDropped, NetCount::kUdpLiteDropped);
      return;
    }
    queued_ += charge;
    datagrams_.push_back(std::move(datagram));
  }
  queue_.Notify(EPOLLIN | EPOLLRDNORM);
}

Result<std::shared_ptr<const Datagram>> UdpEndpoint::Next(bool peek) {
  MutexLock l(mu_);
  if (error_ != 0) return Errno(std::exchange(error_, 0));
  if (datagrams_.empty()) {
    if (shutdown_ & kNoReceive) return std::shared_ptr<const Datagram>();
    return Errno(EAGAIN);
  }
  if (peek) return datagrams_.front();
  auto first = std::move(datagrams_.front());
  datagrams_.pop_front();
  queued_ -= first->size + kOverhead;
  return first;
}

void UdpEndpoint::SetRemote(std::optional<IpEndpoint> remote) {
  MutexLock l(mu_);
  remote_ = remote;
}

std::optional<IpEndpoint> UdpEndpoint::remote() const {
  MutexLock l(mu_);
  return remote_;
}

IpEndpoint UdpEndpoint::local() const {
  const auto bound = ports_.LocalOf(*this);
  return bound ? *bound : IpEndpoint{IpAddress::AnyOf(family_), 0};
}

void UdpEndpoint::AddShutdown(int bits) {
  EventMask events = EPOLLIN | EPOLLRDNORM | EPOLLRDHUP | EPOLLOUT;
  {
    MutexLock l(mu_);
    shutdown_ |= bits;
    if (shutdown_ == (kNoReceive | kNoSend)) events |= EPOLLHUP;
  }
  queue_.Notify(events);
}

int UdpEndpoint::shutdown() const {
  MutexLock l(mu_);
  return shutdown_;
}

void UdpEndpoint::SetError(int error) {
  {
    MutexLock l(mu_);
    error_ = error;
  }
  queue_.Notify(EPOLLERR | EPOLLIN | EPOLLOUT);
}

void UdpEndpoint::QueueError(DatagramError error) {
  constexpr size_t kMostErrors = 64;
  const size_t size = error.sent.size;
  auto shared = std::make_shared<const DatagramError>(std::move(error));
  MutexLock l(mu_);
  const bool fits = errors_.empty() || error_bytes_ + size <= receive_buffer.load();
  if (errors_.size() >= kMostErrors || !fits) return;
  errors_.push_back(std::move(shared));
  error_bytes_ += size;
}

// What the error of the socket is after it: that of the next one.
Result<std::shared_ptr<const DatagramError>> UdpEndpoint::NextError() {
  MutexLock l(mu_);
  if (errors_.empty()) return Errno(EAGAIN);
  auto first = std::move(errors_.front());
  errors_.pop_front();
  error_bytes_ -= first->sent.size;
  error_ = errors_.empty() ? 0 : errors_.front()->error;
  return first;
}

int UdpEndpoint::TakeError() {
  MutexLock l(mu_);
  return std::exchange(error_, 0);
}

EventMask UdpEndpoint::Readiness() const {
  MutexLock l(mu_);
  EventMask ready = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
  if (error_ != 0 || !errors_.empty()) ready |= EPOLLERR;
  if (shutdown_ & kNoReceive) ready |= EPOLLRDHUP | EPOLLIN | EPOLLRDNORM;
  if (shutdown_ == (kNoReceive | kNoSend)) ready |= EPOLLHUP;
  if (!datagrams_.empty()) ready |= EPOLLIN | EPOLLRDNORM;
  return ready;
}

size_t UdpEndpoint::FirstSize() const {
  MutexLock l(mu_);
  return datagrams_.empty() ? 0 : datagrams_.front()->size;
}

size_t UdpEndpoint::QueuedBytes() const {
  MutexLock l(mu_);
  return queued_;
}

}  // namespace runsc
