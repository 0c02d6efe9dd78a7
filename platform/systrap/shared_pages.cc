// See shared_pages.h.
#include "platform/systrap/shared_pages.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace runsc::systrap {

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
  void* base = mmap(nullptr, piece_size * count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                    fd_.get(), 0);
  if (base == MAP_FAILED) return absl::ErrnoToStatus(errno, absl::StrCat("map memfd ", name));
  base_ = static_cast<uint8_t*>(base);
  if (proc_fd >= 0) {
    read_only_.reset(
        openat(proc_fd, absl::StrCat("self/fd/", fd_.get()).c_str(), O_RDONLY | O_CLOEXEC));
  }
  return absl::OkStatus();
}

Result<uint32_t> SharedPages::Allocate() {
  MutexLock lock(mu_);
  if (!free_.empty()) {
    const uint32_t index = free_.back();
    free_.pop_back();
    return index;
  }
  if (next_ == count_) return Errno(EAGAIN);
  return next_++;
}

void SharedPages::Free(uint32_t index) {
  fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
            static_cast<off_t>(offset(index)), static_cast<off_t>(piece_size_));
  MutexLock lock(mu_);
  free_.push_back(index);
}

}  // namespace runsc::systrap
