// An open file description (open(2)): what an fd refers to, shared by dup and fork.
#pragma once

#include <fcntl.h>

#include <atomic>
#include <functional>

#include "platform/platform.h"
#include "sentry/vfs/inode.h"
#include "sentry/vfs/io.h"
#include "sentry/vfs/wait_queue.h"

namespace runsc {

class FileWatch;
class Pipe;
class Socket;

// What to map for mmap of a file: a host fd the stub's helper maps.
struct Mappable {
  int host_fd = -1;           // -1: private anonymous zero pages (/dev/zero)
  uint64_t offset = 0;        // in the host file
  bool writable = true;       // MAP_SHARED + PROT_WRITE allowed by the host fd
  bool read_only_fd = false;  // the host refuses to make a shared mapping of it writable later
  RefPtr<RefCounted> owner;   // keeps host_fd open until the mapping has been made
};

// References: fd tables, in-flight SCM_RIGHTS, running syscalls, memory maps' records. Read and Write
// never block: they return EAGAIN ("would block") and the syscall layer waits on wait_queue() unless
// the file is O_NONBLOCK (syscalls/blocking_io.h).
class File : public RefCounted {
 public:
  File(Path path, int flags);

  const Path& path() const { return path_; }  // empty dentry for pipes, sockets, anonymous inodes
  int flags() const { return flags_.load(std::memory_order_relaxed); }  // O_ACCMODE | status flags
  // Opened with an access mode of 3, for ioctls alone, it is neither.
  bool readable() const { return !(flags() & (O_WRONLY | O_PATH)); }
  bool writable() const { return ((flags() + 1) & O_RDWR) && !(flags() & O_PATH); }
  bool nonblocking() const { return flags() & O_NONBLOCK; }
  // fcntl(F_SETFL): O_APPEND, O_NONBLOCK, O_ASYNC, O_DIRECT, O_NOATIME.
  virtual Result<void> SetStatusFlags(int flags);

  // What can be done to files of this kind at all, whoever opened them: else EINVAL before anything but EBADF.
  enum : unsigned { kReads = 1, kWrites = 2, kSplices = 4 };
  virtual unsigned abilities() const { return kReads | kWrites | kSplices; }

  // Stream or at-offset I/O. `offset` null: the file's own offset, advanced (files keep it themselves;
  // seekable ones derive from SeekableFile below). ESPIPE for pread/pwrite on unseekable files.
  virtual Result<size_t> Read(Task& task, IoSink& dst, const int64_t* offset) { return Errno(EINVAL); }
  virtual Result<size_t> Write(Task& task, IoSource& src, const int64_t* offset) { return Errno(EINVAL); }
  virtual Result<int64_t> Seek(Task& task, int64_t offset, int whence) { return Errno(ESPIPE); }
  virtual bool positioned() const { return false; }  // is there anything to read or write at an offset?

  // The bits of `mask` that are true now (EPOLLERR and EPOLLHUP always included).
  virtual EventMask Readiness(EventMask mask) { return mask & (EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM); }
  // Null: never blocks (regular files); then epoll_ctl gives EPERM.
  virtual WaitQueue* wait_queue() { return nullptr; }

  virtual Result<int64_t> Ioctl(Task& task, uint32_t request, uint64_t arg) { return Errno(ENOTTY); }
  virtual Result<Mappable> Mmap(uint64_t offset, uint64_t length, int prot, int flags) { return Errno(ENODEV); }

  // Directories: calls `emit` for entries from the file's offset until it returns false.
  using DirEmit = std::function<bool(const DirEntry&)>;
  virtual Result<void> Readdir(Task& task, const DirEmit& emit) { return Errno(ENOTDIR); }

  // What only some kinds of file can do, for fcntl, splice and the socket calls; null or EINVAL otherwise.
  virtual Pipe* pipe() { return nullptr; }
  virtual Socket* socket() { return nullptr; }
  virtual const void* kind() const { return nullptr; }                // which class it is, for FileAs
  virtual Result<int> GetSeals() { return Errno(EINVAL); }            // F_GET_SEALS
  virtual Result<void> AddSeals(int seals) { return Errno(EINVAL); }  // F_ADD_SEALS

  // Defaults go to the inode.
  virtual Result<Attr> GetAttr();
  virtual Result<void> SetAttr(const AttrChange& change);
  virtual Result<void> Truncate(uint64_t size);
  virtual Result<void> Allocate(int mode, int64_t offset, int64_t length) { return Errno(EOPNOTSUPP); }
  virtual Result<void> Sync(bool data_only) { return Errno(EINVAL); }
  // Each close(2) of an fd, before the reference goes: drops the closing process' POSIX locks.
  virtual void OnClose(Task* task);

  // What the description claims of its inode until it goes: set before it is shared.
  enum class Claim : uint8_t { kNone, kWrite, kDenyWrite };
  void AdoptClaim(Claim claim) { claim_ = claim; }  // taken by the caller
  Result<void> DenyWrites();                        // for exec: ETXTBSY while somebody writes

  virtual RefPtr<Inode> inode() const;   // null without a dentry unless overridden by anonymous inodes
  virtual std::string Describe() const;  // link text of /proc/PID/fd/N: path, "pipe:[12]", "anon_inode:[eventpoll]"
  virtual std::string FdInfo() const { return ""; }  // extra lines of /proc/PID/fdinfo/N
  virtual int64_t offset_for_fdinfo() const { return 0; }

 protected:
  ~File() override;
  std::atomic<int>& mutable_flags() { return flags_; }
  void OnLastRef() override;  // tells the watches, then deletes (vfs/file_watch.cc)

 private:
  friend class FileWatch;
  void DropClaim(Inode& inode);

  const Path path_;
  std::atomic<int> flags_;
  Claim claim_ = Claim::kNone;
  std::atomic<FileWatch*> watches_{nullptr};
};

// The file as a T, or null: for calls that serve one class only. T has `static const char kKind` and
// returns its address from kind().
template <typename T>
T* FileAs(File& file) {
  return file.kind() == &T::kKind ? static_cast<T*>(&file) : nullptr;
}

// A file with an offset: implements Seek and the own-offset rule over ReadAt/WriteAt.
class SeekableFile : public File {
 public:
  using File::File;
  Result<size_t> Read(Task& task, IoSink& dst, const int64_t* offset) final;
  Result<size_t> Write(Task& task, IoSource& src, const int64_t* offset) final;
  Result<int64_t> Seek(Task& task, int64_t offset, int whence) override;
  bool positioned() const override { return true; }
  int64_t offset_for_fdinfo() const override { return offset_.load(); }

 protected:
  virtual Result<size_t> ReadAt(Task& task, IoSink& dst, int64_t offset) = 0;
  // With O_APPEND, `offset` is ignored and *end_offset tells where the data ended.
  virtual Result<size_t> WriteAt(Task& task, IoSource& src, int64_t offset, int64_t* end_offset) = 0;
  virtual Result<int64_t> SeekData(int64_t offset, int whence) { return Errno(EINVAL); }  // SEEK_DATA/HOLE

 private:
  // Serialises users of the offset as Linux's f_pos_lock does; not a ranked lock because it is held
  // across I/O on purpose (read(2) is atomic against other reads of the same description).
  std::mutex position_mu_;
  std::atomic<int64_t> offset_{0};
};

}  // namespace runsc
