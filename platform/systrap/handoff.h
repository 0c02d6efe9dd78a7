// The sentry's side of waiting for a guest thread, and where the two run.
//
// A switch between two threads on one CPU is cheap, waking a thread on another, idle CPU costs ten
// times as much, and spinning against one's own peer costs more still. So there are three ways to
// wait:
//   apart  calls are rare: nobody is bound, the host's scheduler decides
//   same   calls are dense: guest thread and sentry thread are bound to one CPU and every wait
//   sleeps.
//          Bound while they sleep, so nothing has to migrate; let go every few milliseconds (and as
//          soon as the guest computes instead of calling) so the scheduler can balance
//   split  calls are very dense and a CPU is free: the sentry thread spins there. A global token
//   limits
//          the spinners; failed spins lose it
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>

#include "platform/base/cpu.h"
#include "platform/stub/stub_layout.h"

namespace runsc::systrap {

// Shared by all waiters of a platform.
struct HandoffPolicy {
  bool spin = true;
  int max_spinners = 1;  // CPUs beyond the first; 0: nothing to choose
  uint64_t cycles_per_us = 1000;
  cpu_set_t cpus{};  // the CPUs this process was started on
  std::atomic<int> spinners{0};
};

class Handoff {
 public:
  explicit Handoff(HandoffPolicy& policy)
      : policy_(policy), cpus_(policy.cpus), mean_gap_(kFirstGapUs * policy.cycles_per_us) {}

  // The guest thread. It and the sentry thread may still be bound where their makers were.
  void Attach(pid_t guest_tid);

  // Publishes the reply already written to the line and wakes the guest thread if it sleeps.
  void Publish(stub::ThreadPage* page);
  // The same by the thread that will Wait: may bind both to one CPU.
  void Reply(stub::ThreadPage* page);
  // Waits until the guest posts a request or *alive turns false; false for the latter.
  bool Wait(stub::ThreadPage* page, const std::atomic<bool>& alive);
  // The request came from `cpu`: decides about spinning for the next one.
  void Follow(stub::ThreadPage* page, uint32_t cpu);
  // The sentry thread will sleep for other reasons: the guest need not spin for the answer, and until Resume others
  // may have the token. Neither makes a host call, as threads that wait for each other pass here on each turn.
  void Pause(stub::ThreadPage* page);
  void Resume();
  // The sentry thread will do something else: gives the token back, releases its binding.
  void Rest();

 private:
  bool Spin(stub::ThreadPage* page);
  void Sleep(stub::ThreadPage* page, const std::atomic<bool>& alive);
  void NoteGap(uint64_t posted);
  void Score(bool success);
  bool TakeToken();
  void GiveTokenBack();
  void EnterSplit(uint32_t cpu);
  void LeaveSplit();
  void Place();
  void Release();
  void Unbind(pid_t tid);
  void TakeCpus();  // follows what the guest thread is restricted to
  bool IsDense(uint64_t gap_us) const { return mean_gap_ < gap_us * policy_.cycles_per_us; }

  HandoffPolicy& policy_;
  cpu_set_t cpus_;             // where the guest thread may run
  unsigned cpus_version_ = 0;  // of ThreadCpus
  pid_t guest_tid_ = 0;
  bool split_ = false;
  bool paused_split_ = false;  // split until Pause
  bool woke_guest_ = false;    // by the last reply
  bool guest_bound_ = false, self_bound_ = false;
  uint32_t home_ = ~0u;  // same mode: the CPU both are bound to
  uint64_t home_since_ = 0;
  uint32_t guest_cpu_ = ~0u;
  int credit_ = 0;
  int successes_ = 0;
  uint64_t replied_ = 0;  // cycles at the end of the last service
  uint64_t mean_gap_;     // between reply and next request, in cycles
  uint64_t backoff_us_ = kMinBackoffUs;
  uint64_t not_before_ = 0;                     // no split mode until then
  static constexpr uint64_t kFirstGapUs = 100;  // a new thread shares a CPU, but must earn to spin
  static constexpr uint64_t kMinBackoffUs = 1000, kMaxBackoffUs = 256000;
};

}  // namespace runsc::systrap
