// One stub: the host process of a guest address space, its helper thread, and the slots of its
// threads.
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <array>
#include <atomic>
#include <memory>
#include <unordered_set>
#include <vector>

#include "platform/base/mutex.h"
#include "platform/base/result.h"
#include "platform/base/unique_fd.h"
#include "platform/platform.h"
#include "platform/stub/file_ranges.h"
#include "platform/stub/helper.h"
#include "platform/stub/shared_pages.h"

namespace runsc::stub {

// A guest thread, which is told when its stub is gone.
class StubThread {
 public:
  virtual void OnDeath() = 0;  // with the StubProcess' lock held

 protected:
  ~StubThread() = default;
};

// The pids of all stubs not yet reaped.
class PidTable {
 public:
  bool Insert(pid_t pid);  // false if it is there already
  void Remove(pid_t pid);
  bool Contains(pid_t pid);

 private:
  Mutex mu_{LockRank::kPlatformPool};
  std::unordered_set<pid_t> pids_ ABSL_GUARDED_BY(mu_);
};

// A child process of ours that was not reaped.
bool IsChild(pid_t pid);

// What stubs are made of; outlives them all.
struct StubResources {
  SharedPages slots, commands;
  PidTable pids;
  AckTags tags;
};

// How a thread of a stub is cloned.
inline constexpr uint64_t kThreadFlags =
    CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

class StubProcess {
 public:
  // Takes over a piece of the command pages. The host process is adopted later.
  StubProcess(StubResources& resources, uint32_t command_index);
  // Kills and reaps the host process.
  ~StubProcess();
  StubProcess(const StubProcess&) = delete;

  // `pid` is a child of ours, just made. False if it is another stub's. Not alive() afterwards if it cannot be watched.
  // `traced`: its threads stay until their tracers reap them, so its end shows in its first thread.
  bool Adopt(pid_t pid, bool traced);

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }
  bool alive() const { return alive_.load(std::memory_order_acquire); }
  Helper& helper() { return helper_; }
  FileRanges& file_ranges() { return file_ranges_; }
  // A thread's calls that the sentry wants to see were `before` and are `after`.
  void CountForwarded(const CallSet& before, const CallSet& after);
  uint64_t command_offset() const { return resources_.commands.offset(command_index_); }

  void Kill();
  bool was_killed() const { return killed_.load(); }  // by Kill, not from outside
  // What all its threads have used, the helper's included; also of one that has ended.
  uint64_t CpuTimeNs() const;
  // The host process has ended (it stays a zombie, so its pid cannot mean another process until we
  // are destroyed). Wakes everybody who waits for it.
  void MarkDead();

  // A slot for a new thread.
  struct Seat {
    uint32_t slot;
    bool mapped;       // the stub has it
    pid_t parked_tid;  // a host thread waits in it; 0 if one must be made
  };
  Result<Seat> AcquireSeat();
  // A slot mapped by the first batch of a fork's child.
  void AdoptSlot(uint32_t slot);
  // How many more host threads are worth keeping for later guest threads.
  bool ShouldPark();
  // `host_tid` may still be on its way out of it, or to its place to wait.
  void ReleaseSlot(uint32_t slot, pid_t host_tid, bool parked);
  uint8_t* SlotMemory(uint32_t slot) const { return resources_.slots.piece(slot); }
  uint64_t SlotFileOffset(uint32_t slot) const { return resources_.slots.offset(slot); }
  int slots_fd() const { return resources_.slots.fd(); }

  void Register(StubThread* context);
  void Unregister(StubThread* context);
  // Whether a number that the stub gave is of one of its own threads, not of another stub's or ours.
  bool HasThread(pid_t tid) const;
  // Sends the kick to a thread of this process. False if there is no such thread any more.
  bool Kick(pid_t tid);

 private:
  struct FreeSlot {
    uint32_t slot;
    pid_t last_tid;
    bool parked;
  };
  bool IsReady(const FreeSlot& candidate) const;
  static constexpr int kMaxParked = 8;

  StubResources& resources_;
  const uint32_t command_index_;
  Helper helper_;
  FileRanges file_ranges_{helper_.info()};
  pid_t pid_ = 0;
  UniqueFd pidfd_;
  std::atomic<bool> alive_{false};
  std::atomic<bool> killed_{false};
  Mutex mu_{LockRank::kPlatform};
  std::vector<uint32_t> mapped_ ABSL_GUARDED_BY(mu_);
  std::vector<FreeSlot> free_ ABSL_GUARDED_BY(mu_);
  int parked_ ABSL_GUARDED_BY(mu_) = 0;
  std::array<int, CallSet().size()> forwarding_ ABSL_GUARDED_BY(mu_){};  // threads that want it, by number
  std::vector<StubThread*> contexts_ ABSL_GUARDED_BY(mu_);
};

}  // namespace runsc::stub
