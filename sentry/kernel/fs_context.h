// Root, working directory and umask of a process (CLONE_FS shares it).
#pragma once

#include "platform/base/mutex.h"
#include "sentry/vfs/path.h"

namespace runsc {

class FsContext : public RefCounted {
 public:
  FsContext(Path root, Path cwd, uint32_t umask) : root_(std::move(root)), cwd_(std::move(cwd)), umask_(umask) {}
  Path root() const {
    MutexLock l(mu_);
    return root_;
  }
  Path cwd() const {
    MutexLock l(mu_);
    return cwd_;
  }
  void set_root(Path p) {
    MutexLock l(mu_);
    std::swap(root_, p);
  }
  void set_cwd(Path p) {
    MutexLock l(mu_);
    std::swap(cwd_, p);
  }
  uint32_t umask() const {
    MutexLock l(mu_);
    return umask_;
  }
  uint32_t set_umask(uint32_t mask) {
    MutexLock l(mu_);
    return std::exchange(umask_, mask & 0777);
  }
  RefPtr<FsContext> Fork() const {
    MutexLock l(mu_);
    return MakeRef<FsContext>(root_, cwd_, umask_);
  }

 private:
  mutable Mutex mu_{LockRank::kTask};
  Path root_ ABSL_GUARDED_BY(mu_);
  Path cwd_ ABSL_GUARDED_BY(mu_);
  uint32_t umask_ ABSL_GUARDED_BY(mu_);
};

}  // namespace runsc
