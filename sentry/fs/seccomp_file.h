// The supervisor's descriptor of a seccomp filter: seccomp_unotify(2).
#pragma once

#include "sentry/fs/anon_file.h"
#include "sentry/kernel/seccomp.h"

namespace runsc {

class SeccompFile : public AnonFile {
 public:
  SeccompFile(RefPtr<AnonInode> inode, RefPtr<SeccompListener> listener)
      : AnonFile(std::move(inode), "anon_inode:seccomp notify", O_RDWR), listener_(std::move(listener)) {}
  ~SeccompFile() override { listener_->Close(); }
  unsigned abilities() const override { return 0; }
  EventMask Readiness(EventMask mask) override { return listener_->Readiness(mask); }
  WaitQueue* wait_queue() override { return &listener_->events(); }
  Result<int64_t> Ioctl(Task& task, uint32_t request, uint64_t arg) override;

 private:
  Result<int64_t> Receive(Task& task, GuestAddr addr);
  Result<int64_t> Send(Task& task, GuestAddr addr);
  Result<int64_t> AddFd(Task& task, GuestAddr addr, size_t size);

  const RefPtr<SeccompListener> listener_;
};

}  // namespace runsc
