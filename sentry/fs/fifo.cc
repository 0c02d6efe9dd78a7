// FIFOs: the pipe behind a name, and how its openers meet.
#include <map>

#include "sentry/fs/pipe_file.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/device.h"

namespace runsc {
namespace {

class FifoPipe;

// Pipes of the FIFOs that are open, by inode. An entry goes with its pipe.
struct OpenFifos {
  Mutex mu{LockRank::kPipe};
  std::map<Inode*, FifoPipe*> pipes ABSL_GUARDED_BY(mu);
};

OpenFifos& TheOpenFifos() {
  static OpenFifos* const fifos = new OpenFifos;
  return *fifos;
}

class FifoPipe : public Pipe {
 public:
  explicit FifoPipe(Inode* inode) : inode_(inode) {}

 private:
  void OnLastRef() override {
    {
      OpenFifos& open = TheOpenFifos();
      MutexLock l(open.mu);
      auto it = open.pipes.find(inode_);
      if (it != open.pipes.end() && it->second == this) open.pipes.erase(it);
    }
    delete this;
  }

  Inode* const inode_;  // only compared: its files hold it
};

RefPtr<Pipe> PipeOf(Inode& inode) {
  OpenFifos& open = TheOpenFifos();
  MutexLock l(open.mu);
  FifoPipe*& entry = open.pipes[&inode];
  if (entry != nullptr && entry->TryIncRef()) return RefPtr<Pipe>::Adopt(entry);
  RefPtr<FifoPipe> pipe = MakeRef<FifoPipe>(&inode);
  entry = pipe.get();
  return pipe;
}

// Waits until an end of the other kind was opened since `seen`, even if it is gone again.
template <typename Openings>
Result<void> AwaitPeer(Task& task, Pipe& pipe, EventMask events, uint32_t seen, Openings openings) {
  return BlockUntil(task, pipe.queue(), events, kNever, [&]() -> Result<void> {
    if (openings() != seen) return {};
    return Errno(EAGAIN);
  });
}

// What counts is who was there when our end came: who waited for us may have written and gone since.
Result<void> AwaitWriter(Task& task, Pipe& pipe, PipeFile& file) {
  if (file.met().writers > 0) return {};
  if (file.nonblocking()) {
    file.IgnoreHangupUntilWriter();
    return {};
  }
  return AwaitPeer(task, pipe, EPOLLIN, file.met().writer_openings, [&] { return pipe.writer_openings(); });
}

Result<void> AwaitReader(Task& task, Pipe& pipe, PipeFile& file) {
  if (file.met().readers > 0) return {};
  return AwaitPeer(task, pipe, EPOLLOUT, file.met().reader_openings, [&] { return pipe.reader_openings(); });
}

}  // namespace

Result<RefPtr<File>> OpenFifo(Task& task, RefPtr<Inode> inode, const Path& path, int flags) {
  RefPtr<Pipe> pipe = PipeOf(*inode);
  const int access = flags & O_ACCMODE;
  if (access == O_ACCMODE) return Errno(EINVAL);
  // Checked before the writing end exists: a failed open must not look like a writer to a reader.
  if (access == O_WRONLY && (flags & O_NONBLOCK) && pipe->readers() == 0) return Errno(ENXIO);
  RefPtr<PipeFile> file = MakeRef<PipeFile>(pipe, std::move(inode), path, flags);
  if (access == O_RDONLY) TRY(AwaitWriter(task, *pipe, *file));
  if (access == O_WRONLY) TRY(AwaitReader(task, *pipe, *file));
  return RefPtr<File>(std::move(file));
}

void RegisterFifos() { RegisterFifo(OpenFifo); }

}  // namespace runsc
