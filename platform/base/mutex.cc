#include "platform/base/mutex.h"

#include <cstdio>
#include <cstdlib>
#include <functional>

namespace runsc {
namespace {

#ifndef NDEBUG
// Ranks this thread holds, innermost last. Deep enough for any legal order: each rank once, pairs twice.
thread_local int held_ranks[48];
thread_local int held_count = 0;

void DieOnLockOrder(int held, int wanted) {
  std::fprintf(stderr, "lock order violated: taking rank %d while holding rank %d\n", wanted, held);
  std::abort();
}

void PushRank(LockRank rank, bool allow_equal) {
  const int wanted = static_cast<int>(rank);
  if (held_count > 0) {
    const int held = held_ranks[held_count - 1];
    if (held > wanted || (held == wanted && !allow_equal)) DieOnLockOrder(held, wanted);
  }
  held_ranks[held_count++] = wanted;
}

// Unlocking need not be innermost first, so the rank is looked for from the top.
void PopRank(LockRank rank) {
  int i = held_count - 1;
  while (i >= 0 && held_ranks[i] != static_cast<int>(rank)) --i;
  if (i < 0) std::abort();
  for (; i < held_count - 1; ++i) held_ranks[i] = held_ranks[i + 1];
  --held_count;
}
#else
void PushRank(LockRank, bool) {}
void PopRank(LockRank) {}
#endif

}  // namespace

void Mutex::Lock() {
  PushRank(rank_, false);
  mu_.lock();
}

void Mutex::LockNested() {
  PushRank(rank_, true);
  mu_.lock();
}

void Mutex::Unlock() {
  mu_.unlock();
  PopRank(rank_);
}

bool Mutex::TryLock() {
  if (!mu_.try_lock()) return false;
  PushRank(rank_, true);  // a try cannot deadlock
  return true;
}

MutexLockPair::MutexLockPair(Mutex& a, Mutex& b) ABSL_NO_THREAD_SAFETY_ANALYSIS
    : first_(std::less<Mutex*>()(&a, &b) ? &a : &b),
      second_(&a == &b ? nullptr : (first_ == &a ? &b : &a)) {
  first_->Lock();
  // Same rank is legal here because every pair is taken in address order. TryLock first keeps the
  // rank check; on contention the plain order is already safe.
  if (second_ == nullptr) return;
  while (!second_->TryLock()) {
    first_->Unlock();
    std::swap(first_, second_);
    first_->Lock();
  }
}

MutexLockPair::~MutexLockPair() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  if (second_ != nullptr) second_->Unlock();
  first_->Unlock();
}

}  // namespace runsc
