#include "runsc-cli/sandbox/sealed_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "platform/host/status_util.h"

namespace runsc {

absl::StatusOr<UniqueFd> SealedCopy(std::string_view bytes) {
  UniqueFd fd(memfd_create("config.json", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return HostError(errno, "create memory file");
  if (write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    return HostError(errno, "write memory file");
  }
  lseek(fd.get(), 0, SEEK_SET);
  fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
  return fd;
}

}  // namespace runsc
