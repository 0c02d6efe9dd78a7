// See helper.h.
#include "platform/stub/helper.h"

#include <poll.h>
#include <signal.h>
#include <sys/uio.h>
#include <time.h>

#include <cerrno>
#include <cstring>

#include "platform/base/cpu.h"
#include "platform/stub/futex_unsafe.h"

namespace runsc::stub {

using stub::HelperOp;

Helper::Helper(uint8_t* pages, AckTags& tags)
    : tags_(tags),
      commands_(reinterpret_cast<stub::CommandPages*>(pages)),
      info_(reinterpret_cast<stub::InfoPage*>(pages + (STUB_INFO - STUB_COMMAND))),
      ack_(reinterpret_cast<stub::AckPage*>(pages + ACK_OFFSET)) {
  commands_->want_wake = 1;
}

void Helper::Start(std::span<const HelperOp> ops) {
  memcpy(commands_->ops, ops.data(), ops.size_bytes());
  commands_->count = static_cast<uint32_t>(ops.size());
  commands_->nonce = tags_.NextNonce();
  __atomic_store_n(&commands_->sequence, commands_->sequence + 1, __ATOMIC_SEQ_CST);
}

// The caller is about to sleep: the helper works on the caller's CPU, where a switch is all it
// costs.
void Helper::Wake() {
  const uint32_t cpu = CurrentCpu();
  if (cpu_ != cpu && tid_ != 0) BindToCpu(tid_, cpu);
  cpu_ = cpu;
  FutexWakeAll(&commands_->sequence);
}

bool Helper::AwaitAck() {
  // The host may tell of its end only when other threads of the stub have been reaped, perhaps by who waits here; and
  // as long as they run they can undo what MarkDead has written.
  constexpr timespec kLookAgain = {1, 0};
  const uint32_t sequence = commands_->sequence;
  for (bool waited = false;; waited = true) {
    const uint32_t seen = __atomic_load_n(&ack_->sequence, __ATOMIC_ACQUIRE);
    if (seen == sequence) return true;
    if (dead_.load() || (waited && IsGone())) return false;
    FutexWait(&ack_->sequence, seen, &kLookAgain);
  }
}

// Guest code said in the helper's place that the batch is done. Until the helper is gone it may be at it.
void Helper::EndLiar() {
  MarkDead();
  if (tid_ == 0) return;
  kill(tid_, SIGKILL);  // a child of ours, reaped after our end
  AwaitEnd();
}

// That the batch is done is sure; the results are the stub's word: bounded here, judged by whoever uses them.
Result<void> Helper::Collect(std::vector<int64_t>* results) {
  if (!AwaitAck()) return Errno(ESRCH);
  if (__atomic_load_n(&ack_->tag, __ATOMIC_RELAXED) != tags_.Of(commands_->nonce)) {
    EndLiar();
    return Errno(ESRCH);
  }
  if (results == nullptr) return {};
  const uint32_t done = __atomic_load_n(&ack_->done, __ATOMIC_RELAXED);
  if (done > commands_->count) return Errno(ESRCH);
  for (uint32_t i = 0; i < done; i++) {
    results->push_back(__atomic_load_n(&ack_->results[i], __ATOMIC_RELAXED));
  }
  return {};
}

Result<void> Helper::Run(std::span<const HelperOp> ops, std::vector<int64_t>* results) {
  MutexLock lock(mu_);
  while (!ops.empty()) {
    const auto part = ops.first(std::min<size_t>(ops.size(), stub::kMaxHelperOps));
    std::vector<int64_t> done;
    if (dead_.load()) return Errno(ESRCH);
    Start(part);
    Wake();
    TRY(Collect(&done));
    if (results) results->insert(results->end(), done.begin(), done.end());
    if (done.size() < part.size()) return {};
    if (!done.empty() && done.back() < 0 && done.back() >= -4095 && part.back().stop_on_error) return {};
    ops = ops.subspan(part.size());
  }
  return {};
}

void Helper::Prepare(std::span<const HelperOp> ops) {
  MutexLock lock(mu_);
  Start(ops);
}

Result<void> Helper::Finish(std::vector<int64_t>* results) {
  MutexLock lock(mu_);
  return Collect(results);
}

Result<int64_t> Helper::RunWithData(HelperOp op, int data_arg, std::span<const std::byte> data) {
  MutexLock lock(mu_);
  if (data.size() > sizeof(commands_->data)) return Errno(E2BIG);
  memcpy(commands_->data, data.data(), data.size());
  op.args[data_arg] = STUB_COMMAND + offsetof(stub::CommandPages, data);
  if (dead_.load()) return Errno(ESRCH);
  Start(std::span(&op, 1));
  Wake();
  std::vector<int64_t> done;
  TRY(Collect(&done));
  if (done.empty()) return Errno(ESRCH);
  return done[0];
}

bool Helper::IsGone() const {
  char byte;
  const iovec ours{&byte, 1}, theirs{reinterpret_cast<void*>(STUB_COMMAND), 1};
  return tid_ != 0 && process_vm_readv(tid_, &ours, 1, &theirs, 1, 0) < 0 && errno == ESRCH;
}

bool Helper::AwaitEnd() const {
  constexpr timespec kPause = {0, 1'000'000};
  for (int round = 0; round < 1000; ++round) {
    if (IsGone()) return true;
    ppoll(nullptr, 0, &kPause, nullptr);
  }
  return false;
}

void Helper::MarkDead() {
  dead_.store(true);
  __atomic_fetch_add(&ack_->sequence, 0x40000000, __ATOMIC_SEQ_CST);
  FutexWakeAll(&ack_->sequence);
}

}  // namespace runsc::stub
