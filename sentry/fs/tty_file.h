// Open file descriptions of pseudo-terminals: masters and slaves.
#pragma once

#include "sentry/fs/tty.h"
#include "sentry/vfs/file.h"

namespace runsc {

class Kernel;

// What both ends have in common: settings, window size, session and foreground group.
class TtyFile : public File {
 public:
  TtyFile(RefPtr<Tty> tty, const Path& path, int flags) : File(path, flags), tty_(std::move(tty)) {}
  Tty& tty() const { return *tty_; }

 protected:
  // ENOTTY: not one of the common ones.
  Result<int64_t> CommonIoctl(Task& task, uint32_t request, uint64_t arg);
  const RefPtr<Tty> tty_;

 private:
  Result<void> ChangeSettings(Task& task, uint32_t request, uint64_t arg);
};

class TtySlaveFile : public TtyFile {
 public:
  TtySlaveFile(RefPtr<Tty> tty, const Path& path, int flags);
  ~TtySlaveFile() override;
  Result<size_t> Read(Task& task, IoSink& dst, const int64_t* offset) override;
  Result<size_t> Write(Task& task, IoSource& src, const int64_t* offset) override;
  EventMask Readiness(EventMask mask) override;
  WaitQueue* wait_queue() override { return &tty_->slave_queue(); }
  Result<int64_t> Ioctl(Task& task, uint32_t request, uint64_t arg) override;
  std::string Describe() const override { return "/dev/pts/" + std::to_string(tty_->index()); }
};

class TtyMasterFile : public TtyFile {
 public:
  TtyMasterFile(Kernel& kernel, RefPtr<Tty> tty, const Path& path, int flags)
      : TtyFile(std::move(tty), path, flags), kernel_(kernel) {}
  ~TtyMasterFile() override;
  Result<size_t> Read(Task& task, IoSink& dst, const int64_t* offset) override;
  Result<size_t> Write(Task& task, IoSource& src, const int64_t* offset) override;
  EventMask Readiness(EventMask mask) override;
  WaitQueue* wait_queue() override { return &tty_->master_queue(); }
  Result<int64_t> Ioctl(Task& task, uint32_t request, uint64_t arg) override;

 private:
  Kernel& kernel_;
};

}  // namespace runsc
