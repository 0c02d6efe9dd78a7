// The name cache of one filesystem instance.
#pragma once

#include <list>

#include "sentry/vfs/dentry.h"

namespace runsc {

// References: mounts of the filesystem. All dentries die before their tree, because whoever holds a
// dentry holds a mount.
class DentryTree : public RefCounted {
 public:
  static Result<RefPtr<DentryTree>> New(FileSystem& fs, size_t cache_limit);
  ~DentryTree() override;

  const RefPtr<Dentry>& root() const { return root_; }

  // The child called `name`, from the cache or the inode. ENOENT. `rest` is `name` and what follows it
  // in the path being walked.
  Result<RefPtr<Dentry>> Lookup(Dentry& dir, std::string_view name, std::string_view rest = {});
  // Only what is cached and valid; null otherwise.
  RefPtr<Dentry> LookupCached(Dentry& dir, std::string_view name);

  // Records what a name operation did. The caller holds names_mu of the directories.
  Result<RefPtr<Dentry>> Added(Dentry& dir, std::string_view name, RefPtr<Inode> inode);
  void Removed(Dentry& child);
  void Moved(Dentry& child, Dentry& new_dir, std::string_view new_name, Dentry* replaced);
  void Exchanged(Dentry& a, Dentry& b);

  // A dentry for an inode without a name (O_TMPFILE).
  Result<RefPtr<Dentry>> Unnamed(RefPtr<Inode> inode, std::string name);
  // True if `ancestor` is `dentry` or above it.
  bool IsAncestor(const Dentry& ancestor, const Dentry& dentry) const;
  // Drops every cached name that nobody uses.
  void Shrink();
  void set_cache_limit(size_t limit);
  std::mutex& rename_mu() { return rename_mu_; }

 private:
  friend class Dentry;
  DentryTree(FileSystem& fs, size_t cache_limit) : fs_(fs), cache_limit_(cache_limit) {}

  enum class Probe { kMiss, kAbsent, kFound };
  struct Found {
    Probe probe;
    RefPtr<Dentry> dentry;
    uint64_t generation;
  };
  Found FindCached(Dentry& dir, std::string_view name);
  Result<RefPtr<Dentry>> LookupInode(Dentry& dir, std::string_view name, uint64_t generation, bool* raced);
  RefPtr<Dentry> AddLocked(Dentry& dir, std::string_view name, RefPtr<Inode> inode, uint32_t type)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AddNegativeLocked(Dentry& dir, std::string_view name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void DetachLocked(Dentry& child) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AttachLocked(Dentry& child, Dentry& dir, std::string name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Forget(Dentry& dir, std::string_view name, Dentry* child);
  void Keep(RefPtr<Dentry> dentry);
  void UnkeepLocked(Dentry& dentry, std::list<RefPtr<Dentry>>* out) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::list<RefPtr<Dentry>> EvictLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Unhook(Dentry& dentry);

  FileSystem& fs_;  // the mounts that hold this tree hold it too
  mutable Mutex mu_{LockRank::kDentry};
  std::mutex rename_mu_;  // one directory move at a time; taken before any names_mu
  RefPtr<Dentry> root_;
  std::list<RefPtr<Dentry>> cache_ ABSL_GUARDED_BY(mu_);  // oldest first; second chance by used_lately_
  size_t cache_limit_ ABSL_GUARDED_BY(mu_);
};

}  // namespace runsc
