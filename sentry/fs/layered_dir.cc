// Directories of tmpfs and overlay: names over those of a lower directory.
#include "sentry/fs/layered_dir.h"

#include <dirent.h>
#include <linux/fs.h>
#include <stdio.h>

#include <algorithm>

#include "sentry/fs/dir_file.h"

namespace runsc {
namespace {

// What RENAME_WHITEOUT leaves: a character device 0:0.
RefPtr<LayeredNode> NewWhiteout(LayeredFs& fs) {
  const NewFile file{.mode = S_IFCHR, .uid = 0, .gid = 0};
  return LayeredNode::Make(fs, LayeredNode::NewAttr(fs, file), nullptr);
}

}  // namespace

void LayeredDir::PutLocked(std::string_view name, RefPtr<LayeredNode> node) {
  const auto it = children_.find(name);
  if (it != children_.end()) {
    it->second.node = std::move(node);
  } else {
    children_.emplace(std::string(name), Entry{std::move(node), false});
  }
}

// Takes the name away: what stood here, null when it was only in the lower directory. A whiteout
// remains exactly if the lower directory has the name.
RefPtr<LayeredNode> LayeredDir::TakeLocked(std::string_view name) {
  const auto it = children_.find(name);
  if (it == children_.end()) {
    children_.emplace(std::string(name), Entry{nullptr, true});
    return nullptr;
  }
  RefPtr<LayeredNode> node = std::move(it->second.node);
  if (!it->second.covers_lower) children_.erase(it);
  return node;
}

Result<RefPtr<Inode>> LayeredDir::Lookup(std::string_view name) {
  {
    MutexLock l(layered().tree_mu());
    const auto it = children_.find(name);
    if (it != children_.end()) {
      if (!it->second.node) return Errno(ENOENT);
      return RefPtr<Inode>(it->second.node);
    }
  }
  if (lower() == nullptr) return Errno(ENOENT);
  RefPtr<Inode> below = TRY(lower()->Lookup(name));
  const Attr attr = TRY(below->GetAttr());
  return RefPtr<Inode>(layered().NodeFor(std::move(below), attr));
}

void LayeredDir::Prefetch(std::string_view path) {
  if (lower() == nullptr) return;
  {
    MutexLock l(layered().tree_mu());
    if (children_.find(path.substr(0, path.find('/'))) != children_.end()) return;
  }
  lower()->Prefetch(path);
}

Result<RefPtr<Inode>> LayeredDir::Create(std::string_view name, const NewFile& file) {
  TRY(layered().CheckInodes());
  RefPtr<LayeredNode> node = LayeredNode::Make(layered(), NewAttr(layered(), file), nullptr, file.symlink_target);
  {
    MutexLock l(layered().tree_mu());
    if (removed_) return Errno(ENOENT);
    PutLocked(name, node);
    if (node->IsDir()) AddLinks(1);
  }
  Touch();
  Dirty();
  return RefPtr<Inode>(node);
}

Result<RefPtr<Inode>> LayeredDir::CreateTmpfile(const NewFile& file) {
  TRY(layered().CheckInodes());
  Attr attr = NewAttr(layered(), file);
  attr.nlink = 0;
  RefPtr<LayeredNode> node = LayeredNode::Make(layered(), attr, nullptr);
  node->set_linkable(file.linkable);
  return RefPtr<Inode>(node);
}

Result<void> LayeredDir::Link(std::string_view name, Inode& target) {
  if (&target.fs() != &fs()) return Errno(EXDEV);
  auto& node = static_cast<LayeredNode&>(target);
  {
    MutexLock l(layered().tree_mu());
    if (removed_ || (node.links() == 0 && !node.linkable())) return Errno(ENOENT);
    PutLocked(name, RefPtr<LayeredNode>(&node));
    node.AddLinks(1);
    node.set_linkable(false);
  }
  node.Dirty();
  Touch();
  Dirty();
  return {};
}

// One name of `node` is gone.
void LayeredDir::DropLocked(LayeredNode& node, std::vector<RefPtr<LayeredNode>>* released) {
  const int links = node.IsDir() ? 2 : 1;
  node.AddLinks(-static_cast<int>(std::min<uint32_t>(links, node.links())));
  if (node.links() == 0 && node.lower() != nullptr) released->push_back(layered().UnpinLocked(node));
}

Result<void> LayeredDir::Unlink(std::string_view name, Inode& child) {
  auto& node = static_cast<LayeredNode&>(child);
  std::vector<RefPtr<LayeredNode>> released;
  {
    MutexLock l(layered().tree_mu());
    released.push_back(TakeLocked(name));
    DropLocked(node, &released);
  }
  node.Dirty();
  Touch();
  Dirty();
  return {};
}

std::vector<DirEntry> LayeredDir::LowerEntries(Result<void>* status) const {
  if (lower() == nullptr) return {};
  Result<std::vector<DirEntry>> entries = lower()->Entries();
  if (entries.ok()) return std::move(*entries);
  *status = entries.error();
  return {};
}

Result<void> LayeredDir::CheckEmptyLocked(const std::vector<DirEntry>& lower_entries) const {
  for (const auto& [name, entry] : children_) {
    if (entry.node) return Errno(ENOTEMPTY);
  }
  for (const DirEntry& entry : lower_entries) {
    if (children_.find(entry.name) == children_.end()) return Errno(ENOTEMPTY);
  }
  return {};
}

Result<void> LayeredDir::Rmdir(std::string_view name, Inode& child) {
  auto& dir = static_cast<LayeredDir&>(child);
  Result<void> status;
  const std::vector<DirEntry> below = dir.LowerEntries(&status);
  TRY(status);
  std::vector<RefPtr<LayeredNode>> released;
  {
    MutexLock l(layered().tree_mu());
    TRY(dir.CheckEmptyLocked(below));
    dir.removed_ = true;
    released.push_back(TakeLocked(name));
    DropLocked(dir, &released);
    AddLinks(-1);
  }
  Touch();
  Dirty();
  return {};
}

Result<void> LayeredDir::Rename(std::string_view old_name, Inode& child, Inode& new_dir, std::string_view new_name,
                                Inode* replaced, uint32_t flags) {
  auto& to = static_cast<LayeredDir&>(new_dir);
  auto& node = static_cast<LayeredNode&>(child);
  auto* victim = static_cast<LayeredNode*>(replaced);
  const bool exchange = flags & RENAME_EXCHANGE;
  std::vector<DirEntry> below;
  if (victim != nullptr && victim->IsDir() && !exchange) {
    Result<void> status;
    below = static_cast<LayeredDir*>(victim)->LowerEntries(&status);
    TRY(status);
  }
  std::vector<RefPtr<LayeredNode>> released;
  const RefPtr<LayeredNode> whiteout = flags & RENAME_WHITEOUT ? NewWhiteout(layered()) : nullptr;
  {
    MutexLock l(layered().tree_mu());
    if (to.removed_) return Errno(ENOENT);
    if (victim != nullptr && victim->IsDir() && !exchange) {
      TRY(static_cast<LayeredDir*>(victim)->CheckEmptyLocked(below));
    }
    TRY(RenameLocked(old_name, node, to, new_name, victim, exchange, &released));
    if (whiteout) PutLocked(old_name, whiteout);
  }
  node.Dirty();
  if (victim != nullptr) victim->Dirty();
  Touch();
  to.Touch();
  Dirty();
  to.Dirty();
  return {};
}

Result<void> LayeredDir::RenameLocked(std::string_view old_name, LayeredNode& child, LayeredDir& new_dir,
                                      std::string_view new_name, LayeredNode* replaced, bool exchange,
                                      std::vector<RefPtr<LayeredNode>>* released) {
  released->push_back(TakeLocked(old_name));
  if (replaced != nullptr) released->push_back(new_dir.TakeLocked(new_name));
  new_dir.PutLocked(new_name, RefPtr<LayeredNode>(&child));
  child.AddLinks(0);
  if (child.IsDir()) {
    AddLinks(-1);
    new_dir.AddLinks(1);
  }
  if (replaced == nullptr) return {};
  if (replaced->IsDir()) new_dir.AddLinks(-1);
  if (exchange) {
    PutLocked(old_name, RefPtr<LayeredNode>(replaced));
    if (replaced->IsDir()) AddLinks(1);
    return {};
  }
  if (replaced->IsDir()) static_cast<LayeredDir*>(replaced)->removed_ = true;
  DropLocked(*replaced, released);
  return {};
}

Result<std::vector<DirEntry>> LayeredDir::Entries() {
  Result<void> status;
  std::vector<DirEntry> below = LowerEntries(&status);
  TRY(status);
  std::vector<DirEntry> all;
  MutexLock l(layered().tree_mu());
  if (removed_) return all;
  for (DirEntry& entry : below) {
    if (children_.find(entry.name) == children_.end()) all.push_back(std::move(entry));
  }
  for (const auto& [name, entry] : children_) {
    if (!entry.node) continue;
    const auto type = static_cast<uint8_t>(IFTODT(entry.node->type()));
    all.push_back({.ino = entry.node->ino(), .next_offset = 0, .type = type, .name = name});
  }
  return all;
}

Result<RefPtr<File>> LayeredDir::Open(Task& task, const Path& path, int flags) {
  return RefPtr<File>(MakeRef<DirFile>(path, flags));
}

}  // namespace runsc
