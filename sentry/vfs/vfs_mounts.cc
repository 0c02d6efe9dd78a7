// Vfs: mounting, unmounting and the list of mounts.
#include <map>
#include <set>

#include "sentry/vfs/mount_flags.h"
#include "sentry/vfs/mount_namespace.h"
#include "sentry/vfs/permission.h"
#include "sentry/vfs/vfs_impl.h"

namespace runsc {
namespace {

// In Linux' order. MS_RELATIME says what is the default and stands for it here.
constexpr std::pair<uint64_t, const char*> kFlagNames[] = {
    {MS_NOSUID, ",nosuid"},         {MS_NODEV, ",nodev"},       {MS_NOEXEC, ",noexec"},    {MS_NOATIME, ",noatime"},
    {MS_NODIRATIME, ",nodiratime"}, {MS_RELATIME, ",relatime"}, {MS_SYNCHRONOUS, ",sync"},
};

std::string FlagText(uint64_t flags) {
  flags = WithPlainAtime(flags);
  std::string text = flags & MS_RDONLY ? "ro" : "rw";
  for (const auto& [flag, name] : kFlagNames) {
    if (flags & flag) text += name;
  }
  return text;
}

Result<RefPtr<Mount>> NewMount(const MountTable& mounts, RefPtr<FileSystem> fs, uint64_t flags, std::string source,
                               size_t cache_limit) {
  RefPtr<DentryTree> tree = mounts.TreeOf(*fs);
  if (!tree) tree = TRY(DentryTree::New(*fs, cache_limit));
  RefPtr<Dentry> root = tree->root();
  return MakeRef<Mount>(std::move(fs), std::move(tree), std::move(root), flags, std::move(source));
}

// A directory only covers a directory, anything else anything else.
Result<void> CheckMountPoint(const Dentry& what, const Dentry& target) {
  return what.IsDir() == target.IsDir() ? Result<void>() : Errno(ENOTDIR);
}

// The name of `dentry` within its filesystem.
std::string NameInTree(RefPtr<Dentry> dentry) {
  std::string name;
  for (;;) {
    RefPtr<Dentry> parent = dentry->parent();
    if (parent == dentry) return name.empty() ? "/" : name;
    name.insert(0, "/" + dentry->name());
    dentry = std::move(parent);
  }
}

}  // namespace

Path Vfs::root() const { return impl_->mounts.root(); }

Result<Path> Vfs::MountRoot(RefPtr<FileSystem> fs, uint64_t flags, std::string source) {
  RefPtr<Mount> mount = TRY(NewMount(impl_->mounts, std::move(fs), flags, std::move(source), impl_->cache_limit));
  impl_->mounts.SetRoot(std::move(mount));
  return impl_->mounts.root();
}

Result<RefPtr<MountNamespace>> Vfs::NewNamespace(RefPtr<FileSystem> fs, uint64_t flags, std::string source) {
  RefPtr<Mount> mount = TRY(NewMount(impl_->mounts, std::move(fs), flags, std::move(source), impl_->cache_limit));
  return MakeRef<MountNamespace>(RefPtr<Vfs>(this), impl_->mounts.AddTree(std::move(mount)), nullptr);
}

Result<void> Vfs::MountAt(RefPtr<FileSystem> fs, const Path& target, uint64_t flags, std::string source) {
  RefPtr<Mount> mount = TRY(NewMount(impl_->mounts, std::move(fs), flags, std::move(source), impl_->cache_limit));
  TRY(CheckMountPoint(*mount->root(), *target.dentry));
  return impl_->mounts.Attach(std::move(mount), target);
}

namespace {

Result<RefPtr<Mount>> BindOne(MountTable& mounts, const Path& source, const Path& target, uint64_t flags) {
  auto mount = MakeRef<Mount>(source.mount->fs(), source.mount->tree(), source.dentry, flags, source.mount->source());
  TRY(mounts.JoinPeers(*source.mount, *mount));
  TRY(mounts.Attach(mount, target));
  return mount;
}

// The mounts below `top`, parents first.
std::vector<MountTable::Entry> MountsBelow(const MountTable& mounts, const Path& top) {
  std::vector<MountTable::Entry> below, rest = mounts.List(mounts.NamespaceOf(*top.mount));
  std::set<const Mount*> taken;
  const auto is_below = [&](const MountTable::Entry& entry) {
    if (!entry.parent) return false;
    if (entry.parent != top.mount) return taken.contains(entry.parent.get());
    return top.mount->tree()->IsAncestor(*top.dentry, *entry.mount_point);
  };
  for (bool grown = true; grown;) {
    grown = false;
    for (const MountTable::Entry& entry : rest) {
      if (taken.contains(entry.mount.get()) || !is_below(entry)) continue;
      taken.insert(entry.mount.get());
      below.push_back(entry);
      grown = true;
    }
  }
  return below;
}

}  // namespace

// With MS_REC in `flags`, the mounts below the source too; those that may not be bound stay away.
Result<void> Vfs::BindMount(const Path& source, const Path& target, uint64_t flags) {
  TRY(CheckMountPoint(*source.dentry, *target.dentry));
  std::vector<MountTable::Entry> below;
  if (flags & MS_REC) below = MountsBelow(impl_->mounts, source);
  std::map<const Mount*, RefPtr<Mount>> copies;
  copies[source.mount.get()] = TRY(BindOne(impl_->mounts, source, target, flags & ~uint64_t{MS_REC}));
  for (const MountTable::Entry& entry : below) {
    const auto parent = copies.find(entry.parent.get());
    if (parent == copies.end()) continue;
    auto copy = BindOne(impl_->mounts, Path(entry.mount, entry.mount->root()), Path(parent->second, entry.mount_point),
                        entry.mount->flags());
    if (copy.ok()) copies[entry.mount.get()] = std::move(*copy);
  }
  return {};
}

Result<void> Vfs::Unmount(const Path& path, int flags) {
  Path target = path;
  const bool covered = impl_->mounts.Descend(target);  // the topmost one, also where "." is below it
  // One reference of the table, one of the path here, one of the caller's: more means somebody is inside.
  const long expected = covered ? 2 : 3;
  const bool lazy = flags & MNT_DETACH;
  const bool is_root = target.dentry == target.mount->root();
  if (!lazy && is_root && target.mount->ref_count() > expected) return Errno(EBUSY);
  return impl_->mounts.Detach(target, lazy);
}

Result<void> Vfs::Remount(const Path& target, uint64_t flags) {
  if (target.dentry != target.mount->root()) return Errno(EINVAL);
  const uint64_t locked = impl_->mounts.LockedFlags(*target.mount);
  if ((flags & locked) != locked) return Errno(EPERM);
  target.mount->set_flags(flags);
  return {};
}

void Vfs::SyncAll() {
  for (const MountTable::Entry& entry : impl_->mounts.ListAll()) (void)entry.mount->fs()->Sync();
}

std::vector<Vfs::MountInfo> Vfs::Mounts(const Path& root) const {
  std::vector<MountInfo> infos;
  for (const MountTable::Entry& entry : impl_->mounts.List(NamespaceOf(root))) {
    const Mount& mount = *entry.mount;
    std::string target = PathName(Path(entry.mount, mount.root()), root);
    if (target.starts_with("(unreachable)")) continue;
    infos.push_back({.id = mount.id(),
                     .parent_id = entry.parent ? entry.parent->id() : mount.id(),
                     .dev = mount.fs()->dev(),
                     .root = NameInTree(mount.root()),
                     .target = std::move(target),
                     .type = std::string(mount.fs()->type()),
                     .source = mount.source(),
                     .options = FlagText(mount.flags()),
                     .fs_options = std::string(mount.flags() & MS_RDONLY ? "ro" : "rw") + mount.fs()->options(),
                     .propagation = impl_->mounts.PropagationText(mount)});
  }
  return infos;
}

void Vfs::set_cache_limit(size_t names) {
  impl_->cache_limit = names;
  for (const MountTable::Entry& entry : impl_->mounts.ListAll()) {
    entry.mount->tree()->set_cache_limit(names);
  }
}

}  // namespace runsc
