// Vfs: open(2) and openat2(2).
#include <unistd.h>

#include "sentry/kernel/task.h"
#include "sentry/vfs/path_walk.h"
#include "sentry/vfs/permission.h"
#include "sentry/vfs/vfs_impl.h"

namespace runsc {
namespace {

// What F_GETFL shows: not what only the opening was about. All files are "large" on x86-64.
constexpr int kOpenOnly = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC;
constexpr int kLargeFile = 0100000;
// O_TMPFILE contains O_DIRECTORY.
constexpr int kTmpfileBit = O_TMPFILE & ~O_DIRECTORY;

int FileFlags(int flags) { return (flags & ~kOpenOnly) | kLargeFile; }

// O_PATH: a place in the tree that cannot be read or written.
class PathFile : public File {
 public:
  PathFile(Path path, int flags) : File(std::move(path), flags) {}
  Result<size_t> Read(Task&, IoSink&, const int64_t*) override { return Errno(EBADF); }
  Result<size_t> Write(Task&, IoSource&, const int64_t*) override { return Errno(EBADF); }
  EventMask Readiness(EventMask) override { return POLLNVAL; }
};

int AccessMask(int flags) {
  static constexpr int kByMode[] = {R_OK, W_OK, R_OK | W_OK, R_OK | W_OK};
  int mask = kByMode[flags & O_ACCMODE];
  if (flags & O_TRUNC) mask |= W_OK;
  return mask;
}

bool IsDevice(const Dentry& dentry) { return S_ISCHR(dentry.type()) || S_ISBLK(dentry.type()); }

// What may not be opened this way, whoever asks.
Result<void> CheckKind(const Path& path, int flags) {
  const Dentry& dentry = *path.dentry;
  const int mask = AccessMask(flags);
  if (dentry.IsSymlink()) return Errno(ELOOP);
  if ((flags & O_DIRECTORY) && !dentry.IsDir()) return Errno(ENOTDIR);
  if (dentry.IsDir() && ((mask & W_OK) || (flags & O_CREAT))) return Errno(EISDIR);
  if (IsDevice(dentry) && (path.mount->flags() & MS_NODEV)) return Errno(EACCES);
  return {};
}

Result<void> CheckMayOpen(const Resolver& r, const Path& path, int flags) {
  TRY(CheckKind(path, flags));
  const int mask = AccessMask(flags);
  const Dentry& dentry = *path.dentry;
  if ((mask & W_OK) && dentry.IsRegular()) TRY(Vfs::CheckWritable(path));
  const Attr attr = TRY(dentry.inode()->GetAttr());
  TRY(CheckMode(*r.creds, attr, mask));
  if ((flags & O_NOATIME) && !OwnsOrCapable(*r.creds, attr)) return Errno(EPERM);
  return {};
}

Result<RefPtr<File>> OpenChecked(const Resolver& r, const Path& path, int flags) {
  if ((flags & O_TRUNC) && path.dentry->IsRegular()) {
    AttrChange change;
    change.size = 0;
    TRY(path.dentry->inode()->SetAttr(change));
  }
  return path.dentry->inode()->Open(r.task, path, FileFlags(flags));
}

}  // namespace

Result<RefPtr<File>> Vfs::OpenPath(const Resolver& r, const Path& path, int flags) {
  if (flags & O_PATH) {
    if ((flags & O_DIRECTORY) && !path.dentry->IsDir()) return Errno(ENOTDIR);
    return RefPtr<File>(MakeRef<PathFile>(path, O_PATH | (flags & (O_DIRECTORY | O_NOFOLLOW))));
  }
  TRY(CheckMayOpen(r, path, flags));
  return OpenChecked(r, path, flags);
}

// One open with its decoded request.
class Vfs::Opener {
 public:
  Opener(const Resolver& r, const MountTable& mounts, const Path& start, const OpenHow& how, Vfs& vfs)
      : r_(r), how_(how), vfs_(vfs), walk_(r, mounts, start, how.resolve) {}

  Result<RefPtr<File>> Open(std::string_view path) {
    if ((how_.flags & kTmpfileBit) && !(how_.flags & O_PATH)) return OpenTmpfile(path);
    if ((how_.flags & O_CREAT) && !(how_.flags & O_PATH)) return OpenOrCreate(path);
    TRY(walk_.ToEnd(path, !(how_.flags & O_NOFOLLOW)));
    return vfs_.OpenPath(r_, walk_.at(), how_.flags);
  }

 private:
  Result<RefPtr<File>> OpenTmpfile(std::string_view path);
  Result<RefPtr<File>> OpenOrCreate(std::string_view path);
  Result<RefPtr<File>> OpenExisting();
  Result<RefPtr<File>> Create(bool* exists_after_all);

  const Resolver& r_;
  const OpenHow& how_;
  Vfs& vfs_;
  PathWalk walk_;
};

Result<RefPtr<File>> Vfs::Opener::OpenTmpfile(std::string_view path) {
  if (AccessMask(how_.flags & O_ACCMODE) == R_OK) return Errno(EINVAL);
  TRY(walk_.ToEnd(path, true));
  const Path& dir = walk_.at();
  if (!dir.dentry->IsDir()) return Errno(ENOTDIR);
  TRY(CheckWritable(dir));
  const Attr attr = TRY(dir.dentry->inode()->GetAttr());
  TRY(CheckMode(*r_.creds, attr, W_OK | X_OK));
  const NewFile file = NewFileIn(*r_.creds, attr, S_IFREG | (how_.mode & 07777));
  RefPtr<Inode> inode = TRY(dir.dentry->inode()->CreateTmpfile(file));
  const std::string name = "#" + std::to_string(TRY(inode->GetAttr()).ino);
  RefPtr<Dentry> dentry = TRY(dir.mount->tree()->Unnamed(std::move(inode), name));
  const Path made(dir.mount, std::move(dentry));
  return made.dentry->inode()->Open(r_.task, made, FileFlags(how_.flags & ~O_TMPFILE));
}

Result<RefPtr<File>> Vfs::Opener::OpenOrCreate(std::string_view path) {
  const bool follow = !(how_.flags & (O_EXCL | O_NOFOLLOW));
  TRY(walk_.ToParent(path));
  for (;;) {
    if (walk_.last_kind() != PathWalk::LastKind::kName) {
      TRY(walk_.ToLast(follow));
      return how_.flags & O_EXCL ? Errno(EEXIST) : Errno(EISDIR);
    }
    if (walk_.trailing_slash()) return Errno(EISDIR);
    auto step = walk_.StepLast(follow);
    if (step.ok() && *step == PathWalk::Step::kMoved) continue;
    if (step.ok()) return OpenExisting();
    if (!(step.error() == Errno(ENOENT))) return step.error();
    bool exists_after_all = false;
    auto file = Create(&exists_after_all);
    if (!exists_after_all) return file;
  }
}

Result<RefPtr<File>> Vfs::Opener::OpenExisting() {
  if (how_.flags & O_EXCL) return Errno(EEXIST);
  return vfs_.OpenPath(r_, walk_.at(), how_.flags);
}

Result<RefPtr<File>> Vfs::Opener::Create(bool* exists_after_all) {
  const Path& dir = walk_.at();
  if (!dir.dentry->IsDir()) return Errno(ENOTDIR);
  TRY(CheckWritable(dir));
  TRY(CheckCreate(*r_.creds, dir));
  const Attr attr = TRY(dir.dentry->inode()->GetAttr());
  const NewFile file = NewFileIn(*r_.creds, attr, S_IFREG | (how_.mode & 07777));
  Path made(dir.mount, nullptr);
  {
    std::lock_guard<std::mutex> l(dir.dentry->names_mu());
    DentryTree& tree = *dir.mount->tree();
    auto existing = tree.Lookup(*dir.dentry, walk_.last_name());
    *exists_after_all = existing.ok();
    if (existing.ok()) return Errno(EEXIST);
    if (!(existing.error() == Errno(ENOENT))) return existing.error();
    RefPtr<Inode> inode = TRY(dir.dentry->inode()->Create(walk_.last_name(), file));
    made.dentry = TRY(tree.Added(*dir.dentry, walk_.last_name(), std::move(inode)));
  }
  return made.dentry->inode()->Open(r_.task, made, FileFlags(how_.flags));
}

Result<RefPtr<File>> Vfs::Open(const Resolver& r, const Path& start, std::string_view path,
                               const OpenHow& how) {
  return Opener(r, impl_->mounts, start, how, *this).Open(path);
}

}  // namespace runsc
