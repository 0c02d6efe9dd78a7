// Files without a name: the inodes and open file descriptions of pipes, sockets, eventfd and the like.
#pragma once

#include <string>

#include "platform/base/mutex.h"
#include "sentry/vfs/file.h"
#include "sentry/vfs/inode.h"

namespace runsc {

// The unmounted filesystem such inodes say they are in.
class AnonFs : public FileSystem {
 public:
  AnonFs(std::string type, uint32_t magic);
  std::string_view type() const override { return type_; }
  RefPtr<Inode> root() override { return nullptr; }
  Result<struct statfs> Statfs() override;

  static AnonFs& Pipes();    // pipefs
  static AnonFs& Sockets();  // sockfs
  static AnonFs& Others();   // anon_inodefs

 private:
  const std::string type_;
  const uint32_t magic_;
};

// Attributes only. `ino` is unique in the sandbox: Kernel::NextSocketCookie().
class AnonInode : public Inode {
 public:
  // `mode` has the file type, or none for anon_inodefs.
  AnonInode(AnonFs& fs, uint64_t ino, uint32_t mode, const Credentials& creds);
  Result<Attr> GetAttr() override;
  Result<void> SetAttr(const AttrChange& change) override;
  // Reached through /proc/PID/fd/N. Only pipes can be opened again (ENXIO).
  Result<RefPtr<File>> Open(Task& task, const Path& path, int flags) override { return Errno(ENXIO); }
  uint64_t ino() const { return ino_; }

 private:
  const uint64_t ino_;
  Mutex mu_{LockRank::kInode};
  Attr attr_ ABSL_GUARDED_BY(mu_);
};

class AnonFile : public File {
 public:
  // `label` is "pipe", "socket" (shown with the inode number) or "anon_inode:[name]".
  AnonFile(RefPtr<AnonInode> inode, const char* label, int flags);
  Result<Attr> GetAttr() override { return inode_->GetAttr(); }
  Result<void> SetAttr(const AttrChange& change) override { return inode_->SetAttr(change); }
  RefPtr<Inode> inode() const override { return inode_; }
  // Those of anon_inodefs have an offset that is always 0.
  Result<int64_t> Seek(Task& task, int64_t offset, int whence) override;
  std::string Describe() const override;
  uint64_t ino() const { return inode_->ino(); }

 private:
  const RefPtr<AnonInode> inode_;
  const char* const label_;
};

// An inode of anon_inodefs (eventfd, epoll, timerfd, signalfd) for a file that `task` makes.
RefPtr<AnonInode> NewAnonInode(Task& task);

}  // namespace runsc
