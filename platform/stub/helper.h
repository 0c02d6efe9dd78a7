// The engine's side of a stub's helper thread: batches of system calls it executes in the stub.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "platform/base/mutex.h"
#include "platform/base/result.h"
#include "platform/stub/ack_tags.h"
#include "platform/stub/stub_layout.h"

namespace runsc::stub {

class Helper {
 public:
  // `pages` is one piece of the command memfd: commands, info, results.
  Helper(uint8_t* pages, AckTags& tags);

  // Executes `ops` in order and appends their raw results. Stops after a failed operation that has
  // stop_on_error. ESRCH if the stub died.
  Result<void> Run(std::span<const stub::HelperOp> ops, std::vector<int64_t>* results);
  // Leaves a first batch for a stub that does not exist yet; Finish collects its results.
  void Prepare(std::span<const stub::HelperOp> ops);
  Result<void> Finish(std::vector<int64_t>* results);

  // Runs one call whose arguments point to `data`, which is copied to where the stub can read it;
  // args[data_arg] is set to its address.
  Result<int64_t> RunWithData(stub::HelperOp op, int data_arg, std::span<const std::byte> data);

  // The stub is gone: ends every wait, now and later.
  void MarkDead();
  // Its host thread has no memory any more: it does and says nothing.
  bool IsGone() const;
  // Until it is gone, after the stub was killed. False: it takes too long.
  bool AwaitEnd() const;

  stub::InfoPage& info() const { return *info_; }
  // The helper thread, once it exists.
  void Attach(pid_t tid) { tid_ = tid; }

 private:
  void Start(std::span<const stub::HelperOp> ops);
  void Wake();
  bool AwaitAck();  // false: the stub is dead
  Result<void> Collect(std::vector<int64_t>* results);
  void EndLiar();

  AckTags& tags_;

  stub::CommandPages* const commands_;
  stub::InfoPage* const info_;
  stub::AckPage* const ack_;
  pid_t tid_ = 0;
  uint32_t cpu_ = ~0u;  // bound to
  std::atomic<bool> dead_{false};
  Mutex mu_{LockRank::kPlatformHelper};
};

}  // namespace runsc::stub
