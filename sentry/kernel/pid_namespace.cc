#include "sentry/kernel/pid_namespace.h"

#include "sentry/kernel/thread_group.h"

namespace runsc {
namespace {

constexpr int kMaxPid = 4194304, kFirstReusedPid = 300;

uint64_t NextIno() {
  static std::atomic<uint64_t> next{4026550000};
  return next++;
}

}  // namespace

PidNamespace::PidNamespace(RefPtr<PidNamespace> parent, RefPtr<UserNamespace> owner)
    : parent_(std::move(parent)),
      owner_(std::move(owner)),
      level_(parent_ ? parent_->level() + 1 : 1),
      ino_(NextIno()) {}

Result<int> PidNamespace::AddLocked(int tid, int wanted) {
  if (dead) return Errno(ENOMEM);  // what Linux says of a namespace whose init died
  if (wanted < 0 || wanted >= kMaxPid) return Errno(EINVAL);
  int number = wanted;
  if (wanted == 0) {
    while (tids_.contains(next_)) next_ = next_ + 1 < kMaxPid ? next_ + 1 : kFirstReusedPid;
    number = next_;
    next_ = next_ + 1 < kMaxPid ? next_ + 1 : kFirstReusedPid;
  } else if (tids_.contains(wanted)) {
    return Errno(EEXIST);
  }
  numbers_[tid] = number;
  tids_[number] = tid;
  return number;
}

void PidNamespace::RemoveLocked(int tid) {
  const auto it = numbers_.find(tid);
  if (it == numbers_.end()) return;
  tids_.erase(it->second);
  numbers_.erase(it);
}

int PidNamespace::NumberLocked(int tid) const {
  const auto it = numbers_.find(tid);
  return it == numbers_.end() ? 0 : it->second;
}

int PidNamespace::FindLocked(int number) const {
  const auto it = tids_.find(number);
  return it == tids_.end() ? 0 : it->second;
}

}  // namespace runsc
