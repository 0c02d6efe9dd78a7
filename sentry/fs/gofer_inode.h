// Inodes of host files: what is cached of them and how the gofer is asked for the rest.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <unordered_map>

#include "sentry/fs/gofer_fs.h"
#include "sentry/fs/lookup_ahead.h"
#include "sentry/vfs/file.h"

namespace runsc {

class GoferInode;

// A name of a host directory.
struct GoferPlace {
  RefPtr<GoferInode> dir;
  std::string name;
};

class GoferFs final : public FileSystem {
 public:
  GoferFs(GoferClient& client, const GoferFsOptions& options);
  ~GoferFs() override;
  Result<void> Attach(uint32_t index);

  std::string_view type() const override { return "hostfs"; }
  RefPtr<Inode> root() override;
  Result<struct statfs> Statfs() override;
  Result<void> Sync() override;

  GoferClient& client() { return client_; }
  bool shared() const { return options_.shared; }
  Result<void> CheckWritable() const { return options_.read_only ? Errno(EROFS) : Result<void>(); }
  // The inode of a host file: the one that exists, with attributes brought up to date, or a new one. `place` is where
  // a node without a handle was found.
  RefPtr<GoferInode> InodeFor(GoferNode node, GoferPlace place = {});
  // As InodeFor, of a node that was not asked for: what is known of an inode that exists may be younger, and stays.
  RefPtr<GoferInode> InodeAhead(GoferNode node, GoferPlace place = {});
  void Forget(GoferInode& inode);
  bool HasInode(const FileAttr& attr) const;
  // Each handle is a descriptor of the gofer, and files that were opened have some of the sentry besides.
  bool IsCrowded() const override { return handles_.load(std::memory_order_relaxed) > kCrowd; }
  void CountHandles(int delta) { handles_.fetch_add(delta, std::memory_order_relaxed); }
  // How many names the first lookup after a listing brings along: what lookups in other directories came to use.
  size_t ahead_window() const { return ahead_window_.load(std::memory_order_relaxed); }
  void set_ahead_window(size_t names) { ahead_window_.store(names, std::memory_order_relaxed); }
  // Directories remember their names as long as there is room for all of them. False: there is none.
  bool TakeListingRoom(size_t names);
  void GiveListingRoom(size_t names) { listed_.fetch_sub(names, std::memory_order_relaxed); }
  // Inode number shown to the guest: the host's own are not its business, but must stay distinct.
  uint64_t GuestIno(uint64_t host_dev, uint64_t host_ino) const;
  Attr ToGuest(const FileAttr& attr) const;

 private:
  using Key = std::pair<uint64_t, uint64_t>;
  struct KeyHash {
    size_t operator()(const Key& key) const { return key.second * 0x9e3779b97f4a7c15 + key.first; }
  };

  static constexpr int kCrowd = 4096;
  static constexpr size_t kMaxListed = 65536;

  RefPtr<GoferInode> FindOrMake(GoferNode& node, GoferPlace place, bool* found);

  GoferClient& client_;
  const GoferFsOptions options_;
  const uint64_t ino_mask_;
  uint64_t root_dev_ = 0;  // the host's
  std::atomic<size_t> ahead_window_{1};
  std::atomic<int> handles_{0};
  std::atomic<size_t> listed_{0};  // names in listings that are remembered
  RefPtr<GoferInode> root_;
  mutable Mutex table_mu_{LockRank::kOverlay};
  std::unordered_map<Key, GoferInode*, KeyHash> inodes_ ABSL_GUARDED_BY(table_mu_);
};

// All names of a directory, as long as nobody changes them.
class GoferKeptListing {
 public:
  // Null if there is no room.
  static std::shared_ptr<const GoferKeptListing> Make(GoferFs& fs, const std::vector<DirEntry>& entries);
  ~GoferKeptListing() { fs_.GiveListingRoom(entries_.size()); }
  const std::vector<DirEntry>& entries() const { return entries_; }

 private:
  GoferKeptListing(GoferFs& fs, const std::vector<DirEntry>& entries) : fs_(fs), entries_(entries) {}

  GoferFs& fs_;
  const std::vector<DirEntry> entries_;
};

class GoferInode final : public Inode {
 public:
  GoferInode(GoferFs& fs, GoferNode node, GoferPlace place);
  ~GoferInode() override;

  std::pair<uint64_t, uint64_t> host_key() const { return host_key_; }
  // What the gofer knows the file by. Other files than directories get one when it is needed first: ESTALE if the host
  // has replaced the file.
  Result<const GoferHandle*> Handle();
  void Update(const FileAttr& attr);
  void MarkStale();  // the host's attributes changed under the cached ones

  Result<Attr> GetAttr() override;
  Result<void> SetAttr(const AttrChange& change) override;
  Result<RefPtr<Inode>> Lookup(std::string_view name) override;
  Result<RefPtr<Inode>> Create(std::string_view name, const NewFile& file) override;
  Result<void> Link(std::string_view name, Inode& target) override;
  Result<void> Unlink(std::string_view name, Inode& child) override;
  Result<void> Rmdir(std::string_view name, Inode& child) override;
  Result<void> Rename(std::string_view old_name, Inode& child, Inode& new_dir, std::string_view new_name,
                      Inode* replaced, uint32_t flags) override;
  Result<RefPtr<Inode>> CreateTmpfile(const NewFile& file) override;
  Result<std::vector<DirEntry>> Entries() override;
  Result<std::string> Readlink(Task& task) override;
  Result<RefPtr<File>> Open(Task& task, const Path& path, int flags) override;
  Result<int> HostFile() override { return ReadFd(); }
  void Prefetch(std::string_view path) override;
  bool RevalidateChild(std::string_view name, Inode* child) override;
  Result<std::string> GetXattr(std::string_view name) override;
  Result<void> SetXattr(std::string_view name, std::string_view value, int flags) override;
  Result<std::vector<std::string>> ListXattr() override;
  Result<void> RemoveXattr(std::string_view name) override;

  // Host descriptors shared by all opens; they live as long as the inode.
  Result<int> ReadFd();
  Result<int> WriteFd();  // read-write
  // One of its own, for flags that belong to a description (O_APPEND, O_SYNC, O_DIRECT).
  Result<UniqueFd> PrivateFd(int flags);
  int AnyFd() const;

 private:
  friend class GoferFs;
  // A name resolved ahead of its lookup. Neither: known to be absent. A node has no inode yet, and so no
  // handle: inodes with a place hold their directory, which must not hold them.
  struct Ahead {
    RefPtr<GoferInode> inode;
    std::optional<GoferNode> node;
  };
  void OnLastRef() override;
  // A directory's, which it has from the start.
  const GoferHandle& dir_handle() const { return handle_; }
  bool Adopt(GoferNode node);  // false: another file
  GoferPlace place() const;
  Result<UniqueFd> Acquire(int open_flags);
  Result<UniqueFd> OpenOnHost(int flags);
  Result<void> Refresh();
  Result<bool> RefreshByFd(int fd);  // false: ask the gofer
  Result<RefPtr<GoferInode>> WalkOne(std::string_view name);
  Result<GoferNode> CreateOnHost(std::string_view name, const NewFile& file, UniqueFd* fd);
  Result<RefPtr<GoferInode>> LookupOnHost(std::string_view name);
  bool TakePrefetched(std::string_view name, RefPtr<GoferInode>* inode);
  void StorePrefetched(std::string_view name, Ahead ahead, uint64_t changes);
  void StoreAhead(std::string_view name, GoferNode node, uint64_t changes);
  uint64_t NameChanges() const;
  void NameChanged(std::string_view name);
  Result<std::vector<DirEntry>> ReadEntries();
  std::shared_ptr<const GoferKeptListing> KnownListing();
  void NoteListing(const std::vector<DirEntry>& entries, uint64_t changes);
  void NoteWaste();

  GoferFs& gofer_fs_;
  GoferHandle handle_;  // written once under mu_, read once has_handle_
  std::atomic<bool> has_handle_;
  const std::pair<uint64_t, uint64_t> host_key_;
  const uint32_t type_;
  const std::string link_target_;
  mutable Mutex mu_{LockRank::kInode};
  GoferPlace place_ ABSL_GUARDED_BY(mu_);  // until there is a handle
  Attr attr_ ABSL_GUARDED_BY(mu_);
  bool stale_ ABSL_GUARDED_BY(mu_) = false;
  std::atomic<uint32_t> no_acl_{0};         // bit per kind of access list: known to be absent (exclusive mounts)
  UniqueFd read_fd_ ABSL_GUARDED_BY(mu_);   // once set, stays
  UniqueFd write_fd_ ABSL_GUARDED_BY(mu_);  // likewise
  std::map<std::string, Ahead, std::less<>> prefetched_ ABSL_GUARDED_BY(mu_);  // used up by the lookup
  LookupAhead ahead_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<const GoferKeptListing> listing_ ABSL_GUARDED_BY(mu_);  // exclusive mounts: until a name changes
  bool listed_ ABSL_GUARDED_BY(mu_) = false;                              // ahead_ has not heard of the last listing
  uint64_t name_changes_ ABSL_GUARDED_BY(mu_) = 0;  // how often a name of this directory was changed
};

}  // namespace runsc
