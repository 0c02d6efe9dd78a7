// Reading, writing and moving the offset: read(2), write(2), readv(2), pread(2), preadv2(2), lseek(2).
#include <limits.h>
#include <linux/fs.h>
#include <unistd.h>

#include <algorithm>

#include "sentry/fs/write_behind.h"
#include "sentry/kernel/io_accounting.h"
#include "sentry/kernel/task.h"
#include "syscalls/blocking_io.h"
#include "syscalls/file_limit.h"
#include "syscalls/handlers.h"
#include "syscalls/user_range.h"

namespace runsc {
namespace {

constexpr uint64_t kMaxRwCount = 0x7ffff000;

SyscallResult Finish(const Result<size_t>& moved) {
  if (!moved.ok()) return moved.error();
  return static_cast<int64_t>(*moved);
}

SyscallResult FinishRead(Task& task, const Result<size_t>& moved) {
  CountRead(task, moved.ok() ? *moved : 0);
  return Finish(moved);
}

SyscallResult FinishWrite(Task& task, const Result<size_t>& moved) {
  CountWrite(task, moved.ok() ? *moved : 0);
  if (!moved.ok() && moved.error() == Errno(EFBIG)) return FileTooLarge(task);
  return Finish(moved);
}

// Whose bytes may be at an offset: asked before whether it may be read or written.
enum class At { kPosition, kOffset };

Result<RefPtr<File>> FileFor(Task& task, int fd, At at, bool write) {
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  if (at == At::kOffset && !file->positioned()) return Errno(ESPIPE);
  if (!(write ? file->writable() : file->readable())) return Errno(EBADF);
  if (!(file->abilities() & (write ? File::kWrites : File::kReads))) return Errno(EINVAL);
  return file;
}

At PlaceOf(const int64_t* offset) { return offset != nullptr ? At::kOffset : At::kPosition; }

Result<void> CheckOffset(int64_t offset, uint64_t count) {
  if (offset < 0) return Errno(EINVAL);
  int64_t end;
  if (__builtin_add_overflow(offset, static_cast<int64_t>(std::min(count, kMaxRwCount)), &end)) {
    return Errno(EINVAL);
  }
  return {};
}

constexpr int kKnownRwFlags = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND;

// What can be said about flags once the file and the vector are known.
Result<void> CheckRwFlags(File& file, int flags) {
  if (flags & ~kKnownRwFlags) return Errno(EOPNOTSUPP);
  if ((flags & ~RWF_HIPRI) && TRY(file.GetAttr()).IsDir()) return Errno(EOPNOTSUPP);
  // What waits for the host's disk cannot promise not to.
  return (flags & RWF_NOWAIT) && file.wait_queue() == nullptr ? Errno(EOPNOTSUPP) : Result<void>();
}

// A vector without bytes is done before anybody looks at the file's kind.
SyscallResult ReadVector(Task& task, int fd, GuestAddr iov, uint64_t count, const int64_t* offset, int flags = 0) {
  RefPtr<File> file = TRY(FileFor(task, fd, PlaceOf(offset), false));
  UserSink sink(task, TRY(task.CopyInIovecs(iov, count)));
  if (sink.remaining() == 0) return 0;
  if (offset != nullptr) TRY(CheckOffset(*offset, sink.remaining()));
  TRY(CheckRwFlags(*file, flags));
  return FinishRead(task,
                    flags & RWF_NOWAIT ? file->Read(task, sink, offset) : ReadBlocking(task, *file, sink, offset));
}

// Streams have nothing to write through.
Result<void> SyncAsAsked(File& file, int flags) {
  return (flags & (RWF_DSYNC | RWF_SYNC)) && file.positioned() ? file.Sync(!(flags & RWF_SYNC)) : Result<void>();
}

// RWF_APPEND: at the end of the file, whatever the offset; without one, the file's own moves there.
SyscallResult AppendVector(Task& task, File& file, UserSource& source, const int64_t* offset) {
  const auto end = static_cast<int64_t>(TRY(file.GetAttr()).size);
  const int64_t written = TRY(FinishWrite(task, WriteBlocking(task, file, source, &end)));
  if (offset == nullptr) TRY(file.Seek(task, end + written, SEEK_SET));
  return written;
}

SyscallResult WriteVector(Task& task, int fd, GuestAddr iov, uint64_t count, const int64_t* offset, int flags = 0) {
  RefPtr<File> file = TRY(FileFor(task, fd, PlaceOf(offset), true));
  UserSource source(task, TRY(task.CopyInIovecs(iov, count)));
  if (source.remaining() == 0) return 0;
  if (offset != nullptr) TRY(CheckOffset(*offset, source.remaining()));
  TRY(CheckRwFlags(*file, flags));
  if (flags & RWF_NOWAIT) return FinishWrite(task, file->Write(task, source, offset));
  const int64_t written = (flags & RWF_APPEND) && file->positioned()
                              ? TRY(AppendVector(task, *file, source, offset))
                              : TRY(FinishWrite(task, WriteBlocking(task, *file, source, offset)));
  TRY(SyncAsAsked(*file, flags));
  return written;
}

}  // namespace

// read(2)
SyscallResult SysRead(Task& task, int fd, GuestAddr buf, uint64_t count) {
  RefPtr<File> file = TRY(FileFor(task, fd, At::kPosition, false));
  TRY(CheckUserRange(buf, count));
  UserSink sink(task, buf, std::min(count, kMaxRwCount));
  return FinishRead(task, ReadBlocking(task, *file, sink, nullptr));
}

// write(2)
SyscallResult SysWrite(Task& task, int fd, GuestAddr buf, uint64_t count) {
  RefPtr<File> file = TRY(FileFor(task, fd, At::kPosition, true));
  TRY(CheckUserRange(buf, count));
  UserSource source(task, buf, std::min(count, kMaxRwCount));
  const Result<size_t> written = WriteBlocking(task, *file, source, nullptr);
  if (written.ok()) OfferWriteBehind(task, fd, *file, *written);
  return FinishWrite(task, written);
}

// pread64: pread(2)
SyscallResult SysPread64(Task& task, int fd, GuestAddr buf, uint64_t count, int64_t offset) {
  if (offset < 0) return Errno(EINVAL);
  RefPtr<File> file = TRY(FileFor(task, fd, At::kOffset, false));
  TRY(CheckUserRange(buf, count));
  TRY(CheckOffset(offset, count));
  UserSink sink(task, buf, std::min(count, kMaxRwCount));
  return FinishRead(task, ReadBlocking(task, *file, sink, &offset));
}

// pwrite64: pwrite(2)
SyscallResult SysPwrite64(Task& task, int fd, GuestAddr buf, uint64_t count, int64_t offset) {
  if (offset < 0) return Errno(EINVAL);
  RefPtr<File> file = TRY(FileFor(task, fd, At::kOffset, true));
  TRY(CheckUserRange(buf, count));
  TRY(CheckOffset(offset, count));
  UserSource source(task, buf, std::min(count, kMaxRwCount));
  return FinishWrite(task, WriteBlocking(task, *file, source, &offset));
}

// readv(2)
SyscallResult SysReadv(Task& task, int fd, GuestAddr iov, uint64_t count) {
  return ReadVector(task, fd, iov, count, nullptr);
}

// writev(2)
SyscallResult SysWritev(Task& task, int fd, GuestAddr iov, uint64_t count) {
  return WriteVector(task, fd, iov, count, nullptr);
}

// preadv(2). The offset's high half is not used on 64-bit machines.
SyscallResult SysPreadv(Task& task, int fd, GuestAddr iov, uint64_t count, int64_t offset) {
  if (offset < 0) return Errno(EINVAL);
  return ReadVector(task, fd, iov, count, &offset);
}

// pwritev(2)
SyscallResult SysPwritev(Task& task, int fd, GuestAddr iov, uint64_t count, int64_t offset) {
  if (offset < 0) return Errno(EINVAL);
  return WriteVector(task, fd, iov, count, &offset);
}

// preadv2(2)
SyscallResult SysPreadv2(Task& task, int fd, GuestAddr iov, uint64_t count, int64_t offset, uint64_t /*offset_high*/,
                         int flags) {
  if (offset < -1) return Errno(EINVAL);
  return ReadVector(task, fd, iov, count, offset == -1 ? nullptr : &offset, flags);
}

// pwritev2(2)
SyscallResult SysPwritev2(Task& task, int fd, GuestAddr iov, uint64_t count, int64_t offset, uint64_t /*offset_high*/,
                          int flags) {
  if (offset < -1) return Errno(EINVAL);
  return WriteVector(task, fd, iov, count, offset == -1 ? nullptr : &offset, flags);
}

// lseek(2)
SyscallResult SysLseek(Task& task, int fd, int64_t offset, int whence) {
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  if (whence < SEEK_SET || whence > SEEK_HOLE) return Errno(EINVAL);
  return file->Seek(task, offset, whence);
}

}  // namespace runsc
