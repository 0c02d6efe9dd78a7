// Giving capabilities up, for good.
#include "platform/host/capabilities_unsafe.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/host/status_util.h"

namespace runsc {
namespace {

constexpr int kMostCapabilities = 64;

absl::Status LimitBoundingSet(uint64_t keep) {
  for (int cap = 0; cap < kMostCapabilities; cap++) {
    int present = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
    if (present < 0) break;  // beyond the last one the host knows
    if (present == 0 || (keep >> cap & 1) != 0) continue;
    if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0) {
      return HostError(errno, "drop capability %d from the bounding set", cap);
    }
  }
  return absl::OkStatus();
}

absl::Status LockSecureBits() {
  unsigned long bits = SECBIT_NOROOT | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_CAP_AMBIENT_RAISE | SECURE_ALL_LOCKS;
  if (prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) != 0) return HostError(errno, "set secure bits");
  return absl::OkStatus();
}

}  // namespace

absl::Status LimitCapabilities(uint64_t keep) {
  RETURN_IF_ERROR(LimitBoundingSet(keep));
  RETURN_IF_ERROR(LockSecureBits());
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) {
    return HostError(errno, "clear ambient capabilities");
  }
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[2] = {};
  for (int half = 0; half < 2; half++) {
    data[half].permitted = data[half].effective = static_cast<uint32_t>(keep >> (32 * half));
  }
  if (syscall(SYS_capset, &header, data) != 0) return HostError(errno, "capset");
  return absl::OkStatus();
}

}  // namespace runsc
