// Life and names of a unix socket's state.
#include "sentry/net/unix_endpoint.h"

#include <algorithm>

#include "sentry/net/unix_garbage.h"
#include "sentry/vfs/dentry.h"

namespace runsc {

UnixEndpoint::UnixEndpoint(int type, ucred creator, RefPtr<NetStack> net)
    : type_(type),
      net_(net ? std::move(net) : RefPtr<NetStack>(&NetStack::First())),
      max_queued_(static_cast<unsigned>(net_->settings().at(NetSetting::kMaxDatagramQueue))),
      own_credentials_(creator) {
  UnixNames::Get().Register(*this);
}

UnixEndpoint::~UnixEndpoint() { UnixNames::Get().Unregister(*this); }

void UnixEndpoint::Close() {
  RefPtr<UnixEndpoint> peer;
  std::deque<UnixPacket> packets;
  std::deque<RefPtr<UnixEndpoint>> backlog;
  UnixAddressRef name;
  Path node;
  {
    MutexLock l(mu_);
    closed_ = true;
    shutdown_ = kNoReceive | kNoSend;
    state_ = State::kUnconnected;
    peer = std::move(peer_);
    packets.swap(packets_);
    backlog.swap(backlog_);
    name = name_;
    std::swap(node, node_);
  }
  if (name != nullptr && name->abstract) UnixNames::Get().UnbindAbstract(name->path, *this);
  if (node) UnixNames::Get().UnbindNode(*node.dentry->inode(), *this);
  const auto unread = [](const UnixPacket& packet) { return packet.urgent != UnixPacket::Urgent::kTaken; };
  const bool reset =
      std::any_of(packets.begin(), packets.end(), unread) || file.load() == nullptr;  // or never accepted
  if (peer && connection_based()) peer->PeerClosed(reset);
  for (UnixPacket& packet : packets) packet.sender->Refund(packet.charge);
  for (RefPtr<UnixEndpoint>& embryo : backlog) embryo->Close();
  WakeStalled();
  DropPackets(std::move(packets));
}

void UnixEndpoint::PeerClosed(bool reset) {
  {
    MutexLock l(mu_);
    shutdown_ = kNoReceive | kNoSend;
    if (reset) error_ = ECONNRESET;
  }
  queue_.Notify(EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM | EPOLLRDHUP | EPOLLHUP);
}

Result<void> UnixEndpoint::SetName(UnixAddressRef name, const Path& node) {
  MutexLock l(mu_);
  if (name_ != nullptr) return Errno(EINVAL);
  name_ = std::move(name);
  node_ = node;
  return {};
}

UnixAddressRef UnixEndpoint::name() const {
  MutexLock l(mu_);
  return name_;
}

RefPtr<UnixEndpoint> UnixEndpoint::peer() const {
  MutexLock l(mu_);
  return peer_;
}

bool UnixEndpoint::connected() const {
  MutexLock l(mu_);
  return state_ == State::kConnected;
}

bool UnixEndpoint::listening() const {
  MutexLock l(mu_);
  return state_ == State::kListening;
}

ucred UnixEndpoint::peer_credentials() const {
  MutexLock l(mu_);
  return peer_credentials_;
}

int UnixEndpoint::TakeError() {
  MutexLock l(mu_);
  return std::exchange(error_, 0);
}

UnixEndpoint::Status UnixEndpoint::status() const {
  MutexLock l(mu_);
  return {type_, state_ == State::kListening, state_ == State::kConnected, ino, name_};
}

size_t UnixEndpoint::ReadableBytes() const {
  MutexLock l(mu_);
  size_t total = 0;
  for (const UnixPacket& packet : packets_) {
    total += packet.size - packet.start;
    if (type_ == SOCK_DGRAM) break;
  }
  return total;
}

// As unix_poll of Linux: a stream that was never connected hangs up, and may be written to.
EventMask UnixEndpoint::Readiness() {
  RefPtr<UnixEndpoint> peer;
  EventMask ready = 0;
  {
    MutexLock l(mu_);
    if (error_ != 0) ready |= EPOLLERR;
    if (shutdown_ & kNoReceive) ready |= EPOLLRDHUP | EPOLLIN | EPOLLRDNORM;
    if (shutdown_ == (kNoReceive | kNoSend)) ready |= EPOLLHUP;
    if (!packets_.empty() || !backlog_.empty()) ready |= EPOLLIN | EPOLLRDNORM;
    if (FreshUrgentLocked() != nullptr) ready |= EPOLLPRI;
    if (connection_based() && state_ == State::kUnconnected) ready |= EPOLLHUP;
    if (state_ == State::kListening) return ready;
    if (type_ == SOCK_DGRAM) peer = peer_;
  }
  if (in_flight_.load() * 4 > send_buffer.load()) return ready;
  if (peer) {
    StallOn(*peer);  // before the look, so that room made meanwhile is told
    MutexLock l(peer->mu_);
    if (peer->peer_.get() != this && peer->QueueIsFullLocked()) return ready;
  }
  return ready | EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
}

std::vector<File*> UnixEndpoint::FilesInQueue() const {
  MutexLock l(mu_);
  std::vector<File*> files;
  for (const UnixPacket& packet : packets_) {
    for (const RefPtr<File>& f : packet.files) files.push_back(f.get());
  }
  return files;
}

std::deque<UnixPacket> UnixEndpoint::TakeQueue() {
  MutexLock l(mu_);
  return std::exchange(packets_, {});
}

}  // namespace runsc
