// Waiting for many files: poll, select and epoll, with their timeouts and signal masks.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include <algorithm>
#include <array>

#include "sentry/fs/epoll.h"
#include "syscalls/fd_util.h"
#include "syscalls/handlers.h"
#include "syscalls/poll_set.h"
#include "syscalls/user_range.h"

namespace runsc {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kNsPerUs = 1'000;

Deadline DeadlineFromMs(int ms) { return ms < 0 ? kNever : DeadlineAfter(Kernel::MonotonicNs(), ms * kNsPerMs); }

// Zero stays zero: then nobody sleeps, and no time left is written back.
Deadline DeadlineOf(const timespec& timeout) {
  const int64_t ns = ToNs(timeout);
  return ns == 0 ? 0 : DeadlineAfter(Kernel::MonotonicNs(), ns);
}

// A timeout argument: null means for ever. EINVAL unless normalised.
Result<Deadline> CopyInTimeout(Task& task, GuestAddr addr) {
  if (addr == 0) return kNever;
  const timespec timeout = TRY(task.CopyInObject<timespec>(addr));
  if (!IsValidTimespec(timeout)) return Errno(EINVAL);
  return DeadlineOf(timeout);
}

// select's: microseconds need not be below a second.
Result<Deadline> CopyInTimeval(Task& task, GuestAddr addr) {
  if (addr == 0) return kNever;
  const timeval timeout = TRY(task.CopyInObject<timeval>(addr));
  if (timeout.tv_sec < 0 || timeout.tv_usec < 0) return Errno(EINVAL);
  timespec ts{0, (timeout.tv_usec % 1'000'000) * kNsPerUs};
  if (__builtin_add_overflow(timeout.tv_sec, timeout.tv_usec / 1'000'000, &ts.tv_sec)) return kNever;
  return DeadlineOf(ts);
}

// The mask argument of the p-calls: installed until the call returns.
Result<void> ApplyMask(Task& task, GuestAddr addr, uint64_t size) {
  if (addr == 0) return {};
  if (size != sizeof(SignalSet)) return Errno(EINVAL);
  const SignalSet mask = TRY(task.CopyInObject<SignalSet>(addr));
  task.SetTemporarySignalMask(mask & ~kUnblockable);
  return {};
}

int64_t Remaining(Deadline deadline) { return std::max<int64_t>(deadline - Kernel::MonotonicNs(), 0); }

// The call will be repeated with the same arguments unless a handler runs; if the time left could not be
// written back it must not be.
SyscallResult WithTimeLeft(SyscallResult result, bool written) {
  const bool restarts = !result.ok() && result.error() == kRestartNoHand;
  return restarts && !written ? SyscallResult(Errno(EINTR)) : result;
}

SyscallResult FinishWithTimespec(Task& task, SyscallResult result, Deadline deadline, GuestAddr addr) {
  if (addr == 0 || deadline == 0) return result;
  return WithTimeLeft(result, task.CopyOutObject(addr, ToTimespec(Remaining(deadline))).ok());
}

SyscallResult FinishWithTimeval(Task& task, SyscallResult result, Deadline deadline, GuestAddr addr) {
  if (addr == 0 || deadline == 0) return result;
  const int64_t left = Remaining(deadline);
  const timeval tv{left / kNsPerSecond, (left % kNsPerSecond) / kNsPerUs};
  return WithTimeLeft(result, task.CopyOutObject(addr, tv).ok());
}

Result<std::vector<pollfd>> CopyInPollfds(Task& task, GuestAddr addr, uint32_t count) {
  if (count > task.rlimit(RLIMIT_NOFILE) || count > (1u << 20)) return Errno(EINVAL);
  std::vector<pollfd> fds(count);
  if (count > 0) TRY(task.CopyIn(addr, fds.data(), count * sizeof(pollfd)));
  return fds;
}

// Interruption gives kRestartNoHand; callers turn it into what their call does.
SyscallResult DoPoll(Task& task, GuestAddr addr, uint32_t count, Deadline deadline) {
  std::vector<pollfd> fds = TRY(CopyInPollfds(task, addr, count));
  PollSet set(task);
  for (const pollfd& p : fds) set.Add(p.fd, static_cast<uint16_t>(p.events));
  const Result<size_t> ready = set.Wait(deadline);
  if (!ready.ok()) return ready.error();
  for (size_t i = 0; i < fds.size(); ++i) fds[i].revents = static_cast<short>(set.ready(i));
  TRY(CheckUserRange(addr, count * sizeof(pollfd)));  // although there may be nothing to say
  if (count > 0) TRY(task.CopyOut(addr, fds.data(), count * sizeof(pollfd)));
  return static_cast<int64_t>(*ready);
}

SyscallResult PollUntil(Task& task, GuestAddr addr, uint32_t count, Deadline deadline) {
  SyscallResult result = DoPoll(task, addr, count, deadline);
  if (result.ok() || !(result.error() == kRestartNoHand)) return result;
  task.SetRestart([=](Task& t) { return PollUntil(t, addr, count, deadline); });
  return kRestartBlock;
}

// --- select

using FdBits = std::vector<uint64_t>;

struct SelectSets {
  std::array<GuestAddr, 3> addrs;  // read, write, except; 0: not wanted
  size_t words = 0;
  std::array<FdBits, 3> bits;

  bool Has(int set, int fd) const { return addrs[set] != 0 && ((bits[set][fd / 64] >> (fd % 64)) & 1); }
};

constexpr EventMask kSelectEvents[3] = {
    EPOLLRDNORM | EPOLLRDBAND | EPOLLIN | EPOLLHUP | EPOLLERR,
    EPOLLWRBAND | EPOLLWRNORM | EPOLLOUT | EPOLLERR,
    EPOLLPRI,
};
constexpr EventMask kSelectAsked[3] = {EPOLLIN | EPOLLRDNORM | EPOLLRDBAND, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND,
                                       EPOLLPRI};

// Descriptors beyond what the table has room for are ignored, as Linux does.
int ClampSelectCount(Task& task, int count) {
  constexpr int kSmall = 1024;
  if (count <= kSmall) return count;
  const std::vector<int> open = task.fds().OpenFds();
  const int highest = open.empty() ? 0 : open.back();
  return std::min(count, std::max(kSmall, (highest | 255) + 1));
}

Result<void> CopyInSets(Task& task, int count, SelectSets& sets) {
  sets.words = (static_cast<size_t>(count) + 63) / 64;
  for (int i = 0; i < 3; ++i) {
    if (sets.addrs[i] == 0) continue;
    sets.bits[i].resize(sets.words);
    if (sets.words > 0) TRY(task.CopyIn(sets.addrs[i], sets.bits[i].data(), sets.words * 8));
  }
  return {};
}

// Which descriptors were put into the poll set, in order.
std::vector<int> AddSelected(const SelectSets& sets, int count, PollSet& set) {
  std::vector<int> fds;
  for (int fd = 0; fd < count; ++fd) {
    EventMask asked = 0;
    for (int i = 0; i < 3; ++i) {
      if (sets.Has(i, fd)) asked |= kSelectAsked[i];
    }
    if (asked == 0) continue;
    set.Add(fd, asked);
    fds.push_back(fd);
  }
  return fds;
}

int64_t StoreResults(const std::vector<int>& fds, const PollSet& set, SelectSets& sets) {
  std::array<FdBits, 3> out;
  for (FdBits& bits : out) bits.resize(sets.words);
  int64_t count = 0;
  for (size_t k = 0; k < fds.size(); ++k) {
    const int fd = fds[k];
    for (int i = 0; i < 3; ++i) {
      if (!sets.Has(i, fd) || (set.ready(k) & kSelectEvents[i]) == 0) continue;
      out[i][fd / 64] |= uint64_t{1} << (fd % 64);
      ++count;
    }
  }
  sets.bits = std::move(out);
  return count;
}

SyscallResult DoSelect(Task& task, int count, GuestAddr in, GuestAddr out, GuestAddr except, Deadline deadline) {
  if (count < 0) return Errno(EINVAL);
  count = ClampSelectCount(task, count);
  SelectSets sets{{in, out, except}};
  TRY(CopyInSets(task, count, sets));
  PollSet set(task);
  const std::vector<int> fds = AddSelected(sets, count, set);
  if (set.has_bad_fd()) return Errno(EBADF);
  TRY(set.Wait(deadline));
  const int64_t ready = StoreResults(fds, set, sets);
  for (int i = 0; i < 3; ++i) {
    if (sets.addrs[i] == 0 || sets.words == 0) continue;
    TRY(task.CopyOut(sets.addrs[i], sets.bits[i].data(), sets.words * 8));
  }
  return ready;
}

// --- epoll

Result<RefPtr<File>> GetEpoll(Task& task, int fd) {
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  if (FileAs<EpollFile>(*file) == nullptr) return Errno(EINVAL);
  return file;
}

// Blocks until something is ready; at the end of the time or on a signal what is ready then.
Result<size_t> WaitForEvents(Task& task, EpollFile& epoll, std::span<epoll_event> events, Deadline deadline) {
  if (const size_t n = epoll.Collect(events); n > 0 || deadline == 0) return n;
  TaskWaiter waiter(task, EPOLLIN);
  waiter.set_exclusive(true);
  epoll.sleepers().Add(waiter);
  Result<size_t> result = size_t{0};
  for (;;) {
    const size_t n = epoll.Collect(events);
    if (n > 0) {
      result = n;
      break;
    }
    if (const auto slept = task.Block(deadline); !slept.ok()) {
      const size_t last = epoll.Collect(events);
      const bool timed_out = slept.error() == Errno(ETIMEDOUT);
      result = last > 0 || timed_out ? Result<size_t>(last) : Errno(EINTR);
      break;
    }
  }
  epoll.sleepers().Remove(waiter);
  return result;
}

SyscallResult DoEpollWait(Task& task, int fd, GuestAddr addr, int max_events, Deadline deadline) {
  constexpr int kOnStack = 32;
  TRY(task.fds().GetForIo(fd));
  if (max_events <= 0 || max_events > INT32_MAX / static_cast<int>(sizeof(epoll_event))) return Errno(EINVAL);
  TRY(CheckUserRange(addr, static_cast<uint64_t>(max_events) * sizeof(epoll_event)));
  RefPtr<File> file = TRY(GetEpoll(task, fd));
  EpollFile& epoll = *FileAs<EpollFile>(*file);
  epoll_event small[kOnStack];
  std::vector<epoll_event> large;
  std::span<epoll_event> events(small, std::min(max_events, kOnStack));
  if (max_events > kOnStack && epoll.ready_bound() > kOnStack) {
    large.resize(std::min<size_t>(max_events, epoll.ready_bound()));
    events = large;
  }
  const size_t n = TRY(WaitForEvents(task, epoll, events, deadline));
  if (n == 0) return int64_t{0};
  if (auto copied = task.CopyOut(addr, events.data(), n * sizeof(epoll_event)); !copied.ok()) {
    epoll.RecheckAll();
    return copied.error();
  }
  return static_cast<int64_t>(n);
}

// A timeout of zero need not look at the clock.
Deadline EpollDeadline(int ms) { return ms == 0 ? 0 : DeadlineFromMs(ms); }

}  // namespace

// poll(2)
SyscallResult SysPoll(Task& task, GuestAddr fds, uint32_t count, int timeout_ms) {
  return PollUntil(task, fds, count, EpollDeadline(timeout_ms));
}

// ppoll(2)
SyscallResult SysPpoll(Task& task, GuestAddr fds, uint32_t count, GuestAddr timeout, GuestAddr mask,
                       uint64_t mask_size) {
  const Deadline deadline = TRY(CopyInTimeout(task, timeout));
  TRY(ApplyMask(task, mask, mask_size));
  return FinishWithTimespec(task, DoPoll(task, fds, count, deadline), deadline, timeout);
}

// select(2)
SyscallResult SysSelect(Task& task, int count, GuestAddr in, GuestAddr out, GuestAddr except, GuestAddr timeout) {
  const Deadline deadline = TRY(CopyInTimeval(task, timeout));
  return FinishWithTimeval(task, DoSelect(task, count, in, out, except, deadline), deadline, timeout);
}

// pselect6(2): the mask and its size come in a struct.
SyscallResult SysPselect6(Task& task, int count, GuestAddr in, GuestAddr out, GuestAddr except, GuestAddr timeout,
                          GuestAddr mask_arg) {
  struct {
    GuestAddr mask = 0;
    uint64_t size = 0;
  } arg;
  if (mask_arg != 0) TRY(task.CopyIn(mask_arg, &arg, sizeof(arg)));
  const Deadline deadline = TRY(CopyInTimeout(task, timeout));
  TRY(ApplyMask(task, arg.mask, arg.size));
  return FinishWithTimespec(task, DoSelect(task, count, in, out, except, deadline), deadline, timeout);
}

// epoll_create1(2)
SyscallResult SysEpollCreate1(Task& task, int flags) {
  if (flags & ~EPOLL_CLOEXEC) return Errno(EINVAL);
  return InstallFd(task, NewEpollFile(task), flags & EPOLL_CLOEXEC);
}

// epoll_create(2): the size only has to be positive.
SyscallResult SysEpollCreate(Task& task, int size) {
  if (size <= 0) return Errno(EINVAL);
  return SysEpollCreate1(task, 0);
}

// epoll_ctl(2)
SyscallResult SysEpollCtl(Task& task, int epoll_fd, int op, int fd, GuestAddr event_addr) {
  epoll_event event{};
  if (op != EPOLL_CTL_DEL) event = TRY(task.CopyInObject<epoll_event>(event_addr));
  RefPtr<File> epoll_file = TRY(task.fds().GetForIo(epoll_fd));
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  if (file->wait_queue() == nullptr) return Errno(EPERM);
  EpollFile* epoll = FileAs<EpollFile>(*epoll_file);
  if (epoll == nullptr || epoll_file == file) return Errno(EINVAL);
  switch (op) {
    case EPOLL_CTL_ADD:
      TRY(epoll->Add(*file, fd, event));
      return int64_t{0};
    case EPOLL_CTL_MOD:
      TRY(epoll->Modify(*file, fd, event));
      return int64_t{0};
    case EPOLL_CTL_DEL:
      TRY(epoll->Remove(*file, fd));
      return int64_t{0};
    default:
      return Errno(EINVAL);
  }
}

// epoll_wait(2)
SyscallResult SysEpollWait(Task& task, int fd, GuestAddr events, int max_events, int timeout_ms) {
  return DoEpollWait(task, fd, events, max_events, EpollDeadline(timeout_ms));
}

// epoll_pwait(2)
SyscallResult SysEpollPwait(Task& task, int fd, GuestAddr events, int max_events, int timeout_ms, GuestAddr mask,
                            uint64_t mask_size) {
  TRY(ApplyMask(task, mask, mask_size));
  return DoEpollWait(task, fd, events, max_events, EpollDeadline(timeout_ms));
}

// epoll_pwait2(2)
SyscallResult SysEpollPwait2(Task& task, int fd, GuestAddr events, int max_events, GuestAddr timeout, GuestAddr mask,
                             uint64_t mask_size) {
  const Deadline deadline = TRY(CopyInTimeout(task, timeout));
  TRY(ApplyMask(task, mask, mask_size));
  return DoEpollWait(task, fd, events, max_events, deadline);
}

}  // namespace runsc
