// Moving bytes between descriptors: sendfile(2), copy_file_range(2).
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "sentry/kernel/io_accounting.h"
#include "sentry/kernel/task.h"
#include "syscalls/blocking_io.h"
#include "syscalls/file_limit.h"
#include "syscalls/handlers.h"

namespace runsc {
namespace {

constexpr uint64_t kMaxRwCount = 0x7ffff000;
constexpr size_t kChunk = 64 * 1024;

// A position given by the guest, or the file's own.
class Position {
 public:
  Position(Task& task, File& file, std::optional<int64_t> given) : task_(task), file_(file), given_(given) {}

  // EINVAL: negative, or there are no `count` bytes that can be numbered from there on.
  Result<void> Load(uint64_t count) {
    at_ = given_ ? *given_ : TRY(file_.Seek(task_, 0, SEEK_CUR));
    int64_t end;
    const bool numbered = count <= INT64_MAX && !__builtin_add_overflow(at_, static_cast<int64_t>(count), &end);
    return at_ < 0 || !numbered ? Errno(EINVAL) : Result<void>();
  }
  // The file's own moves; a given one is the caller's.
  Result<void> Store() {
    if (!given_) TRY(file_.Seek(task_, at_, SEEK_SET));
    return {};
  }
  int64_t at() const { return at_; }
  void Advance(size_t n) { at_ += static_cast<int64_t>(n); }

 private:
  Task& task_;
  File& file_;
  const std::optional<int64_t> given_;
  int64_t at_ = 0;
};

// One bounded step: what was written. The source's position is explicit, so a short write loses nothing.
Result<size_t> CopyChunk(Task& task, File& in, int64_t in_at, File& out, const int64_t* out_at,
                         std::span<std::byte> buffer) {
  BufferSink sink(buffer);
  const size_t got = TRY(ReadBlocking(task, in, sink, &in_at));
  if (got == 0) return size_t{0};
  BufferSource source(buffer.first(got));
  return WriteBlocking(task, out, source, out_at);
}

Result<RefPtr<File>> FileFor(Task& task, int fd, bool write) {
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  if (write ? !file->writable() : !file->readable()) return Errno(EBADF);
  return file;
}

// Copies until `count`, the end, an error or a signal; what was done beats a later error.
Result<size_t> CopyLoop(Task& task, File& in, Position& from, File& out, Position* to, uint64_t count) {
  const auto buffer = std::make_unique<std::byte[]>(std::min<size_t>(kChunk, count));
  size_t done = 0;
  while (done < count) {
    const size_t want = std::min<size_t>(kChunk, count - done);
    const int64_t out_at = to != nullptr ? to->at() : 0;
    auto n = CopyChunk(task, in, from.at(), out, to != nullptr ? &out_at : nullptr, {buffer.get(), want});
    if (!n.ok()) return done > 0 ? Result<size_t>(done) : n;
    if (*n == 0) break;
    from.Advance(*n);
    if (to != nullptr) to->Advance(*n);
    done += *n;
    if (*n < want || task.HasPendingSignal()) break;
  }
  return done;
}

Result<void> CheckCopyRange(File& in_file, File& out_file) {
  const Attr in = TRY(in_file.GetAttr()), out = TRY(out_file.GetAttr());
  if (in.IsDir() || out.IsDir()) return Errno(EISDIR);
  if (!in.IsRegular() || !out.IsRegular()) return Errno(EINVAL);
  const bool usable = in_file.readable() && out_file.writable() && !(out_file.flags() & O_APPEND);
  return usable ? Result<void>() : Errno(EBADF);
}

bool Overlap(int64_t a, int64_t b, uint64_t count) {
  const int64_t distance = a > b ? a - b : b - a;
  return static_cast<uint64_t>(distance) < count;
}

// For /proc/PID/io: a call that reads and writes.
void CountTransfer(Task& task, size_t bytes) {
  CountRead(task, bytes);
  CountWrite(task, bytes);
}

// `offset` null: the file's own.
SyscallResult SendFile(Task& task, int out_fd, int in_fd, int64_t* offset, uint64_t count) {
  RefPtr<File> in = TRY(FileFor(task, in_fd, false));
  if (offset != nullptr && !in->positioned()) return Errno(ESPIPE);
  Position from(task, *in, offset != nullptr ? std::optional(*offset) : std::nullopt);
  if (in->positioned()) TRY(from.Load(count));
  RefPtr<File> out = TRY(FileFor(task, out_fd, true));
  if (!in->positioned() || (out->flags() & O_APPEND)) return Errno(EINVAL);
  if (count > 0 && TRY(in->GetAttr()).IsDir()) return Errno(EINVAL);
  const size_t done = TRY(CopyLoop(task, *in, from, *out, nullptr, std::min(count, kMaxRwCount)));
  CountTransfer(task, done);
  TRY(from.Store());
  if (offset != nullptr) *offset = from.at();
  return static_cast<int64_t>(done);
}

// Whether `count` bytes from a given offset on go round the end of all numbers.
bool Wraps(GuestAddr addr, int64_t offset, uint64_t count) {
  const auto start = static_cast<uint64_t>(offset);
  return addr != 0 && start + count < start;
}

std::optional<int64_t> GivenOffset(GuestAddr addr, int64_t value) {
  return addr != 0 ? std::optional(value) : std::nullopt;
}

}  // namespace

// sendfile(2). The offset is written back whatever became of the call.
SyscallResult SysSendfile(Task& task, int out_fd, int in_fd, GuestAddr offset_addr, uint64_t count) {
  if (offset_addr == 0) return SendFile(task, out_fd, in_fd, nullptr, count);
  int64_t offset = TRY(task.CopyInObject<int64_t>(offset_addr));
  SyscallResult result = SendFile(task, out_fd, in_fd, &offset, count);
  TRY(task.CopyOutObject(offset_addr, offset));
  return result;
}

// copy_file_range(2)
SyscallResult SysCopyFileRange(Task& task, int in_fd, GuestAddr in_addr, int out_fd, GuestAddr out_addr, uint64_t count,
                               uint32_t flags) {
  RefPtr<File> in = TRY(task.fds().GetForIo(in_fd));
  RefPtr<File> out = TRY(task.fds().GetForIo(out_fd));
  const int64_t in_offset = in_addr != 0 ? TRY(task.CopyInObject<int64_t>(in_addr)) : 0;
  const int64_t out_offset = out_addr != 0 ? TRY(task.CopyInObject<int64_t>(out_addr)) : 0;
  if (flags != 0) return Errno(EINVAL);
  TRY(CheckCopyRange(*in, *out));
  RefPtr<Inode> in_inode = in->inode(), out_inode = out->inode();
  if (!in_inode || !out_inode) return Errno(EINVAL);
  if (Wraps(in_addr, in_offset, count) || Wraps(out_addr, out_offset, count)) return Errno(EOVERFLOW);
  if (&in_inode->fs() != &out_inode->fs()) return Errno(EXDEV);
  Position from(task, *in, GivenOffset(in_addr, in_offset)), to(task, *out, GivenOffset(out_addr, out_offset));
  TRY(from.Load(0));
  TRY(to.Load(0));
  const uint64_t size = TRY(in->GetAttr()).size, at = static_cast<uint64_t>(from.at());
  count = std::min({count, kMaxRwCount, at < size ? size - at : 0});
  const uint64_t end = std::min<uint64_t>(task.rlimit(RLIMIT_FSIZE), INT64_MAX);
  if (static_cast<uint64_t>(to.at()) >= end) return FileTooLarge(task);
  count = std::min(count, end - static_cast<uint64_t>(to.at()));
  if (in_inode == out_inode && Overlap(from.at(), to.at(), count)) return Errno(EINVAL);
  const size_t done = TRY(CopyLoop(task, *in, from, *out, &to, count));
  CountTransfer(task, done);
  TRY(from.Store());
  TRY(to.Store());
  if (in_addr != 0) TRY(task.CopyOutObject(in_addr, from.at()));
  if (out_addr != 0) TRY(task.CopyOutObject(out_addr, to.at()));
  return static_cast<int64_t>(done);
}

}  // namespace runsc
