#include "runsc-cli/sandbox/sealed_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/host/status_util.h"

namespace runsc {
namespace {

absl::StatusOr<UniqueFd> NewMemoryFile(const char* name) {
  UniqueFd fd(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return HostError(errno, "create memory file");
  return fd;
}

void Seal(const UniqueFd& fd) {
  lseek(fd.get(), 0, SEEK_SET);
  fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
}

}  // namespace

absl::StatusOr<UniqueFd> SealedCopy(std::string_view bytes) {
  ASSIGN_OR_RETURN(UniqueFd fd, NewMemoryFile("config.json"));
  if (write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    return HostError(errno, "write memory file");
  }
  Seal(fd);
  return fd;
}

absl::StatusOr<UniqueFd> SealedCopyOfFile(int file) {
  constexpr size_t kPiece = 1 << 30;
  struct stat st;
  if (fstat(file, &st) != 0) return HostError(errno, "descriptor %d", file);
  if (!S_ISREG(st.st_mode)) return absl::InvalidArgumentError("not a regular file");
  ASSIGN_OR_RETURN(UniqueFd fd, NewMemoryFile("program"));
  off_t offset = 0;
  ssize_t copied;
  do {
    copied = sendfile(fd.get(), file, &offset, kPiece);
  } while (copied > 0);
  if (copied < 0) return HostError(errno, "copy to memory file");
  Seal(fd);
  return fd;
}

}  // namespace runsc
