// See write_behind.h.
#include "sentry/fs/write_behind.h"

#include <algorithm>

#include "sentry/fs/pipe.h"
#include "sentry/kernel/run_state.h"

namespace runsc {
namespace {

bool MayWriteBehind(File& file) {
  const bool anonymous = file.pipe() != nullptr && !file.path();  // a FIFO may be watched by its name
  return anonymous && file.writable() && !(file.flags() & O_DIRECT);
}

// The descriptor is the task's alone, so it stays what it is until the next event.
class PipeStay final : public GuestStay {
 public:
  explicit PipeStay(int fd) : fd_(fd) {}

  bool Begin(Task& task) override {
    queue_ = task.context().write_queue();
    if (queue_ == nullptr || unused_ == kMaxUnused || task.fds().ref_count() != 1) return false;
    const auto file = task.fds().Get(fd_);
    if (!file.ok() || !MayWriteBehind(**file)) return false;
    pipe_ = (*file)->pipe();
    return pipe_->BeginWriteBehind(*queue_, fd_);
  }

  void End(Task& task) override {
    const uint64_t bytes = pipe_->EndWriteBehind();
    unused_ = bytes == 0 ? unused_ + 1 : 0;
    if (bytes == 0) return;
    const uint64_t calls = std::min<uint64_t>(queue_->calls(), bytes);  // the guest says it
    task.run().io.CountWrite(bytes, calls);
    task.syscalls.store(task.syscalls.load(std::memory_order_relaxed) + calls, std::memory_order_relaxed);
  }

 private:
  static constexpr int kMaxUnused = 4;  // in a row: a program that writes now and then need not pay for it at each call
  const int fd_;
  int unused_ = 0;
  WriteQueue* queue_ = nullptr;
  Pipe* pipe_ = nullptr;
};

}  // namespace

void OfferWriteBehind(Task& task, int fd, File& file, size_t size) {
  if (size <= WriteQueue::kPage && MayWriteBehind(file)) task.run().stay = std::make_unique<PipeStay>(fd);
}

}  // namespace runsc
