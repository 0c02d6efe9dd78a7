// Socket calls: decode, find the socket, wait by the rules of O_NONBLOCK and the socket's timeouts.
#include <sys/socket.h>

#include <algorithm>

#include "sentry/net/socket.h"
#include "syscalls/blocking_io.h"
#include "syscalls/fd_util.h"
#include "syscalls/handlers.h"
#include "syscalls/socket_messages.h"
#include "syscalls/user_range.h"

namespace runsc {
namespace {

constexpr int kTypeFlags = SOCK_NONBLOCK | SOCK_CLOEXEC;
constexpr uint64_t kMaxRwCount = 0x7ffff000;
constexpr uint32_t kMaxMessages = 1024;  // UIO_MAXIOV
constexpr size_t kMsghdrStride = 64;     // struct mmsghdr
constexpr size_t kMaxOption = 4096;

Result<RefPtr<Socket>> GetSocket(Task& task, int fd) {
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  Socket* socket = file->socket();
  if (socket == nullptr) return Errno(ENOTSOCK);
  return RefPtr<Socket>(socket);
}

Deadline DeadlineIn(int64_t timeout_ns) {
  return timeout_ns == 0 ? kNever : DeadlineAfter(Kernel::MonotonicNs(), timeout_ns);
}

// Waits while `attempt` gives EAGAIN. A timeout shows as EAGAIN; with one, a signal is not restarted over.
template <typename Attempt>
auto Await(Task& task, Socket& socket, EventMask events, bool dont_wait, int64_t timeout_ns, Attempt attempt)
    -> decltype(attempt()) {
  auto result = attempt();
  if (result.ok() || !(result.error() == Errno(EAGAIN)) || dont_wait || socket.nonblocking()) return result;
  result = BlockUntil(task, *socket.wait_queue(), events, DeadlineIn(timeout_ns), attempt);
  if (result.ok()) return result;
  if (result.error() == Errno(ETIMEDOUT)) return Errno(EAGAIN);
  if (result.error() == kRestartSys && timeout_ns != 0) return Errno(EINTR);
  return result;
}

// A stream sends everything unless it may not wait; a message is one attempt.
SyscallResult DoSend(Task& task, Socket& socket, SendRequest& request) {
  size_t done = 0;
  for (;;) {
    const auto n = Await(task, socket, kWriteEvents, request.flags & MSG_DONTWAIT, socket.send_timeout_ns(),
                         [&] { return socket.Send(task, request); });
    if (!n.ok()) return done > 0 ? SyscallResult(static_cast<int64_t>(done)) : n.error();
    done += *n;
    request.control = nullptr;
    const bool dont_wait = (request.flags & MSG_DONTWAIT) || socket.nonblocking();
    if (socket.type() != SOCK_STREAM || *n == 0 || request.src.remaining() == 0 || dont_wait) {
      return static_cast<int64_t>(done);
    }
  }
}

// MSG_WAITALL of a stream goes on until the buffer is full, the end, or something came along.
SyscallResult DoReceive(Task& task, Socket& socket, ReceiveRequest& request) {
  const bool wait_all = (request.flags & MSG_WAITALL) && !(request.flags & MSG_PEEK) && socket.type() == SOCK_STREAM;
  size_t done = 0;
  for (;;) {
    const auto n = Await(task, socket, kReadEvents, request.flags & (MSG_DONTWAIT | MSG_ERRQUEUE),
                         socket.receive_timeout_ns(), [&] { return socket.Receive(task, request); });
    if (!n.ok()) return done > 0 ? SyscallResult(static_cast<int64_t>(done)) : n.error();
    done += *n;
    if (!wait_all || *n == 0 || request.dst.remaining() == 0 || !request.control.files.empty()) {
      return static_cast<int64_t>(done);
    }
  }
}

SyscallResult SendMessage(Task& task, Socket& socket, GuestAddr msg_addr, int flags) {
  const GuestMsghdr header = TRY(CopyInMsghdr(task, msg_addr));
  const SocketAddress to = TRY(CopyInAddress(task, header.name, header.name_size));
  UserSource source(task, TRY(CopyInMessageIovecs(task, header)));
  ControlData control = TRY(CopyInControl(task, header));
  SendRequest request{source, flags, to.size > 0 ? &to : nullptr, &control};
  return DoSend(task, socket, request);
}

// The parts of the header that a receive updates.
Result<void> CopyOutReceived(Task& task, GuestAddr msg_addr, const GuestMsghdr& header, ReceiveRequest& request) {
  int flags = request.out_flags | (request.flags & MSG_CMSG_CLOEXEC);
  const uint64_t control_size =
      TRY(CopyOutControl(task, header, request.control, request.flags & MSG_CMSG_CLOEXEC, &flags));
  if (header.name != 0) {
    const uint32_t n = std::min<uint32_t>(request.from.size, header.name_size);
    if (n > 0) TRY(task.CopyOut(header.name, &request.from.storage, n));
    TRY(task.CopyOutObject(msg_addr + offsetof(GuestMsghdr, name_size), static_cast<int>(request.from.size)));
  }
  TRY(task.CopyOutObject(msg_addr + offsetof(GuestMsghdr, flags), flags));
  return task.CopyOutObject(msg_addr + offsetof(GuestMsghdr, control_size), control_size);
}

SyscallResult ReceiveMessage(Task& task, Socket& socket, GuestAddr msg_addr, int flags) {
  const GuestMsghdr header = TRY(CopyInMsghdr(task, msg_addr));
  UserSink sink(task, TRY(CopyInMessageIovecs(task, header)));
  ReceiveRequest request{sink, flags, true};
  const int64_t n = TRY(DoReceive(task, socket, request));
  TRY(CopyOutReceived(task, msg_addr, header, request));
  return n;
}

SyscallResult DoAccept(Task& task, int fd, GuestAddr addr, GuestAddr size_addr, int flags) {
  TRY(task.fds().GetForIo(fd));
  if (flags & ~kTypeFlags) return Errno(EINVAL);
  RefPtr<Socket> listener = TRY(GetSocket(task, fd));
  RefPtr<Socket> socket =
      TRY(Await(task, *listener, EPOLLIN | EPOLLERR | EPOLLHUP, false, listener->receive_timeout_ns(),
                [&] { return listener->Accept(task, flags & SOCK_NONBLOCK); }));
  const auto peer = socket->GetPeer();
  const SyscallResult installed = InstallFd(task, std::move(socket), flags & SOCK_CLOEXEC);
  if (!installed.ok() || addr == 0) return installed;
  const auto copied = CopyOutAddress(task, peer.ok() ? *peer : SocketAddress(), addr, size_addr);
  if (copied.ok()) return installed;
  (void)task.fds().Remove(static_cast<int>(*installed));
  return copied.error();
}

Result<void> InstallPair(Task& task, SocketPair pair, bool cloexec, GuestAddr fds_addr) {
  int fds[2];
  fds[0] = static_cast<int>(TRY(InstallFd(task, std::move(pair.first), cloexec)));
  const SyscallResult second = InstallFd(task, std::move(pair.second), cloexec);
  Result<void> result = second.ok() ? Result<void>() : second.error();
  if (second.ok()) {
    fds[1] = static_cast<int>(*second);
    result = task.CopyOut(fds_addr, fds, sizeof(fds));
    if (result.ok()) return result;
    (void)task.fds().Remove(fds[1]);
  }
  (void)task.fds().Remove(fds[0]);
  return result;
}

}  // namespace

// socket(2)
SyscallResult SysSocket(Task& task, int domain, int type, int protocol) {
  if (type & ~(0xf | kTypeFlags)) return Errno(EINVAL);
  return InstallFd(task, TRY(NewSocket(task, domain, type, protocol)), type & SOCK_CLOEXEC);
}

// socketpair(2)
SyscallResult SysSocketpair(Task& task, int domain, int type, int protocol, GuestAddr fds_addr) {
  if (type & ~(0xf | kTypeFlags)) return Errno(EINVAL);
  constexpr int kNone[2] = {-1, -1};  // the place is written to before there are sockets
  TRY(task.CopyOut(fds_addr, kNone, sizeof(kNone)));
  TRY(InstallPair(task, TRY(NewSocketPair(task, domain, type, protocol)), type & SOCK_CLOEXEC, fds_addr));
  return int64_t{0};
}

// bind(2)
SyscallResult SysBind(Task& task, int fd, GuestAddr addr, int size) {
  RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  TRY(socket->Bind(task, TRY(CopyInAddress(task, addr, size))));
  return int64_t{0};
}

// listen(2)
SyscallResult SysListen(Task& task, int fd, int backlog) {
  RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  TRY(socket->Listen(task, backlog));
  return int64_t{0};
}

// accept(2)
SyscallResult SysAccept(Task& task, int fd, GuestAddr addr, GuestAddr size_addr) {
  return DoAccept(task, fd, addr, size_addr, 0);
}

// accept4(2)
SyscallResult SysAccept4(Task& task, int fd, GuestAddr addr, GuestAddr size_addr, int flags) {
  return DoAccept(task, fd, addr, size_addr, flags);
}

// connect(2)
SyscallResult SysConnect(Task& task, int fd, GuestAddr addr, int size) {
  TRY(task.fds().GetForIo(fd));
  const SocketAddress address = TRY(CopyInAddress(task, addr, size));
  RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  const auto connected = Await(task, *socket, kWriteEvents, false, socket->send_timeout_ns(),
                               [&] { return socket->Connect(task, address); });
  if (connected.ok()) return int64_t{0};
  // A connection goes on being made after SO_SNDTIMEO.
  const bool goes_on = connected.error() == Errno(EAGAIN) && socket->domain() != AF_UNIX;
  return goes_on ? Errno(EINPROGRESS) : connected.error();
}

// getsockname(2)
SyscallResult SysGetsockname(Task& task, int fd, GuestAddr addr, GuestAddr size_addr) {
  RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  TRY(CopyOutAddress(task, TRY(socket->GetName()), addr, size_addr));
  return int64_t{0};
}

// getpeername(2)
SyscallResult SysGetpeername(Task& task, int fd, GuestAddr addr, GuestAddr size_addr) {
  RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  TRY(CopyOutAddress(task, TRY(socket->GetPeer()), addr, size_addr));
  return int64_t{0};
}

// shutdown(2)
SyscallResult SysShutdown(Task& task, int fd, int how) {
  RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  TRY(socket->Shutdown(how));
  return int64_t{0};
}

// setsockopt(2)
SyscallResult SysSetsockopt(Task& task, int fd, int level, int name, GuestAddr addr, int size) {
  RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  if (size < 0) return Errno(EINVAL);
  if (level == SOL_SOCKET && name != SO_BINDTODEVICE && size < static_cast<int>(sizeof(int))) return Errno(EINVAL);
  if (socket->domain() == AF_UNIX && level != SOL_SOCKET) return Errno(EOPNOTSUPP);  // has none, whatever it is
  std::string value(std::min<size_t>(static_cast<size_t>(size), kMaxOption), '\0');
  if (!value.empty()) TRY(task.CopyIn(addr, value.data(), value.size()));
  TRY(socket->SetOption(task, level, name, value));
  return int64_t{0};
}

// getsockopt(2)
SyscallResult SysGetsockopt(Task& task, int fd, int level, int name, GuestAddr addr, GuestAddr size_addr) {
  RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  const int room = TRY(task.CopyInObject<int>(size_addr));
  if (room < 0) return Errno(EINVAL);
  const std::string value = TRY(socket->GetOption(task, level, name));
  const size_t n = std::min<size_t>(value.size(), static_cast<size_t>(room));
  if (n > 0) TRY(task.CopyOut(addr, value.data(), n));
  TRY(task.CopyOutObject(size_addr, static_cast<int>(n)));
  return int64_t{0};
}

// sendto(2)
SyscallResult SysSendto(Task& task, int fd, GuestAddr buf, uint64_t size, int flags, GuestAddr addr, int addr_size) {
  TRY(CheckUserRange(buf, std::min(size, kMaxRwCount)));
  RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  SocketAddress to;
  if (addr != 0) to = TRY(CopyInAddress(task, addr, addr_size));
  UserSource source(task, buf, size);
  SendRequest request{source, flags, to.size > 0 ? &to : nullptr};
  return DoSend(task, *socket, request);
}

// recvfrom(2)
SyscallResult SysRecvfrom(Task& task, int fd, GuestAddr buf, uint64_t size, int flags, GuestAddr addr,
                          GuestAddr size_addr) {
  TRY(CheckUserRange(buf, std::min(size, kMaxRwCount)));
  RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  UserSink sink(task, buf, size);
  ReceiveRequest request{sink, flags};
  const int64_t n = TRY(DoReceive(task, *socket, request));
  if (addr != 0) TRY(CopyOutAddress(task, request.from, addr, size_addr));
  return n;
}

// sendmsg(2)
SyscallResult SysSendmsg(Task& task, int fd, GuestAddr msg, int flags) {
  RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  return SendMessage(task, *socket, msg, flags);
}

// recvmsg(2)
SyscallResult SysRecvmsg(Task& task, int fd, GuestAddr msg, int flags) {
  RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  return ReceiveMessage(task, *socket, msg, flags);
}

// sendmmsg(2)
SyscallResult SysSendmmsg(Task& task, int fd, GuestAddr messages, uint32_t count, int flags) {
  RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  count = std::min(count, kMaxMessages);
  for (uint32_t i = 0; i < count; ++i) {
    const GuestAddr at = messages + i * kMsghdrStride;
    const SyscallResult n = SendMessage(task, *socket, at, flags);
    if (!n.ok()) return i > 0 ? SyscallResult(int64_t{i}) : n;
    TRY(task.CopyOutObject(at + sizeof(GuestMsghdr), static_cast<uint32_t>(*n)));
  }
  return int64_t{count};
}

// recvmmsg(2): the timeout is looked at between messages only, as on Linux.
SyscallResult SysRecvmmsg(Task& task, int fd, GuestAddr messages, uint32_t count, int flags, GuestAddr timeout) {
  Deadline deadline = kNever;
  if (timeout != 0) {
    const timespec ts = TRY(task.CopyInObject<timespec>(timeout));
    if (!IsValidTimespec(ts)) return Errno(EINVAL);
    deadline = DeadlineAfter(Kernel::MonotonicNs(), ToNs(ts));
  }
  RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  count = std::min(count, kMaxMessages);
  uint32_t done = 0;
  while (done < count) {
    const GuestAddr at = messages + done * kMsghdrStride;
    const SyscallResult n = ReceiveMessage(task, *socket, at, flags & ~MSG_WAITFORONE);
    if (!n.ok()) return done > 0 ? SyscallResult(int64_t{done}) : n;
    TRY(task.CopyOutObject(at + sizeof(GuestMsghdr), static_cast<uint32_t>(*n)));
    ++done;
    if (flags & MSG_WAITFORONE) flags |= MSG_DONTWAIT;
    if (Kernel::MonotonicNs() >= deadline) break;
  }
  return int64_t{done};
}

}  // namespace runsc
