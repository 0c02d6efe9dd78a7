// The socket calls of host sockets.
#include "sentry/net/host_socket.h"

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "platform/netbroker/socket_rules.h"
#include "sentry/fs/host_notifier.h"
#include "sentry/fs/sigpipe.h"
#include "sentry/kernel/task.h"
#include "sentry/net/interfaces.h"
#include "sentry/net/ip_address.h"
#include "sentry/net/option_values.h"

namespace runsc {
namespace {

constexpr size_t kMostAtOnce = 65536;  // of a stream; a datagram is never larger
constexpr size_t kMaxControl = 2048;   // of what the kernel says about a message
constexpr size_t kMaxOption = 4096;
constexpr int kSendFlags = MSG_OOB | MSG_MORE | MSG_DONTROUTE | MSG_CONFIRM | MSG_EOR | MSG_FASTOPEN;
constexpr int kReceiveFlags = MSG_OOB | MSG_PEEK | MSG_TRUNC | MSG_ERRQUEUE;

std::string_view Bytes(const SocketAddress& address) {
  return {reinterpret_cast<const char*>(&address.storage), address.size};
}

Result<SocketAddress> ToAddress(const std::string& bytes) {
  SocketAddress out;
  if (bytes.size() > sizeof(out.storage)) return Errno(EIO);
  std::memcpy(&out.storage, bytes.data(), bytes.size());
  out.size = static_cast<uint32_t>(bytes.size());
  return out;
}

// The control messages of a send that say how one packet goes out.
Result<std::string> BuildControl(const ControlData* control) {
  std::string out;
  if (control == nullptr) return out;
  for (const ControlItem& item : control->items) {
    const bool ip = item.level == IPPROTO_IP && (item.type == IP_TOS || item.type == IP_TTL || item.type == IP_PKTINFO);
    const bool ip6 = item.level == IPPROTO_IPV6 &&
                     (item.type == IPV6_TCLASS || item.type == IPV6_HOPLIMIT || item.type == IPV6_PKTINFO);
    if ((!ip && !ip6) || item.data.size() > kMaxControl) return Errno(EINVAL);
    const cmsghdr header{CMSG_LEN(item.data.size()), item.level, item.type};
    out.append(reinterpret_cast<const char*>(&header), sizeof(header)).append(item.data);
    out.resize(CMSG_ALIGN(out.size()));
  }
  return out;
}

void TakeControl(msghdr& message, ControlData& control) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    const auto* data = reinterpret_cast<const char*>(CMSG_DATA(c));
    control.items.push_back({c->cmsg_level, c->cmsg_type, std::string(data, c->cmsg_len - CMSG_LEN(0))});
  }
}

RefPtr<HostSocket> Wrap(Task& task, RefPtr<NetStack> stack, UniqueFd fd, int domain, int type, int protocol,
                        int flags) {
  return MakeRef<HostSocket>(NewSocketInode(task), std::move(stack), std::move(fd), domain, type, protocol,
                             flags & O_NONBLOCK);
}

}  // namespace

const char HostSocket::kKind = 0;

HostSocket::HostSocket(RefPtr<AnonInode> inode, RefPtr<NetStack> stack, UniqueFd fd, int domain, int type, int protocol,
                       int flags)
    : Socket(std::move(inode), domain, type, protocol, flags), stack_(std::move(stack)), fd_(std::move(fd)) {}

HostSocket::~HostSocket() {
  if (watched_) HostNotifier::Get().Unwatch(fd_.get());
}

WaitQueue* HostSocket::wait_queue() {
  std::call_once(watch_once_, [this] { watched_ = HostNotifier::Get().Watch(fd_.get(), queue_).ok(); });
  return &queue_;
}

EventMask HostSocket::Readiness(EventMask mask) { return HostReadiness(fd_.get(), mask); }

Result<void> HostSocket::Bind(Task& task, const SocketAddress& address) {
  const auto parsed = ParseInetAddress(address, domain());
  const bool low = parsed.ok() && parsed->port != 0 && parsed->port < stack_->settings().at(NetSetting::kFirstOpenPort);
  if (low && !stack_->Allows(task, CAP_NET_BIND_SERVICE)) return Errno(EACCES);
  return broker().Bind(fd_.get(), Bytes(address));
}

Result<void> HostSocket::Listen(Task& task, int backlog) { return broker().Listen(fd_.get(), backlog); }

Result<RefPtr<Socket>> HostSocket::Accept(Task& task, int flags) {
  UniqueFd accepted(TRY(FromHost(accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC))));
  auto socket = Wrap(task, stack_, std::move(accepted), domain(), type(), protocol(), flags);
  socket->receive_timeout_ns_ = receive_timeout_ns_.load();
  socket->send_timeout_ns_ = send_timeout_ns_.load();
  return RefPtr<Socket>(std::move(socket));
}

// What became of a connection that a blocking connect(2) waits for.
Result<void> HostSocket::FinishConnect() {
  if (HostReadiness(fd_.get(), EPOLLOUT) == 0) return Errno(EAGAIN);
  connecting_ = false;
  int error = 0;
  socklen_t size = sizeof(error);
  TRY(FromHost(getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size)));
  return error == 0 ? Result<void>() : Errno(error);
}

Result<void> HostSocket::Connect(Task& task, const SocketAddress& address) {
  if (connecting_ && !nonblocking()) return FinishConnect();
  const auto result = broker().Connect(fd_.get(), Bytes(address));
  if (result.ok() || nonblocking()) return result;
  // The host socket never blocks; the guest's does.
  if (!(result.error() == Errno(EINPROGRESS)) && !(result.error() == Errno(EALREADY))) return result;
  connecting_ = true;
  return Errno(EAGAIN);
}

Result<void> HostSocket::Shutdown(int how) { return broker().Shutdown(fd_.get(), how); }
Result<SocketAddress> HostSocket::GetName() { return ToAddress(TRY(broker().GetName(fd_.get()))); }
Result<SocketAddress> HostSocket::GetPeer() { return ToAddress(TRY(broker().GetPeer(fd_.get()))); }

Result<size_t> HostSocket::Send(Task& task, SendRequest& request) {
  const bool stream = type() == SOCK_STREAM;
  if (!stream && request.src.remaining() > kMostAtOnce) return Errno(EMSGSIZE);
  const size_t size = std::min(request.src.remaining(), kMostAtOnce);
  std::string control = TRY(BuildControl(request.control));
  const std::unique_ptr<std::byte[]> buffer(new std::byte[std::max<size_t>(size, 1)]);
  const size_t read = size == 0 ? 0 : TRY(request.src.Read({buffer.get(), size}));
  if (!stream && read != size) return Errno(EFAULT);
  iovec iov{buffer.get(), read};
  msghdr message{.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.data(), .msg_controllen = control.size()};
  SocketAddress to;
  if (request.to != nullptr) {
    to = *request.to;
    message.msg_name = &to.storage;
    message.msg_namelen = to.size;
  }
  const auto sent = FromHost(sendmsg(fd_.get(), &message, (request.flags & kSendFlags) | MSG_DONTWAIT | MSG_NOSIGNAL));
  if (sent.ok()) {
    request.src.Unread(read - static_cast<size_t>(*sent));
    return static_cast<size_t>(*sent);
  }
  request.src.Unread(read);
  const bool broken = stream && sent.error() == Errno(EPIPE) && !(request.flags & MSG_NOSIGNAL);
  return broken ? BrokenPipe(task) : Result<size_t>(sent.error());
}

Result<size_t> HostSocket::Receive(Task& task, ReceiveRequest& request) {
  const size_t size = std::min(request.dst.remaining(), kMostAtOnce);
  const std::unique_ptr<std::byte[]> buffer(new std::byte[std::max<size_t>(size, 1)]);
  alignas(cmsghdr) char control[kMaxControl];
  iovec iov{buffer.get(), size};
  msghdr message{
      .msg_name = &request.from.storage, .msg_namelen = sizeof(request.from.storage), .msg_iov = &iov, .msg_iovlen = 1};
  if (request.wants_control) {
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
  }
  const auto n = TRY(FromHost(recvmsg(fd_.get(), &message, (request.flags & kReceiveFlags) | MSG_DONTWAIT)));
  const size_t got = static_cast<size_t>(n), there = std::min(got, size);
  const bool discards = type() == SOCK_STREAM && (request.flags & MSG_TRUNC) && !(request.flags & MSG_PEEK);
  if (there > 0 && !discards && TRY(request.dst.Write({buffer.get(), there})) < there) return Errno(EFAULT);
  request.from.size = message.msg_namelen;
  request.out_flags |= message.msg_flags & (MSG_TRUNC | MSG_CTRUNC | MSG_OOB | MSG_ERRQUEUE);
  if (request.wants_control) TakeControl(message, request.control);
  return got;
}

Result<std::string> HostSocket::GetOption(Task& task, int level, int name) {
  if (level == SOL_SOCKET && name == SO_RCVTIMEO) return TimeoutOption(receive_timeout_ns_);
  if (level == SOL_SOCKET && name == SO_SNDTIMEO) return TimeoutOption(send_timeout_ns_);
  if (level == SOL_SOCKET && name == SO_PEERCRED) return OptionBytes(ucred{0, ~uid_t{0}, ~gid_t{0}});
  if (level == SOL_SOCKET && name == SO_COOKIE) return OptionBytes(uint64_t{ino()});
  if (!MayReadOption(level, name)) return Errno(ENOPROTOOPT);
  char value[kMaxOption] = {};
  socklen_t size = sizeof(value);
  TRY(FromHost(getsockopt(fd_.get(), level, name, value, &size)));
  return std::string(value, size);
}

Result<void> HostSocket::CheckSetOption(Task& task, int level, int name) const {
  const bool admin = level == SOL_SOCKET && (name == SO_MARK || name == SO_SNDBUFFORCE || name == SO_RCVBUFFORCE);
  if (admin) return Errno(EPERM);  // nobody here has CAP_NET_ADMIN over the host's network
  if (level == SOL_SOCKET && name == SO_BINDTODEVICE && !stack_->Allows(task, CAP_NET_RAW)) return Errno(EPERM);
  return MaySetOption(level, name) ? Result<void>() : Errno(ENOPROTOOPT);
}

Result<void> HostSocket::SetOption(Task& task, int level, int name, std::string_view value) {
  if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO)) {
    (name == SO_RCVTIMEO ? receive_timeout_ns_ : send_timeout_ns_) = TRY(ParseTimeoutOption(value));
    return {};
  }
  TRY(CheckSetOption(task, level, name));
  return broker().SetOption(fd_.get(), level, name, value);
}

Result<int64_t> HostSocket::Ioctl(Task& task, uint32_t request, uint64_t arg) {
  if (request != FIONREAD && request != SIOCOUTQ) return InterfaceIoctl(task, *stack_, request, arg);
  int value = 0;
  TRY(FromHost(ioctl(fd_.get(), request, &value)));
  TRY(task.CopyOutObject(arg, value));
  return int64_t{0};
}

Result<RefPtr<Socket>> NewHostSocket(Task& task, RefPtr<NetStack> stack, int domain, int type, int protocol,
                                     int flags) {
  if (type == SOCK_RAW && !stack->Allows(task, CAP_NET_RAW)) return Errno(EPERM);
  if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_RAW) return Errno(ESOCKTNOSUPPORT);
  if (!IsAllowedKind(domain, type, protocol)) return Errno(EPROTONOSUPPORT);
  UniqueFd fd = TRY(stack->host()->broker().Socket(domain, type, protocol));
  return RefPtr<Socket>(Wrap(task, std::move(stack), std::move(fd), domain, type, protocol, flags));
}

}  // namespace runsc
