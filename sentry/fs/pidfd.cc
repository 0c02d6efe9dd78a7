#include "sentry/fs/pidfd.h"

#include "sentry/kernel/pids.h"
#include "sentry/kernel/task.h"

namespace runsc {

const char PidFile::kKind = 0;

PidFile::PidFile(RefPtr<AnonInode> inode, RefPtr<ThreadGroup> process, int flags)
    : AnonFile(std::move(inode), "anon_inode:[pidfd]", O_RDWR | flags), process_(std::move(process)) {}

EventMask PidFile::Readiness(EventMask mask) {
  MutexLock l(process_->kernel().task_set_mu());
  return process_->zombie ? mask & (EPOLLIN | EPOLLRDNORM) : 0;
}

std::string PidFile::FdInfo() const {
  Kernel& kernel = process_->kernel();
  MutexLock l(kernel.task_set_mu());
  const bool reaped = kernel.FindThreadGroupLocked(process_->pid()) != process_.get();
  const int pid = reaped ? -1 : process_->pid();
  std::string text = "Pid:\t" + std::to_string(pid) + "\nNSpid:\t" + std::to_string(pid);
  for (const int number : reaped ? std::vector<int>() : InnerPidsLocked(*process_, process_->pid())) {
    text += "\t" + std::to_string(number);
  }
  return text + "\n";
}

RefPtr<File> NewPidFile(Task& task, RefPtr<ThreadGroup> process, int flags) {
  return MakeRef<PidFile>(NewAnonInode(task), std::move(process), flags & O_NONBLOCK);
}

}  // namespace runsc
