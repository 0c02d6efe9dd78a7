// Descriptors beside a message to a unix socket (unix(7), SCM_RIGHTS).
#pragma once

#include <sys/socket.h>

#include <cstring>
#include <span>
#include <vector>

#include "platform/base/unique_fd.h"

namespace runsc {

// Room for up to kMax of them; it must live as long as the message.
template <size_t kMax>
struct FdRoom {
  alignas(cmsghdr) char bytes[CMSG_SPACE(kMax * sizeof(int))] = {};

  // Before recvmsg(2).
  void Offer(msghdr& message) {
    message.msg_control = bytes;
    message.msg_controllen = sizeof(bytes);
  }

  // One to kMax descriptors.
  void Attach(msghdr& message, std::span<const int> fds) {
    message.msg_control = bytes;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
};

// Whether sendmsg(2), which returned `sent`, is to be called again: it was interrupted, or its user has too many
// descriptors in messages that nobody has received yet, all his programs together. That passes: this waits a moment.
bool ShouldSendAgain(ssize_t sent);

// All that came beside a received message, so that none stays open unowned.
std::vector<UniqueFd> TakeFds(msghdr& message);

}  // namespace runsc
