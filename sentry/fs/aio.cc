#include "sentry/fs/aio.h"

#include <sys/mman.h>

#include <map>

#include "sentry/ipc/ipc_wait.h"
#include "sentry/kernel/exit_hooks.h"

namespace runsc {
namespace {

constexpr uint64_t kRingSize = 4096;
constexpr uint64_t kMaxRequests = 65536;  // fs.aio-max-nr

struct ContextTable {
  using Key = std::pair<const ThreadGroup*, GuestAddr>;
  Mutex mu{LockRank::kDentry};
  std::map<Key, RefPtr<AioContext>> contexts ABSL_GUARDED_BY(mu);
  uint64_t requests ABSL_GUARDED_BY(mu) = 0;
};

ContextTable& TheContexts() {
  static ContextTable* const table = new ContextTable;
  return *table;
}

void ForgetProcess(ThreadGroup& process) {
  ContextTable& table = TheContexts();
  std::vector<RefPtr<AioContext>> dropped;  // freed after the lock
  MutexLock l(table.mu);
  for (auto it = table.contexts.lower_bound({&process, 0});
       it != table.contexts.end() && it->first.first == &process;) {
    table.requests -= it->second->capacity();
    dropped.push_back(std::move(it->second));
    it = table.contexts.erase(it);
  }
}

void ListenForExits() {
  static const bool listening = (AddProcessExitHook(ForgetProcess), true);
  (void)listening;
}

}  // namespace

Result<void> AioContext::Reserve() {
  MutexLock l(mu_);
  if (destroyed_) return Errno(EINVAL);
  if (used_ >= capacity_) return Errno(EAGAIN);
  ++used_;
  return {};
}

void AioContext::CancelReservation() {
  MutexLock l(mu_);
  --used_;
}

void AioContext::Complete(const io_event& event) {
  {
    MutexLock l(mu_);
    done_.push_back(event);
  }
  queue_.Notify(EPOLLIN);
}

size_t AioContext::TakeLocked(std::vector<io_event>& events, size_t max) {
  for (; !done_.empty() && events.size() < max; done_.pop_front()) {
    events.push_back(done_.front());
    --used_;
  }
  return events.size();
}

Result<std::vector<io_event>> AioContext::Collect(Task& task, size_t min, size_t max, Deadline deadline) {
  std::vector<io_event> events;
  const auto outcome = WaitUntilDone(task, queue_, EPOLLIN, deadline, [&]() -> Result<bool> {
    MutexLock l(mu_);
    return TakeLocked(events, max) >= min || destroyed_;
  });
  if (!outcome.ok() && events.empty() && !(outcome.error() == Errno(ETIMEDOUT))) return outcome.error();
  return events;
}

void AioContext::Destroy() {
  {
    MutexLock l(mu_);
    destroyed_ = true;
  }
  queue_.Notify(EPOLLIN);
}

Result<GuestAddr> AddAioContext(Task& task, uint32_t capacity) {
  ListenForExits();
  ContextTable& table = TheContexts();
  {
    MutexLock l(table.mu);
    if (table.requests + capacity > kMaxRequests) return Errno(EAGAIN);
    table.requests += capacity;
  }
  auto page = task.mm().Mmap(task, 0, kRingSize, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, nullptr, 0);
  MutexLock l(table.mu);
  if (!page.ok()) {
    table.requests -= capacity;
    return page.error();
  }
  // An old one at the same address: its page was unmapped by hand, or exec took it.
  RefPtr<AioContext>& slot = table.contexts[{&task.thread_group(), *page}];
  if (slot) table.requests -= slot->capacity();
  slot = MakeRef<AioContext>(task.mm(), capacity);
  return page;
}

Result<RefPtr<AioContext>> FindAioContext(Task& task, GuestAddr id) {
  ContextTable& table = TheContexts();
  MutexLock l(table.mu);
  const auto it = table.contexts.find({&task.thread_group(), id});
  if (it == table.contexts.end() || !it->second->BelongsTo(task.mm())) return Errno(EINVAL);
  return it->second;
}

Result<void> RemoveAioContext(Task& task, GuestAddr id) {
  const RefPtr<AioContext> context = TRY(FindAioContext(task, id));
  ContextTable& table = TheContexts();
  {
    MutexLock l(table.mu);
    if (table.contexts.erase({&task.thread_group(), id}) == 0) return Errno(EINVAL);  // by another thread
    table.requests -= context->capacity();
  }
  context->Destroy();
  (void)task.mm().Munmap(id, kRingSize);
  return {};
}

}  // namespace runsc
