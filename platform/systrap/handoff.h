// The sentry's side of waiting for a guest thread: when to spin on another CPU, when to sleep on the
// guest's CPU.
//
// Waking a thread on an idle CPU costs ten times a round trip, and spinning against one's own peer costs
// more still. So a waiter is in one of two modes:
//   same   affinity follows the guest's CPU and every wait sleeps: a switch on one CPU
//   split  affinity avoids the guest's CPU and waits spin; a global token limits the spinners
// Dense calls (a short mean gap) earn the split mode, failed spins lose it.
#pragma once

#include <atomic>
#include <cstdint>

#include "platform/systrap/stub_layout.h"

namespace runsc::systrap {

// Shared by all waiters of a platform.
struct HandoffPolicy {
  bool spin = true;
  int max_spinners = 1;
  uint64_t cycles_per_us = 1000;
  std::atomic<int> spinners{0};
};

class Handoff {
 public:
  explicit Handoff(HandoffPolicy& policy) : policy_(policy) {}
  ~Handoff() { Rest(); }

  // Publishes the reply already written to the line and wakes the guest thread if it sleeps.
  static void Reply(stub::ThreadPage* page);
  // Waits until the guest posts a request or *alive turns false; false for the latter.
  bool Wait(stub::ThreadPage* page, const std::atomic<bool>& alive);
  // The request came from `cpu`: picks the mode for the next wait.
  void Follow(stub::ThreadPage* page, uint32_t cpu);
  // The thread will do something else for long: gives the token back, releases the affinity.
  void Rest();

 private:
  bool Spin(stub::ThreadPage* page);
  void Sleep(stub::ThreadPage* page, const std::atomic<bool>& alive);
  void Score(bool success);
  void EnterSplit(uint32_t cpu);
  void LeaveSplit();
  void Pin(uint32_t cpu);

  HandoffPolicy& policy_;
  bool split_ = false;
  int pinned_cpu_ = -1;      // same mode: the CPU we are bound to
  uint32_t guest_cpu_ = ~0u;
  int credit_ = 0;
  int successes_ = 0;
  uint64_t replied_ = 0;     // cycles at the end of the last service
  uint64_t mean_gap_ = 0;    // between reply and next request, in cycles
  uint64_t backoff_us_ = kMinBackoffUs;
  uint64_t not_before_ = 0;  // no split mode until then
  static constexpr uint64_t kMinBackoffUs = 1000, kMaxBackoffUs = 256000;
};

}  // namespace runsc::systrap
