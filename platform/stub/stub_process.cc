// See stub_process.h.
#include "platform/stub/stub_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "platform/stub/spawn_unsafe.h"

namespace runsc::stub {

bool PidTable::Insert(pid_t pid) {
  MutexLock lock(mu_);
  return pids_.insert(pid).second;
}

void PidTable::Remove(pid_t pid) {
  MutexLock lock(mu_);
  pids_.erase(pid);
}

bool PidTable::Contains(pid_t pid) {
  MutexLock lock(mu_);
  return pids_.count(pid) > 0;
}

// waitid knows threads too, those that we trace.
bool IsChild(pid_t pid) {
  siginfo_t unused;
  const bool is_ours =
      pid > 0 && waitid(P_PID, static_cast<id_t>(pid), &unused, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
  return is_ours && syscall(SYS_tgkill, pid, pid, 0) == 0;
}

StubProcess::StubProcess(StubResources& resources, uint32_t command_index)
    : resources_(resources),
      command_index_(command_index),
      helper_(resources.commands.piece(command_index), resources.tags) {}

StubProcess::~StubProcess() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);  // also one that could not be watched
    siginfo_t info;
    while (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | __WALL) != 0 && errno == EINTR) {
    }
    resources_.pids.Remove(pid_);
  }
  for (uint32_t slot : mapped_) resources_.slots.Free(slot);
  resources_.commands.Free(command_index_);
}

namespace {

// A host that does not know of PIDFD_THREAD tells of a traced stub's death only when its threads run again.
int OpenPidfd(pid_t pid, bool of_thread) {
  constexpr int kPidfdThread = O_EXCL;
  const long fd = of_thread ? syscall(SYS_pidfd_open, pid, kPidfdThread) : -1;
  return static_cast<int>(fd >= 0 ? fd : syscall(SYS_pidfd_open, pid, 0));
}

}  // namespace

bool StubProcess::Adopt(pid_t pid, bool traced) {
  if (!resources_.pids.Insert(pid)) return false;
  pid_ = pid;
  pidfd_.reset(OpenPidfd(pid, traced));
  helper_.Attach(pid);
  alive_.store(pidfd_.valid());
  return true;
}

void StubProcess::Kill() {
  if (killed_.exchange(true) || pid_ <= 0) return;
  kill(pid_, SIGKILL);  // not reaped before our destructor: the pid is ours
  // Who waits for the helper may be the tracer of another thread of the stub, and the host tells of the stub's end only
  // when that one has been reaped.
  helper_.MarkDead();
}

uint64_t StubProcess::CpuTimeNs() const {
  timespec time{};
  // The kernel's numbering of CPU clocks: a process's, all its threads, running or not.
  const auto clock = static_cast<clockid_t>(~static_cast<unsigned>(pid_) << 3 | 2);
  if (pid_ <= 0 || clock_gettime(clock, &time) != 0) return 0;
  return static_cast<uint64_t>(time.tv_sec) * 1000000000 + static_cast<uint64_t>(time.tv_nsec);
}

void StubProcess::MarkDead() {
  alive_.store(false);
  helper_.MarkDead();
  MutexLock lock(mu_);
  for (StubThread* context : contexts_) context->OnDeath();
}

// A parked thread must have reached its place; any other must be gone.
bool StubProcess::IsReady(const FreeSlot& candidate) const {
  const bool exists = candidate.last_tid > 0 && HasThread(candidate.last_tid);
  if (!candidate.parked) return !exists;
  const auto* page = reinterpret_cast<const stub::ThreadPage*>(SlotMemory(candidate.slot));
  const uint32_t state = __atomic_load_n(&page->line.state, __ATOMIC_ACQUIRE);
  return exists && stub::IsRequest(state);
}

Result<StubProcess::Seat> StubProcess::AcquireSeat() {
  MutexLock lock(mu_);
  for (size_t i = free_.size(); i-- > 0;) {
    const FreeSlot candidate = free_[i];
    if (!IsReady(candidate)) continue;
    free_.erase(free_.begin() + static_cast<ptrdiff_t>(i));
    parked_ -= candidate.parked;
    return Seat{candidate.slot, true, candidate.parked ? candidate.last_tid : 0};
  }
  const uint32_t slot = TRY(resources_.slots.Allocate());
  mapped_.push_back(slot);
  return Seat{slot, false, 0};
}

bool StubProcess::ShouldPark() {
  MutexLock lock(mu_);
  return parked_ < kMaxParked;
}

void StubProcess::AdoptSlot(uint32_t slot) {
  MutexLock lock(mu_);
  mapped_.push_back(slot);
}

void StubProcess::ReleaseSlot(uint32_t slot, pid_t host_tid, bool parked) {
  MutexLock lock(mu_);
  free_.push_back({slot, host_tid, parked});
  parked_ += parked;
}

static_assert(CallSet().size() == stub::kMaxForwarded);

void StubProcess::CountForwarded(const CallSet& before, const CallSet& after) {
  MutexLock lock(mu_);
  const CallSet changed = before ^ after;
  for (size_t number = 0; number < changed.size(); ++number) {
    if (!changed[number]) continue;
    forwarding_[number] += after[number] ? 1 : -1;
    stub::ForwardedWord& word = helper_.info().forwarded[number / stub::kForwardedBits];
    const stub::ForwardedWord bit = stub::ForwardedWord{1} << number % stub::kForwardedBits;
    __atomic_store_n(&word, forwarding_[number] > 0 ? word | bit : word & ~bit, __ATOMIC_SEQ_CST);
  }
}

void StubProcess::Register(StubThread* context) {
  MutexLock lock(mu_);
  contexts_.push_back(context);
  if (!alive()) context->OnDeath();
}

void StubProcess::Unregister(StubThread* context) {
  MutexLock lock(mu_);
  std::erase(contexts_, context);
}

bool StubProcess::HasThread(pid_t tid) const { return syscall(SYS_tgkill, pid_, tid, 0) == 0; }

bool StubProcess::Kick(pid_t tid) { return syscall(SYS_tgkill, pid_, tid, kKickSignal) == 0 || errno != ESRCH; }

}  // namespace runsc::stub
