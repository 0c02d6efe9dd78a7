// tmpfs and overlay in one: a tree in memory whose nodes may stand on those of a lower filesystem.
//
// Attributes of a node always live here, copied from the lower inode when the node is made. Data stays
// below until the first write. A directory keeps only the names that differ from its lower directory:
// new nodes, and whiteouts (removed lower names). Nodes of lower inodes are found by the lower identity,
// so hard links stay one file and renamed directories keep their contents; a clean one is forgotten when
// unused, a changed one is pinned.
#pragma once

#include <map>
#include <unordered_map>

#include "sentry/vfs/backing_store.h"
#include "sentry/vfs/file.h"
#include "sentry/vfs/inode.h"

namespace runsc {

class LayeredNode;

class LayeredFs final : public FileSystem {
 public:
  struct Options {
    std::string_view type;
    BackingStore& backing;
    RefPtr<FileSystem> lower;  // null: tmpfs
    uint64_t size_limit = 0;   // bytes; 0: none
    uint64_t inode_limit = 0;  // nodes that stand on nothing; 0: none
  };
  explicit LayeredFs(Options options);
  ~LayeredFs() override;
  void set_root(RefPtr<LayeredNode> root);

  std::string_view type() const override { return options_.type; }
  RefPtr<Inode> root() override;
  Result<struct statfs> Statfs() override;
  std::string options() const override;
  bool IsCrowded() const override { return options_.lower && options_.lower->IsCrowded(); }

  BackingStore& backing() { return options_.backing; }
  // Guards every directory's children and the tables of nodes.
  Mutex& tree_mu() ABSL_LOCK_RETURNED(tree_mu_) { return tree_mu_; }
  // The node standing on `lower`: the one that exists, or a new one.
  RefPtr<LayeredNode> NodeFor(RefPtr<Inode> lower, const Attr& attr);
  void PinLocked(LayeredNode& node) ABSL_EXCLUSIVE_LOCKS_REQUIRED(tree_mu_);
  RefPtr<LayeredNode> UnpinLocked(LayeredNode& node) ABSL_EXCLUSIVE_LOCKS_REQUIRED(tree_mu_);
  void Forget(LayeredNode& node);
  uint64_t NewIno() { return next_ino_.fetch_add(1, std::memory_order_relaxed); }

  // Space accounting in pages.
  uint64_t PagesAvailable() const;
  void Account(int64_t pages) { used_pages_.fetch_add(pages, std::memory_order_relaxed); }
  uint64_t new_dir_size() const { return options_.lower ? 4096 : 40; }
  bool limited() const { return limit_pages_ != 0; }
  // Room for one more node; ENOSPC.
  Result<void> CheckInodes() const;
  void AccountInodes(int delta) { used_inodes_.fetch_add(delta, std::memory_order_relaxed); }
  // EINVAL if more is in use. 0: stays as it is.
  Result<void> SetLimits(uint64_t bytes, uint64_t inodes);

 private:
  using LowerKey = std::pair<uint64_t, uint64_t>;
  struct KeyHash {
    size_t operator()(const LowerKey& key) const { return key.second * 0x9e3779b97f4a7c15 + key.first; }
  };

  const Options options_;
  std::atomic<uint64_t> limit_pages_, limit_inodes_;
  std::atomic<uint64_t> next_ino_;
  std::atomic<int64_t> used_pages_{0}, used_inodes_{0};
  Mutex tree_mu_{LockRank::kOverlay};
  std::unordered_map<LowerKey, LayeredNode*, KeyHash> by_lower_ ABSL_GUARDED_BY(tree_mu_);
  std::unordered_map<LowerKey, RefPtr<LayeredNode>, KeyHash> pinned_ ABSL_GUARDED_BY(tree_mu_);
  RefPtr<LayeredNode> root_;
};

// Attributes and extended attributes of any node; symlinks and special files are complete with it.
class LayeredNode : public Inode {
 public:
  LayeredNode(LayeredFs& fs, const Attr& attr, RefPtr<Inode> lower, std::string symlink_target);
  // A node of the right class for attr.mode.
  static RefPtr<LayeredNode> Make(LayeredFs& fs, const Attr& attr, RefPtr<Inode> lower,
                                  std::string symlink_target = "");
  ~LayeredNode() override;
  // Attributes of something new.
  static Attr NewAttr(LayeredFs& fs, const NewFile& file);

  LayeredFs& layered() const { return layered_; }
  uint64_t ino() const { return ino_; }
  uint32_t type() const { return type_; }
  bool IsDir() const { return S_ISDIR(type_); }
  Inode* lower() const { return lower_.get(); }
  std::pair<uint64_t, uint64_t> lower_key() const { return lower_key_; }

  Result<Attr> GetAttr() override;
  Result<void> SetAttr(const AttrChange& change) override;
  Result<std::string> Readlink(Task& task) override;
  Result<RefPtr<File>> Open(Task& task, const Path& path, int flags) override;
  Result<std::string> GetXattr(std::string_view name) override;
  Result<void> SetXattr(std::string_view name, std::string_view value, int flags) override;
  Result<std::vector<std::string>> ListXattr() override;
  Result<void> RemoveXattr(std::string_view name) override;
  Result<uint32_t> GetFlags() override;
  Result<void> SetFlags(uint32_t flags) override;

  // After a change: the node may no longer be forgotten.
  void Dirty();
  // Link counts, with ctime. Called with the tree locked.
  void AddLinks(int delta);
  uint32_t links() const;
  void Touch();                                               // mtime and ctime: now
  void set_linkable(bool linkable) { linkable_ = linkable; }  // O_TMPFILE: has no name yet, may get one
  bool linkable() const { return linkable_; }

 protected:
  void OnLastRef() override;
  void ApplyLocked(const AttrChange& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable Mutex mu_{LockRank::kInode};
  Attr attr_ ABSL_GUARDED_BY(mu_);

 private:
  friend class LayeredFs;
  Result<void> LoadXattrs();

  LayeredFs& layered_;
  const RefPtr<Inode> lower_;
  std::pair<uint64_t, uint64_t> lower_key_{0, 0};
  const uint64_t ino_;
  const uint32_t type_;
  const std::string symlink_target_;
  bool linkable_ = false;
  std::atomic<bool> pinned_{false};
  std::atomic<uint32_t> flags_{0};  // FS_*_FL
  std::map<std::string, std::string, std::less<>> xattrs_ ABSL_GUARDED_BY(mu_);
  size_t xattr_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  bool xattrs_loaded_ ABSL_GUARDED_BY(mu_);  // false: those of the lower inode count
};

timespec CoarseNow();

}  // namespace runsc
