// The instance: attaching, inode identity and numbers.
#include "sentry/fs/gofer_fs.h"

#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sentry/fs/gofer_inode.h"
#include "sentry/vfs/vfs.h"

namespace runsc {
namespace {

// Linux's own hostfs.
constexpr long kHostfsMagic = 0x00c0ffee;

// Flips low bits of inode numbers: a bijection that keeps them small.
uint64_t NewInoMask() {
  uint32_t mask = 0;
  if (getrandom(&mask, sizeof(mask), 0) != sizeof(mask)) mask = 0x5bd1e995;
  return mask & 0xffffff;
}

}  // namespace

GoferFs::GoferFs(GoferClient& client, const GoferFsOptions& options)
    : FileSystem(Vfs::NewDev()), client_(client), options_(options), ino_mask_(NewInoMask()) {}

GoferFs::~GoferFs() { root_.reset(); }

Result<void> GoferFs::Attach(uint32_t index) {
  GoferNode node = TRY(client_.Attach(index));
  root_dev_ = node.attr.dev;
  root_ = InodeFor(std::move(node));
  return {};
}

RefPtr<Inode> GoferFs::root() { return root_; }

RefPtr<GoferInode> GoferFs::FindOrMake(GoferNode& node, GoferPlace place, bool* found) {
  MutexLock l(table_mu_);
  GoferInode*& slot = inodes_[{node.attr.dev, node.attr.ino}];
  *found = slot != nullptr && slot->TryIncRef();
  if (*found) return RefPtr<GoferInode>::Adopt(slot);
  auto made = MakeRef<GoferInode>(*this, std::move(node), std::move(place));
  slot = made.get();
  return made;
}

RefPtr<GoferInode> GoferFs::InodeFor(GoferNode node, GoferPlace place) {
  bool found = false;
  RefPtr<GoferInode> inode = FindOrMake(node, std::move(place), &found);
  if (!found) return inode;
  inode->Update(node.attr);
  if (node.handle.valid()) inode->Adopt(std::move(node));
  return inode;
}

RefPtr<GoferInode> GoferFs::InodeAhead(GoferNode node, GoferPlace place) {
  bool found = false;
  return FindOrMake(node, std::move(place), &found);
}

void GoferFs::Forget(GoferInode& inode) {
  MutexLock l(table_mu_);
  const auto it = inodes_.find(inode.host_key());
  if (it != inodes_.end() && it->second == &inode) inodes_.erase(it);
}

bool GoferFs::HasInode(const FileAttr& attr) const {
  MutexLock l(table_mu_);
  return inodes_.contains({attr.dev, attr.ino});
}

uint64_t GoferFs::GuestIno(uint64_t host_dev, uint64_t host_ino) const {
  const uint64_t ino = host_ino ^ ino_mask_;
  return host_dev == root_dev_ ? ino : ino ^ ((host_dev * 0x9e3779b97f4a7c15) & 0x7fff000000000000);
}

Attr GoferFs::ToGuest(const FileAttr& host) const {
  Attr attr;
  attr.dev = dev();
  attr.ino = GuestIno(host.dev, host.ino);
  attr.nlink = host.nlink;
  attr.rdev = host.rdev;
  attr.size = host.size;
  attr.blocks = host.blocks;
  attr.mode = host.mode;
  attr.uid = host.uid;
  attr.gid = host.gid;
  attr.blksize = host.blksize;
  attr.atime = host.atime;
  attr.mtime = host.mtime;
  attr.ctime = host.ctime;
  if (host.btime.tv_sec != 0) attr.btime = host.btime;
  return attr;
}

Result<struct statfs> GoferFs::Statfs() {
  struct statfs info = TRY(client_.Statfs(*TRY(root_->Handle())));
  info.f_type = kHostfsMagic;
  info.f_fsid = {};
  info.f_fsid.__val[0] = static_cast<int>(dev());
  return info;
}

// What was written through our descriptors reaches the disk; names are the gofer's host's business.
Result<void> GoferFs::Sync() {
  std::vector<RefPtr<GoferInode>> open;
  {
    MutexLock l(table_mu_);
    for (auto& [key, inode] : inodes_) {
      if (inode->TryIncRef()) open.push_back(RefPtr<GoferInode>::Adopt(inode));
    }
  }
  for (const RefPtr<GoferInode>& inode : open) {
    int fd = -1;
    {
      MutexLock l(inode->mu_);
      fd = inode->write_fd_.get();
    }
    if (fd >= 0) TRY(FromHost(fsync(fd)));
  }
  return {};
}

Result<RefPtr<FileSystem>> NewGoferFs(GoferClient& client, uint32_t index, const GoferFsOptions& options) {
  auto fs = MakeRef<GoferFs>(client, options);
  TRY(fs->Attach(index));
  return RefPtr<FileSystem>(fs);
}

}  // namespace runsc
