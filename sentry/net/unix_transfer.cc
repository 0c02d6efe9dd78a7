// Sending and receiving over unix sockets. Bytes move from and to the guest without locks of rank; only
// readers of one socket wait for each other.
#include <algorithm>
#include <cstring>

#include "sentry/kernel/kernel.h"
#include "sentry/net/timestamp.h"
#include "sentry/net/unix_endpoint.h"
#include "sentry/net/unix_garbage.h"

namespace runsc {
namespace {

constexpr size_t kMaxPiece = 65536;   // of a stream
constexpr size_t kSmallPiece = 1024;  // these are merged
constexpr size_t kMergeRoom = 4096;
constexpr size_t kOverhead = 256;  // of a packet, in its charge

bool SameCredentials(const ucred& a, const ucred& b) { return a.pid == b.pid && a.uid == b.uid && a.gid == b.gid; }

// Reads all of `size` bytes; short only at a fault after the first byte. `merges`: others may be appended.
Result<UnixPacket> ReadPacket(IoSource& src, size_t size, bool merges) {
  UnixPacket packet;
  packet.capacity = merges && size <= kSmallPiece ? kMergeRoom : size;
  packet.data.reset(new std::byte[packet.capacity]);
  if (size > 0) packet.size = TRY(src.Read({packet.data.get(), size}));
  return packet;
}

// The files of a packet, out of its queue or, for a look only, copied.
std::vector<RefPtr<File>> TakeFiles(UnixPacket& packet, bool peek) {
  if (packet.files.empty()) return {};
  InFlightLock l;
  if (peek) return packet.files;
  RemoveInFlight(l, packet.files);
  return std::exchange(packet.files, {});
}

}  // namespace

bool UnixEndpoint::QueueIsFullLocked() const { return packets_.size() > max_queued_; }

// The sender may be waiting for a quarter of its buffer at most to be in use.
void UnixEndpoint::Refund(size_t charge) {
  const size_t before = in_flight_.fetch_sub(charge);
  const size_t limit = send_buffer.load() / 4;
  if (before > limit && before - charge <= limit) queue_.Notify(EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
}

// --- streams

Result<void> UnixEndpoint::CheckStreamPeer(RefPtr<UnixEndpoint>& peer) {
  MutexLock l(mu_);
  if (state_ != State::kConnected) return Errno(ENOTCONN);
  if (shutdown_ & kNoSend) return Errno(EPIPE);
  peer = peer_;
  return {};
}

Result<size_t> UnixEndpoint::SendStream(SendRequest& request, const ucred& sender) {
  const bool urgent = request.flags & MSG_OOB;  // the last byte is, in a piece of its own
  if (urgent && request.src.remaining() == 0) return Errno(EOPNOTSUPP);
  RefPtr<UnixEndpoint> peer;
  TRY(CheckStreamPeer(peer));
  size_t done = 0;
  while (request.src.remaining() > 0) {
    if (!HasSendRoom()) return done > 0 ? Result<size_t>(done) : Errno(EAGAIN);
    const bool last = urgent && request.src.remaining() == 1;
    const size_t size =
        std::min({request.src.remaining() - (urgent && !last), kMaxPiece, std::max<size_t>(send_buffer / 2, 1)});
    const bool with_files = done == 0 && request.control != nullptr && !request.control->files.empty();
    auto packet = ReadPacket(request.src, size, !last && !with_files);
    if (!packet.ok()) return done > 0 ? Result<size_t>(done) : packet.error();
    const size_t n = packet->size;
    packet->credentials = sender;
    if (last) packet->urgent = UnixPacket::Urgent::kFresh;
    if (with_files) packet->files = std::move(request.control->files);
    if (auto queued = Enqueue(*peer, *packet); !queued.ok()) {
      return done > 0 ? Result<size_t>(done) : queued.error();
    }
    done += n;
    if (n < size) break;
  }
  return done;
}

Result<void> UnixEndpoint::Enqueue(UnixEndpoint& receiver, UnixPacket& packet) {
  packet.charge = packet.size + kOverhead;
  packet.sender = RefPtr<UnixEndpoint>(this);
  packet.came_with_files = !packet.files.empty();
  AddInFlight(packet.files, receiver);
  in_flight_ += packet.charge;
  Errno refused{0};
  const bool urgent = packet.urgent == UnixPacket::Urgent::kFresh;
  {
    MutexLock l(receiver.mu_);
    UnixPacket* const older = urgent ? receiver.FreshUrgentLocked() : nullptr;
    if (older != nullptr) older->urgent = UnixPacket::Urgent::kNot;
    receiver.had_urgent_ = receiver.had_urgent_ || urgent;
    if (receiver.closed_ || (receiver.shutdown_ & kNoReceive)) {
      refused = receiver.closed_ && type_ == SOCK_DGRAM ? Errno(ECONNREFUSED) : Errno(EPIPE);
    } else if (!receiver.AppendToLastLocked(packet)) {
      receiver.packets_.push_back(std::move(packet));
    }
  }
  if (refused.value() != 0) {
    in_flight_ -= packet.charge;
    RemoveInFlight(packet.files);
    return refused;
  }
  receiver.queue_.Notify(urgent ? EPOLLIN | EPOLLRDNORM | EPOLLPRI : EPOLLIN | EPOLLRDNORM);
  return {};
}

// --- the byte out of band

UnixPacket* UnixEndpoint::FreshUrgentLocked() {
  if (!had_urgent_) return nullptr;  // so that nobody else looks through the queue
  for (UnixPacket& packet : packets_) {
    if (packet.urgent == UnixPacket::Urgent::kFresh) return &packet;
  }
  return nullptr;
}

bool UnixEndpoint::AtMark() const {
  MutexLock l(mu_);
  return !packets_.empty() && packets_.front().urgent != UnixPacket::Urgent::kNot;
}

// What a read does at a piece: one that has bytes ends at the mark; else it goes past the mark, and past the byte
// unless that is in line.
UnixEndpoint::AtUrgent UnixEndpoint::ReachUrgent(size_t index, bool peek, size_t done) {
  MutexLock l(mu_);
  if (index >= packets_.size() || packets_[index].urgent == UnixPacket::Urgent::kNot) return AtUrgent::kRead;
  if (done > 0) return AtUrgent::kStop;
  UnixPacket& packet = packets_[index];
  if (packet.urgent == UnixPacket::Urgent::kTaken || !urgent_inline.load()) return AtUrgent::kSkip;
  if (!peek) packet.urgent = UnixPacket::Urgent::kNot;
  return AtUrgent::kRead;
}

// EINVAL: there is none, or it comes with the others.
Result<size_t> UnixEndpoint::ReceiveUrgent(ReceiveRequest& request) {
  std::lock_guard readers(read_mu_);
  std::byte byte;
  {
    MutexLock l(mu_);
    UnixPacket* const packet = urgent_inline.load() ? nullptr : FreshUrgentLocked();
    if (packet == nullptr) return Errno(EINVAL);
    byte = packet->data[packet->start];
    if (!(request.flags & MSG_PEEK)) {
      packet->urgent = UnixPacket::Urgent::kTaken;
      packet->start = packet->size;
    }
  }
  const size_t n = request.dst.remaining() > 0 ? TRY(request.dst.Write({&byte, 1})) : 0;
  request.out_flags |= MSG_OOB;
  return n;
}

// Small pieces of a stream share a packet, so that a byte costs a byte.
bool UnixEndpoint::AppendToLastLocked(UnixPacket& packet) {
  if (type_ != SOCK_STREAM || packets_.empty() || packet.came_with_files) return false;
  if (packet.urgent != UnixPacket::Urgent::kNot || packets_.back().urgent != UnixPacket::Urgent::kNot) return false;
  UnixPacket& last = packets_.back();
  if (last.capacity - last.size < packet.size || last.came_with_files) return false;
  if (!SameCredentials(last.credentials, packet.credentials)) return false;
  std::memcpy(last.data.get() + last.size, packet.data.get(), packet.size);
  last.size += packet.size;
  last.charge += packet.size;
  packet.sender->in_flight_ -= kOverhead;
  return true;
}

// The `index`-th piece, with how much of it may be read. EAGAIN or the end's error if there is none; null
// at end of file.
Result<UnixPacket*> UnixEndpoint::NextOfStream(bool peek, size_t index, size_t done, size_t* size) {
  MutexLock l(mu_);
  if (index < packets_.size()) {
    UnixPacket& packet = packets_[index];
    *size = packet.size - packet.start;
    return &packet;
  }
  if (done > 0) return static_cast<UnixPacket*>(nullptr);
  if (error_ != 0) return Errno(std::exchange(error_, 0));
  if (shutdown_ & kNoReceive) return static_cast<UnixPacket*>(nullptr);
  if (state_ != State::kConnected) return Errno(EINVAL);
  return Errno(EAGAIN);
}

// Takes `size` bytes and the files off the front piece. True if files came: they end the read.
bool UnixEndpoint::ConsumeStream(UnixPacket& packet, size_t size, ReceiveRequest& request) {
  std::vector<RefPtr<File>> files = TakeFiles(packet, false);
  UnixPacket finished;
  {
    MutexLock l(mu_);
    packet.start += size;
    if (packet.start == packet.size) {
      finished = std::move(packet);
      packets_.pop_front();
    }
  }
  if (finished.sender) finished.sender->Refund(finished.charge);
  if (files.empty()) return false;
  if (request.wants_control) request.control.files = std::move(files);
  return true;
}

Result<size_t> UnixEndpoint::ReceiveStream(ReceiveRequest& request, bool want_credentials) {
  const bool peek = request.flags & MSG_PEEK;
  std::lock_guard readers(read_mu_);
  size_t done = 0, index = 0, available = 0;
  if (request.dst.remaining() == 0) TRY(NextOfStream(peek, index, done, &available));
  while (request.dst.remaining() > 0) {
    const AtUrgent urgent = ReachUrgent(index, peek, done);
    if (urgent == AtUrgent::kStop) break;
    if (urgent == AtUrgent::kSkip) {
      if (peek) {
        ++index;
      } else {
        DropFront();
      }
      continue;
    }
    size_t size = 0;
    UnixPacket* packet = TRY(NextOfStream(peek, index, done, &size));
    if (packet == nullptr) break;
    auto& credentials = request.control.credentials;
    if (want_credentials && credentials && !SameCredentials(*credentials, packet->credentials)) break;
    const auto n = request.dst.Write({packet->data.get() + packet->start, std::min(size, request.dst.remaining())});
    if (!n.ok()) return done > 0 ? Result<size_t>(done) : n;
    if (want_credentials) credentials = packet->credentials;
    done += *n;
    if (peek) {
      const bool has_files = !packet->files.empty();
      if (has_files && request.wants_control) request.control.files = TakeFiles(*packet, true);
      if (has_files) break;
      ++index;
      continue;
    }
    if (ConsumeStream(*packet, *n, request)) break;
    if (*n < size) break;
  }
  return done;
}

// --- messages

// Whom a message goes to: the address given, or the peer.
Result<RefPtr<UnixEndpoint>> UnixEndpoint::CheckMessageTarget(UnixEndpoint* to) {
  RefPtr<UnixEndpoint> target(to);
  {
    MutexLock l(mu_);
    if (error_ != 0 && type_ == SOCK_SEQPACKET) return Errno(std::exchange(error_, 0));
    if (connection_based() && state_ != State::kConnected) return Errno(ENOTCONN);
    if (connection_based() || !target) target = peer_;
    if (!target) return Errno(ENOTCONN);
    if (shutdown_ & kNoSend) return Errno(EPIPE);
  }
  if (target.get() == this) return target;
  MutexLock l(target->mu_);
  if (target->closed_) return connection_based() ? Errno(EPIPE) : Errno(ECONNREFUSED);
  if (target->peer_ && target->peer_.get() != this && !connection_based()) return Errno(EPERM);
  return target;
}

Result<size_t> UnixEndpoint::SendMessage(UnixEndpoint* to, SendRequest& request, const ucred& sender) {
  const size_t size = request.src.remaining();
  if (size + 32 > send_buffer.load()) return Errno(EMSGSIZE);
  RefPtr<UnixEndpoint> target = TRY(CheckMessageTarget(to));
  if (!HasSendRoom()) return Errno(EAGAIN);
  if (target.get() != this && target->peer().get() != this) {
    StallOn(*target);
    MutexLock l(target->mu_);
    if (target->QueueIsFullLocked()) return Errno(EAGAIN);
  }
  UnixPacket packet = TRY(ReadPacket(request.src, size, false));
  if (packet.size != size) return Errno(EFAULT);
  packet.credentials = sender;
  packet.from = name();
  if (target->timestamps.load() != 0) packet.sent_ns = Kernel::RealtimeNs();
  if (request.control != nullptr) packet.files = std::move(request.control->files);
  const auto queued = Enqueue(*target, packet);
  if (queued.ok()) return size;
  if (queued.error() == Errno(ECONNREFUSED) && to == nullptr) (void)ConnectDatagram(nullptr);
  return queued.error();
}

// The first message, null at end of file. EAGAIN, or why there will be none.
Result<UnixPacket*> UnixEndpoint::FrontOrState() {
  MutexLock l(mu_);
  if (!packets_.empty()) return &packets_.front();
  if (error_ != 0) return Errno(std::exchange(error_, 0));
  if (shutdown_ & kNoReceive) return static_cast<UnixPacket*>(nullptr);
  if (connection_based() && state_ != State::kConnected) return Errno(ENOTCONN);
  return Errno(EAGAIN);
}

Result<size_t> UnixEndpoint::ReceiveMessage(ReceiveRequest& request, bool want_credentials) {
  std::lock_guard readers(read_mu_);
  UnixPacket* packet = TRY(FrontOrState());
  if (packet == nullptr) return size_t{0};
  const size_t size = packet->size;
  const size_t wanted = std::min(size, request.dst.remaining());
  size_t n = 0;
  if (wanted > 0) n = TRY(request.dst.Write({packet->data.get(), wanted}));
  if (n < wanted) return Errno(EFAULT);
  if (n < size) request.out_flags |= MSG_TRUNC;
  if (want_credentials) request.control.credentials = packet->credentials;
  if (const int option = timestamps.load(); option != 0) {
    const int64_t sent_ns = packet->sent_ns != 0 ? packet->sent_ns : Kernel::RealtimeNs();
    request.control.items.push_back(TimestampItem(option, sent_ns));
  }
  if (packet->from != nullptr) request.from = packet->from->ToSocketAddress();
  const size_t result = request.flags & MSG_TRUNC ? size : n;
  const bool peek = request.flags & MSG_PEEK;
  std::vector<RefPtr<File>> files = TakeFiles(*packet, peek);
  if (!peek) FinishFront();
  if (request.wants_control) request.control.files = std::move(files);
  return result;
}

// With the files that came with it.
void UnixEndpoint::DropFront() {
  UnixPacket* front;
  {
    MutexLock l(mu_);
    front = &packets_.front();  // stays while we are the reader
  }
  const std::vector<RefPtr<File>> files = TakeFiles(*front, false);
  FinishFront();
}

void UnixEndpoint::FinishFront() {
  UnixPacket finished;
  {
    MutexLock l(mu_);
    finished = std::move(packets_.front());
    packets_.pop_front();
  }
  finished.sender->Refund(finished.charge);
  WakeStalled();
}

}  // namespace runsc
