// Backing memory from memfds.
#include "sentry/vfs/backing_store.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "sentry/vfs/stub_proc.h"

namespace runsc {
namespace {

int proc_root = -1;
int reserve = INT_MAX;  // where it begins

}  // namespace

void SetProcfsForReopen(int fd) { proc_root = fd; }

Result<UniqueFd> ReopenReadOnly(int fd) {
  if (proc_root < 0) return Errno(ENOENT);
  char name[32];
  snprintf(name, sizeof(name), "self/fd/%d", fd);
  return UniqueFd(TRY(FromHost(openat(proc_root, name, O_RDONLY | O_CLOEXEC))));
}

Result<UniqueFd> OpenStubProc(pid_t pid, const char* file) {
  if (proc_root < 0) return Errno(ENOENT);
  char name[64];
  snprintf(name, sizeof(name), "%d/%s", pid, file);
  return UniqueFd(TRY(FromHost(openat(proc_root, name, O_RDONLY | O_CLOEXEC))));
}

void ReserveDescriptors() {
  constexpr rlim_t kShare = 8;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX) return;
  reserve = static_cast<int>(limit.rlim_cur - limit.rlim_cur / kShare);
}

// The host gives the lowest number that is free.
Result<UniqueFd> MemfdStore::CreateFile(const char* name) {
  UniqueFd fd(TRY(FromHost(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING))));
  return fd.get() < reserve ? Result<UniqueFd>(std::move(fd)) : Errno(ENFILE);
}

}  // namespace runsc
