// Reading and writing sockets as files, and choosing the family.
#include "sentry/net/socket.h"

#include "sentry/kernel/task.h"
#include "sentry/net/inet_socket.h"
#include "sentry/net/netlink_socket.h"
#include "sentry/net/unix_socket.h"

namespace runsc {

Result<size_t> Socket::Read(Task& task, IoSink& dst, const int64_t* offset) {
  if (offset != nullptr) return Errno(ESPIPE);
  if (dst.remaining() == 0) return size_t{0};
  ReceiveRequest request{dst};
  return Receive(task, request);
}

Result<size_t> Socket::Write(Task& task, IoSource& src, const int64_t* offset) {
  if (offset != nullptr) return Errno(ESPIPE);
  SendRequest request{src};
  return Send(task, request);
}

RefPtr<AnonInode> NewSocketInode(Task& task) {
  return MakeRef<AnonInode>(AnonFs::Sockets(), task.kernel().NextSocketCookie(), S_IFSOCK | 0777, *task.creds());
}

Result<RefPtr<Socket>> NewSocket(Task& task, int domain, int type, int protocol) {
  if (domain == AF_INET || domain == AF_INET6) return NewInetSocket(task, domain, type, protocol);
  if (domain == AF_NETLINK) return NewNetlinkSocket(task, type, protocol);
  if (domain != AF_UNIX) return Errno(EAFNOSUPPORT);
  return NewUnixSocket(task, type, protocol);
}

Result<SocketPair> NewSocketPair(Task& task, int domain, int type, int protocol) {
  if (domain == AF_INET || domain == AF_INET6) {
    TRY(NewSocket(task, domain, type, protocol));  // what is wrong with it comes first
    return Errno(EOPNOTSUPP);                      // these have no pairs anywhere
  }
  if (domain != AF_UNIX) return Errno(EAFNOSUPPORT);
  return NewUnixSocketPair(task, type, protocol);
}

}  // namespace runsc
