// Signals as data: sets, actions, queues (signal(7)).
#pragma once

#include <signal.h>

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace runsc {

using SignalSet = uint64_t;  // bit signo-1
constexpr SignalSet SignalBit(int signo) { return SignalSet{1} << (signo - 1); }
inline constexpr int kMaxSignal = 64;
inline constexpr SignalSet kUnblockable = (SignalSet{1} << (SIGKILL - 1)) | (SignalSet{1} << (SIGSTOP - 1));

// struct sigaction as the kernel ABI has it (not glibc's).
struct KernelSigaction {
  uint64_t handler = 0;  // SIG_DFL 0, SIG_IGN 1
  uint64_t flags = 0;
  uint64_t restorer = 0;
  SignalSet mask = 0;
};
static_assert(sizeof(KernelSigaction) == 32);

// Pending signals of a task or of a thread group. Standard signals pend once, real-time ones queue in
// order. Not thread-safe: guarded by the task set's lock.
class SignalQueue {
 public:
  // False when a standard signal was already pending.
  bool Add(const siginfo_t& info);
  // Removes and returns the first signal not in `blocked`: synchronous faults first, then lowest number.
  std::optional<siginfo_t> Take(SignalSet blocked);
  std::optional<siginfo_t> TakeOneOf(SignalSet wanted) { return Take(~wanted); }
  void Discard(SignalSet set);
  // The queued signal of a POSIX timer: expirations meanwhile only count (timer_getoverrun(2)).
  siginfo_t* FindTimer(int signo, int timer_id);
  SignalSet pending() const { return pending_; }
  size_t queued() const { return queue_.size(); }
  const std::vector<siginfo_t>& queue() const { return queue_; }

 private:
  SignalSet pending_ = 0;
  std::vector<siginfo_t> queue_;  // in order of arrival
};

// Dispositions shared by the tasks of a thread group (or CLONE_SIGHAND).
struct SignalActions {
  std::array<KernelSigaction, kMaxSignal + 1> actions;
};

}  // namespace runsc
