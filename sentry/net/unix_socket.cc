// Unix sockets: making, naming, connecting.
#include "sentry/net/unix_socket.h"

#include <sys/ioctl.h>

#include "sentry/fs/sigpipe.h"
#include "sentry/kernel/task.h"
#include "sentry/net/interfaces.h"
#include "sentry/net/unix_garbage.h"

#ifndef SIOCOUTQ
#define SIOCOUTQ TIOCOUTQ
#endif

namespace runsc {
namespace {

Result<int> CheckType(int type, int protocol) {
  if (protocol != 0 && protocol != AF_UNIX) return Errno(EPROTONOSUPPORT);
  if (type == SOCK_RAW) return SOCK_DGRAM;  // as Linux has it
  if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET) return Errno(ESOCKTNOSUPPORT);
  return type;
}

RefPtr<UnixSocket> Wrap(Task& task, RefPtr<UnixEndpoint> endpoint, int flags) {
  return MakeRef<UnixSocket>(NewSocketInode(task), std::move(endpoint), 0, flags & O_NONBLOCK);
}

Result<RefPtr<UnixEndpoint>> FindByPath(Task& task, const std::string& name) {
  const Path path = TRY(task.vfs().Lookup(task.resolver(), task.fs().cwd(), name, 0));
  TRY(task.vfs().CheckAccess(*task.creds(), path, W_OK));
  if (!S_ISSOCK(path.dentry->type())) return Errno(ECONNREFUSED);
  RefPtr<UnixEndpoint> found = UnixNames::Get().FindNode(*path.dentry->inode());
  if (!found) return Errno(ECONNREFUSED);
  return found;
}

// Whoever is bound to an address. ECONNREFUSED: nobody; ENOENT, EACCES... from the path.
Result<RefPtr<UnixEndpoint>> Find(Task& task, const NetStack* net, const SocketAddress& address) {
  const std::optional<UnixAddress> name = TRY(ParseUnixAddress(address));
  if (!name) return Errno(EINVAL);
  if (!name->abstract) return FindByPath(task, name->path);
  RefPtr<UnixEndpoint> found = UnixNames::Get().FindAbstract(net, name->path);
  if (!found) return Errno(ECONNREFUSED);
  return found;
}

}  // namespace

const char UnixSocket::kKind = 0;

ucred CredentialsOf(Task& task) { return {task.pid(), task.creds()->euid, task.creds()->egid}; }

UnixSocket::UnixSocket(RefPtr<AnonInode> inode, RefPtr<UnixEndpoint> endpoint, int protocol, int flags)
    : Socket(std::move(inode), AF_UNIX, endpoint->type(), protocol, flags), endpoint_(std::move(endpoint)) {
  endpoint_->ino = ino();
  endpoint_->file = this;
}

UnixSocket::~UnixSocket() {
  endpoint_->Close();
  CollectUnixGarbage(false);
}

Result<void> UnixSocket::Bind(Task& task, const SocketAddress& address) {
  std::optional<UnixAddress> name = TRY(ParseUnixAddress(address));
  if (endpoint_->name() != nullptr) return Errno(EINVAL);
  if (name && !name->abstract) return BindToNode(task, *name);
  return BindToAbstract(std::move(name));
}

Result<void> UnixSocket::BindToNode(Task& task, const UnixAddress& address) {
  const uint32_t mode = S_IFSOCK | 0777;
  auto node = task.vfs().MknodPath(task.resolver(), task.fs().cwd(), address.path, mode, 0);
  if (!node.ok()) return node.error() == Errno(EEXIST) ? Errno(EADDRINUSE) : node.error();
  UnixNames::Get().BindNode(*node->dentry->inode(), *endpoint_);
  return endpoint_->SetName(std::make_shared<UnixAddress>(address), *node);
}

Result<void> UnixSocket::BindToAbstract(std::optional<UnixAddress> address) {
  UnixNames& names = UnixNames::Get();
  if (address) {
    TRY(names.BindAbstract(address->path, *endpoint_));
  } else {
    address = UnixAddress{TRY(names.Autobind(*endpoint_)), true};
  }
  auto named = endpoint_->SetName(std::make_shared<UnixAddress>(*address), Path());
  if (!named.ok()) names.UnbindAbstract(address->path, *endpoint_);
  return named;
}

Result<void> UnixSocket::Listen(Task& task, int backlog) {
  if (!endpoint_->connection_based()) return Errno(EOPNOTSUPP);
  return endpoint_->Listen(backlog, CredentialsOf(task));
}

Result<RefPtr<Socket>> UnixSocket::Accept(Task& task, int flags) {
  if (!endpoint_->connection_based()) return Errno(EOPNOTSUPP);
  RefPtr<UnixEndpoint> accepted = TRY(endpoint_->Accept());
  RefPtr<UnixSocket> socket = Wrap(task, std::move(accepted), flags);
  socket->pass_credentials_ = pass_credentials_.load();
  socket->pass_pidfd_ = pass_pidfd_.load();
  return RefPtr<Socket>(std::move(socket));
}

Result<void> UnixSocket::Connect(Task& task, const SocketAddress& address) {
  if (!endpoint_->connection_based() && address.size >= sizeof(sa_family_t) && address.family() == AF_UNSPEC) {
    return endpoint_->ConnectDatagram(nullptr);
  }
  RefPtr<UnixEndpoint> other = TRY(Find(task, endpoint_->net().get(), address));
  if (endpoint_->connection_based()) {
    return UnixEndpoint::ConnectStream(*endpoint_, *other, CredentialsOf(task));
  }
  if (other->connection_based()) return Errno(EPROTOTYPE);
  const RefPtr<UnixEndpoint> theirs = other->peer();
  if (theirs && theirs != endpoint_) return Errno(EPERM);
  return endpoint_->ConnectDatagram(std::move(other));
}

Result<SocketAddress> UnixSocket::GetName() {
  const UnixAddressRef name = endpoint_->name();
  return name != nullptr ? name->ToSocketAddress() : UnnamedUnixAddress();
}

Result<SocketAddress> UnixSocket::GetPeer() {
  const RefPtr<UnixEndpoint> peer = endpoint_->peer();
  if (!peer) return Errno(ENOTCONN);
  const UnixAddressRef name = peer->name();
  return name != nullptr ? name->ToSocketAddress() : UnnamedUnixAddress();
}

Result<size_t> UnixSocket::Send(Task& task, SendRequest& request) {
  if ((request.flags & MSG_OOB) && endpoint_->type() != SOCK_STREAM) return Errno(EOPNOTSUPP);
  ucred sender = CredentialsOf(task);
  if (request.control != nullptr && request.control->credentials) sender = *request.control->credentials;
  if (endpoint_->type() == SOCK_STREAM) {
    if (request.to != nullptr) return endpoint_->connected() ? Errno(EISCONN) : Errno(EOPNOTSUPP);
    auto sent = endpoint_->SendStream(request, sender);
    const bool broken = !sent.ok() && sent.error() == Errno(EPIPE);
    return broken && !(request.flags & MSG_NOSIGNAL) ? BrokenPipe(task) : sent;
  }
  if (request.to == nullptr || endpoint_->connection_based()) {
    return endpoint_->SendMessage(nullptr, request, sender);
  }
  RefPtr<UnixEndpoint> to = TRY(Find(task, endpoint_->net().get(), *request.to));
  if (to->type() != SOCK_DGRAM) return Errno(EPROTOTYPE);
  return endpoint_->SendMessage(to.get(), request, sender);
}

Result<size_t> UnixSocket::Receive(Task& task, ReceiveRequest& request) {
  if (request.flags & MSG_OOB) {
    return endpoint_->type() == SOCK_STREAM ? endpoint_->ReceiveUrgent(request) : Errno(EOPNOTSUPP);
  }
  const bool pass_credentials = pass_credentials_.load(), pass_pidfd = pass_pidfd_.load();
  const bool want_credentials = (pass_credentials || pass_pidfd) && request.wants_control;
  const bool stream = endpoint_->type() == SOCK_STREAM;
  const auto n = stream ? endpoint_->ReceiveStream(request, want_credentials)
                        : endpoint_->ReceiveMessage(request, want_credentials);
  auto& credentials = request.control.credentials;
  if (credentials && pass_pidfd) request.control.pidfd_of = credentials->pid;
  if (!pass_credentials) credentials.reset();
  return n;
}

EventMask UnixSocket::Readiness(EventMask mask) { return endpoint_->Readiness() & (mask | EPOLLERR | EPOLLHUP); }

Result<int64_t> UnixSocket::Ioctl(Task& task, uint32_t request, uint64_t arg) {
  int value;
  if (request == FIONREAD) {
    if (endpoint_->listening()) return Errno(EINVAL);
    value = static_cast<int>(endpoint_->ReadableBytes());
  } else if (request == SIOCATMARK) {
    if (endpoint_->type() != SOCK_STREAM) return Errno(EOPNOTSUPP);
    value = endpoint_->AtMark();
  } else if (request == SIOCOUTQ) {
    value = static_cast<int>(endpoint_->UnsentBytes());
  } else {
    return InterfaceIoctl(task, *endpoint_->net(), request, arg);
  }
  TRY(task.CopyOutObject(arg, value));
  return int64_t{0};
}

Result<RefPtr<Socket>> NewUnixSocket(Task& task, int type, int protocol) {
  const int flags = type & SOCK_NONBLOCK;
  type = TRY(CheckType(type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), protocol));
  return RefPtr<Socket>(Wrap(task, MakeRef<UnixEndpoint>(type, CredentialsOf(task), NetStackOf(task)), flags));
}

Result<SocketPair> NewUnixSocketPair(Task& task, int type, int protocol) {
  const int flags = type & SOCK_NONBLOCK;
  type = TRY(CheckType(type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), protocol));
  RefPtr<UnixEndpoint> a = MakeRef<UnixEndpoint>(type, CredentialsOf(task), NetStackOf(task));
  RefPtr<UnixEndpoint> b = MakeRef<UnixEndpoint>(type, CredentialsOf(task), NetStackOf(task));
  UnixEndpoint::Pair(*a, *b);
  return SocketPair{Wrap(task, std::move(a), flags), Wrap(task, std::move(b), flags)};
}

}  // namespace runsc
