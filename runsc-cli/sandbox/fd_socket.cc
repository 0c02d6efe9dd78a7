#include "runsc-cli/sandbox/fd_socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "platform/base/fd_room.h"
#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"

namespace runsc {

absl::StatusOr<UniqueFd> ConnectToFdSocket(std::string_view what, const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return InvalidArgument(what, " socket: path too long: ", path);
  memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return HostError(errno, "create socket");
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return HostError(errno, "connect to %s socket %s", std::string(what).c_str(), path.c_str());
  }
  return fd;
}

absl::Status SendFd(int socket, int fd, std::string_view text) {
  iovec part{const_cast<char*>(text.data()), text.size()};
  msghdr packet{};
  packet.msg_iov = &part;
  packet.msg_iovlen = 1;
  FdRoom<1> room;
  room.Attach(packet, {&fd, 1});
  if (sendmsg(socket, &packet, MSG_NOSIGNAL) < 0) return HostError(errno, "send a descriptor");
  return absl::OkStatus();
}

absl::Status SendPidfd(const std::string& path, pid_t pid) {
  if (path.empty()) return absl::OkStatus();
  const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd.valid()) return HostError(errno, "pidfd_open");
  ASSIGN_OR_RETURN(const UniqueFd socket, ConnectToFdSocket("pidfd", path));
  return SendFd(socket.get(), pidfd.get(), "pidfd");
}

}  // namespace runsc
