// Moving bytes into and out of pipes: splice(2), tee(2), vmsplice(2).
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <span>

#include "sentry/fs/pipe.h"
#include "sentry/fs/sigpipe.h"
#include "sentry/kernel/task.h"
#include "syscalls/blocking_io.h"
#include "syscalls/handlers.h"

namespace runsc {
namespace {

constexpr uint64_t kMaxRwCount = 0x7ffff000;
constexpr uint32_t kKnownFlags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT;

Result<RefPtr<File>> End(Task& task, int fd, bool write) {
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  if (write ? !file->writable() : !file->readable()) return Errno(EBADF);
  return file;
}

// A file that takes a pipe's bytes or gives them, at `*offset`, which moves along, or where the file is. Used
// while the pipe's side is locked, so that no byte is lost or seen by another.
class FileEnd : public IoSink, public IoSource {
 public:
  FileEnd(Task& task, File& file, int64_t* offset, size_t size)
      : task_(task), file_(file), offset_(offset), left_(size) {}
  size_t remaining() const override { return left_; }
  bool would_block() const { return would_block_; }

  Result<size_t> Write(std::span<const std::byte> data) override {
    BufferSource source(data.first(std::min(data.size(), left_)));
    return Moved(file_.Write(task_, source, offset_));
  }
  Result<size_t> Read(std::span<std::byte> data) override {
    BufferSink sink(data.first(std::min(data.size(), left_)));
    return Moved(file_.Read(task_, sink, offset_));
  }
  // Pipes are in memory, and keep all that was read.
  Result<size_t> FillFromHost(int, int64_t, size_t) override { return Errno(EINVAL); }
  Result<size_t> DrainToHost(int, int64_t, size_t) override { return Errno(EINVAL); }
  void Unread(size_t) override {}

 private:
  Result<size_t> Moved(Result<size_t> n) {
    would_block_ = !n.ok() && n.error() == Errno(EAGAIN);
    if (!n.ok()) return n;
    left_ -= *n;
    if (offset_ != nullptr) *offset_ += static_cast<int64_t>(*n);
    return n;
  }

  Task& task_;
  File& file_;
  int64_t* const offset_;
  size_t left_;
  bool would_block_ = false;
};

// SPLICE_F_NONBLOCK and O_NONBLOCK of a pipe are about pipes; another file has its own O_NONBLOCK.
struct Move {
  Task& task;
  File& in;
  File& out;
  uint32_t flags;

  bool MayWait(File& file) const {
    if (file.pipe() == nullptr) return !file.nonblocking();
    const auto nonblocking = [](File& end) { return end.pipe() != nullptr && end.nonblocking(); };
    return !(flags & SPLICE_F_NONBLOCK) && !nonblocking(in) && !nonblocking(out);
  }

  // Runs `attempt(&on_out)` until it moves bytes; it tells which end it would have to wait for.
  template <typename Attempt>
  Result<size_t> Run(Attempt attempt) {
    constexpr size_t kOtherEnd = ~size_t{0};
    for (bool on_out = false, waiting_on_out = false;; waiting_on_out = on_out) {
      File& end = waiting_on_out ? out : in;
      const auto try_end = [&]() -> Result<size_t> {
        const Result<size_t> moved = attempt(&on_out);
        const bool blocked = !moved.ok() && moved.error() == Errno(EAGAIN);
        return blocked && on_out != waiting_on_out ? Result<size_t>(kOtherEnd) : moved;
      };
      const auto moved = MayWait(end) ? TimedIo(task, end, waiting_on_out, try_end) : try_end();
      if (!moved.ok() || *moved != kOtherEnd) return moved;
    }
  }
};

Result<size_t> PipeToFile(Move move, int64_t* offset, size_t size) {
  return move.Run([&](bool* on_out) {
    FileEnd sink(move.task, move.out, offset, size);
    const Result<size_t> moved = move.in.pipe()->SpliceTo(sink);
    *on_out = sink.would_block();
    return moved;
  });
}

Result<size_t> FileToPipe(Move move, int64_t* offset, size_t size) {
  return move.Run([&](bool* on_out) {
    FileEnd source(move.task, move.in, offset, size);
    const Result<size_t> moved = move.out.pipe()->SpliceFrom(source);
    *on_out = !source.would_block();
    return moved;
  });
}

}  // namespace

// splice(2)
SyscallResult SysSplice(Task& task, int in_fd, GuestAddr in_addr, int out_fd, GuestAddr out_addr, uint64_t length,
                        uint32_t flags) {
  if (length == 0) return 0;
  if (flags & ~kKnownFlags) return Errno(EINVAL);
  RefPtr<File> in = TRY(task.fds().GetForIo(in_fd));
  RefPtr<File> out = TRY(task.fds().GetForIo(out_fd));
  Pipe *from = in->pipe(), *to = out->pipe();
  if ((from != nullptr && in_addr != 0) || (to != nullptr && out_addr != 0)) return Errno(ESPIPE);
  const GuestAddr addr = in_addr != 0 ? in_addr : out_addr;
  int64_t offset = addr != 0 ? TRY(task.CopyInObject<int64_t>(addr)) : 0;
  if (!in->readable() || !out->writable()) return Errno(EBADF);
  if (!(in->abilities() & out->abilities() & File::kSplices)) return Errno(EINVAL);
  if ((from == nullptr && to == nullptr) || from == to) return Errno(EINVAL);
  if (addr != 0 && !(from != nullptr ? out : in)->positioned()) return Errno(EINVAL);
  const size_t size = std::min(length, kMaxRwCount);
  int64_t end;
  const bool numbered = offset >= 0 && !__builtin_add_overflow(offset, static_cast<int64_t>(size), &end);
  if (!numbered || (out->flags() & O_APPEND)) return Errno(EINVAL);
  if (from == nullptr && TRY(in->GetAttr()).IsDir()) return Errno(EINVAL);
  int64_t* at = addr != 0 ? &offset : nullptr;
  const Move move{task, *in, *out, flags};
  const Result<size_t> moved = from != nullptr ? PipeToFile(move, at, size) : FileToPipe(move, at, size);
  if (!moved.ok() && moved.error() == Errno(EPIPE) && to != nullptr) return BrokenPipe(task);
  if (!moved.ok()) return moved.error();
  if (addr != 0) TRY(task.CopyOutObject(addr, offset));
  return static_cast<int64_t>(*moved);
}

// tee(2)
SyscallResult SysTee(Task& task, int in_fd, int out_fd, uint64_t length, uint32_t flags) {
  if (flags & ~kKnownFlags) return Errno(EINVAL);
  if (length == 0) return 0;
  RefPtr<File> in = TRY(End(task, in_fd, false));
  RefPtr<File> out = TRY(End(task, out_fd, true));
  if (in->pipe() == nullptr || out->pipe() == nullptr || in->pipe() == out->pipe()) return Errno(EINVAL);
  const auto attempt = [&](bool* on_out) {
    FileEnd sink(task, *out, nullptr, std::min(length, kMaxRwCount));
    const Result<size_t> moved = in->pipe()->Peek(sink);
    *on_out = sink.would_block();
    return moved;
  };
  return static_cast<int64_t>(TRY((Move{task, *in, *out, flags}.Run(attempt))));
}

// vmsplice(2): copies, which its caller cannot tell from gifting pages.
SyscallResult SysVmsplice(Task& task, int fd, GuestAddr iov, uint64_t count, uint32_t flags) {
  if (flags & ~kKnownFlags) return Errno(EINVAL);
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  if (!file->readable() && !file->writable()) return Errno(EBADF);
  std::vector<iovec> iovecs = TRY(task.CopyInIovecs(iov, count));
  if (std::all_of(iovecs.begin(), iovecs.end(), [](const iovec& part) { return part.iov_len == 0; })) return 0;
  if (file->pipe() == nullptr) return Errno(EBADF);
  const bool nonblocking = flags & SPLICE_F_NONBLOCK;
  size_t moved = 0;
  if (file->writable()) {
    UserSource source(task, std::move(iovecs));
    moved = TRY(nonblocking ? file->Write(task, source, nullptr) : WriteBlocking(task, *file, source, nullptr));
  } else {
    UserSink sink(task, std::move(iovecs));
    moved = TRY(nonblocking ? file->Read(task, sink, nullptr) : ReadBlocking(task, *file, sink, nullptr));
  }
  return static_cast<int64_t>(moved);
}

}  // namespace runsc
