// memfd_create(2): a nameless file in memory, with seals.
#pragma once

#include <mutex>

#include "platform/base/unique_fd.h"
#include "sentry/fs/anon_file.h"
#include "sentry/vfs/backing_store.h"

namespace runsc {

// The bytes are in a host memfd, which enforces the seals too, mappings included.
class MemfdInode : public AnonInode {
 public:
  MemfdInode(Task& task, UniqueFd host_fd, std::string name, uint32_t mode, int seals);
  Result<Attr> GetAttr() override;
  Result<void> SetAttr(const AttrChange& change) override;
  Result<RefPtr<File>> Open(Task& task, const Path& path, int flags) override;
  Result<int> HostFile() override { return host_fd(); }

  int host_fd() const { return host_fd_.get(); }
  Result<int> ReadOnlyFd();
  const std::string& name() const { return name_; }
  int seals() const;
  Result<void> AddSeals(int seals);
  // One write at a time, so that appends of several descriptions do not overlap.
  // `limit`: RLIMIT_FSIZE.
  Result<size_t> Write(IoSource& src, int64_t offset, bool append, uint64_t limit, int64_t* end);

 private:
  std::mutex write_mu_;  // unranked: held across guest copies (docs/locking.md)
  const UniqueFd host_fd_;
  const std::string name_;
  mutable Mutex seals_mu_{LockRank::kInode};
  int seals_ ABSL_GUARDED_BY(seals_mu_);
  UniqueFd read_only_ ABSL_GUARDED_BY(seals_mu_);  // once set, stays
};

class MemfdFile : public SeekableFile {
 public:
  // `path`: how it was opened, through a magic link; none for the first one.
  MemfdFile(RefPtr<MemfdInode> inode, int flags, Path path = Path());

  Result<Attr> GetAttr() override { return inode_->GetAttr(); }
  Result<void> SetAttr(const AttrChange& change) override { return inode_->SetAttr(change); }
  RefPtr<Inode> inode() const override { return inode_; }
  std::string Describe() const override { return "/memfd:" + inode_->name() + " (deleted)"; }
  Result<Mappable> Mmap(uint64_t offset, uint64_t length, int prot, int flags) override;
  Result<void> Allocate(int mode, int64_t offset, int64_t length) override;
  Result<void> Sync(bool data_only) override { return {}; }
  Result<int> GetSeals() override { return inode_->seals(); }
  Result<void> AddSeals(int seals) override;

 protected:
  Result<size_t> ReadAt(Task& task, IoSink& dst, int64_t offset) override;
  Result<size_t> WriteAt(Task& task, IoSource& src, int64_t offset, int64_t* end_offset) override;
  Result<int64_t> SeekData(int64_t offset, int whence) override;

 private:
  const RefPtr<MemfdInode> inode_;
};

// A program that the runtime was given, in a sealed memfd of the host's.
RefPtr<File> NewProgramFile(Task& task, UniqueFd host_fd);

// `flags`: MFD_ALLOW_SEALING, MFD_NOEXEC_SEAL, MFD_EXEC (validated by the caller).
Result<RefPtr<File>> NewMemfd(Task& task, std::string name, unsigned flags);

}  // namespace runsc
