// See handoff.h.
#include "platform/systrap/handoff.h"

#include <immintrin.h>
#include <sched.h>
#include <x86intrin.h>

#include <algorithm>

#include "platform/stub/futex_unsafe.h"
#include "platform/thread_cpus.h"

namespace runsc::systrap {

using stub::FutexWait, stub::FutexWakeAll;

namespace {

constexpr uint64_t kSpinUs = 20;
// On top, after a reply that woke the guest: an idle CPU takes that long to run it. Else one missed spin makes each
// side sleep before the other is awake, again and again.
constexpr uint64_t kWakeUs = 100;
constexpr uint64_t kSplitGapUs = 30;  // denser calls than this are worth a spinning CPU
constexpr uint64_t kSameGapUs = 300;  // rarer ones do not care what a wake-up costs
constexpr uint64_t kLongGapUs = 1000;
constexpr uint64_t kBoundUs = 8000;  // how long threads stay bound without a chance to move
constexpr int kFirstCredit = 4, kMaxCredit = 8, kMissCost = 2;
constexpr int kForgiveAfter = 2000;

uint32_t LoadState(const stub::ThreadPage* page) { return __atomic_load_n(&page->line.state, __ATOMIC_ACQUIRE); }

}  // namespace

void Handoff::Attach(pid_t guest_tid) {
  guest_tid_ = guest_tid;
  guest_bound_ = self_bound_ = true;
}

void Handoff::TakeCpus() {
  cpus_version_ = current_thread_cpus->version();
  cpu_set_t cpus = current_thread_cpus->Get();
  CPU_AND(&cpus, &cpus, &policy_.cpus);
  if (CPU_COUNT(&cpus) == 0) return;
  cpus_ = cpus;
  LeaveSplit();
  guest_bound_ = self_bound_ = true;
  Release();
}

void Handoff::Reply(stub::ThreadPage* page) {
  if (current_thread_cpus != nullptr && current_thread_cpus->version() != cpus_version_) TakeCpus();
  if (!split_ && LoadState(page) == stub::kRequestGuestAsleep) Place();
  Publish(page);
}

void Handoff::Publish(stub::ThreadPage* page) {
  const uint32_t old = __atomic_exchange_n(&page->line.state, stub::kReply, __ATOMIC_SEQ_CST);
  woke_guest_ = old == stub::kRequestGuestAsleep;
  if (woke_guest_) FutexWakeAll(&page->line.state);
}

// The guest thread sleeps and we run: both changes cost a system call and no migration.
void Handoff::Place() {
  if (policy_.max_spinners == 0 || guest_tid_ == 0) return;
  const uint64_t now = __rdtsc();
  const bool expired = home_ != ~0u && now - home_since_ > kBoundUs * policy_.cycles_per_us;
  if (expired || !IsDense(kSameGapUs)) return Release();
  const uint32_t cpu = CurrentCpu();
  if (home_ == cpu) return;
  if (!CPU_ISSET(cpu, &cpus_)) return Release();  // it takes us where the guest may be
  BindToCpu(0, cpu);
  BindToCpu(guest_tid_, cpu);
  self_bound_ = guest_bound_ = true;
  home_ = cpu;
  home_since_ = now;
}

void Handoff::Unbind(pid_t tid) { sched_setaffinity(tid, sizeof cpus_, &cpus_); }

void Handoff::Release() {
  if (guest_bound_ && guest_tid_ != 0) Unbind(guest_tid_);
  if (self_bound_) Unbind(0);
  guest_bound_ = self_bound_ = false;
  home_ = ~0u;
}

bool Handoff::Wait(stub::ThreadPage* page, const std::atomic<bool>& alive) {
  replied_ = __rdtsc();
  const bool spins = split_ && guest_cpu_ != CurrentCpu();
  const bool hit = spins && Spin(page);
  if (split_ && !hit) Score(false);
  bool slept = false;
  for (; !stub::IsRequest(LoadState(page)); slept = true) {
    if (!alive.load(std::memory_order_acquire)) return false;
    Sleep(page, alive);
  }
  // A guest that went to sleep meanwhile gains nothing from our spinning.
  if (hit) Score(LoadState(page) == stub::kRequest);
  NoteGap(slept ? __atomic_load_n(&page->posted, __ATOMIC_RELAXED) : __rdtsc());
  return true;
}

// From the reply to the moment the guest posted its request: what waking us took is not the guest's. That moment
// is the guest's word; a wrong one stalls nobody else.
void Handoff::NoteGap(uint64_t posted) {
  const uint64_t longest = kLongGapUs * policy_.cycles_per_us;
  const uint64_t now = __rdtsc();
  if (posted < replied_ || posted > now) posted = now;
  mean_gap_ = mean_gap_ - mean_gap_ / 8 + std::min(posted - replied_, longest) / 8;
}

bool Handoff::Spin(stub::ThreadPage* page) {
  const uint64_t budget = (kSpinUs + (woke_guest_ ? kWakeUs : 0)) * policy_.cycles_per_us;
  const uint64_t start = __rdtsc();
  while (!stub::IsRequest(LoadState(page))) {
    _mm_pause();
    if (__rdtsc() - start > budget) return false;
  }
  return true;
}

void Handoff::Sleep(stub::ThreadPage* page, const std::atomic<bool>& alive) {
  uint32_t expected = stub::kReply;
  __atomic_compare_exchange_n(&page->line.state, &expected, stub::kReplySentryAsleep, false, __ATOMIC_SEQ_CST,
                              __ATOMIC_SEQ_CST);
  // Whatever else the guest wrote there, it is what we sleep on: it can stall only itself.
  const uint32_t state = LoadState(page);
  if (stub::IsRequest(state) || !alive.load(std::memory_order_seq_cst)) return;
  if (!guest_bound_) return FutexWait(&page->line.state, state);
  // A guest that computes for long must not stay bound: one look, then no more ticks.
  const timespec soon{0, 1000000};
  FutexWait(&page->line.state, state, &soon);
  if (LoadState(page) == state) {
    mean_gap_ = kLongGapUs * policy_.cycles_per_us;
    Release();
  }
}

void Handoff::Score(bool success) {
  if (success) {
    credit_ = std::min(credit_ + 1, kMaxCredit);
    if (++successes_ > kForgiveAfter) backoff_us_ = kMinBackoffUs;
    return;
  }
  credit_ -= kMissCost;
  if (credit_ <= 0) LeaveSplit();
}

bool Handoff::TakeToken() {
  if (policy_.spinners.fetch_add(1) < policy_.max_spinners) return true;
  policy_.spinners.fetch_sub(1);
  return false;
}

void Handoff::GiveTokenBack() {
  split_ = false;
  policy_.spinners.fetch_sub(1);
}

void Handoff::Pause(stub::ThreadPage* page) {
  uint32_t expected = stub::kRequest;
  __atomic_compare_exchange_n(&page->line.state, &expected, stub::kRequestDeferred, false, __ATOMIC_RELAXED,
                              __ATOMIC_RELAXED);
  if (!split_) return;
  GiveTokenBack();
  paused_split_ = true;
}

// Still bound where it may spin. Without a token it goes on as any other: Place moves it.
void Handoff::Resume() {
  if (!paused_split_) return;
  paused_split_ = false;
  split_ = TakeToken();
}

void Handoff::EnterSplit(uint32_t cpu) {
  if (!TakeToken()) return;
  split_ = true;
  credit_ = kFirstCredit;
  successes_ = 0;
  Release();
  cpu_set_t set = policy_.cpus;
  CPU_CLR(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);
  self_bound_ = true;
}

void Handoff::LeaveSplit() {
  if (!split_) return;
  GiveTokenBack();
  home_ = ~0u;
  not_before_ = __rdtsc() + backoff_us_ * policy_.cycles_per_us;
  backoff_us_ = std::min(backoff_us_ * 2, kMaxBackoffUs);
}

void Handoff::Follow(stub::ThreadPage* page, uint32_t cpu) {
  guest_cpu_ = cpu;
  if (cpu >= CPU_SETSIZE || policy_.max_spinners == 0) return;
  if (!split_ && policy_.spin && IsDense(kSplitGapUs) && __rdtsc() > not_before_ &&
      policy_.spinners.load() < policy_.max_spinners) {
    EnterSplit(cpu);
  }
  const uint32_t mine = CurrentCpu();
  if (page->sentry_cpu != mine) page->sentry_cpu = mine;
}

void Handoff::Rest() {
  paused_split_ = false;
  LeaveSplit();
  if (self_bound_) Unbind(0);
  self_bound_ = false;
}

}  // namespace runsc::systrap
