// Open host files: data goes straight to the host descriptor.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "sentry/fs/dir_file.h"
#include "sentry/fs/gofer_inode.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/device.h"

namespace runsc {
namespace {

// Flags the host must see on a descriptor of its own.
constexpr int kPrivateFlags = O_APPEND | O_SYNC | O_DSYNC | O_DIRECT;

class GoferFile final : public SeekableFile {
 public:
  GoferFile(GoferInode& inode, const Path& path, int flags) : SeekableFile(path, flags), inode_(inode) {}

  // Gets the descriptors; the open fails with what the host says.
  Result<void> Prepare() {
    if (flags() & kPrivateFlags) {
      private_fd_ = TRY(inode_.PrivateFd(flags() & (O_ACCMODE | kPrivateFlags)));
    }
    if (writable()) write_fd_ = TRY(inode_.WriteFd());
    if (readable() && writable()) read_fd_ = write_fd_;
    if (!writable()) read_fd_ = TRY(inode_.ReadFd());
    return {};
  }

  Result<void> Sync(bool data_only) override {
    const int fd = writable() ? write_fd_ : read_fd_;
    TRY(FromHost(data_only ? fdatasync(fd) : fsync(fd)));
    return {};
  }

  Result<void> Allocate(int mode, int64_t offset, int64_t length) override {
    TRY(FromHost(fallocate(write_fd_, mode, offset, length)));
    inode_.MarkStale();
    return {};
  }

  Result<Mappable> Mmap(uint64_t offset, uint64_t length, int prot, int flags) override {
    Mappable map;
    map.host_fd = writable() ? write_fd_ : read_fd_;
    map.offset = offset;
    map.writable = writable();
    map.read_only_fd = !writable();
    map.owner = RefPtr<RefCounted>(&inode_);
    if ((flags & MAP_TYPE) != MAP_PRIVATE && writable()) inode_.MarkStale();
    return map;
  }

 protected:
  Result<size_t> ReadAt(Task& task, IoSink& dst, int64_t offset) override {
    return dst.FillFromHost(read_fd_, offset, dst.remaining());
  }

  Result<size_t> WriteAt(Task& task, IoSource& src, int64_t offset, int64_t* end) override {
    const bool append = flags() & O_APPEND;
    if (append) offset = TRY(HostSize());
    *end = offset;
    size_t size = src.remaining();
    const uint64_t limit = task.rlimit(RLIMIT_FSIZE);
    if (size > 0 && static_cast<uint64_t>(offset) >= limit) return Errno(EFBIG);
    size = std::min<uint64_t>(size, limit - static_cast<uint64_t>(offset));
    const int fd = private_fd_.valid() && append ? private_fd_.get() : write_fd_;
    const size_t n = TRY(src.DrainToHost(fd, offset, size));
    inode_.MarkStale();
    *end = append ? TRY(HostSize()) : offset + static_cast<int64_t>(n);
    return n;
  }

  Result<int64_t> SeekData(int64_t offset, int whence) override {
    // Nothing else uses the host descriptor's position.
    return FromHost(static_cast<int64_t>(lseek(writable() ? write_fd_ : read_fd_, offset, whence)));
  }

 private:
  Result<int64_t> HostSize() {
    struct stat st;
    TRY(FromHost(fstat(write_fd_, &st)));
    return static_cast<int64_t>(st.st_size);
  }

  GoferInode& inode_;  // kept alive by path(); owns read_fd_ and write_fd_
  int read_fd_ = -1, write_fd_ = -1;
  UniqueFd private_fd_;
};

// A host directory: its names reach the disk when the host is told to.
class GoferDirFile final : public DirFile {
 public:
  GoferDirFile(GoferInode& inode, GoferClient& client, const Path& path, int flags)
      : DirFile(path, flags), inode_(inode), client_(client) {}
  Result<void> Sync(bool data_only) override { return client_.Sync(*TRY(inode_.Handle()), data_only); }

 private:
  GoferInode& inode_;  // kept alive by path()
  GoferClient& client_;
};

}  // namespace

Result<RefPtr<File>> GoferInode::Open(Task& task, const Path& path, int flags) {
  if (S_ISDIR(type_)) {
    return RefPtr<File>(MakeRef<GoferDirFile>(*this, gofer_fs_.client(), path, flags));
  }
  if (S_ISLNK(type_)) return Errno(ELOOP);
  if (!S_ISREG(type_)) return OpenSpecial(task, RefPtr<Inode>(this), TRY(GetAttr()), path, flags);
  auto file = MakeRef<GoferFile>(*this, path, flags);
  TRY(file->Prepare());
  return RefPtr<File>(file);
}

}  // namespace runsc
