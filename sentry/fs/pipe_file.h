// Open file descriptions of pipes and FIFOs.
#pragma once

#include "sentry/fs/anon_file.h"
#include "sentry/fs/pipe.h"

namespace runsc {

// One end, or both ends for a FIFO opened O_RDWR. Its access mode says which.
class PipeFile : public File {
 public:
  // `path` is empty for anonymous pipes.
  PipeFile(RefPtr<Pipe> pipe, RefPtr<Inode> inode, const Path& path, int flags);
  ~PipeFile() override;

  Result<size_t> Read(Task& task, IoSink& dst, const int64_t* offset) override;
  Result<size_t> Write(Task& task, IoSource& src, const int64_t* offset) override;
  Result<void> SetStatusFlags(int flags) override;
  EventMask Readiness(EventMask mask) override;
  WaitQueue* wait_queue() override { return &pipe_->queue(); }
  Result<int64_t> Ioctl(Task& task, uint32_t request, uint64_t arg) override;
  Pipe* pipe() override { return pipe_.get(); }
  Result<Attr> GetAttr() override { return inode_->GetAttr(); }
  Result<void> SetAttr(const AttrChange& change) override { return inode_->SetAttr(change); }
  RefPtr<Inode> inode() const override { return inode_; }
  std::string Describe() const override;

  // A reader that came without waiting sees no hang-up before its first writer went (fifo(7)).
  void IgnoreHangupUntilWriter() { quiet_at_ = met_.writer_openings; }
  // The ends that were there when this one came.
  const Pipe::Ends& met() const { return met_; }

 private:
  static constexpr uint64_t kNotQuiet = ~uint64_t{0};
  const RefPtr<Pipe> pipe_;
  const RefPtr<Inode> inode_;
  const Pipe::Ends met_;
  std::atomic<uint64_t> quiet_at_{kNotQuiet};
};

// pipe2(2). `flags`: O_NONBLOCK, O_DIRECT.
struct PipeEnds {
  RefPtr<File> reader, writer;
};
PipeEnds NewPipe(Task& task, int flags);

// open(2) of a FIFO: waits for the other side as fifo(7) says.
Result<RefPtr<File>> OpenFifo(Task& task, RefPtr<Inode> inode, const Path& path, int flags);
void RegisterFifos();

}  // namespace runsc
