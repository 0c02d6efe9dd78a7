// Attributes and names of files without a name.
#include "sentry/fs/anon_file.h"

#include <linux/magic.h>

#include <cstring>

#include "sentry/fs/memory_attr.h"
#include "sentry/kernel/kernel.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/vfs.h"

namespace runsc {
namespace {

constexpr uint32_t kPipeFsMagic = 0x50495045;
constexpr uint32_t kSocketFsMagic = 0x534F434B;

}  // namespace

AnonFs::AnonFs(std::string type, uint32_t magic) : FileSystem(Vfs::NewDev()), type_(std::move(type)), magic_(magic) {}

Result<struct statfs> AnonFs::Statfs() {
  struct statfs st {};
  st.f_type = magic_;
  st.f_bsize = 4096;
  st.f_namelen = 255;
  return st;
}

AnonFs& AnonFs::Pipes() {
  static AnonFs* const fs = new AnonFs("pipefs", kPipeFsMagic);
  return *fs;
}

AnonFs& AnonFs::Sockets() {
  static AnonFs* const fs = new AnonFs("sockfs", kSocketFsMagic);
  return *fs;
}

AnonFs& AnonFs::Others() {
  static AnonFs* const fs = new AnonFs("anon_inodefs", ANON_INODE_FS_MAGIC);
  return *fs;
}

AnonInode::AnonInode(AnonFs& fs, uint64_t ino, uint32_t mode, const Credentials& creds) : Inode(fs), ino_(ino) {
  attr_.dev = fs.dev();
  attr_.ino = ino;
  attr_.mode = mode;
  if ((mode & S_IFMT) != 0) attr_.uid = creds.fsuid, attr_.gid = creds.fsgid;  // the others are the kernel's
  attr_.atime = attr_.mtime = attr_.ctime = RealtimeNow();
}

Result<Attr> AnonInode::GetAttr() {
  MutexLock l(mu_);
  return attr_;
}

Result<void> AnonInode::SetAttr(const AttrChange& change) {
  if (change.size) return Errno(EINVAL);
  MutexLock l(mu_);
  ApplyChange(change, attr_);
  return {};
}

AnonFile::AnonFile(RefPtr<AnonInode> inode, const char* label, int flags)
    : File(Path(), flags), inode_(std::move(inode)), label_(label) {}

Result<int64_t> AnonFile::Seek(Task&, int64_t, int) {
  return (TRY(inode_->GetAttr()).mode & S_IFMT) == 0 ? Result<int64_t>(int64_t{0}) : Errno(ESPIPE);
}

std::string AnonFile::Describe() const {
  if (std::strchr(label_, ':') != nullptr) return label_;
  return std::string(label_) + ":[" + std::to_string(ino()) + "]";
}

RefPtr<AnonInode> NewAnonInode(Task& task) {
  return MakeRef<AnonInode>(AnonFs::Others(), task.kernel().NextSocketCookie(), 0600, *task.creds());
}

}  // namespace runsc
