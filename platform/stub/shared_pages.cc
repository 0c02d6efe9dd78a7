// See shared_pages.h.
#include "platform/stub/shared_pages.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace runsc::stub {

SharedPages::~SharedPages() {
  if (base_) munmap(base_, piece_size_ * count_);
}

absl::Status SharedPages::Init(const char* name, size_t piece_size, size_t count, int proc_fd) {
  piece_size_ = piece_size;
  count_ = count;
  fd_.reset(memfd_create(name, MFD_CLOEXEC));
  if (!fd_.valid()) return absl::ErrnoToStatus(errno, absl::StrCat("create memfd ", name));
  if (ftruncate(fd_.get(), static_cast<off_t>(piece_size * count)) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("size memfd ", name));
  }
  void* base = mmap(nullptr, piece_size * count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd_.get(), 0);
  if (base == MAP_FAILED) return absl::ErrnoToStatus(errno, absl::StrCat("map memfd ", name));
  base_ = static_cast<uint8_t*>(base);
  if (proc_fd >= 0) {
    read_only_.reset(openat(proc_fd, absl::StrCat("self/fd/", fd_.get()).c_str(), O_RDONLY | O_CLOEXEC));
  }
  return absl::OkStatus();
}

Result<uint32_t> SharedPages::Allocate() {
  MutexLock lock(mu_);
  for (std::vector<uint32_t>* list : {&warm_, &free_}) {
    if (list->empty()) continue;
    const uint32_t index = list->back();
    list->pop_back();
    return index;
  }
  if (next_ == count_) return Errno(EAGAIN);
  return next_++;
}

// Asks the file, not the page tables: it knows what was swapped out too. Nobody else uses its offset.
bool SharedPages::Scrub(uint32_t index) {
  constexpr off_t kMaxKept = 64 << 10;
  const off_t end = static_cast<off_t>(offset(index) + piece_size_);
  off_t kept = 0;
  for (off_t at = static_cast<off_t>(offset(index)); at < end;) {
    const off_t data = lseek(fd_.get(), at, SEEK_DATA);
    if (data < 0 && errno != ENXIO) return false;
    if (data < 0 || data >= end) break;
    const off_t hole = std::min(lseek(fd_.get(), data, SEEK_HOLE), end);
    if (hole <= data || (kept += hole - data) > kMaxKept) return false;
    memset(base_ + data, 0, static_cast<size_t>(hole - data));
    at = hole;
  }
  return true;
}

void SharedPages::Free(uint32_t index) {
  bool room;
  {
    MutexLock lock(mu_);
    room = warm_.size() < kMaxWarm;
  }
  if (room && Scrub(index)) {
    MutexLock lock(mu_);
    return warm_.push_back(index);
  }
  fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset(index)),
            static_cast<off_t>(piece_size_));
  MutexLock lock(mu_);
  free_.push_back(index);
}

}  // namespace runsc::stub
