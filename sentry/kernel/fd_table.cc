#include "sentry/kernel/fd_table.h"

#include <algorithm>

namespace runsc {
namespace {

constexpr size_t kMinimumSize = 64;

}  // namespace

// Tables normally die empty: Task::ReleaseFiles closed everything.
FdTable::~FdTable() {
  for (const auto& file : RemoveRange(0, ~0u)) file->OnClose(nullptr);
}

Result<RefPtr<File>> FdTable::Get(int fd) const {
  MutexLock l(mu_);
  if (fd < 0 || static_cast<size_t>(fd) >= entries_.size()) return Errno(EBADF);
  const RefPtr<File>& file = entries_[fd].file;
  if (!file) return Errno(EBADF);
  return file;
}

Result<RefPtr<File>> FdTable::GetForIo(int fd) const {
  auto file = Get(fd);
  if (file.ok() && ((*file)->flags() & O_PATH)) return Errno(EBADF);
  return file;
}

void FdTable::GrowLocked(size_t count) {
  if (entries_.size() >= count) return;
  entries_.resize(std::max({count, entries_.size() * 2, kMinimumSize}));
}

Result<int> FdTable::Install(RefPtr<File> file, bool cloexec, int minimum, uint64_t limit) {
  const uint64_t end = std::min<uint64_t>(limit, hard_limit_);
  MutexLock l(mu_);
  size_t fd = std::max(minimum, first_free_);
  while (fd < entries_.size() && entries_[fd].file) ++fd;
  if (fd >= end) return Errno(EMFILE);
  GrowLocked(fd + 1);
  entries_[fd] = {std::move(file), cloexec};
  if (minimum <= first_free_) first_free_ = static_cast<int>(fd) + 1;
  return static_cast<int>(fd);
}

Result<RefPtr<File>> FdTable::InstallAt(int fd, RefPtr<File> file, bool cloexec, uint64_t limit) {
  if (fd < 0 || static_cast<uint64_t>(fd) >= std::min<uint64_t>(limit, hard_limit_)) return Errno(EBADF);
  MutexLock l(mu_);
  GrowLocked(fd + 1);
  std::swap(entries_[fd].file, file);
  entries_[fd].cloexec = cloexec;
  return file;
}

RefPtr<File> FdTable::TakeLocked(size_t fd) {
  first_free_ = std::min(first_free_, static_cast<int>(fd));
  entries_[fd].cloexec = false;
  return std::move(entries_[fd].file);
}

Result<RefPtr<File>> FdTable::Remove(int fd) {
  MutexLock l(mu_);
  if (fd < 0 || static_cast<size_t>(fd) >= entries_.size() || !entries_[fd].file) return Errno(EBADF);
  return TakeLocked(fd);
}

std::vector<RefPtr<File>> FdTable::RemoveRange(unsigned first, unsigned last) {
  std::vector<RefPtr<File>> removed;
  MutexLock l(mu_);
  for (size_t fd = first; fd <= last && fd < entries_.size(); ++fd) {
    if (entries_[fd].file) removed.push_back(TakeLocked(fd));
  }
  return removed;
}

void FdTable::SetCloexecRange(unsigned first, unsigned last) {
  MutexLock l(mu_);
  for (size_t fd = first; fd <= last && fd < entries_.size(); ++fd) {
    if (entries_[fd].file) entries_[fd].cloexec = true;
  }
}

std::vector<RefPtr<File>> FdTable::RemoveCloexec() {
  std::vector<RefPtr<File>> removed;
  MutexLock l(mu_);
  for (size_t fd = 0; fd < entries_.size(); ++fd) {
    if (entries_[fd].file && entries_[fd].cloexec) removed.push_back(TakeLocked(fd));
  }
  return removed;
}

Result<bool> FdTable::GetCloexec(int fd) const {
  MutexLock l(mu_);
  if (fd < 0 || static_cast<size_t>(fd) >= entries_.size() || !entries_[fd].file) return Errno(EBADF);
  return entries_[fd].cloexec;
}

Result<void> FdTable::SetCloexec(int fd, bool cloexec) {
  MutexLock l(mu_);
  if (fd < 0 || static_cast<size_t>(fd) >= entries_.size() || !entries_[fd].file) return Errno(EBADF);
  entries_[fd].cloexec = cloexec;
  return {};
}

// The copy is not shared yet, so its own lock is not needed.
RefPtr<FdTable> FdTable::Fork() const ABSL_NO_THREAD_SAFETY_ANALYSIS {
  auto copy = MakeRef<FdTable>(hard_limit_);
  MutexLock l(mu_);
  copy->entries_ = entries_;
  copy->first_free_ = first_free_;
  return copy;
}

std::vector<int> FdTable::OpenFds() const {
  std::vector<int> fds;
  MutexLock l(mu_);
  for (size_t fd = 0; fd < entries_.size(); ++fd) {
    if (entries_[fd].file) fds.push_back(static_cast<int>(fd));
  }
  return fds;
}

}  // namespace runsc
