// Reading, writing and moving the offset: read(2), write(2), readv(2), pread(2), preadv2(2), lseek(2).
#include <limits.h>
#include <linux/fs.h>
#include <unistd.h>

#include <algorithm>

#include "sentry/kernel/task.h"
#include "syscalls/blocking_io.h"
#include "syscalls/handlers.h"

namespace runsc {
namespace {

constexpr uint64_t kMaxRwCount = 0x7ffff000;

// SIGXFSZ goes with the EFBIG of RLIMIT_FSIZE, as setrlimit(2) says.
void SignalFileTooLarge(Task& task) {
  if (task.rlimit(RLIMIT_FSIZE) == RLIM_INFINITY) return;
  siginfo_t info = {};
  info.si_signo = SIGXFSZ;
  info.si_code = SI_KERNEL;
  (void)task.SendSignal(info);
}

SyscallResult Finish(Result<size_t> moved) {
  if (!moved.ok()) return moved.error();
  return static_cast<int64_t>(*moved);
}

SyscallResult FinishWrite(Task& task, Result<size_t> moved) {
  if (!moved.ok() && moved.error() == Errno(EFBIG)) SignalFileTooLarge(task);
  return Finish(std::move(moved));
}

Result<RefPtr<File>> ReadableFile(Task& task, int fd) {
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  if (!file->readable()) return Errno(EBADF);
  return file;
}

Result<RefPtr<File>> WritableFile(Task& task, int fd) {
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  if (!file->writable()) return Errno(EBADF);
  return file;
}

Result<void> CheckOffset(int64_t offset, uint64_t count) {
  if (offset < 0) return Errno(EINVAL);
  int64_t end;
  if (__builtin_add_overflow(offset, static_cast<int64_t>(std::min(count, kMaxRwCount)), &end)) {
    return Errno(EINVAL);
  }
  return {};
}

SyscallResult ReadVector(Task& task, int fd, GuestAddr iov, uint64_t count, const int64_t* offset) {
  RefPtr<File> file = TRY(ReadableFile(task, fd));
  UserSink sink(task, TRY(task.CopyInIovecs(iov, count)));
  return Finish(ReadBlocking(task, *file, sink, offset));
}

SyscallResult WriteVector(Task& task, int fd, GuestAddr iov, uint64_t count, const int64_t* offset) {
  RefPtr<File> file = TRY(WritableFile(task, fd));
  UserSource source(task, TRY(task.CopyInIovecs(iov, count)));
  return FinishWrite(task, WriteBlocking(task, *file, source, offset));
}

}  // namespace

// read(2)
SyscallResult SysRead(Task& task, int fd, GuestAddr buf, uint64_t count) {
  RefPtr<File> file = TRY(ReadableFile(task, fd));
  UserSink sink(task, buf, std::min(count, kMaxRwCount));
  return Finish(ReadBlocking(task, *file, sink, nullptr));
}

// write(2)
SyscallResult SysWrite(Task& task, int fd, GuestAddr buf, uint64_t count) {
  RefPtr<File> file = TRY(WritableFile(task, fd));
  UserSource source(task, buf, std::min(count, kMaxRwCount));
  return FinishWrite(task, WriteBlocking(task, *file, source, nullptr));
}

// pread64: pread(2)
SyscallResult SysPread64(Task& task, int fd, GuestAddr buf, uint64_t count, int64_t offset) {
  if (offset < 0) return Errno(EINVAL);
  RefPtr<File> file = TRY(ReadableFile(task, fd));
  TRY(CheckOffset(offset, count));
  UserSink sink(task, buf, std::min(count, kMaxRwCount));
  return Finish(ReadBlocking(task, *file, sink, &offset));
}

// pwrite64: pwrite(2)
SyscallResult SysPwrite64(Task& task, int fd, GuestAddr buf, uint64_t count, int64_t offset) {
  if (offset < 0) return Errno(EINVAL);
  RefPtr<File> file = TRY(WritableFile(task, fd));
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

// preadv2(2). What waits for the host's disk cannot promise not to: RWF_NOWAIT is refused there.
SyscallResult SysPreadv2(Task& task, int fd, GuestAddr iov, uint64_t count, int64_t offset,
                         uint64_t /*offset_high*/, int flags) {
  if (flags & ~(RWF_HIPRI | RWF_NOWAIT | RWF_DSYNC | RWF_SYNC)) return Errno(EOPNOTSUPP);
  if (offset < -1) return Errno(EINVAL);
  const int64_t* at = offset == -1 ? nullptr : &offset;
  if (!(flags & RWF_NOWAIT)) return ReadVector(task, fd, iov, count, at);
  RefPtr<File> file = TRY(ReadableFile(task, fd));
  if (file->wait_queue() == nullptr) return Errno(EOPNOTSUPP);
  UserSink sink(task, TRY(task.CopyInIovecs(iov, count)));
  return Finish(file->Read(task, sink, at));
}

// pwritev2 with RWF_APPEND: at the end of the file, whatever the offset; -1 moves the file's own there.
SyscallResult AppendVector(Task& task, int fd, GuestAddr iov, uint64_t count, int64_t offset) {
  RefPtr<File> file = TRY(WritableFile(task, fd));
  int64_t end = static_cast<int64_t>(TRY(file->GetAttr()).size);
  const int64_t written = TRY(WriteVector(task, fd, iov, count, &end));
  if (offset == -1) TRY(file->Seek(task, end + written, SEEK_SET));
  return written;
}

// pwritev2(2)
SyscallResult SysPwritev2(Task& task, int fd, GuestAddr iov, uint64_t count, int64_t offset,
                          uint64_t /*offset_high*/, int flags) {
  if (flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND)) return Errno(EOPNOTSUPP);
  if (offset < -1) return Errno(EINVAL);
  const int64_t* at = offset == -1 ? nullptr : &offset;
  const int64_t written = flags & RWF_APPEND ? TRY(AppendVector(task, fd, iov, count, offset))
                                             : TRY(WriteVector(task, fd, iov, count, at));
  if (flags & (RWF_DSYNC | RWF_SYNC)) {
    TRY(TRY(task.fds().GetForIo(fd))->Sync(!(flags & RWF_SYNC)));
  }
  return written;
}

// lseek(2)
SyscallResult SysLseek(Task& task, int fd, int64_t offset, int whence) {
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  if (whence < SEEK_SET || whence > SEEK_HOLE) return Errno(EINVAL);
  return file->Seek(task, offset, whence);
}

}  // namespace runsc
