// Moving bytes into and out of pipes: splice(2), tee(2), vmsplice(2).
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "sentry/fs/pipe.h"
#include "sentry/kernel/task.h"
#include "syscalls/blocking_io.h"
#include "syscalls/handlers.h"

namespace runsc {
namespace {

// The bytes moved by one call are bounded; a short count is always allowed.
constexpr size_t kMaxMove = 64 * 1024;
constexpr uint32_t kKnownFlags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT;

Result<RefPtr<File>> End(Task& task, int fd, bool write) {
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  if (write ? !file->writable() : !file->readable()) return Errno(EBADF);
  return file;
}

struct Mover {
  Task& task;
  bool nonblocking;
  size_t size;
  std::unique_ptr<std::byte[]> buffer;

  Mover(Task& t, uint64_t length, uint32_t flags)
      : task(t), nonblocking(flags & SPLICE_F_NONBLOCK), size(std::min<uint64_t>(length, kMaxMove)),
        buffer(std::make_unique<std::byte[]>(size)) {}

  // What is at the front of a pipe, without taking it. Waits for the first byte.
  Result<size_t> Peek(File& in) {
    Pipe& pipe = *in.pipe();
    const auto attempt = [&] { return pipe.Peek(buffer.get(), size); };
    if (nonblocking || in.nonblocking()) return attempt();
    return BlockUntil(task, pipe.queue(), kReadEvents, kNever, attempt);
  }

  // Removes what was peeked at and has now reached its destination.
  void Consume(File& in, size_t n) {
    BufferSink sink({buffer.get(), n});
    (void)in.pipe()->Read(sink);
  }

  Result<size_t> Put(File& out, size_t n, const int64_t* offset) {
    BufferSource source({buffer.get(), n});
    if (nonblocking) return out.Write(task, source, offset);
    return BlockingIo(task, out, kWriteEvents, kNever, [&] { return out.Write(task, source, offset); });
  }
};

SyscallResult PipeToFile(Mover& mover, File& in, File& out, const int64_t* offset) {
  const size_t got = TRY(mover.Peek(in));
  if (got == 0) return 0;
  const size_t put = TRY(mover.Put(out, got, offset));
  mover.Consume(in, put);
  return static_cast<int64_t>(put);
}

SyscallResult FileToPipe(Mover& mover, File& in, File& out, const int64_t* offset) {
  // The position is given explicitly and moved by what arrived, so that nothing is lost.
  Result<int64_t> own = offset != nullptr ? *offset : in.Seek(mover.task, 0, SEEK_CUR);
  BufferSink sink({mover.buffer.get(), std::min(mover.size, out.pipe()->capacity())});
  const int64_t at = own.ok() ? *own : 0;
  const size_t got = TRY(ReadBlocking(mover.task, in, sink, own.ok() ? &at : nullptr));
  if (got == 0) return 0;
  const size_t put = TRY(mover.Put(out, got, nullptr));
  if (offset == nullptr && own.ok()) TRY(in.Seek(mover.task, at + static_cast<int64_t>(put), SEEK_SET));
  return static_cast<int64_t>(put);
}

Result<void> CheckOffsets(const File& file, bool is_pipe, GuestAddr offset) {
  return is_pipe && offset != 0 ? Errno(ESPIPE) : Result<void>();
}

}  // namespace

// splice(2)
SyscallResult SysSplice(Task& task, int in_fd, GuestAddr in_addr, int out_fd, GuestAddr out_addr,
                        uint64_t length, uint32_t flags) {
  if (length == 0) return 0;
  if (flags & ~kKnownFlags) return Errno(EINVAL);
  RefPtr<File> in = TRY(End(task, in_fd, false));
  RefPtr<File> out = TRY(End(task, out_fd, true));
  Pipe *from = in->pipe(), *to = out->pipe();
  if ((from == nullptr && to == nullptr) || from == to) return Errno(EINVAL);
  TRY(CheckOffsets(*in, from != nullptr, in_addr));
  TRY(CheckOffsets(*out, to != nullptr, out_addr));
  if (out->flags() & O_APPEND) return Errno(EINVAL);
  const GuestAddr addr = in_addr != 0 ? in_addr : out_addr;
  int64_t offset = addr != 0 ? TRY(task.CopyInObject<int64_t>(addr)) : 0;
  if (offset < 0) return Errno(EINVAL);
  Mover mover(task, length, flags);
  const int64_t* at = addr != 0 ? &offset : nullptr;
  const int64_t moved =
      from != nullptr ? TRY(PipeToFile(mover, *in, *out, at)) : TRY(FileToPipe(mover, *in, *out, at));
  if (addr != 0) TRY(task.CopyOutObject(addr, offset + moved));
  return moved;
}

// tee(2)
SyscallResult SysTee(Task& task, int in_fd, int out_fd, uint64_t length, uint32_t flags) {
  if (flags & ~kKnownFlags) return Errno(EINVAL);
  if (length == 0) return 0;
  RefPtr<File> in = TRY(End(task, in_fd, false));
  RefPtr<File> out = TRY(End(task, out_fd, true));
  if (in->pipe() == nullptr || out->pipe() == nullptr || in->pipe() == out->pipe()) return Errno(EINVAL);
  Mover mover(task, length, flags);
  const size_t got = TRY(mover.Peek(*in));
  if (got == 0) return 0;
  return static_cast<int64_t>(TRY(mover.Put(*out, got, nullptr)));
}

// vmsplice(2): copies, which its caller cannot tell from gifting pages.
SyscallResult SysVmsplice(Task& task, int fd, GuestAddr iov, uint64_t count, uint32_t flags) {
  if (flags & ~kKnownFlags) return Errno(EINVAL);
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  if (file->pipe() == nullptr) return Errno(EBADF);
  std::vector<iovec> iovecs = TRY(task.CopyInIovecs(iov, count));
  const bool nonblocking = flags & SPLICE_F_NONBLOCK;
  size_t moved = 0;
  if (file->writable()) {
    UserSource source(task, std::move(iovecs));
    moved = TRY(nonblocking ? file->Write(task, source, nullptr)
                            : WriteBlocking(task, *file, source, nullptr));
  } else {
    UserSink sink(task, std::move(iovecs));
    moved = TRY(nonblocking ? file->Read(task, sink, nullptr) : ReadBlocking(task, *file, sink, nullptr));
  }
  return static_cast<int64_t>(moved);
}

}  // namespace runsc
