// The container's stdin, stdout and stderr: open file descriptions given by the host.
#pragma once

#include "platform/base/unique_fd.h"
#include "sentry/fs/anon_file.h"

namespace runsc {

// The donated descriptor, shared by the guest's descriptions of it. What kind of host file it is decides
// how it is waited for.
struct HostStdio : public RefCounted {
  explicit HostStdio(UniqueFd host_fd) : fd(std::move(host_fd)) {}
  ~HostStdio() override;
  WaitQueue* watched_queue();  // from the first call on, changes on the host notify it

  const UniqueFd fd;
  uint64_t ino = 0;
  uint32_t type = 0;  // S_IFMT bits
  uint64_t rdev = 0;
  bool pollable = false;  // pipe, socket, terminal: may have to be waited for
  bool terminal = false;

 private:
  WaitQueue queue_;
  std::once_flag watch_once_;
  std::atomic<bool> watched_{false};
};

// The description is shared with the host: so are its offset and O_APPEND. O_NONBLOCK is the guest's own,
// because the host's programs would not expect it to change.
class StdioFile : public AnonFile {
 public:
  StdioFile(RefPtr<HostStdio> host, RefPtr<AnonInode> inode, int flags);

  Result<size_t> Read(Task& task, IoSink& dst, const int64_t* offset) override;
  Result<size_t> Write(Task& task, IoSource& src, const int64_t* offset) override;
  Result<int64_t> Seek(Task& task, int64_t offset, int whence) override;
  bool positioned() const override { return !host_->pollable; }
  EventMask Readiness(EventMask mask) override;
  WaitQueue* wait_queue() override { return host_->pollable ? host_->watched_queue() : nullptr; }
  Result<int64_t> Ioctl(Task& task, uint32_t request, uint64_t arg) override;
  Result<void> SetStatusFlags(int flags) override;
  Result<Mappable> Mmap(uint64_t offset, uint64_t length, int prot, int flags) override;
  Result<void> Allocate(int mode, int64_t offset, int64_t length) override;
  Result<void> Sync(bool data_only) override;
  std::string Describe() const override;
  int64_t offset_for_fdinfo() const override;

 private:
  int host_fd() const { return host_->fd.get(); }
  Result<size_t> ReadWaitable(IoSink& dst);
  Result<size_t> WriteWaitable(Task& task, IoSource& src);
  Result<size_t> TryRead(std::span<std::byte> buffer);
  Result<size_t> TryWrite(std::span<const std::byte> data);

  const RefPtr<HostStdio> host_;
};

// EBADF, or what fstat says.
Result<RefPtr<File>> NewStdioFile(UniqueFd host_fd);

}  // namespace runsc
