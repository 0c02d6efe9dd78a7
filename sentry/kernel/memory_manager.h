// A guest address space as the kernel knows it: the engine's AddressSpace, the break, which files are
// mapped where. The host's map of the stub is the truth about ranges; this only adds names.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "platform/base/mutex.h"
#include "platform/platform.h"
#include "sentry/kernel/mapped_files.h"
#include "sentry/vfs/file.h"

namespace runsc {

class MemoryManager : public RefCounted {
 public:
  MemoryManager(std::unique_ptr<AddressSpace> as, const Layout& layout);
  AddressSpace& address_space() { return *as_; }
  const Layout& layout() const { return layout_; }

  Result<GuestAddr> Mmap(Task& task, GuestAddr addr, uint64_t length, int prot, int flags, RefPtr<File> file,
                         uint64_t offset);
  Result<void> Munmap(GuestAddr addr, uint64_t length);
  Result<GuestAddr> Mremap(const MapOp& op);
  // brk(2): the new or unchanged break; nullopt: the engine does it (SubmitNative).
  std::optional<GuestAddr> Brk(Task& task, GuestAddr addr);
  RefPtr<MemoryManager> AdoptFork(std::unique_ptr<AddressSpace> as) const;  // copy of the records

  // Limits (memory_limits.cc): the host enforces the process' limits, as limits of its stub.
  void ApplyLimits(const Task& task);
  void LiftLimits();                      // exec: until the new image is there
  void ApplyLockLimit(const Task& task);  // before anything is locked
  // Another thread, whatever the limits are: what the engine needs for it is not the guest's.
  Result<std::unique_ptr<Context>> NewThread(const Task& task, const ThreadStart& start);
  // The kernel's own access to the stack below what is mapped of it. True: `addr` is mapped now.
  bool GrowStack(const Task& task, GuestAddr addr);

  // exec: true if the old program's memory may become the new one's. It is the caller's alone then, and whoever looks
  // for the old program's by its id does not find it any more.
  bool ClaimForExec();
  // exec: a fresh break, no files mapped; and the files it maps.
  void SetBreak(GuestAddr start);
  void ForgetMappings();
  void NoteFile(GuestAddr addr, uint64_t length, RefPtr<File> file);

  // Tells one program's memory from every other's, in time as well: exec makes a new one.
  // Who holds a reference and finds it unchanged keeps that program's memory.
  uint64_t id() const {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return id_.load(std::memory_order_acquire);
  }

  // What exec set up, for /proc/PID/{cmdline,environ,auxv,stat,exe}.
  struct Image {
    GuestAddr start_code = 0, end_code = 0, start_data = 0, end_data = 0, start_brk = 0, start_stack = 0;
    GuestAddr arg_start = 0, arg_end = 0, env_start = 0, env_end = 0;
    GuestAddr mmap_base = 0;  // from here up the engine must not place mappings: a reservation lies there
    GuestAddr stack_top = 0;
    std::string auxv;
    RefPtr<File> exe;
  };
  Image image() const;
  void set_image(Image image);

  // One line of /proc/PID/maps, guest names filled in.
  struct Mapping {
    GuestAddr start, end;
    std::string perms;  // "rw-p"
    uint64_t offset, dev, ino;
    std::string name;
    RefPtr<File> file;  // null for anonymous memory
  };
  Result<std::vector<Mapping>> Mappings();
  // True if part of the range is free only for who asks for it: above the base exec chose (MapOp::kReserve).
  bool TouchesReservation(GuestAddr addr, uint64_t length) const;

 private:
  Result<GuestAddr> MapOne(const MapOp& op);
  Result<GuestAddr> MapAnonymous(Task& task, MapOp op, bool shared);
  Result<GuestAddr> MapFile(Task& task, MapOp op, RefPtr<File> file);
  struct Content {
    bool reserved = false, mapped = false;
  };
  Content ContentOf(GuestAddr addr, uint64_t length) const;
  bool IsAboveBase(GuestAddr addr, uint64_t length) const;
  int PlacementFlags(GuestAddr addr, uint64_t length, int flags) const;
  Result<void> MoveBreak(GuestAddr from, GuestAddr to);
  void ForgetFiles(GuestAddr addr, uint64_t length);
  void RecheckFiles();
  std::optional<Mapping> ParseMapsLine(const std::string& line) const;
  GuestAddr Break() const;
  void LimitBreak(uint64_t data_limit);
  void NameMapping(Mapping& mapping, GuestAddr brk) const;
  // Without guest names; the reservation only on request.
  Result<std::vector<Mapping>> HostMappings(bool with_reservation = false) const;

  // memory_limits.cc
  struct Limits {
    uint64_t space, data, stack, lock;
  };
  static constexpr uint64_t kNothingLocked = ~uint64_t{0} - 1;  // Limits::lock: never applied
  static Limits InitialLimits();
  struct Overhead;
  Result<Overhead> MeasureOverhead() const;
  bool SetHostLimit(int resource, uint64_t value);
  void ApplyLimitsLocked(const Limits& wanted);

  static uint64_t NextId();

  std::unique_ptr<AddressSpace> as_;
  const Layout layout_;
  std::atomic<uint64_t> id_{NextId()};
  mutable Mutex mu_{LockRank::kMemory};
  std::mutex limits_mu_;  // guards applied_; unranked, outermost: host calls are made under it
  Limits applied_ = InitialLimits();
  std::mutex brk_mu_;  // serialises brk(2), held while the stub maps; unranked, taken before mu_
  GuestAddr brk_start_ ABSL_GUARDED_BY(mu_) = 0;
  GuestAddr brk_ ABSL_GUARDED_BY(mu_) = 0;
  bool engine_has_brk_ ABSL_GUARDED_BY(mu_) = false;  // brk_ is not used then
  MappedFiles mapped_files_ ABSL_GUARDED_BY(mu_);
  Image image_ ABSL_GUARDED_BY(mu_);
};

// An empty file whose only use is to be mapped by MapOp::kReserve, which tells reservations in the host's /proc.
int ReservationFd();

}  // namespace runsc
