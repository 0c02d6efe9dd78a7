// Attributes and descriptors of host files.
#include "sentry/fs/gofer_inode.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "sentry/vfs/posix_acl.h"

namespace runsc {
namespace {

FileAttrChange ToHost(const AttrChange& change) {
  FileAttrChange host;
  host.mode = change.mode;
  host.uid = change.uid;
  host.gid = change.gid;
  host.size = change.size;
  host.atime = change.atime;
  host.mtime = change.mtime;
  return host;
}

// Access lists are asked for by every permission check: that there is none is remembered.
uint32_t AclBit(std::string_view name) { return name == kAccessAcl ? 1 : name == kDefaultAcl ? 2 : 0; }

}  // namespace

GoferInode::GoferInode(GoferFs& fs, GoferNode node, GoferPlace place)
    : Inode(fs),
      gofer_fs_(fs),
      handle_(std::move(node.handle)),
      has_handle_(handle_.valid()),
      host_key_(node.attr.dev, node.attr.ino),
      type_(node.attr.mode & S_IFMT),
      link_target_(std::move(node.link_target)),
      attr_(fs.ToGuest(node.attr)) {
  MutexLock l(mu_);
  if (has_handle_) {
    gofer_fs_.CountHandles(1);
  } else {
    place_ = std::move(place);
  }
}

GoferInode::~GoferInode() {
  if (has_handle_) gofer_fs_.CountHandles(-1);
}

GoferPlace GoferInode::place() const {
  MutexLock l(mu_);
  return place_;
}

bool GoferInode::Adopt(GoferNode node) {
  if (std::pair(node.attr.dev, node.attr.ino) != host_key_ || !node.handle.valid()) return false;
  GoferPlace old;  // released after the lock
  MutexLock l(mu_);
  if (has_handle_) return true;
  handle_ = std::move(node.handle);
  std::swap(place_, old);
  has_handle_.store(true, std::memory_order_release);
  gofer_fs_.CountHandles(1);
  return true;
}

// By the name it was found under, which is its own until there is a handle. The file comes opened where a regular one
// can be.
Result<UniqueFd> GoferInode::Acquire(int open_flags) {
  const GoferPlace at = place();
  if (!at.dir) return Errno(ESTALE);
  const std::string_view name = at.name;
  WalkResult walk = TRY(gofer_fs_.client().Walk(at.dir->dir_handle(), {&name, 1}, open_flags));
  if (walk.nodes.empty() || !Adopt(std::move(walk.nodes[0]))) return Errno(ESTALE);
  return std::move(walk.fd);
}

Result<const GoferHandle*> GoferInode::Handle() {
  if (has_handle_.load(std::memory_order_acquire)) return &handle_;
  const Result<UniqueFd> acquired = Acquire(GoferClient::kNoOpen);
  if (!has_handle_.load(std::memory_order_acquire)) return acquired.error();
  return &handle_;
}

// Finds and opens in one trip a file without a handle.
Result<UniqueFd> GoferInode::OpenOnHost(int flags) {
  if (!has_handle_.load(std::memory_order_acquire)) {
    Result<UniqueFd> fd = Acquire(flags);
    if (fd.ok() && fd->valid()) return fd;
  }
  return gofer_fs_.client().Open(*TRY(Handle()), flags);
}

// Prefetched names chain inodes: released by a loop, the chain is as deep as the tree.
void GoferInode::OnLastRef() {
  thread_local std::vector<GoferInode*>* draining = nullptr;
  gofer_fs_.Forget(*this);
  NoteWaste();
  if (draining != nullptr) {
    draining->push_back(this);
    return;
  }
  std::vector<GoferInode*> pending = {this};
  draining = &pending;
  while (!pending.empty()) {
    GoferInode* dead = pending.back();
    pending.pop_back();
    delete dead;
  }
  draining = nullptr;
}

void GoferInode::Update(const FileAttr& attr) {
  Attr fresh = gofer_fs_.ToGuest(attr);
  MutexLock l(mu_);
  fresh.ino = attr_.ino;
  attr_ = fresh;
  stale_ = false;
}

void GoferInode::MarkStale() {
  MutexLock l(mu_);
  stale_ = true;
}

int GoferInode::AnyFd() const {
  MutexLock l(mu_);
  return write_fd_.valid() ? write_fd_.get() : read_fd_.get();
}

// By fstat when there is a descriptor, which spares the trip to the gofer. Not the owner: fstat gives it in the numbers
// of the sentry's user namespace, which knows nearly nobody. Who changed it changed the ctime too.
Result<bool> GoferInode::RefreshByFd(int fd) {
  struct stat st;
  TRY(FromHost(fstat(fd, &st)));
  MutexLock l(mu_);
  if (st.st_ctim.tv_sec != attr_.ctime.tv_sec || st.st_ctim.tv_nsec != attr_.ctime.tv_nsec) return false;
  attr_.mode = st.st_mode;
  attr_.nlink = st.st_nlink;
  attr_.size = static_cast<uint64_t>(st.st_size);
  attr_.blocks = static_cast<uint64_t>(st.st_blocks);
  attr_.atime = st.st_atim;
  attr_.mtime = st.st_mtim;
  stale_ = false;
  return true;
}

Result<void> GoferInode::Refresh() {
  const int fd = AnyFd();
  if (fd >= 0 && TRY(RefreshByFd(fd))) return {};
  Update(TRY(gofer_fs_.client().GetAttr(*TRY(Handle()))));
  return {};
}

Result<Attr> GoferInode::GetAttr() {
  if (!gofer_fs_.shared()) {
    MutexLock l(mu_);
    if (!stale_) return attr_;
  }
  TRY(Refresh());
  MutexLock l(mu_);
  return attr_;
}

Result<void> GoferInode::SetAttr(const AttrChange& change) {
  TRY(gofer_fs_.CheckWritable());
  Update(TRY(gofer_fs_.client().SetAttr(*TRY(Handle()), ToHost(change))));
  return {};
}

Result<int> GoferInode::ReadFd() {
  {
    MutexLock l(mu_);
    if (read_fd_.valid()) return read_fd_.get();
  }
  UniqueFd fd = TRY(OpenOnHost(O_RDONLY));
  MutexLock l(mu_);
  if (!read_fd_.valid()) std::swap(read_fd_, fd);
  return read_fd_.get();
}

Result<int> GoferInode::WriteFd() {
  TRY(gofer_fs_.CheckWritable());
  {
    MutexLock l(mu_);
    if (write_fd_.valid()) return write_fd_.get();
  }
  UniqueFd fd = TRY(OpenOnHost(O_RDWR));
  MutexLock l(mu_);
  if (!write_fd_.valid()) std::swap(write_fd_, fd);
  return write_fd_.get();
}

Result<UniqueFd> GoferInode::PrivateFd(int flags) {
  if ((flags & O_ACCMODE) != O_RDONLY) TRY(gofer_fs_.CheckWritable());
  return OpenOnHost(flags);
}

Result<std::string> GoferInode::Readlink(Task& task) {
  if (!S_ISLNK(type_)) return Errno(EINVAL);
  if (!link_target_.empty()) return link_target_;
  return gofer_fs_.client().Readlink(*TRY(Handle()));
}

Result<std::string> GoferInode::GetXattr(std::string_view name) {
  const uint32_t bit = AclBit(name);
  if (no_acl_.load(std::memory_order_relaxed) & bit) return Errno(ENODATA);
  Result<std::string> value = gofer_fs_.client().GetXattr(*TRY(Handle()), name);
  const bool absent = !value.ok() && (value.error() == Errno(ENODATA) || value.error() == Errno(EOPNOTSUPP));
  if (absent && !gofer_fs_.shared()) no_acl_.fetch_or(bit, std::memory_order_relaxed);
  return value;
}

Result<void> GoferInode::SetXattr(std::string_view name, std::string_view value, int flags) {
  TRY(gofer_fs_.CheckWritable());
  TRY(gofer_fs_.client().SetXattr(*TRY(Handle()), name, value, flags));
  no_acl_ = 0;
  MarkStale();
  return {};
}

Result<std::vector<std::string>> GoferInode::ListXattr() { return gofer_fs_.client().ListXattr(*TRY(Handle())); }

Result<void> GoferInode::RemoveXattr(std::string_view name) {
  TRY(gofer_fs_.CheckWritable());
  TRY(gofer_fs_.client().RemoveXattr(*TRY(Handle()), name));
  MarkStale();
  return {};
}

}  // namespace runsc
