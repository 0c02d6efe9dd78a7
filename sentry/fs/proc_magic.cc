#include "sentry/fs/proc_magic.h"

#include "sentry/fs/simple_fs.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/mount.h"
#include "sentry/vfs/vfs.h"

namespace runsc {
namespace {

constexpr char kHiddenType[] = "magic";

// A mount that is attached nowhere; its tree lends its dentries to inodes of other filesystems.
Result<RefPtr<Mount>> NewHiddenMount() {
  auto fs = MakeRef<SimpleFs>(SimpleFs::Kind{kHiddenType, 0, EPERM});
  fs->set_root(MakeRef<SimpleDir>(*fs));
  RefPtr<DentryTree> tree = TRY(DentryTree::New(*fs, 0));
  RefPtr<Dentry> root = tree->root();
  return MakeRef<Mount>(std::move(fs), std::move(tree), std::move(root), 0, "none");
}

const Result<RefPtr<Mount>>& HiddenMount() {
  static const auto* const mount = new Result<RefPtr<Mount>>(NewHiddenMount());
  return *mount;
}

bool IsHidden(const Path& path) { return path.mount->fs()->type() == kHiddenType; }

}  // namespace

Result<Path> PathToUnnamed(RefPtr<Inode> inode, std::string name) {
  RefPtr<Mount> mount = TRY(HiddenMount());
  RefPtr<Dentry> dentry = TRY(mount->tree()->Unnamed(std::move(inode), std::move(name)));
  return Path(std::move(mount), std::move(dentry));
}

std::string NameOfTarget(const Path& path, Task& reader) {
  if (IsHidden(path)) return path.dentry->name();
  return reader.vfs().PathName(path, reader.fs().root());
}

std::string NameOfFile(const File& file, Task& reader) {
  const Path& path = file.path();
  return path && !IsHidden(path) ? NameOfTarget(path, reader) : file.Describe();
}

Result<Path> MagicPathOf(File& file) {
  if (file.path()) return file.path();
  RefPtr<Inode> inode = file.inode();
  if (!inode) return Errno(ENOENT);
  return PathToUnnamed(std::move(inode), file.Describe());
}

}  // namespace runsc
