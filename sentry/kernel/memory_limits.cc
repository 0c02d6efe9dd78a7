// RLIMIT_AS, DATA, STACK and MEMLOCK of an address space, enforced by the host as limits of its stub.
//
// The host counts the engine's own mappings too, so a limit is raised by what they take. Limits that the
// process does not have cost nothing: the stub maps anonymous memory without asking anybody.
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>

#include "sentry/kernel/memory_manager.h"
#include "sentry/kernel/task.h"

namespace runsc {
namespace {

constexpr uint64_t kPage = 4096;

// What a stub starts with: it is a copy of a process that never changed the sentry's own.
uint64_t InheritedLimit(int resource) {
  struct rlimit limit {};
  return prlimit(0, static_cast<__rlimit_resource>(resource), nullptr, &limit) == 0 ? limit.rlim_cur : RLIM_INFINITY;
}

bool IsData(const MemoryManager::Mapping& m) { return m.perms.size() == 4 && m.perms[1] == 'w' && m.perms[3] == 'p'; }

uint64_t KilobytesOf(const std::string& status, const char* name) {
  const size_t at = status.find(name);
  unsigned long kb = 0;
  if (at == std::string::npos || std::sscanf(status.c_str() + at, "%*[^:]: %lu", &kb) != 1) return 0;
  return kb;
}

uint64_t Raised(uint64_t limit, uint64_t by) { return limit >= RLIM_INFINITY - by ? RLIM_INFINITY : limit + by; }

}  // namespace

// The host's figures less the guest's.
struct MemoryManager::Overhead {
  uint64_t space, data;
};

Result<MemoryManager::Overhead> MemoryManager::MeasureOverhead() const {
  const std::string status = TRY(as_->ReadHostProc("status"));
  uint64_t space = 0, data = 0;
  GuestAddr stack_top;
  {
    MutexLock l(mu_);
    stack_top = image_.stack_top;
  }
  for (const Mapping& m : TRY(HostMappings())) {
    space += m.end - m.start;
    if (IsData(m) && m.end != stack_top) data += m.end - m.start;
  }
  const uint64_t all_space = KilobytesOf(status, "\nVmSize") << 10, all_data = KilobytesOf(status, "\nVmData") << 10;
  return Overhead{all_space - std::min(space, all_space), all_data - std::min(data, all_data)};
}

// False if the host refuses: then its hard limit holds.
bool MemoryManager::SetHostLimit(int resource, uint64_t value) {
  const auto id = static_cast<__rlimit_resource>(resource);
  struct rlimit limit {};
  if (prlimit(as_->host_pid(), id, nullptr, &limit) != 0) return false;
  limit.rlim_cur = std::min<uint64_t>(value, limit.rlim_max);
  return prlimit(as_->host_pid(), id, &limit, nullptr) == 0;
}

void MemoryManager::ApplyLimitsLocked(const Limits& wanted) {
  if (wanted.stack != applied_.stack) SetHostLimit(RLIMIT_STACK, wanted.stack);
  Overhead overhead{0, 0};
  if (wanted.space != RLIM_INFINITY || wanted.data != RLIM_INFINITY) {
    const auto measured = MeasureOverhead();
    if (!measured.ok()) return;
    overhead = *measured;
  }
  // Finite limits are set anew each time: the engine's share may have changed.
  if (wanted.space != RLIM_INFINITY || applied_.space != RLIM_INFINITY) {
    SetHostLimit(RLIMIT_AS, Raised(wanted.space, overhead.space));
  }
  if (wanted.data != RLIM_INFINITY || applied_.data != RLIM_INFINITY) {
    LimitBreak(wanted.data);
    SetHostLimit(RLIMIT_DATA, Raised(wanted.data, overhead.data));
  }
  applied_ = {wanted.space, wanted.data, wanted.stack, applied_.lock};
}

// A vfork child still has its parent's memory: its limits count from its exec.
void MemoryManager::ApplyLimits(const Task& task) {
  if (task.vfork_child) return;
  std::lock_guard<std::mutex> l(limits_mu_);
  ApplyLimitsLocked({task.rlimit(RLIMIT_AS), task.rlimit(RLIMIT_DATA), task.rlimit(RLIMIT_STACK), 0});
}

void MemoryManager::LiftLimits() {
  std::lock_guard<std::mutex> l(limits_mu_);
  ApplyLimitsLocked({RLIM_INFINITY, RLIM_INFINITY, applied_.stack, 0});
  if (applied_.lock != kNothingLocked) {
    const MapOp op{MapOp::kUnlockAll};
    (void)as_->Apply({&op, 1}, nullptr);
  }
}

// Privileged guests are bound by the host's hard limit alone.
void MemoryManager::ApplyLockLimit(const Task& task) {
  const uint64_t wanted = task.creds()->Has(CAP_IPC_LOCK) ? RLIM_INFINITY : task.rlimit(RLIMIT_MEMLOCK);
  std::lock_guard<std::mutex> l(limits_mu_);
  if (wanted == applied_.lock) return;
  SetHostLimit(RLIMIT_MEMLOCK, wanted);
  applied_.lock = wanted;
}

Result<std::unique_ptr<Context>> MemoryManager::NewThread(const Task& task, const ThreadStart& start) {
  std::unique_lock<std::mutex> l(limits_mu_);
  const Limits limits = applied_;
  if (limits.space == RLIM_INFINITY && limits.data == RLIM_INFINITY) {
    l.unlock();
    return as_->NewContext(start);
  }
  ApplyLimitsLocked({RLIM_INFINITY, RLIM_INFINITY, limits.stack, 0});
  auto made = as_->NewContext(start);
  ApplyLimitsLocked(limits);
  return made;
}

// Guest code's own faults grow the stack on the host; a copy by the sentry is no fault of the stub.
bool MemoryManager::GrowStack(const Task& task, GuestAddr addr) {
  GuestAddr top;
  {
    MutexLock l(mu_);
    top = image_.stack_top;
  }
  const uint64_t limit = task.rlimit(RLIMIT_STACK);
  if (addr >= top || top - addr > limit) return false;
  const auto mappings = HostMappings();
  if (!mappings.ok()) return false;
  for (const Mapping& m : *mappings) {
    if (m.end <= addr) continue;
    if (m.end != top || m.start <= addr) return false;
    const GuestAddr from = addr & ~(kPage - 1);
    const int exec = m.perms.size() > 2 && m.perms[2] == 'x' ? PROT_EXEC : 0;
    const MapOp op{MapOp::kMap, from, m.start - from, PROT_READ | PROT_WRITE | exec,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_GROWSDOWN};
    return as_->Apply({&op, 1}, nullptr).ok();
  }
  return false;
}

MemoryManager::Limits MemoryManager::InitialLimits() {
  static const Limits limits{InheritedLimit(RLIMIT_AS), InheritedLimit(RLIMIT_DATA), InheritedLimit(RLIMIT_STACK),
                             kNothingLocked};
  return limits;
}

}  // namespace runsc
