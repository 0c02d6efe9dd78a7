// Files of memfd_create(2).
#include "sentry/fs/memfd.h"

#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "sentry/kernel/task.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif

namespace runsc {
namespace {

constexpr int kHostSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
constexpr int kKnownSeals = kHostSeals | F_SEAL_SEAL | F_SEAL_EXEC;

}  // namespace

MemfdInode::MemfdInode(Task& task, UniqueFd host_fd, std::string name, uint32_t mode, int seals)
    : AnonInode(AnonFs::Others(), task.kernel().NextSocketCookie(), S_IFREG | mode, *task.creds()),
      host_fd_(std::move(host_fd)),
      name_(std::move(name)),
      seals_(seals) {}

Result<Attr> MemfdInode::GetAttr() {
  Attr attr = TRY(AnonInode::GetAttr());
  struct stat st;
  TRY(FromHost(fstat(host_fd(), &st)));
  attr.nlink = 0;
  attr.size = st.st_size;
  attr.blocks = st.st_blocks;
  return attr;
}

Result<void> MemfdInode::SetAttr(const AttrChange& change) {
  if (change.size) {
    if (*change.size > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return Errno(EINVAL);
    TRY(FromHost(ftruncate(host_fd(), static_cast<off_t>(*change.size))));
  }
  constexpr uint32_t kAnyExec = 0111;
  if (change.mode && (seals() & F_SEAL_EXEC)) {
    const uint32_t old = TRY(AnonInode::GetAttr()).mode;
    if ((*change.mode ^ old) & kAnyExec) return Errno(EPERM);
  }
  AttrChange rest = change;
  rest.size.reset();
  return AnonInode::SetAttr(rest);
}

Result<RefPtr<File>> MemfdInode::Open(Task& task, const Path& path, int flags) {
  return RefPtr<File>(MakeRef<MemfdFile>(RefPtr<MemfdInode>(this), flags, path));
}

int MemfdInode::seals() const {
  MutexLock l(seals_mu_);
  return seals_;
}

Result<int> MemfdInode::ReadOnlyFd() {
  MutexLock l(seals_mu_);
  if (!read_only_.valid()) read_only_ = TRY(ReopenReadOnly(host_fd()));
  return read_only_.get();
}

Result<void> MemfdInode::AddSeals(int seals) {
  MutexLock l(seals_mu_);
  if (seals_ & F_SEAL_SEAL) return Errno(EPERM);
  if (const int host = seals & kHostSeals; host != 0) TRY(FromHost(fcntl(host_fd(), F_ADD_SEALS, host)));
  seals_ |= seals;
  return {};
}

MemfdFile::MemfdFile(RefPtr<MemfdInode> inode, int flags, Path path)
    : SeekableFile(std::move(path), flags), inode_(std::move(inode)) {}

Result<void> MemfdFile::AddSeals(int seals) {
  if (!writable()) return Errno(EPERM);
  if (seals & ~kKnownSeals) return Errno(EINVAL);
  return inode_->AddSeals(seals);
}

Result<size_t> MemfdFile::ReadAt(Task& task, IoSink& dst, int64_t offset) {
  if (dst.remaining() == 0) return size_t{0};
  return dst.FillFromHost(inode_->host_fd(), offset, dst.remaining());
}

Result<size_t> MemfdInode::Write(IoSource& src, int64_t offset, bool append, uint64_t limit, int64_t* end) {
  std::lock_guard l(write_mu_);
  if (append) {
    struct stat st;
    TRY(FromHost(fstat(host_fd(), &st)));
    offset = st.st_size;
  }
  size_t n = 0;
  if (const size_t size = src.remaining(); size > 0) {
    const auto at = static_cast<uint64_t>(offset);
    if (at >= limit) return Errno(EFBIG);
    n = TRY(src.DrainToHost(host_fd(), offset, std::min<uint64_t>(size, limit - at)));
  }
  *end = offset + static_cast<int64_t>(n);
  return n;
}

Result<size_t> MemfdFile::WriteAt(Task& task, IoSource& src, int64_t offset, int64_t* end_offset) {
  return inode_->Write(src, offset, flags() & O_APPEND, task.rlimit(RLIMIT_FSIZE), end_offset);
}

Result<int64_t> MemfdFile::SeekData(int64_t offset, int whence) {
  return int64_t{TRY(FromHost(lseek(inode_->host_fd(), offset, whence)))};
}

Result<Mappable> MemfdFile::Mmap(uint64_t offset, uint64_t length, int prot, int flags) {
  Mappable mappable;
  mappable.host_fd = inode_->host_fd();
  mappable.offset = offset;
  mappable.writable = writable();
  mappable.owner = inode_;
  if ((flags & MAP_TYPE) != MAP_PRIVATE && !writable()) {
    const Result<int> fd = inode_->ReadOnlyFd();
    mappable.read_only_fd = fd.ok();
    if (fd.ok()) mappable.host_fd = *fd;
  }
  return mappable;
}

Result<void> MemfdFile::Allocate(int mode, int64_t offset, int64_t length) {
  TRY(FromHost(fallocate(inode_->host_fd(), mode, offset, length)));
  return {};
}

RefPtr<File> NewProgramFile(Task& task, UniqueFd host_fd) {
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
  return MakeRef<MemfdFile>(MakeRef<MemfdInode>(task, std::move(host_fd), "program", 0555, kSeals), O_RDONLY);
}

constexpr int kLargeFile = 0100000;  // what F_GETFL shows of files opened by 64-bit programs

Result<RefPtr<File>> NewMemfd(Task& task, std::string name, unsigned flags) {
  UniqueFd host_fd = TRY(task.kernel().backing().CreateFile("memfd"));
  int seals = flags & MFD_ALLOW_SEALING ? 0 : F_SEAL_SEAL;
  uint32_t mode = 0777;
  if (flags & MFD_NOEXEC_SEAL) {
    mode = 0666;
    seals = F_SEAL_EXEC;
  }
  RefPtr<MemfdInode> inode = MakeRef<MemfdInode>(task, std::move(host_fd), std::move(name), mode, seals);
  return RefPtr<File>(MakeRef<MemfdFile>(std::move(inode), O_RDWR | kLargeFile));
}

}  // namespace runsc
