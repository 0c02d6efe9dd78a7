// sock_diag(7): lists of sockets, for ss.
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/tcp.h>

#include <cstring>

#include "sentry/kernel/task.h"
#include "sentry/net/netlink_socket.h"
#include "sentry/net/socket_listing.h"
#include "sentry/net/unix_endpoint.h"

namespace runsc {
namespace {

void PutAddress(const IpEndpoint& endpoint, int family, __be16& port, __be32 (&words)[4]) {
  port = htons(endpoint.port);
  std::memset(words, 0, sizeof(words));
  const uint8_t* bytes = endpoint.address.bytes.data();
  if (family == AF_INET) {
    if (endpoint.address.is_v4()) std::memcpy(words, bytes + 12, 4);
  } else {
    std::memcpy(words, bytes, 16);
  }
}

void DescribeInet(NetlinkRequest& request, const SocketListing& s) {
  NetlinkMessage& message = request.Answer(SOCK_DIAG_BY_FAMILY);
  inet_diag_msg info{};
  info.idiag_family = static_cast<uint8_t>(s.family);
  info.idiag_state = static_cast<uint8_t>(s.state);
  PutAddress(s.local, s.family, info.id.idiag_sport, info.id.idiag_src);
  PutAddress(s.remote, s.family, info.id.idiag_dport, info.id.idiag_dst);
  info.id.idiag_cookie[0] = static_cast<uint32_t>(s.ino);
  info.idiag_rqueue = static_cast<uint32_t>(s.receive_queue);
  info.idiag_wqueue = static_cast<uint32_t>(s.send_queue);
  info.idiag_uid = s.uid;
  if (s.left_ns > 0) {
    info.idiag_timer = kWaitTimer;
    info.idiag_expires = static_cast<uint32_t>(s.left_ns / 1'000'000);
  }
  info.idiag_inode = static_cast<uint32_t>(s.ino);
  message.Append(info);
  message.Attribute(INET_DIAG_SHUTDOWN, uint8_t{0});
  if (s.family == AF_INET6) message.Attribute(INET_DIAG_SKV6ONLY, uint8_t{s.v6_only});
}

bool SameSocket(const inet_diag_sockid& id, const SocketListing& s) {
  return ntohs(id.idiag_sport) == s.local.port && ntohs(id.idiag_dport) == s.remote.port;
}

Result<void> ServeInet(NetlinkRequest& request) {
  if (request.body.size() < sizeof(inet_diag_req_v2)) return Errno(EINVAL);
  const auto wanted = ReadHeader<inet_diag_req_v2>(request.body);
  const bool tcp = wanted.sdiag_protocol == IPPROTO_TCP;
  if (!tcp && wanted.sdiag_protocol != IPPROTO_UDP) return Errno(ENOENT);
  for (const SocketListing& s : tcp ? ListTcp(request.stack) : ListUdp(request.stack)) {
    if (s.family != wanted.sdiag_family) continue;
    if (request.dump() ? !(wanted.idiag_states & (1u << s.state)) : !SameSocket(wanted.id, s)) continue;
    DescribeInet(request, s);
    if (!request.dump()) return {};
  }
  return request.dump() ? Result<void>() : Errno(ENOENT);
}

void DescribeUnix(NetlinkRequest& request, UnixEndpoint& endpoint, const UnixEndpoint::Status& s, int state,
                  uint32_t show) {
  NetlinkMessage& message = request.Answer(SOCK_DIAG_BY_FAMILY);
  unix_diag_msg info{};
  info.udiag_family = AF_UNIX;
  info.udiag_type = static_cast<uint8_t>(s.type);
  info.udiag_state = static_cast<uint8_t>(state);
  info.udiag_ino = static_cast<uint32_t>(s.ino);
  info.udiag_cookie[0] = info.udiag_ino;
  message.Append(info);
  if ((show & UDIAG_SHOW_NAME) && s.name != nullptr) {
    message.AttributeBytes(UNIX_DIAG_NAME, (s.name->abstract ? std::string(1, '\0') : std::string()) + s.name->path);
  }
  const RefPtr<UnixEndpoint> peer = show & UDIAG_SHOW_PEER ? endpoint.peer() : nullptr;
  if (peer) message.Attribute(UNIX_DIAG_PEER, static_cast<uint32_t>(peer->status().ino));
  if (show & UDIAG_SHOW_RQLEN) {
    message.Attribute(UNIX_DIAG_RQLEN, unix_diag_rqlen{static_cast<uint32_t>(endpoint.ReadableBytes()),
                                                       static_cast<uint32_t>(endpoint.UnsentBytes())});
  }
  message.Attribute(UNIX_DIAG_SHUTDOWN, uint8_t{0});
}

Result<void> ServeUnix(NetlinkRequest& request) {
  if (request.body.size() < sizeof(unix_diag_req)) return Errno(EINVAL);
  const auto wanted = ReadHeader<unix_diag_req>(request.body);
  if (!request.dump() && wanted.udiag_ino == 0) return Errno(EINVAL);
  for (const RefPtr<UnixEndpoint>& endpoint : UnixNames::Get().AllIn(&request.stack)) {
    const UnixEndpoint::Status s = endpoint->status();
    const int state = s.listening ? TCP_LISTEN : s.connected ? TCP_ESTABLISHED : TCP_CLOSE;
    if (request.dump() ? !(wanted.udiag_states & (1u << state)) : wanted.udiag_ino != s.ino) continue;
    DescribeUnix(request, *endpoint, s, state, wanted.udiag_show);
    if (!request.dump()) return {};
  }
  return request.dump() ? Result<void>() : Errno(ENOENT);
}

}  // namespace

// Families without a lister answer as a kernel without that module.
Result<void> ServeSockDiag(NetlinkRequest& request) {
  if (request.header.nlmsg_type != SOCK_DIAG_BY_FAMILY) return Errno(EINVAL);
  if (request.body.size() < sizeof(sock_diag_req)) return Errno(EINVAL);
  switch (ReadHeader<sock_diag_req>(request.body).sdiag_family) {
    case AF_INET:
    case AF_INET6:
      return ServeInet(request);
    case AF_UNIX:
      return ServeUnix(request);
    default:
      return Errno(ENOENT);
  }
}

}  // namespace runsc
