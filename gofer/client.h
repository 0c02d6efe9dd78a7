// The sentry's side of the gofer: typed calls on host files.
//
// Every call may block on the host: hold no lock across one. Failures carry the host's errno; a dead
// or misbehaving gofer is EIO for every call from then on, never a hang.
#pragma once

#include <sys/vfs.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "gofer/file_attr.h"
#include "platform/base/mutex.h"
#include "platform/base/result.h"
#include "platform/base/unique_fd.h"

namespace runsc {

class GoferChannel;
class GoferClient;

// A file the gofer holds for us. Dropping it never blocks: closes are sent in batches with later
// calls. Must not outlive its client.
class GoferHandle {
 public:
  GoferHandle() = default;
  GoferHandle(GoferHandle&& o) noexcept : client_(std::exchange(o.client_, nullptr)), id_(std::exchange(o.id_, 0)) {}
  GoferHandle& operator=(GoferHandle&& o) noexcept {
    std::swap(client_, o.client_);
    std::swap(id_, o.id_);
    return *this;
  }
  ~GoferHandle();
  bool valid() const { return client_ != nullptr; }
  uint64_t id() const { return id_; }

 private:
  friend class GoferClient;
  GoferHandle(GoferClient* client, uint64_t id) : client_(client), id_(id) {}
  GoferClient* client_ = nullptr;
  uint64_t id_ = 0;
};

// One resolved name.
struct GoferNode {
  GoferHandle handle;  // none in lookups of anything but a directory
  FileAttr attr;
  std::string link_target;  // of a symlink
};

struct WalkResult {
  // One per name resolved. Fewer than asked when the walk stopped early: `stopped` says why, or is 0
  // when the last node is a symlink or anything else that is not a directory (the caller follows it).
  std::vector<GoferNode> nodes;
  Errno stopped{0};
  // With open_flags: the last name's host file, if it was reached, is regular and could be opened.
  UniqueFd fd;
};

struct CreatedFile {
  GoferNode node;
  UniqueFd fd;
};

// Owner and permissions of something new. Ids of kKeepId stay the gofer's own.
struct NewHostFile {
  static constexpr uint32_t kKeepId = ~0u;
  uint32_t mode = 0644;  // permission bits
  uint32_t uid = kKeepId;
  uint32_t gid = kKeepId;
};

class GoferClient {
 public:
  static constexpr size_t kMaxWalkNames = 32;
  static constexpr size_t kMaxDirEntries = 8 << 20;
  static constexpr int kNoOpen = -1;

  // One SOCK_SEQPACKET socket per channel; calls run in parallel on different channels.
  explicit GoferClient(std::vector<UniqueFd> channels);
  ~GoferClient();
  GoferClient(const GoferClient&) = delete;

  // Root of attach point `index` (0: the root file system). May be a directory or a single file.
  Result<GoferNode> Attach(uint32_t index);

  // Resolves up to kMaxWalkNames names below `dir`, each relative to the one before. "." and ".." and
  // names with a slash are EINVAL. With open_flags (as Open) the last file is opened in the same trip.
  Result<WalkResult> Walk(const GoferHandle& dir, std::span<const std::string_view> names, int open_flags = kNoOpen);
  // The children of `dir` by up to kMaxWalkNames names, each on its own: one result per name, or fewer when
  // they do not fit a reply or the gofer holds as many files as it may.
  Result<std::vector<Result<GoferNode>>> Lookup(const GoferHandle& dir, std::span<const std::string> names);
  Result<FileAttr> GetAttr(const GoferHandle& file);
  // Changes attributes in Linux's order (size, owner, mode, times) and returns the new ones.
  Result<FileAttr> SetAttr(const GoferHandle& file, const FileAttrChange& change);

  // A host descriptor of a regular file. flags: O_RDONLY, O_WRONLY or O_RDWR, with any of O_TRUNC
  // O_APPEND O_DIRECT O_DSYNC O_SYNC O_NOATIME. EISDIR for a directory; ELOOP for a symlink; EPERM for
  // devices, always; ENXIO for fifos and sockets.
  Result<UniqueFd> Open(const GoferHandle& file, int flags);

  // Makes a new regular file (EEXIST if the name is taken) and opens it with `flags`, as Open.
  Result<CreatedFile> Create(const GoferHandle& dir, std::string_view name, int flags, const NewHostFile& file);
  // As Create, without a name; Link gives it one unless flags has O_EXCL.
  Result<CreatedFile> CreateTmp(const GoferHandle& dir, int flags, const NewHostFile& file);
  Result<GoferNode> Mkdir(const GoferHandle& dir, std::string_view name, const NewHostFile& file);
  // type: S_IFREG, S_IFIFO or S_IFSOCK; device nodes are EPERM.
  Result<GoferNode> Mknod(const GoferHandle& dir, std::string_view name, uint32_t type, const NewHostFile& file);
  Result<GoferNode> Symlink(const GoferHandle& dir, std::string_view name, std::string_view target,
                            uint32_t uid = NewHostFile::kKeepId, uint32_t gid = NewHostFile::kKeepId);
  // A new name for `file`; returns its attributes. EXDEV across attach points.
  Result<FileAttr> Link(const GoferHandle& file, const GoferHandle& dir, std::string_view name);
  Result<void> Unlink(const GoferHandle& dir, std::string_view name);
  Result<void> Rmdir(const GoferHandle& dir, std::string_view name);
  // flags: RENAME_NOREPLACE, RENAME_EXCHANGE.
  Result<void> Rename(const GoferHandle& old_dir, std::string_view old_name, const GoferHandle& new_dir,
                      std::string_view new_name, uint32_t flags);

  // fsync or fdatasync of a directory or regular file.
  Result<void> Sync(const GoferHandle& file, bool data_only);
  // The start is over: the gofer gives the host what only that needed.
  Result<void> Settle();
  Result<std::string> Readlink(const GoferHandle& link);
  Result<struct statfs> Statfs(const GoferHandle& file);
  // The entries after `cursor` (0: from the start), without "." and "..", as many as fit one message.
  Result<GoferListing> ReadDir(const GoferHandle& dir, uint64_t cursor);
  // All of them. EOVERFLOW for more than `most`: nobody can tell a huge directory from a gofer that finds no end.
  Result<std::vector<GoferDirEntry>> ReadWholeDir(const GoferHandle& dir, size_t most = kMaxDirEntries);

  // user.* and system.posix_acl_*; security.capability may be read. Others are EOPNOTSUPP.
  Result<std::string> GetXattr(const GoferHandle& file, std::string_view name);
  Result<void> SetXattr(const GoferHandle& file, std::string_view name, std::string_view value, int flags);
  Result<std::vector<std::string>> ListXattr(const GoferHandle& file);
  Result<void> RemoveXattr(const GoferHandle& file, std::string_view name);

  // An unnamed file on attach point `index`'s file system, read-write: room for a file-backed upper
  // layer. EROFS unless the attach point allows it.
  Result<UniqueFd> OpenTmp(uint32_t index);

  // Lets the gofer go: every call fails from now on. Waits for those under way.
  void Disconnect();
  // False once the gofer died or broke the protocol.
  bool alive() const { return alive_.load(std::memory_order_acquire); }

 private:
  friend class GoferHandle;
  class Call;
  struct Reply;

  Result<Reply> Send(Call& call);
  bool Exchange(Call& call, Reply* reply);
  void QueueClose(uint64_t id);
  void FlushCloses(size_t at_least);
  Result<GoferNode> TakeNode(Reply& reply);
  Result<GoferNode> CallForNode(Call& call);
  Result<FileAttr> CallForAttr(Call& call);
  Result<std::string> CallForString(Call& call);
  Result<UniqueFd> CallForFd(Call& call);
  Result<CreatedFile> CallForFile(Call& call);
  Result<void> CallForNothing(Call& call);

  std::vector<std::unique_ptr<GoferChannel>> channels_;
  std::atomic<bool> alive_{true};
  std::atomic<uint32_t> next_channel_{0};
  Mutex close_mu_{LockRank::kGoferClient};
  std::vector<uint64_t> closed_ ABSL_GUARDED_BY(close_mu_);
};

}  // namespace runsc
