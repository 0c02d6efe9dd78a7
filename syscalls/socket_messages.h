// struct msghdr and its ancillary data: between guest memory and SendRequest/ReceiveRequest.
#pragma once

#include "sentry/kernel/task.h"
#include "sentry/net/socket.h"

namespace runsc {

// The kernel's struct user_msghdr.
struct GuestMsghdr {
  GuestAddr name;
  int32_t name_size;
  GuestAddr iov;
  uint64_t iov_count;
  GuestAddr control;
  uint64_t control_size;
  uint32_t flags;
};
static_assert(sizeof(GuestMsghdr) == 56);

// EINVAL for impossible sizes.
Result<SocketAddress> CopyInAddress(Task& task, GuestAddr addr, int size);
// Writes as much of `address` as the guest has room for, and its full size to the int at `size_addr`.
Result<void> CopyOutAddress(Task& task, const SocketAddress& address, GuestAddr addr, GuestAddr size_addr);

Result<GuestMsghdr> CopyInMsghdr(Task& task, GuestAddr addr);
Result<std::vector<iovec>> CopyInMessageIovecs(Task& task, const GuestMsghdr& header);
// SCM_RIGHTS and SCM_CREDENTIALS, with their checks.
Result<ControlData> CopyInControl(Task& task, const GuestMsghdr& header);

// Installs received descriptors and writes the ancillary data, as much as fits. Returns the bytes used and
// adds MSG_CTRUNC to *flags.
Result<uint64_t> CopyOutControl(Task& task, const GuestMsghdr& header, ControlData& control, bool cloexec, int* flags);

}  // namespace runsc
