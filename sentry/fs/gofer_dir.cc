// Names of host directories.
#include <fcntl.h>
#include <sys/stat.h>

#include "sentry/fs/gofer_inode.h"

namespace runsc {
namespace {

// Names resolved ahead of their lookup, per directory.
constexpr size_t kMaxPrefetched = 128;
constexpr size_t kMaxWaste = 8;

std::vector<std::string> NamesOf(const std::vector<DirEntry>& entries) {
  std::vector<std::string> names;
  names.reserve(entries.size());
  for (const DirEntry& entry : entries) names.push_back(entry.name);
  return names;
}

std::vector<std::string_view> SplitForWalk(std::string_view path) {
  std::vector<std::string_view> names;
  while (!path.empty() && names.size() < GoferClient::kMaxWalkNames) {
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, end);
    if (name == ".." || name == ".") break;
    if (!name.empty()) names.push_back(name);
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return names;
}

}  // namespace

bool GoferInode::TakePrefetched(std::string_view name, RefPtr<GoferInode>* inode) {
  Ahead ahead;
  {
    MutexLock l(mu_);
    const auto it = prefetched_.find(name);
    if (it == prefetched_.end()) return false;
    ahead = std::move(it->second);
    prefetched_.erase(it);
  }
  *inode = ahead.node ? gofer_fs_.InodeAhead(std::move(*ahead.node), {RefPtr<GoferInode>(this), std::string(name)})
                      : std::move(ahead.inode);
  return true;
}

// Unless a name changed since there were `changes`: it may have been this one.
void GoferInode::StorePrefetched(std::string_view name, Ahead ahead, uint64_t changes) {
  std::map<std::string, Ahead, std::less<>> old;  // released after the lock
  MutexLock l(mu_);
  if (name_changes_ != changes) return;
  if (prefetched_.size() >= kMaxPrefetched) old.swap(prefetched_);
  std::swap(prefetched_[std::string(name)], ahead);
}

uint64_t GoferInode::NameChanges() const {
  MutexLock l(mu_);
  return name_changes_;
}

void GoferInode::NameChanged(std::string_view name) {
  Ahead old;  // both released after the lock
  std::shared_ptr<const GoferKeptListing> listing;
  MutexLock l(mu_);
  ++name_changes_;
  stale_ = true;
  listing.swap(listing_);
  const auto it = prefetched_.find(name);
  if (it == prefetched_.end()) return;
  old = std::move(it->second);
  prefetched_.erase(it);
}

void GoferInode::Prefetch(std::string_view path) {
  if (gofer_fs_.shared() || !S_ISDIR(type_)) return;
  const std::vector<std::string_view> names = SplitForWalk(path);
  if (names.size() < 2) return;
  uint64_t changes = 0;
  {
    MutexLock l(mu_);
    if (prefetched_.contains(names[0])) return;
    changes = name_changes_;
  }
  Result<WalkResult> walk = gofer_fs_.client().Walk(handle_, names);
  if (!walk.ok()) return;
  RefPtr<GoferInode> at(this);
  size_t i = 0;
  for (GoferNode& node : walk->nodes) {
    RefPtr<GoferInode> inode = gofer_fs_.InodeFor(std::move(node));
    at->StorePrefetched(names[i++], {inode, {}}, changes);
    at = std::move(inode);
    changes = at->NameChanges();
  }
  if (i < names.size() && walk->stopped == Errno(ENOENT)) at->StorePrefetched(names[i], {}, changes);
}

Result<RefPtr<GoferInode>> GoferInode::WalkOne(std::string_view name) {
  WalkResult walk = TRY(gofer_fs_.client().Walk(handle_, {&name, 1}));
  if (walk.nodes.empty()) return walk.stopped.value() != 0 ? walk.stopped : Errno(ENOENT);
  return gofer_fs_.InodeFor(std::move(walk.nodes[0]));
}

// A node's attributes must stay true until they are taken: not those of a file that has an inode, or a second name.
void GoferInode::StoreAhead(std::string_view name, GoferNode node, uint64_t changes) {
  if (node.handle.valid()) return StorePrefetched(name, {gofer_fs_.InodeAhead(std::move(node)), {}}, changes);
  if (node.attr.nlink == 1 && !gofer_fs_.HasInode(node.attr))
    StorePrefetched(name, {nullptr, std::move(node)}, changes);
}

// With the names that will be looked up next, unless others may change the directory.
Result<RefPtr<GoferInode>> GoferInode::LookupOnHost(std::string_view name) {
  if (gofer_fs_.shared()) return WalkOne(name);
  std::vector<std::string> names;
  uint64_t changes = 0;
  {
    MutexLock l(mu_);
    if (std::exchange(listed_, false) && listing_)
      ahead_.Listed(NamesOf(listing_->entries()), gofer_fs_.ahead_window());
    names = ahead_.Take(name, GoferClient::kMaxWalkNames);
    gofer_fs_.set_ahead_window(std::max(gofer_fs_.ahead_window(), ahead_.window()));
    changes = name_changes_;
  }
  std::vector<Result<GoferNode>> children = TRY(gofer_fs_.client().Lookup(handle_, names));
  for (size_t i = 1; i < children.size(); ++i) {
    if (children[i].ok()) StoreAhead(names[i], std::move(*children[i]), changes);
  }
  if (children.empty()) return WalkOne(name);
  GoferNode node = TRY(std::move(children[0]));
  return gofer_fs_.InodeFor(std::move(node), {RefPtr<GoferInode>(this), std::string(name)});
}

Result<RefPtr<Inode>> GoferInode::Lookup(std::string_view name) {
  if (!S_ISDIR(type_)) return Errno(ENOTDIR);
  RefPtr<GoferInode> inode;
  if (TakePrefetched(name, &inode)) {
    if (!inode) return Errno(ENOENT);
    return RefPtr<Inode>(inode);
  }
  return RefPtr<Inode>(TRY(LookupOnHost(name)));
}

bool GoferInode::RevalidateChild(std::string_view name, Inode* child) {
  if (!gofer_fs_.shared()) return true;
  Result<RefPtr<GoferInode>> now = WalkOne(name);
  if (!now.ok()) return child == nullptr && now.error() == Errno(ENOENT);
  return now->get() == child;
}

Result<GoferNode> GoferInode::CreateOnHost(std::string_view name, const NewFile& file, UniqueFd* fd) {
  GoferClient& client = gofer_fs_.client();
  const NewHostFile host{.mode = file.mode & 07777, .uid = file.uid, .gid = file.gid};
  switch (file.mode & S_IFMT) {
    case S_IFREG: {
      CreatedFile created = TRY(client.Create(handle_, name, O_RDWR, host));
      *fd = std::move(created.fd);
      return std::move(created.node);
    }
    case S_IFDIR:
      return client.Mkdir(handle_, name, host);
    case S_IFLNK:
      return client.Symlink(handle_, name, file.symlink_target, file.uid, file.gid);
    default:
      return client.Mknod(handle_, name, file.mode & S_IFMT, host);
  }
}

Result<RefPtr<Inode>> GoferInode::Create(std::string_view name, const NewFile& file) {
  TRY(gofer_fs_.CheckWritable());
  UniqueFd fd;
  GoferNode node = TRY(CreateOnHost(name, file, &fd));
  RefPtr<GoferInode> inode = gofer_fs_.InodeFor(std::move(node));
  NameChanged(name);
  MutexLock l(inode->mu_);
  if (fd.valid() && !inode->write_fd_.valid()) inode->write_fd_ = std::move(fd);
  return RefPtr<Inode>(inode);
}

Result<RefPtr<Inode>> GoferInode::CreateTmpfile(const NewFile& file) {
  TRY(gofer_fs_.CheckWritable());
  const NewHostFile host{.mode = file.mode & 07777, .uid = file.uid, .gid = file.gid};
  CreatedFile created = TRY(gofer_fs_.client().CreateTmp(handle_, file.linkable ? 0 : O_EXCL, host));
  RefPtr<GoferInode> inode = gofer_fs_.InodeFor(std::move(created.node));
  MutexLock l(inode->mu_);
  if (!inode->write_fd_.valid()) inode->write_fd_ = std::move(created.fd);
  return RefPtr<Inode>(inode);
}

Result<void> GoferInode::Link(std::string_view name, Inode& target) {
  if (&target.fs() != &fs()) return Errno(EXDEV);
  TRY(gofer_fs_.CheckWritable());
  auto& inode = static_cast<GoferInode&>(target);
  inode.Update(TRY(gofer_fs_.client().Link(*TRY(inode.Handle()), handle_, name)));
  NameChanged(name);
  return {};
}

Result<void> GoferInode::Unlink(std::string_view name, Inode& child) {
  TRY(gofer_fs_.CheckWritable());
  auto& inode = static_cast<GoferInode&>(child);
  TRY(inode.Handle());  // whoever holds the file cannot find it by its name any more
  TRY(gofer_fs_.client().Unlink(handle_, name));
  inode.MarkStale();
  NameChanged(name);
  return {};
}

Result<void> GoferInode::Rmdir(std::string_view name, Inode& child) {
  TRY(gofer_fs_.CheckWritable());
  TRY(gofer_fs_.client().Rmdir(handle_, name));
  static_cast<GoferInode&>(child).MarkStale();
  NameChanged(name);
  return {};
}

Result<void> GoferInode::Rename(std::string_view old_name, Inode& child, Inode& new_dir, std::string_view new_name,
                                Inode* replaced, uint32_t flags) {
  TRY(gofer_fs_.CheckWritable());
  auto& to = static_cast<GoferInode&>(new_dir);
  auto& moved = static_cast<GoferInode&>(child);
  auto* const other = static_cast<GoferInode*>(replaced);
  TRY(moved.Handle());  // as for Unlink
  if (other != nullptr) TRY(other->Handle());
  TRY(gofer_fs_.client().Rename(handle_, old_name, to.handle_, new_name, flags));
  moved.MarkStale();
  if (other != nullptr) other->MarkStale();
  NameChanged(old_name);
  to.NameChanged(new_name);
  return {};
}

bool GoferFs::TakeListingRoom(size_t names) {
  if (listed_.fetch_add(names, std::memory_order_relaxed) + names <= kMaxListed) return true;
  GiveListingRoom(names);
  return false;
}

std::shared_ptr<const GoferKeptListing> GoferKeptListing::Make(GoferFs& fs, const std::vector<DirEntry>& entries) {
  if (!fs.TakeListingRoom(entries.size())) return nullptr;
  return std::shared_ptr<const GoferKeptListing>(new GoferKeptListing(fs, entries));
}

std::shared_ptr<const GoferKeptListing> GoferInode::KnownListing() {
  MutexLock l(mu_);
  listed_ = listing_ != nullptr;
  return listing_;
}

// Is remembered unless a name changed since there were `changes`.
void GoferInode::NoteListing(const std::vector<DirEntry>& entries, uint64_t changes) {
  if (gofer_fs_.shared()) return;
  auto kept = GoferKeptListing::Make(gofer_fs_, entries);
  MutexLock l(mu_);
  if (name_changes_ == changes) listing_.swap(kept);
  listed_ = listing_ != nullptr;
  if (!listed_) ahead_.Listed(NamesOf(entries), gofer_fs_.ahead_window());
}

// At the end: names that nobody came for.
void GoferInode::NoteWaste() {
  MutexLock l(mu_);
  if (prefetched_.size() > kMaxWaste) gofer_fs_.set_ahead_window(1);
}

Result<std::vector<DirEntry>> GoferInode::ReadEntries() {
  std::vector<DirEntry> all;
  for (GoferDirEntry& entry : TRY(gofer_fs_.client().ReadWholeDir(handle_))) {
    all.push_back({.ino = gofer_fs_.GuestIno(host_key_.first, entry.ino),
                   .next_offset = 0,
                   .type = entry.type,
                   .name = std::move(entry.name)});
  }
  return all;
}

Result<std::vector<DirEntry>> GoferInode::Entries() {
  if (!S_ISDIR(type_)) return Errno(ENOTDIR);
  if (const auto known = KnownListing()) return known->entries();
  const uint64_t changes = NameChanges();
  std::vector<DirEntry> all = TRY(ReadEntries());
  NoteListing(all, changes);
  return all;
}

}  // namespace runsc
