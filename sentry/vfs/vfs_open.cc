// Vfs: open(2) and openat2(2).
#include <signal.h>
#include <unistd.h>

#include "sentry/kernel/signal_send.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/file_locks.h"
#include "sentry/vfs/leases.h"
#include "sentry/vfs/notify.h"
#include "sentry/vfs/path_walk.h"
#include "sentry/vfs/permission.h"
#include "sentry/vfs/posix_acl.h"
#include "sentry/vfs/vfs_impl.h"

namespace runsc {
namespace {

// What F_GETFL shows: not what only the opening was about (File drops O_NOCTTY, which terminals ask for). All
// files are "large" on x86-64.
constexpr int kOpenOnly = O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC;
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
  if ((mask & W_OK) && dentry.IsRegular()) {
    TRY(Vfs::CheckWritable(path));
    TRY(CheckNotFrozen(*dentry.inode(), !(flags & O_APPEND) || (flags & O_TRUNC)));
  }
  const Attr attr = TRY(dentry.inode()->GetAttr());
  TRY(CheckInode(*r.creds, *dentry.inode(), attr, mask));
  if ((flags & O_NOATIME) && !OwnsOrCapable(*r.creds, attr)) return Errno(EPERM);
  return {};
}

// A write claim, given back unless a description takes it over.
class WriteClaim {
 public:
  WriteClaim(Inode& inode) : inode_(inode) {}
  WriteClaim(const WriteClaim&) = delete;
  ~WriteClaim() {
    if (held_) inode_.DropWrite();
  }
  Result<void> Take() {
    TRY(inode_.TakeWrite());
    held_ = true;
    return {};
  }
  void MoveTo(File& file) {
    if (held_) file.AdoptClaim(File::Claim::kWrite);
    held_ = false;
  }

 private:
  Inode& inode_;
  bool held_ = false;
};

Result<void> EmptyForOpen(const Path& path) {
  AttrChange change;
  change.size = 0;
  return path.dentry->inode()->SetAttr(change);
}

// fs.lease-break-time
constexpr int64_t kLeaseBreakNs = 45'000'000'000;

// Unless the number is another's by now.
void TellHolder(Task& task, const Lease& lease) {
  const RefPtr<Task> holder = task.kernel().FindTask(lease.pid);
  if (!holder || !MayOrderSignals(lease.ruid, lease.euid, *holder)) return;
  siginfo_t info = {};
  info.si_signo = SIGIO;
  info.si_code = POLL_MSG;
  info.si_fd = lease.fd;
  (void)holder->SendSignal(info);
}

// What every open of an inode has in common, once it is allowed.
Result<RefPtr<File>> OpenInode(const Resolver& r, const Path& path, int flags) {
  Inode& inode = *path.dentry->inode();
  const bool regular = path.dentry->IsRegular();
  const bool writes = (flags & O_ACCMODE) != O_RDONLY;
  if (regular) TRY(AwaitLeases(r.task, inode, writes || (flags & O_TRUNC), flags & O_NONBLOCK));
  WriteClaim claim(inode);
  if (regular && (writes || (flags & O_TRUNC))) TRY(claim.Take());
  if (regular && (flags & O_TRUNC)) TRY(EmptyForOpen(path));
  RefPtr<File> file = TRY(inode.Open(r.task, path, FileFlags(flags)));
  if (writes) claim.MoveTo(*file);
  notify::Both(*path.dentry, IN_OPEN);
  if (regular && (flags & O_TRUNC)) notify::Both(*path.dentry, IN_MODIFY);
  return file;
}

}  // namespace

Result<void> AwaitLeases(Task& task, Inode& inode, bool for_write, bool nonblocking) {
  FileLocks* const locks = inode.locks_if_any();
  if (locks == nullptr) return {};
  std::vector<Lease> tell;
  const auto try_break = [&] { return locks->BreakLeases(for_write, &tell); };
  const Result<void> free = try_break();
  for (const Lease& lease : tell) TellHolder(task, lease);
  if (free.ok() || nonblocking) return free;
  const Deadline deadline = DeadlineAfter(Kernel::MonotonicNs(), kLeaseBreakNs);
  const auto waited = BlockUntil(task, locks->queue(), EPOLLIN, deadline, try_break);
  if (waited.ok() || !(waited.error() == Errno(ETIMEDOUT))) return waited;
  locks->DropBrokenLeases();
  return {};
}

Result<RefPtr<File>> Vfs::OpenPath(const Resolver& r, const Path& path, int flags) {
  if (flags & O_PATH) {
    if ((flags & O_DIRECTORY) && !path.dentry->IsDir()) return Errno(ENOTDIR);
    return RefPtr<File>(MakeRef<PathFile>(path, O_PATH | (flags & (O_DIRECTORY | O_NOFOLLOW))));
  }
  TRY(CheckMayOpen(r, path, flags));
  return OpenInode(r, path, flags);
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
  TRY(CheckInode(*r_.creds, *dir.dentry->inode(), attr, W_OK | X_OK));
  uint32_t mode = S_IFREG | (how_.mode & 07777);
  const InheritedAcl acl = InheritAcl(*dir.dentry->inode(), r_.umask, &mode);
  NewFile file = NewFileIn(*r_.creds, attr, mode);
  file.linkable = !(how_.flags & O_EXCL);
  RefPtr<Inode> inode = TRY(dir.dentry->inode()->CreateTmpfile(file));
  TRY(ApplyInherited(*inode, acl));
  const std::string name = "#" + std::to_string(TRY(inode->GetAttr()).ino);
  RefPtr<Dentry> dentry = TRY(dir.mount->tree()->Unnamed(std::move(inode), name));
  const Path made(dir.mount, std::move(dentry));
  return OpenInode(r_, made, how_.flags & ~(O_TMPFILE | O_TRUNC));
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
  uint32_t mode = S_IFREG | (how_.mode & 07777);
  const InheritedAcl acl = InheritAcl(*dir.dentry->inode(), r_.umask, &mode);
  const NewFile file = NewFileIn(*r_.creds, attr, mode);
  Path made(dir.mount, nullptr);
  {
    std::lock_guard<std::mutex> l(dir.dentry->names_mu());
    DentryTree& tree = *dir.mount->tree();
    auto existing = tree.Lookup(*dir.dentry, walk_.last_name());
    *exists_after_all = existing.ok();
    if (existing.ok()) return Errno(EEXIST);
    if (!(existing.error() == Errno(ENOENT))) return existing.error();
    RefPtr<Inode> inode = TRY(dir.dentry->inode()->Create(walk_.last_name(), file));
    TRY(ApplyInherited(*inode, acl));
    made.dentry = TRY(tree.Added(*dir.dentry, walk_.last_name(), std::move(inode)));
  }
  notify::Name(*dir.dentry->inode(), walk_.last_name(), false, IN_CREATE);
  return OpenInode(r_, made, how_.flags & ~O_TRUNC);
}

Result<RefPtr<File>> Vfs::Open(const Resolver& r, const Path& start, std::string_view path, const OpenHow& how) {
  return Opener(r, impl_->mounts, start, how, *this).Open(path);
}

}  // namespace runsc
