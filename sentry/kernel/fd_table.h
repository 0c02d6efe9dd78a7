// The descriptors of a process (or of tasks sharing them with CLONE_FILES).
#pragma once

#include <functional>
#include <vector>

#include "platform/base/mutex.h"
#include "sentry/vfs/file.h"

namespace runsc {

class FdTable : public RefCounted {
 public:
  explicit FdTable(int max_fds = 1 << 20) : hard_limit_(max_fds) {}
  ~FdTable() override;

  Result<RefPtr<File>> Get(int fd) const;       // EBADF
  Result<RefPtr<File>> GetForIo(int fd) const;  // also EBADF for O_PATH files
  // Lowest free fd >= minimum and < limit (RLIMIT_NOFILE); EMFILE.
  Result<int> Install(RefPtr<File> file, bool cloexec, int minimum, uint64_t limit);
  // dup2/dup3: replaces what was there, which is returned for closing outside the lock.
  Result<RefPtr<File>> InstallAt(int fd, RefPtr<File> file, bool cloexec, uint64_t limit);
  Result<RefPtr<File>> Remove(int fd);  // EBADF
  std::vector<RefPtr<File>> RemoveRange(unsigned first, unsigned last);
  void SetCloexecRange(unsigned first, unsigned last);
  std::vector<RefPtr<File>> RemoveCloexec();  // exec
  Result<bool> GetCloexec(int fd) const;
  Result<void> SetCloexec(int fd, bool cloexec);
  RefPtr<FdTable> Fork() const;
  std::vector<int> OpenFds() const;  // /proc/PID/fd

 private:
  struct Entry {
    RefPtr<File> file;
    bool cloexec = false;
  };
  void GrowLocked(size_t count) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  RefPtr<File> TakeLocked(size_t fd) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  mutable Mutex mu_{LockRank::kFdTable};
  std::vector<Entry> entries_ ABSL_GUARDED_BY(mu_);
  int first_free_ ABSL_GUARDED_BY(mu_) = 0;  // no free fd below
  const int hard_limit_;
};

}  // namespace runsc
