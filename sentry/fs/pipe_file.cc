// Reading, writing and polling one end of a pipe.
#include "sentry/fs/pipe_file.h"

#include <sys/ioctl.h>

#include "sentry/fs/sigpipe.h"
#include "sentry/kernel/kernel.h"

namespace runsc {
namespace {

// The inode of an anonymous pipe keeps it reachable for /proc/PID/fd/N.
class PipeInode : public AnonInode {
 public:
  PipeInode(Task& task, RefPtr<Pipe> pipe)
      : AnonInode(AnonFs::Pipes(), task.kernel().NextSocketCookie(), S_IFIFO | 0600, *task.creds()),
        pipe_(std::move(pipe)) {}
  Result<RefPtr<File>> Open(Task& task, const Path& path, int flags) override {
    return RefPtr<File>(MakeRef<PipeFile>(pipe_, RefPtr<Inode>(this), Path(), flags));
  }

 private:
  const RefPtr<Pipe> pipe_;
};

}  // namespace

PipeFile::PipeFile(RefPtr<Pipe> pipe, RefPtr<Inode> inode, const Path& path, int flags)
    : File(path, flags),
      pipe_(std::move(pipe)),
      inode_(std::move(inode)),
      met_(pipe_->AddEnds(readable(), writable())) {}

PipeFile::~PipeFile() { pipe_->RemoveEnds(readable(), writable()); }

Result<size_t> PipeFile::Read(Task& task, IoSink& dst, const int64_t* offset) {
  if (offset != nullptr) return Errno(ESPIPE);
  return pipe_->Read(dst);
}

Result<size_t> PipeFile::Write(Task& task, IoSource& src, const int64_t* offset) {
  if (offset != nullptr) return Errno(ESPIPE);
  auto n = pipe_->Write(src, flags() & O_DIRECT);
  if (!n.ok() && n.error() == Errno(EPIPE)) return BrokenPipe(task);
  return n;
}

// Who is signalled, or writes packets, is told of each write.
Result<void> PipeFile::SetStatusFlags(int flags) {
  if (flags & (O_ASYNC | O_DIRECT)) pipe_->ForbidWriteBehind();
  return File::SetStatusFlags(flags);
}

EventMask PipeFile::Readiness(EventMask mask) {
  EventMask ready = 0;
  if (readable()) {
    const bool no_writers = pipe_->writers() == 0;  // before the content: they wrote, then went
    ready |= pipe_->ReadReadiness();
    if (no_writers && quiet_at_.load() != pipe_->writer_openings()) ready |= EPOLLHUP;
  }
  if (writable()) ready |= pipe_->WriteReadiness();
  return ready & (mask | EPOLLERR | EPOLLHUP);
}

Result<int64_t> PipeFile::Ioctl(Task& task, uint32_t request, uint64_t arg) {
  if (request != FIONREAD) return Errno(ENOTTY);
  TRY(task.CopyOutObject(arg, static_cast<int>(pipe_->available())));
  return int64_t{0};
}

std::string PipeFile::Describe() const {
  if (path()) return File::Describe();
  return "pipe:[" + std::to_string(static_cast<AnonInode&>(*inode_).ino()) + "]";
}

PipeEnds NewPipe(Task& task, int flags) {
  RefPtr<Pipe> pipe = MakeRef<Pipe>();
  RefPtr<Inode> inode = MakeRef<PipeInode>(task, pipe);
  return {MakeRef<PipeFile>(pipe, inode, Path(), O_RDONLY | (flags & O_NONBLOCK)),
          MakeRef<PipeFile>(pipe, inode, Path(), O_WRONLY | flags)};
}

}  // namespace runsc
