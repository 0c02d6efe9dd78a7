#include "sentry/kernel/signals.h"

#include <algorithm>

namespace runsc {
namespace {

constexpr SignalSet kSynchronous = SignalBit(SIGSEGV) | SignalBit(SIGBUS) | SignalBit(SIGILL) | SignalBit(SIGTRAP) |
                                   SignalBit(SIGFPE) | SignalBit(SIGSYS);
constexpr int kFirstRealTime = 32;

auto HasNumber(int signo) {
  return [signo](const siginfo_t& info) { return info.si_signo == signo; };
}

}  // namespace

bool SignalQueue::Add(const siginfo_t& info) {
  const int signo = info.si_signo;
  if (signo < kFirstRealTime && (pending_ & SignalBit(signo))) return false;
  queue_.push_back(info);
  pending_ |= SignalBit(signo);
  return true;
}

std::optional<siginfo_t> SignalQueue::Take(SignalSet blocked) {
  const SignalSet ready = pending_ & ~blocked;
  if (ready == 0) return std::nullopt;
  const SignalSet first = (ready & kSynchronous) ? ready & kSynchronous : ready;
  const int signo = __builtin_ctzll(first) + 1;
  const auto it = std::find_if(queue_.begin(), queue_.end(), HasNumber(signo));
  const siginfo_t info = *it;
  const auto rest = queue_.erase(it);
  if (std::none_of(rest, queue_.end(), HasNumber(signo))) pending_ &= ~SignalBit(signo);
  return info;
}

siginfo_t* SignalQueue::FindTimer(int signo, int timer_id) {
  for (siginfo_t& info : queue_) {
    if (info.si_signo == signo && info.si_code == SI_TIMER && info.si_timerid == timer_id) return &info;
  }
  return nullptr;
}

void SignalQueue::Discard(SignalSet set) {
  std::erase_if(queue_, [set](const siginfo_t& info) { return (SignalBit(info.si_signo) & set) != 0; });
  pending_ &= ~set;
}

}  // namespace runsc
