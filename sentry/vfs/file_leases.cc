// Leases, and what /proc/locks shows.
#include <fcntl.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "sentry/vfs/file.h"
#include "sentry/vfs/file_locks.h"

namespace runsc {
namespace {

struct Registry {
  Mutex mu{LockRank::kOverlay};
  std::set<std::pair<const FileLocks*, Inode*>> all ABSL_GUARDED_BY(mu);
};

Registry& TheRegistry() {
  static Registry* const registry = new Registry;
  return *registry;
}

struct Waits {
  Mutex mu{LockRank::kInode};
  std::map<LockOwner, LockOwner> for_whom ABSL_GUARDED_BY(mu);
};

Waits& TheWaits() {
  static Waits* const waits = new Waits;
  return *waits;
}

std::string Line(const char* kind, const char* mode, const char* access, int pid, const Attr& attr, int64_t start,
                 int64_t end) {
  char text[128], last[24] = "EOF";
  if (end != INT64_MAX) snprintf(last, sizeof(last), "%ld", end);
  snprintf(text, sizeof(text), "%-6s %-9s %s %d %02x:%02x:%lu %ld %s", kind, mode, access, pid, major(attr.dev),
           minor(attr.dev), attr.ino, start, last);
  return text;
}

const char* Access(bool write) { return write ? "WRITE" : "READ"; }

}  // namespace

FileLocks::FileLocks(Inode& inode) : inode_(inode) {
  MutexLock l(TheRegistry().mu);
  TheRegistry().all.insert({this, &inode});
}

FileLocks::~FileLocks() {
  MutexLock l(TheRegistry().mu);
  TheRegistry().all.erase({this, &inode_});
}

std::vector<std::string> FileLocks::DescribeAll() {
  std::vector<RefPtr<Inode>> inodes;
  {
    MutexLock l(TheRegistry().mu);
    for (const auto& [locks, inode] : TheRegistry().all) {
      if (inode->TryIncRef()) inodes.push_back(RefPtr<Inode>::Adopt(inode));
    }
  }
  std::vector<std::string> lines;
  for (const RefPtr<Inode>& inode : inodes) {
    FileLocks* locks = inode->locks_if_any();
    if (locks == nullptr) continue;
    for (std::string& line : locks->Describe()) lines.push_back(std::move(line));
  }
  return lines;
}

std::vector<std::string> FileLocks::Describe(const File* file) const {
  const Attr attr = inode_.GetAttr().value_or(Attr());
  const bool all = file == nullptr;
  std::vector<std::string> lines;
  MutexLock l(mu_);
  for (const WholeLock& lock : flocks_) {
    if (!all && lock.file != file) continue;
    lines.push_back(Line("FLOCK", "ADVISORY ", Access(lock.exclusive), lock.pid, attr, 0, INT64_MAX));
  }
  for (const RangeLock& lock : ranges_) {
    if (!all && lock.file != file) continue;
    const char* kind = lock.pid == -1 ? "OFDLCK" : "POSIX";
    lines.push_back(Line(kind, "ADVISORY ", Access(lock.write), lock.pid, attr, lock.start, lock.end));
  }
  for (const Lease& lease : leases_) {
    if (!all && lease.file != file) continue;
    const bool breaking = lease.target != lease.type;
    const char* access = lease.target == F_UNLCK ? "UNLCK" : Access(lease.target == F_WRLCK);
    lines.push_back(Line("LEASE", breaking ? "BREAKING " : "ACTIVE   ", access, lease.pid, attr, 0, INT64_MAX));
  }
  return lines;
}

bool FileLocks::LeaseConflictsLocked(const Lease& lease) const {
  if (lease.type == F_RDLCK) return inode_.writers() > 0;
  const bool others =
      std::any_of(leases_.begin(), leases_.end(), [&](const Lease& held) { return held.file != lease.file; });
  return others || inode_.opens() > 1;
}

Result<void> FileLocks::SetLease(const Lease& lease) {
  size_t freed = 0;
  {
    MutexLock l(mu_);
    if (lease.type != F_UNLCK && LeaseConflictsLocked(lease)) return Errno(EAGAIN);
    freed = std::erase_if(leases_, [&](const Lease& held) { return held.file == lease.file; });
    if (lease.type != F_UNLCK) leases_.push_back(lease);
  }
  if (freed > 0) queue_.Notify(EPOLLIN);
  return lease.type == F_UNLCK && freed == 0 ? Errno(EAGAIN) : Result<void>();
}

int FileLocks::LeaseOf(const File& file) const {
  MutexLock l(mu_);
  for (const Lease& lease : leases_) {
    if (lease.file == &file) return lease.target;
  }
  return F_UNLCK;
}

Result<void> FileLocks::BreakLeases(bool for_write, std::vector<Lease>* tell) {
  MutexLock l(mu_);
  bool conflict = false;
  for (Lease& lease : leases_) {
    if (lease.type != F_WRLCK && !for_write) continue;
    const int target = for_write ? F_UNLCK : F_RDLCK;
    conflict = true;
    if (lease.target == target || lease.target == F_UNLCK) continue;
    lease.target = target;
    tell->push_back(lease);
  }
  return conflict ? Errno(EAGAIN) : Result<void>();
}

void FileLocks::DropBrokenLeases() {
  {
    MutexLock l(mu_);
    std::erase_if(leases_, [](const Lease& lease) { return lease.target == F_UNLCK; });
    for (Lease& lease : leases_) lease.type = lease.target;
  }
  queue_.Notify(EPOLLIN);
}

Result<void> LockWaits::Begin(LockOwner waiter, LockOwner holder) {
  Waits& waits = TheWaits();
  MutexLock l(waits.mu);
  LockOwner at = holder;
  for (size_t steps = 0; steps <= waits.for_whom.size(); ++steps) {
    if (at == waiter) return Errno(EDEADLK);
    const auto next = waits.for_whom.find(at);
    if (next == waits.for_whom.end()) break;
    at = next->second;
  }
  waits.for_whom[waiter] = holder;
  return {};
}

void LockWaits::End(LockOwner waiter) {
  Waits& waits = TheWaits();
  MutexLock l(waits.mu);
  waits.for_whom.erase(waiter);
}

}  // namespace runsc
