// Builds the guest's mount tree.
#include "runsc-cli/boot/guest_mounts.h"

#include <sys/mount.h>
#include <sys/stat.h>

#include <cstring>

#include "platform/host/status_util.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/boot/copy_up.h"
#include "runsc-cli/boot/runtime_access.h"
#include "sentry/fs/devfs.h"
#include "sentry/fs/devpts.h"
#include "sentry/fs/gofer_fs.h"
#include "sentry/fs/mqueue.h"
#include "sentry/fs/overlay_fs.h"
#include "sentry/fs/procfs.h"
#include "sentry/fs/sysfs.h"
#include "sentry/fs/tmpfs.h"
#include "sentry/kernel/pid_namespace.h"
#include "sentry/kernel/task.h"

namespace runsc {
namespace {

using Kind = PlannedMount::Kind;

absl::Status Failed(std::string_view what, Errno error) {
  return HostError(error.value(), "%s", std::string(what).c_str());
}

bool WantsOverlay(const Spec& spec, const OverlayOption& overlay) {
  return spec.root->readonly || overlay.scope != OverlayOption::Scope::kNone;
}

absl::StatusOr<RefPtr<FileSystem>> OpenAttach(GoferClient& gofer, uint32_t attach, bool exclusive, bool read_only) {
  GoferFsOptions options;
  options.shared = !exclusive;
  options.read_only = read_only;
  Result<RefPtr<FileSystem>> fs = NewGoferFs(gofer, attach, options);
  if (!fs.ok()) return Failed("attach to the gofer", fs.error());
  return std::move(fs).take();
}

absl::StatusOr<RefPtr<FileSystem>> NewBind(const PlannedMount& mount, GoferClient& gofer, BackingStore& memory,
                                           const OverlayOption& overlay) {
  const bool layered = overlay.scope == OverlayOption::Scope::kAll && !mount.read_only();
  ASSIGN_OR_RETURN(RefPtr<FileSystem> fs, OpenAttach(gofer, mount.attach, /*exclusive=*/layered, mount.read_only()));
  if (!layered) return fs;
  Result<RefPtr<FileSystem>> upper = NewOverlay(memory, std::move(fs), {.size = overlay.size_limit});
  if (!upper.ok()) return Failed("overlay", upper.error());
  return std::move(upper).take();
}

// `default_mode` applies without mode=.
absl::StatusOr<TmpfsOptions> TmpfsOptionsOf(const PlannedMount& mount, uint32_t default_mode) {
  TmpfsOptions options;
  options.mode = default_mode;
  if (ParseTmpfsOptions(mount.data, &options).ok()) return options;
  return InvalidArgument("unknown or malformed tmpfs option in \"", mount.data, "\"");
}

absl::StatusOr<RefPtr<FileSystem>> NewDev(const PlannedMount& mount, BackingStore& memory) {
  ASSIGN_OR_RETURN(TmpfsOptions options, TmpfsOptionsOf(mount, 0755));
  RefPtr<FileSystem> fs = NewTmpfs(memory, options);
  const Result<void> filled = PopulateDev(*fs->root());
  if (!filled.ok()) return Failed("fill /dev", filled.error());
  return fs;
}

absl::StatusOr<RefPtr<FileSystem>> NewPts(const PlannedMount& mount) {
  const Result<DevptsOptions> options = ParseDevptsOptions(mount.data);
  if (!options.ok()) return Failed("devpts options", options.error());
  return RefPtr<FileSystem>(Devpts::New(*options));
}

absl::StatusOr<RefPtr<FileSystem>> NewFileSystem(Task& task, const PlannedMount& mount, GoferClient& gofer,
                                                 BackingStore& memory, const OverlayOption& overlay) {
  switch (mount.kind) {
    case Kind::kBind:
      return NewBind(mount, gofer, memory, overlay);
    case Kind::kProc:
      return NewProcfs(task.kernel(), task.thread_group().pid_ns);
    case Kind::kSys:
      return NewSysfs(task.kernel());
    case Kind::kDevPts:
      return NewPts(mount);
    case Kind::kDev:
      return NewDev(mount, memory);
    case Kind::kMqueue:
      return RefPtr<FileSystem>(MqueuesOf(task));
    case Kind::kCgroup:
      break;  // not made here
    case Kind::kTmpfs:
      break;
  }
  ASSIGN_OR_RETURN(TmpfsOptions options, TmpfsOptionsOf(mount, 01777));
  return NewTmpfs(memory, options);
}

// A mount point of the right kind: a directory, or an empty file for a bind mount of a file.
Result<Path> MakeMountPoint(Task& task, const std::string& path, bool directory) {
  if (directory) return MakeGuestDirectories(task, path);
  const Resolver resolver = RuntimeResolver(task);
  Vfs& vfs = task.vfs();
  Result<Path> found = vfs.Lookup(resolver, resolver.root, path, 0);
  if (found.ok() || !(found.error() == Errno(ENOENT))) return found;
  TRY(MakeGuestDirectories(task, path.substr(0, path.rfind('/') + 1)));
  TRY(vfs.Mknod(resolver, resolver.root, path, S_IFREG | 0644, 0));
  return vfs.Lookup(resolver, resolver.root, path, 0);
}

absl::Status CopyUp(Task& task, const PlannedMount& mount, const Path& covered) {
  const Resolver resolver = RuntimeResolver(task);
  const Result<Path> mounted = task.vfs().Lookup(resolver, resolver.root, mount.destination, 0);
  if (!mounted.ok()) return Failed("tmpcopyup", mounted.error());
  const Result<void> copied = CopyTree(resolver, task, covered, *mounted);
  return copied.ok() ? absl::OkStatus() : Failed("tmpcopyup", copied.error());
}

absl::Status MountOne(Task& task, const PlannedMount& mount, GoferClient& gofer, BackingStore& memory,
                      const OverlayOption& overlay, const CgroupFsMaker& cgroup) {
  absl::StatusOr<RefPtr<FileSystem>> fs =
      mount.kind == Kind::kCgroup ? cgroup() : NewFileSystem(task, mount, gofer, memory, overlay);
  if (!fs.ok()) return fs.status();
  const Result<Attr> root = (*fs)->root()->GetAttr();
  if (!root.ok()) return Failed("stat", root.error());
  const Result<Path> target = MakeMountPoint(task, mount.destination, root->IsDir());
  if (!target.ok()) return Failed("mount point", target.error());
  const Result<void> mounted = task.vfs().MountAt(*fs, *target, mount.flags, mount.source);
  if (!mounted.ok()) return Failed("mount", mounted.error());
  return mount.copy_up ? CopyUp(task, mount, *target) : absl::OkStatus();
}

}  // namespace

Result<UniqueFd> UpperStore::CreateFile(const char* name) {
  if (use_disk_) {
    Result<UniqueFd> file = gofer_.OpenTmp(0);
    if (file.ok()) return file;
    LogDebug("no unnamed file on the root file system: ", strerror(file.error().value()));
  }
  return memory_.CreateFile(name);
}

absl::StatusOr<RefPtr<FileSystem>> NewRootFileSystem(GoferClient& gofer, BackingStore& upper, const Spec& spec,
                                                     const OverlayOption& overlay) {
  const bool layered = WantsOverlay(spec, overlay);
  ASSIGN_OR_RETURN(RefPtr<FileSystem> fs, OpenAttach(gofer, 0, /*exclusive=*/true, /*read_only=*/layered));
  if (!layered) return fs;
  Result<RefPtr<FileSystem>> layer = NewOverlay(upper, std::move(fs), {.size = overlay.size_limit});
  if (!layer.ok()) return Failed("overlay for the root file system", layer.error());
  return std::move(layer).take();
}

absl::Status MountAll(Task& task, GoferClient& gofer, BackingStore& memory, const MountPlan& plan,
                      const OverlayOption& overlay, const CgroupFsMaker& cgroup) {
  for (const PlannedMount& mount : plan.mounts) {
    const absl::Status status = MountOne(task, mount, gofer, memory, overlay, cgroup);
    if (!status.ok()) {
      return absl::Status(status.code(), Cat("mount ", mount.destination, ": ", MessageOf(status)));
    }
  }
  return absl::OkStatus();
}

absl::Status SealRoot(Task& task) {
  const Result<void> sealed = task.vfs().Remount(task.fs().root(), MS_RDONLY);
  return sealed.ok() ? absl::OkStatus() : Failed("make the root file system read-only", sealed.error());
}

Result<Path> MakeGuestDirectories(Task& task, std::string_view path) {
  const Resolver resolver = RuntimeResolver(task);
  Vfs& vfs = task.vfs();
  Result<Path> whole = vfs.Lookup(resolver, resolver.root, path, Vfs::kDirectory);
  if (whole.ok() || !(whole.error() == Errno(ENOENT))) return whole;
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string_view prefix = path.substr(0, slash);
    const Result<void> made = vfs.Mkdir(resolver, resolver.root, prefix, 0755);
    if (!made.ok() && !(made.error() == Errno(EEXIST))) return made.error();
    if (slash == path.npos || slash + 1 == path.size()) break;
  }
  return vfs.Lookup(resolver, resolver.root, path, Vfs::kDirectory);
}

}  // namespace runsc
