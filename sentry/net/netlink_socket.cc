// The socket calls of netlink.
#include "sentry/net/netlink_socket.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "sentry/kernel/task.h"
#include "sentry/net/option_values.h"

namespace runsc {
namespace {

constexpr size_t kMaxRequest = 65536;
constexpr int kMaxReceiveBuffer = 1 << 20;  // whatever SO_RCVBUFFORCE says
constexpr size_t kOverhead = 256;           // what a datagram costs beside its bytes
constexpr size_t kDatagram = 8192;          // answers share one up to this size
constexpr int kSolNetlink = 270;

struct Ports {
  static constexpr uint32_t kHighest = 0xffffefff, kLowest = 0x80000000;  // no process has such a number
  Mutex mu{LockRank::kSocket};
  uint32_t next = kHighest;  // guarded by mu: so that nobody looks through those taken
  // By stack, protocol and port.
  std::map<std::tuple<const NetStack*, int, uint32_t>, const NetlinkSocket*> taken;  // guarded by mu
};

Ports& ThePorts() {
  static Ports* const ports = new Ports;
  return *ports;
}

bool TakePort(const NetStack* stack, int protocol, uint32_t port, const NetlinkSocket* socket) {
  MutexLock l(ThePorts().mu);
  return ThePorts().taken.emplace(std::tuple(stack, protocol, port), socket).second;
}

uint32_t TakeAnyPort(const NetStack* stack, int protocol, const NetlinkSocket* socket) {
  Ports& ports = ThePorts();
  MutexLock l(ports.mu);
  for (;;) {
    const uint32_t port = ports.next;
    ports.next = port > Ports::kLowest ? port - 1 : Ports::kHighest;
    if (ports.taken.emplace(std::tuple(stack, protocol, port), socket).second) return port;
  }
}

SocketAddress Address(uint32_t port, uint32_t groups) {
  sockaddr_nl nl{};
  nl.nl_family = AF_NETLINK;
  nl.nl_pid = port;
  nl.nl_groups = groups;
  SocketAddress out;
  std::memcpy(&out.storage, &nl, out.size = sizeof(nl));
  return out;
}

Result<sockaddr_nl> Parse(const SocketAddress& address) {
  sockaddr_nl nl;
  if (address.size < sizeof(nl) || address.family() != AF_NETLINK) return Errno(EINVAL);
  std::memcpy(&nl, &address.storage, sizeof(nl));
  return nl;
}

}  // namespace

const char NetlinkSocket::kKind = 0;

NetlinkSocket::NetlinkSocket(RefPtr<AnonInode> inode, RefPtr<NetStack> stack, int type, int protocol, int flags)
    : Socket(std::move(inode), AF_NETLINK, type, protocol, flags), stack_(std::move(stack)) {}

NetlinkSocket::~NetlinkSocket() {
  MutexLock l(ThePorts().mu);
  auto it = ThePorts().taken.find({stack_.get(), protocol(), port_.load()});
  if (it != ThePorts().taken.end() && it->second == this) ThePorts().taken.erase(it);
}

// The process' number if it is free, else one no process has.
void NetlinkSocket::EnsurePort(Task& task) {
  if (port_.load() != 0) return;
  const auto own = static_cast<uint32_t>(task.pid());
  port_ = TakePort(stack_.get(), protocol(), own, this) ? own : TakeAnyPort(stack_.get(), protocol(), this);
}

Result<void> NetlinkSocket::Bind(Task& task, const SocketAddress& address) {
  const sockaddr_nl nl = TRY(Parse(address));
  if (port_.load() != 0 && nl.nl_pid != port_.load()) return Errno(EINVAL);
  if (port_.load() == 0 && nl.nl_pid != 0) {
    if (!TakePort(stack_.get(), protocol(), nl.nl_pid, this)) return Errno(EADDRINUSE);
    port_ = nl.nl_pid;
  }
  EnsurePort(task);
  groups_ = nl.nl_groups;
  return {};
}

Result<void> NetlinkSocket::Connect(Task& task, const SocketAddress& address) {
  if (address.size >= sizeof(sa_family_t) && address.family() == AF_UNSPEC) return {};
  const sockaddr_nl nl = TRY(Parse(address));
  if (nl.nl_pid != 0) return Errno(ECONNREFUSED);  // other processes are not spoken to
  EnsurePort(task);
  return {};
}

Result<SocketAddress> NetlinkSocket::GetName() { return Address(port_, groups_); }
Result<SocketAddress> NetlinkSocket::GetPeer() { return Address(0, 0); }

Result<size_t> NetlinkSocket::Send(Task& task, SendRequest& request) {
  if (request.flags & MSG_OOB) return Errno(EOPNOTSUPP);
  if (request.to != nullptr && TRY(Parse(*request.to)).nl_pid != 0) return Errno(ECONNREFUSED);
  const size_t size = request.src.remaining();
  if (size > kMaxRequest) return Errno(EMSGSIZE);
  std::string bytes(size, '\0');
  if (size > 0) bytes.resize(TRY(request.src.Read(std::as_writable_bytes(std::span(bytes)))));
  if (bytes.size() != size) return Errno(EFAULT);
  EnsurePort(task);
  for (size_t at = 0; at + sizeof(nlmsghdr) <= size;) {
    nlmsghdr header;
    std::memcpy(&header, bytes.data() + at, sizeof(header));
    if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > size - at) break;
    Serve(task, header, std::string_view(bytes).substr(at + sizeof(header), header.nlmsg_len - sizeof(header)));
    at += NLMSG_ALIGN(header.nlmsg_len);
  }
  return size;
}

void NetlinkSocket::Serve(Task& task, const nlmsghdr& header, std::string_view body) {
  if (!(header.nlmsg_flags & NLM_F_REQUEST) || header.nlmsg_type < NLMSG_MIN_TYPE) return;
  NetlinkRequest request{task, *stack_, header, body, port_.load(), {}};
  Result<void> served = Errno(EOPNOTSUPP);
  if (protocol() == NETLINK_ROUTE) served = ServeRoute(request);
  if (protocol() == NETLINK_SOCK_DIAG) served = ServeSockDiag(request);
  Reply(request, served.ok() ? Errno(0) : served.error());
}

// The answers, in datagrams of a bounded size, and the end mark, error or acknowledgement.
void NetlinkSocket::Reply(const NetlinkRequest& request, Errno error) {
  const nlmsghdr& asked = request.header;
  std::vector<std::string> datagrams;
  std::string datagram;
  if (error.value() == 0) {
    for (const NetlinkMessage& answer : request.answers) {
      if (!datagram.empty() && datagram.size() + answer.bytes().size() > kDatagram) {
        datagrams.push_back(std::exchange(datagram, {}));
      }
      datagram += answer.bytes();
    }
  }
  if (error.value() == 0 && request.dump()) {
    NetlinkMessage done(NLMSG_DONE, NLM_F_MULTI, asked.nlmsg_seq, request.port);
    done.Append(int{0});
    datagram += done.bytes();
  } else if (error.value() != 0 || (asked.nlmsg_flags & NLM_F_ACK)) {
    if (!datagram.empty()) datagrams.push_back(std::exchange(datagram, {}));
    NetlinkMessage result(NLMSG_ERROR, NLM_F_CAPPED, asked.nlmsg_seq, request.port);
    result.Append(nlmsgerr{-error.value(), asked});
    datagram += result.bytes();
  }
  if (!datagram.empty()) datagrams.push_back(std::move(datagram));
  if (!datagrams.empty()) QueueAll(std::move(datagrams));
}

void NetlinkSocket::Queue(std::string datagram) {
  std::vector<std::string> one;
  one.push_back(std::move(datagram));
  QueueAll(std::move(one));
}

// The answer to one request is never cut: a socket holds its receive buffer and one answer at most.
void NetlinkSocket::QueueAll(std::vector<std::string> datagrams) {
  {
    MutexLock l(mu_);
    const int room = std::min(receive_buffer_.load(), kMaxReceiveBuffer);
    if (queued_bytes_ >= static_cast<size_t>(room)) {
      overrun_ = true;
    } else {
      for (std::string& datagram : datagrams) {
        queued_bytes_ += datagram.size() + kOverhead;
        queued_.push_back(std::move(datagram));
      }
    }
  }
  queue_.Notify(EPOLLIN | EPOLLRDNORM);
}

Result<size_t> NetlinkSocket::Receive(Task& task, ReceiveRequest& request) {
  if (request.flags & MSG_OOB) return Errno(EOPNOTSUPP);
  std::string datagram;
  {
    MutexLock l(mu_);
    if (std::exchange(overrun_, false)) return Errno(ENOBUFS);
    if (queued_.empty()) return Errno(EAGAIN);
    datagram = queued_.front();
    if (!(request.flags & MSG_PEEK)) {
      queued_bytes_ -= datagram.size() + kOverhead;
      queued_.pop_front();
    }
  }
  const size_t wanted = std::min(datagram.size(), request.dst.remaining());
  if (wanted > 0) TRY(request.dst.Write(std::as_bytes(std::span(datagram)).first(wanted)));
  if (wanted < datagram.size()) request.out_flags |= MSG_TRUNC;
  request.from = Address(0, 0);
  if (pass_credentials_.load() && request.wants_control) request.control.credentials = ucred{0, 0, 0};
  if ((netlink_options_ & (1u << NETLINK_PKTINFO)) && request.wants_control) {
    request.control.items.push_back({kSolNetlink, NETLINK_PKTINFO, OptionBytes(nl_pktinfo{0})});
  }
  return request.flags & MSG_TRUNC ? datagram.size() : wanted;
}

EventMask NetlinkSocket::Readiness(EventMask mask) {
  MutexLock l(mu_);
  EventMask ready = EPOLLOUT | EPOLLWRNORM;
  if (!queued_.empty()) ready |= EPOLLIN | EPOLLRDNORM;
  if (overrun_) ready |= EPOLLERR;
  return ready & (mask | EPOLLERR);
}

Result<std::string> NetlinkSocket::GetOption(Task& task, int level, int name) {
  if (level == kSolNetlink && name > 0 && name < 32)
    return OptionBytes(static_cast<int>((netlink_options_ >> name) & 1));
  if (level != SOL_SOCKET) return Errno(ENOPROTOOPT);
  switch (name) {
    case SO_TYPE:
      return OptionBytes(type());
    case SO_DOMAIN:
      return OptionBytes(domain());
    case SO_PROTOCOL:
      return OptionBytes(protocol());
    case SO_ERROR:
    case SO_ACCEPTCONN:
      return OptionBytes(int{0});
    case SO_SNDBUF:
      return OptionBytes(send_buffer_.load());
    case SO_RCVBUF:
      return OptionBytes(receive_buffer_.load());
    case SO_PASSCRED:
      return OptionBytes(int{pass_credentials_.load()});
    case SO_RCVTIMEO:
      return TimeoutOption(receive_timeout_ns_);
    default:
      return Errno(ENOPROTOOPT);
  }
}

Result<void> NetlinkSocket::SetOption(Task& task, int level, int name, std::string_view value) {
  if (level == SOL_SOCKET && name == SO_RCVTIMEO) {
    receive_timeout_ns_ = TRY(ParseTimeoutOption(value));
    return {};
  }
  const int number = TRY(ParseIntOption(value));
  if (level == kSolNetlink) {
    // Memberships: nothing ever changes here that a group would be told of.
    if (name <= 0 || name > NETLINK_GET_STRICT_CHK) return Errno(ENOPROTOOPT);
    netlink_options_ = number != 0 ? netlink_options_ | (1u << name) : netlink_options_ & ~(1u << name);
    return {};
  }
  if (level != SOL_SOCKET) return Errno(ENOPROTOOPT);
  switch (name) {
    case SO_PASSCRED:
      pass_credentials_ = number != 0;
      return {};
    case SO_SNDBUF:
    case SO_RCVBUF:
      (name == SO_SNDBUF ? send_buffer_ : receive_buffer_) = BufferSizeOption(number, false);
      return {};
    case SO_SNDBUFFORCE:
    case SO_RCVBUFFORCE:
      if (!task.creds()->Has(CAP_NET_ADMIN)) return Errno(EPERM);
      (name == SO_SNDBUFFORCE ? send_buffer_ : receive_buffer_) = BufferSizeOption(number, true);
      return {};
    default:
      return Errno(ENOPROTOOPT);
  }
}

Result<RefPtr<Socket>> NewNetlinkSocket(Task& task, int type, int protocol) {
  const int flags = type & SOCK_NONBLOCK;
  type &= ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (type != SOCK_RAW && type != SOCK_DGRAM) return Errno(ESOCKTNOSUPPORT);
  if (protocol != NETLINK_ROUTE && protocol != NETLINK_SOCK_DIAG) return Errno(EPROTONOSUPPORT);
  return RefPtr<Socket>(
      MakeRef<NetlinkSocket>(NewSocketInode(task), NetStackOf(task), type, protocol, flags & O_NONBLOCK));
}

}  // namespace runsc
