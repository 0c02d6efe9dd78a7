// Directories of tmpfs and overlay.
#pragma once

#include "sentry/fs/layered_fs.h"

namespace runsc {

class LayeredDir final : public LayeredNode {
 public:
  using LayeredNode::LayeredNode;

  Result<RefPtr<Inode>> Lookup(std::string_view name) override;
  Result<RefPtr<Inode>> Create(std::string_view name, const NewFile& file) override;
  Result<void> Link(std::string_view name, Inode& target) override;
  Result<void> Unlink(std::string_view name, Inode& child) override;
  Result<void> Rmdir(std::string_view name, Inode& child) override;
  Result<void> Rename(std::string_view old_name, Inode& child, Inode& new_dir, std::string_view new_name,
                      Inode* replaced, uint32_t flags) override;
  Result<RefPtr<Inode>> CreateTmpfile(const NewFile& file) override;
  Result<std::vector<DirEntry>> Entries() override;
  Result<RefPtr<File>> Open(Task& task, const Path& path, int flags) override;
  void Prefetch(std::string_view path) override;

 private:
  struct Entry {
    RefPtr<LayeredNode> node;   // null: a whiteout
    bool covers_lower = false;  // the lower directory has this name too
  };
  // All of these: the tree is locked.
  void PutLocked(std::string_view name, RefPtr<LayeredNode> node);
  RefPtr<LayeredNode> TakeLocked(std::string_view name);
  Result<void> CheckEmptyLocked(const std::vector<DirEntry>& lower_entries) const;
  void DropLocked(LayeredNode& node, std::vector<RefPtr<LayeredNode>>* released)
      ABSL_NO_THREAD_SAFETY_ANALYSIS;  // the lock is another object's: the analysis cannot follow
  std::vector<DirEntry> LowerEntries(Result<void>* status) const;
  Result<void> RenameLocked(std::string_view old_name, LayeredNode& child, LayeredDir& new_dir,
                            std::string_view new_name, LayeredNode* replaced, bool exchange,
                            std::vector<RefPtr<LayeredNode>>* released);

  // Guarded by layered().tree_mu().
  std::map<std::string, Entry, std::less<>> children_;
  bool removed_ = false;
};

}  // namespace runsc
