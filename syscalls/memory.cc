// Memory: what the stub leaves to the sentry (files, shared memory, the break), and other processes' memory.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>

#include "sentry/kernel/pids.h"
#include "sentry/kernel/run_state.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/trace_access.h"
#include "syscalls/handlers.h"

namespace runsc {
namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kCopyChunk = 64 << 10;
constexpr int kMlockOnFault = 1;
constexpr int kProtBits = PROT_READ | PROT_WRITE | PROT_EXEC;

GuestAddr PageUp(GuestAddr a) { return (a + kPage - 1) & ~(kPage - 1); }

// An aligned range the guest may touch. ENOMEM outside its address space, as Linux for unmapped ranges.
Result<uint64_t> CheckRange(Task& task, GuestAddr addr, uint64_t length, int outside) {
  if (addr & (kPage - 1)) return Errno(EINVAL);
  const Layout& layout = task.mm().layout();
  const uint64_t size = PageUp(length);
  if (size < length || addr > layout.max_addr || size > layout.max_addr - addr) return Errno(outside);
  return size;
}

// Whether whole pages from `addr` on go round the end of all addresses.
bool Wraps(GuestAddr addr, uint64_t length) {
  const uint64_t size = PageUp(length);
  return size < length || addr + size < addr;
}

// What mlock(2) and munlock(2) mean: whole pages around `addr`, and nothing when their number wraps to that.
Result<uint64_t> LockRange(Task& task, GuestAddr addr, uint64_t length) {
  const uint64_t within = addr & (kPage - 1);
  const uint64_t size = PageUp(length + within);
  if (Wraps(addr - within, size)) return Errno(EINVAL);
  TRY(CheckRange(task, addr - within, size, ENOMEM));
  if (size != 0 && task.mm().TouchesReservation(addr - within, size)) return Errno(ENOMEM);
  return size;
}

SyscallResult ApplyOne(Task& task, const MapOp& op) {
  std::vector<uint64_t> results;
  TRY(task.mm().address_space().Apply({&op, 1}, &results));
  return results.empty() ? int64_t{0} : static_cast<int64_t>(results[0]);
}

// process_vm_*: whoever may trace the other process.
Result<RefPtr<MemoryManager>> MemoryOf(Task& task, int pid) {
  const RefPtr<Task> other = task.kernel().FindTask(PidFromGuest(task, pid));
  if (!other) return Errno(ESRCH);
  RefPtr<MemoryManager> mm = other->MmSnapshot();
  if (!mm) return Errno(ESRCH);
  TRY(CheckTraceAccess(task, *other, EPERM));
  return mm;
}

GuestAddr BaseOf(const iovec& v) { return reinterpret_cast<GuestAddr>(v.iov_base); }

// Walks two vectors in step.
class Cursor {
 public:
  explicit Cursor(std::vector<iovec> iovecs) : iovecs_(std::move(iovecs)) { Skip(); }
  bool done() const { return index_ == iovecs_.size(); }
  GuestAddr addr() const { return BaseOf(iovecs_[index_]) + within_; }
  size_t left() const { return iovecs_[index_].iov_len - within_; }
  void Advance(size_t n) {
    within_ += n;
    Skip();
  }

 private:
  void Skip() {
    while (index_ < iovecs_.size() && within_ >= iovecs_[index_].iov_len) {
      ++index_;
      within_ = 0;
    }
  }
  std::vector<iovec> iovecs_;
  size_t index_ = 0, within_ = 0;
};

// Copies until a bad page; what was copied beats the error.
SyscallResult CopyBetween(AddressSpace& from_as, Cursor from, AddressSpace& to_as, Cursor to) {
  std::vector<std::byte> buffer(kCopyChunk);
  int64_t total = 0;
  while (!from.done() && !to.done()) {
    const size_t want = std::min({from.left(), to.left(), buffer.size()});
    const size_t in = from_as.CopyIn(from.addr(), buffer.data(), want);
    const size_t out = in == 0 ? 0 : to_as.CopyOut(to.addr(), buffer.data(), in);
    total += static_cast<int64_t>(out);
    if (out < want) break;
    from.Advance(out);
    to.Advance(out);
  }
  if (total == 0 && !from.done() && !to.done()) return Errno(EFAULT);
  return total;
}

SyscallResult ProcessVm(Task& task, int pid, GuestAddr local, uint64_t local_count, GuestAddr remote,
                        uint64_t remote_count, uint64_t flags, bool write) {
  if (flags != 0) return Errno(EINVAL);
  Cursor ours(TRY(task.CopyInIovecs(local, local_count)));
  Cursor theirs(TRY(task.CopyInIovecs(remote, remote_count)));
  if (ours.done() || theirs.done()) return int64_t{0};
  const RefPtr<MemoryManager> mm = TRY(MemoryOf(task, pid));
  AddressSpace& mine = task.mm().address_space();
  AddressSpace& other = mm->address_space();
  return write ? CopyBetween(mine, ours, other, theirs) : CopyBetween(other, theirs, mine, ours);
}

// One step for each mapping of the guest's. ENOMEM when they are more than `limit` allows.
Result<std::vector<MapOp>> LockEverything(Task& task, int flags, uint64_t limit) {
  std::vector<MapOp> ops;
  uint64_t total = 0;
  for (const auto& m : TRY(task.mm().Mappings())) {
    total += m.end - m.start;
    if (m.end > task.mm().layout().max_addr || m.perms.compare(0, 3, "---") == 0) continue;
    ops.push_back({MapOp::kLock, m.start, m.end - m.start, 0, flags});
  }
  if (total > limit) return Errno(ENOMEM);
  return ops;
}

bool IsAdvice(int advice) {
  return (advice >= MADV_NORMAL && advice <= MADV_DONTNEED) || (advice >= MADV_FREE && advice <= 25) ||
         advice == MADV_HWPOISON || advice == 101 /* MADV_SOFT_OFFLINE */;
}

}  // namespace

// mmap(2)
SyscallResult SysMmap(Task& task, GuestAddr addr, uint64_t length, int prot, int flags, int fd, uint64_t offset) {
  if (offset & (kPage - 1)) return Errno(EINVAL);
  RefPtr<File> file;
  if (!(flags & MAP_ANONYMOUS)) file = TRY(task.fds().Get(fd));
  return static_cast<int64_t>(TRY(task.mm().Mmap(task, addr, length, prot, flags, std::move(file), offset)));
}

// munmap(2)
SyscallResult SysMunmap(Task& task, GuestAddr addr, uint64_t length) {
  const uint64_t size = TRY(CheckRange(task, addr, length, EINVAL));
  if (size == 0) return Errno(EINVAL);
  TRY(task.mm().Munmap(addr, size));
  return int64_t{0};
}

// mprotect(2)
SyscallResult SysMprotect(Task& task, GuestAddr addr, uint64_t length, int prot) {
  constexpr int kGrows = PROT_GROWSDOWN | PROT_GROWSUP;
  if ((prot & kGrows) == kGrows || (addr & (kPage - 1))) return Errno(EINVAL);
  if (length == 0) return int64_t{0};
  if (Wraps(addr, length)) return Errno(ENOMEM);
  if (prot & ~(kProtBits | 8 /* PROT_SEM */)) return Errno(EINVAL);
  const uint64_t size = TRY(CheckRange(task, addr, length, ENOMEM));
  if (task.mm().TouchesReservation(addr, size)) return Errno(ENOMEM);
  if (task.run().read_implies_exec && (prot & PROT_READ)) prot |= PROT_EXEC;
  return ApplyOne(task, {MapOp::kProtect, addr, size, prot & kProtBits});
}

// mremap(2)
SyscallResult SysMremap(Task& task, GuestAddr addr, uint64_t old_length, uint64_t new_length, int flags,
                        GuestAddr new_addr) {
  if (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)) return Errno(EINVAL);
  if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && !(flags & MREMAP_MAYMOVE)) return Errno(EINVAL);
  if (PageUp(new_length) == 0 || new_length > task.mm().layout().max_addr || Wraps(addr, old_length))
    return Errno(EINVAL);
  const uint64_t old_size = TRY(CheckRange(task, addr, old_length, EFAULT));
  if (task.mm().TouchesReservation(addr, std::max(old_size, kPage))) return Errno(EFAULT);
  MapOp op{MapOp::kRemap, addr, old_size, 0, flags};
  op.new_length = PageUp(new_length);
  if (flags & MREMAP_FIXED) {
    TRY(CheckRange(task, new_addr, new_length, EINVAL));
    if (new_addr < task.mm().layout().min_addr) return Errno(EPERM);
    op.new_addr = new_addr;
  }
  return static_cast<int64_t>(TRY(task.mm().Mremap(op)));
}

// madvise(2)
SyscallResult SysMadvise(Task& task, GuestAddr addr, uint64_t length, int advice) {
  if (Wraps(addr, length)) return Errno(EINVAL);
  const uint64_t size = TRY(CheckRange(task, addr, length, ENOMEM));
  if (!IsAdvice(advice)) return Errno(EINVAL);
  if (advice == MADV_HWPOISON || advice == 101 /* MADV_SOFT_OFFLINE */) return Errno(EPERM);
  if (size == 0) return int64_t{0};
  if (task.mm().TouchesReservation(addr, size)) return Errno(ENOMEM);
  return ApplyOne(task, {MapOp::kAdvise, addr, size, 0, advice});
}

// brk(2)
SyscallResult SysBrk(Task& task, GuestAddr addr) {
  if (const auto brk = task.mm().Brk(task, addr)) return static_cast<int64_t>(*brk);
  task.SubmitNative({SYS_brk, {addr}});
  return int64_t{0};
}

// msync(2): the mapping's own host file is synced.
SyscallResult SysMsync(Task& task, GuestAddr addr, uint64_t length, int flags) {
  if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) || ((flags & MS_ASYNC) && (flags & MS_SYNC)))
    return Errno(EINVAL);
  const uint64_t size = TRY(CheckRange(task, addr, PageUp(length), ENOMEM));
  if (size == 0) return int64_t{0};
  if (task.mm().TouchesReservation(addr, size)) return Errno(ENOMEM);
  task.SubmitNative({SYS_msync, {addr, size, static_cast<uint64_t>(flags)}});
  return int64_t{0};
}

// mlock(2), mlock2(2): the host locks and counts, up to the guest's limit and its own.
SyscallResult SysMlock(Task& task, GuestAddr addr, uint64_t length) { return SysMlock2(task, addr, length, 0); }

SyscallResult SysMlock2(Task& task, GuestAddr addr, uint64_t length, int flags) {
  if (flags & ~kMlockOnFault) return Errno(EINVAL);
  const uint64_t size = TRY(LockRange(task, addr, length));
  task.mm().ApplyLockLimit(task);
  return ApplyOne(task, {MapOp::kLock, addr & ~(kPage - 1), size, 0, flags});
}

// munlock(2)
SyscallResult SysMunlock(Task& task, GuestAddr addr, uint64_t length) {
  const uint64_t size = TRY(LockRange(task, addr, length));
  return ApplyOne(task, {MapOp::kUnlock, addr & ~(kPage - 1), size});
}

// mlockall(2): what is there is locked range by range, so that the engine's own mappings are left alone.
SyscallResult SysMlockall(Task& task, int flags) {
  if (flags == 0 || flags == MCL_ONFAULT || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))) return Errno(EINVAL);
  const bool privileged = task.creds()->Has(CAP_IPC_LOCK);
  const uint64_t limit = privileged ? RLIM_INFINITY : task.rlimit(RLIMIT_MEMLOCK);
  if (limit == 0) return Errno(EPERM);
  task.mm().ApplyLockLimit(task);
  std::vector<MapOp> ops;
  if (flags & MCL_CURRENT) ops = TRY(LockEverything(task, flags & MCL_ONFAULT ? kMlockOnFault : 0, limit));
  if (flags & MCL_FUTURE) TRY(ApplyOne(task, {MapOp::kLockAll, 0, 0, 0, flags & ~MCL_CURRENT}));
  for (const MapOp& op : ops) {
    // What cannot be made present is skipped, as on Linux; a limit of the host's is said.
    if (const auto done = ApplyOne(task, op); !done.ok() && done.error() == Errno(EAGAIN)) return done;
  }
  return int64_t{0};
}

// munlockall(2)
SyscallResult SysMunlockall(Task& task) { return ApplyOne(task, {MapOp::kUnlockAll}); }

// mincore(2): the host knows.
SyscallResult SysMincore(Task& task, GuestAddr addr, uint64_t length, GuestAddr vector) {
  const uint64_t size = TRY(CheckRange(task, addr, length, ENOMEM));
  if (task.mm().TouchesReservation(addr, size)) return Errno(ENOMEM);
  if (vector >= task.mm().layout().max_addr || size / kPage > task.mm().layout().max_addr - vector)
    return Errno(EFAULT);
  task.SubmitNative({SYS_mincore, {addr, length, vector}});
  return int64_t{0};
}

// process_vm_readv(2)
SyscallResult SysProcessVmReadv(Task& task, int pid, GuestAddr local, uint64_t local_count, GuestAddr remote,
                                uint64_t remote_count, uint64_t flags) {
  return ProcessVm(task, pid, local, local_count, remote, remote_count, flags, false);
}

// process_vm_writev(2)
SyscallResult SysProcessVmWritev(Task& task, int pid, GuestAddr local, uint64_t local_count, GuestAddr remote,
                                 uint64_t remote_count, uint64_t flags) {
  return ProcessVm(task, pid, local, local_count, remote, remote_count, flags, true);
}

}  // namespace runsc
