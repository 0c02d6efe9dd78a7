// The state of a unix socket: who it talks to and what it has received. Outlives its description while
// peers and messages in flight refer to it.
#pragma once

#include <sys/un.h>

#include <deque>
#include <memory>
#include <mutex>
#include <set>

#include "sentry/net/net_stack.h"
#include "sentry/net/socket.h"
#include "sentry/net/unix_names.h"
#include "sentry/net/wait_list.h"

namespace runsc {

class UnixEndpoint;
class UnixSocket;

// A message, or a piece of a stream. Taken off the queue it must be dropped without locks held: its files
// may be the last references.
struct UnixPacket {
  std::unique_ptr<std::byte[]> data;
  size_t start = 0, size = 0, capacity = 0;  // unread bytes are [start, size)
  ucred credentials{};
  std::vector<RefPtr<File>> files;  // of a queued packet: the reader's
  bool came_with_files = false;
  UnixAddressRef from;
  RefPtr<UnixEndpoint> sender;  // whose send buffer it fills
  size_t charge = 0;
  // Of a stream: a byte out of band (MSG_OOB), which no read passes; once received on its own, an empty mark.
  enum class Urgent { kNot, kFresh, kTaken } urgent = Urgent::kNot;
  int64_t sent_ns = 0;  // of a message whose receiver asks for it
};

class UnixEndpoint : public RefCounted {
 public:
  // `net`: the network namespace, whose abstract names it sees; null: the first one.
  UnixEndpoint(int type, ucred creator, RefPtr<NetStack> net = nullptr);
  ~UnixEndpoint() override;

  int type() const { return type_; }
  const RefPtr<NetStack>& net() const { return net_; }
  bool connection_based() const { return type_ != SOCK_DGRAM; }
  WaitQueue& queue() { return queue_; }

  // The description went: ends the connection, frees names and messages.
  void Close();

  // Naming.
  Result<void> SetName(UnixAddressRef name, const Path& node);
  UnixAddressRef name() const;

  // Connections (unix_connection.cc).
  Result<void> Listen(int backlog, ucred owner);
  static Result<void> ConnectStream(UnixEndpoint& client, UnixEndpoint& listener, ucred client_creds);
  Result<void> ConnectDatagram(RefPtr<UnixEndpoint> peer);  // null disconnects
  static void Pair(UnixEndpoint& a, UnixEndpoint& b);
  Result<RefPtr<UnixEndpoint>> Accept();
  Result<void> Shutdown(int how);
  RefPtr<UnixEndpoint> peer() const;
  bool connected() const;
  bool listening() const;
  ucred peer_credentials() const;

  // Data (unix_transfer.cc). EAGAIN: would block.
  Result<size_t> SendStream(SendRequest& request, const ucred& sender);
  Result<size_t> SendMessage(UnixEndpoint* to, SendRequest& request, const ucred& sender);
  Result<size_t> ReceiveStream(ReceiveRequest& request, bool want_credentials);
  Result<size_t> ReceiveMessage(ReceiveRequest& request, bool want_credentials);
  Result<size_t> ReceiveUrgent(ReceiveRequest& request);    // MSG_OOB
  bool AtMark() const;                                      // SIOCATMARK
  size_t ReadableBytes() const;                             // FIONREAD
  size_t UnsentBytes() const { return in_flight_.load(); }  // SIOCOUTQ
  EventMask Readiness();

  std::atomic<size_t> send_buffer{212992};  // net.core.wmem_default
  std::atomic<bool> urgent_inline{false};   // SO_OOBINLINE
  std::atomic<int> timestamps{0};           // SO_TIMESTAMP or SO_TIMESTAMPNS: messages come with their time
  int TakeError();
  uint64_t ino = 0;  // for /proc/net/unix
  struct Status {    // a line of /proc/net/unix
    int type;
    bool listening, connected;
    uint64_t ino;
    UnixAddressRef name;
  };
  Status status() const;

  size_t waiting() const;  // how many are to be told when there is room

  void Refund(size_t charge);  // a packet of ours was read or dropped

  // For collecting cycles of sockets in flight (unix_garbage.cc). The description, while it lives.
  std::atomic<File*> file{nullptr};
  std::vector<File*> FilesInQueue() const;
  std::deque<UnixPacket> TakeQueue();

 private:
  enum class State { kUnconnected, kListening, kConnected };
  enum : int { kNoReceive = 1, kNoSend = 2 };

  bool QueueIsFullLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool HasSendRoom() const { return in_flight_.load() < send_buffer.load(); }
  enum class AtUrgent { kRead, kStop, kSkip };
  AtUrgent ReachUrgent(size_t index, bool peek, size_t done);
  void PeerClosed(bool reset);
  void AddShutdown(int bits);
  void WakeStalled();
  void StallOn(UnixEndpoint& receiver);
  void AddStalledLocked(RefPtr<UnixEndpoint> who, std::deque<RefPtr<UnixEndpoint>>* gone)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<void> CheckStreamPeer(RefPtr<UnixEndpoint>& peer);
  Result<void> Enqueue(UnixEndpoint& receiver, UnixPacket& packet);
  UnixPacket* FreshUrgentLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool AppendToLastLocked(UnixPacket& packet) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<RefPtr<UnixEndpoint>> CheckMessageTarget(UnixEndpoint* to);
  Result<UnixPacket*> FrontOrState();
  Result<UnixPacket*> NextOfStream(bool peek, size_t index, size_t done, size_t* size);
  bool ConsumeStream(UnixPacket& packet, size_t size, ReceiveRequest& request);
  void FinishFront();
  void DropFront();

  const int type_;
  const RefPtr<NetStack> net_;
  const unsigned max_queued_;  // datagrams
  mutable Mutex mu_{LockRank::kSocket};
  State state_ ABSL_GUARDED_BY(mu_) = State::kUnconnected;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  int shutdown_ ABSL_GUARDED_BY(mu_) = 0;
  int error_ ABSL_GUARDED_BY(mu_) = 0;
  RefPtr<UnixEndpoint> peer_ ABSL_GUARDED_BY(mu_);
  UnixAddressRef name_ ABSL_GUARDED_BY(mu_);
  Path node_ ABSL_GUARDED_BY(mu_);              // keeps the inode a bound name stands for
  ucred own_credentials_ ABSL_GUARDED_BY(mu_);  // shown to peers
  ucred peer_credentials_ ABSL_GUARDED_BY(mu_) = {0, ~uid_t{0}, ~gid_t{0}};
  std::deque<UnixPacket> packets_ ABSL_GUARDED_BY(mu_);
  bool had_urgent_ ABSL_GUARDED_BY(mu_) = false;
  std::deque<RefPtr<UnixEndpoint>> backlog_ ABSL_GUARDED_BY(mu_);
  size_t max_backlog_ ABSL_GUARDED_BY(mu_) = 0;
  // Senders that found the queue full, to be told of room.
  WaitList<UnixEndpoint> stalled_ ABSL_GUARDED_BY(mu_);
  // Serialises readers, who copy from the front packet to the guest without mu_ (docs/locking.md).
  std::mutex read_mu_;
  std::atomic<size_t> in_flight_{0};  // charges of packets of ours that nobody has read
  WaitQueue queue_;
};

}  // namespace runsc
