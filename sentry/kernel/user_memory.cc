// Guest memory as handlers see it: staged bytes first, else a copy through the engine.
#include <limits.h>

#include <algorithm>
#include <cstring>

#include "sentry/kernel/task.h"

namespace runsc {
namespace {

constexpr size_t kMaxTransfer = INT_MAX & ~size_t{4095};  // MAX_RW_COUNT
constexpr size_t kStringChunk = 512;
constexpr GuestAddr kTaskSize = 0x7ffffffff000;  // as on Linux; the vDSO lies above what guests may map

}  // namespace

size_t Task::CopyInPartial(GuestAddr addr, void* dst, size_t size) {
  const auto staged = context_->StagedInput(addr, size);
  const size_t have = std::min(staged.size(), size);
  if (have > 0) std::memcpy(dst, staged.data(), have);
  if (have == size) return size;
  char* rest = static_cast<char*>(dst) + have;
  size_t n = mm_->address_space().CopyIn(addr + have, rest, size - have);
  if (n < size - have && mm_->GrowStack(*this, addr + have + n)) {
    n += mm_->address_space().CopyIn(addr + have + n, rest + n, size - have - n);
  }
  return have + n;
}

size_t Task::CopyOutPartial(GuestAddr addr, const void* src, size_t size) {
  if (size == 0) return 0;
  if (std::byte* room = context_->StagedOutput(addr, size)) {
    std::memcpy(room, src, size);
    return size;
  }
  size_t n = mm_->address_space().CopyOut(addr, src, size);
  if (n < size && mm_->GrowStack(*this, addr + n)) {
    n += mm_->address_space().CopyOut(addr + n, static_cast<const char*>(src) + n, size - n);
  }
  return n;
}

Result<void> Task::CopyIn(GuestAddr addr, void* dst, size_t size) {
  if (CopyInPartial(addr, dst, size) != size) return Errno(EFAULT);
  return {};
}

Result<void> Task::CopyOut(GuestAddr addr, const void* src, size_t size) {
  if (CopyOutPartial(addr, src, size) != size) return Errno(EFAULT);
  return {};
}

// Reads in chunks that end at page boundaries, so that a string just below an unmapped page is found.
Result<std::string> Task::CopyInString(GuestAddr addr, size_t max) {
  // A staged string is usually there whole. Copied first, as the guest may be changing it.
  const auto staged = context_->StagedInput(addr, max);
  std::string text(reinterpret_cast<const char*>(staged.data()), staged.size());
  if (const size_t end = text.find('\0'); end != std::string::npos) {
    text.resize(end);
    return text;
  }
  text.clear();
  char chunk[kStringChunk];
  while (text.size() < max) {
    const GuestAddr at = addr + text.size();
    const size_t to_page_end = 4096 - (at & 4095);
    const size_t want = std::min({sizeof(chunk), to_page_end, max - text.size()});
    const size_t got = CopyInPartial(at, chunk, want);
    if (const void* nul = std::memchr(chunk, 0, got)) {
      text.append(chunk, static_cast<const char*>(nul) - chunk);
      return text;
    }
    if (got < want) return Errno(EFAULT);
    text.append(chunk, got);
  }
  return Errno(ENAMETOOLONG);
}

Result<std::string> Task::CopyInPath(GuestAddr addr) { return CopyInString(addr, PATH_MAX); }

Result<std::vector<iovec>> Task::CopyInIovecs(GuestAddr addr, size_t count) {
  if (count > IOV_MAX) return Errno(EINVAL);
  std::vector<iovec> iovecs(count);
  TRY(CopyIn(addr, iovecs.data(), count * sizeof(iovec)));
  size_t total = 0;
  for (iovec& v : iovecs) {
    if (static_cast<ssize_t>(v.iov_len) < 0) return Errno(EINVAL);
    const GuestAddr base = reinterpret_cast<GuestAddr>(v.iov_base);
    if (base + v.iov_len < base || base + v.iov_len > kTaskSize) return Errno(EFAULT);
    v.iov_len = std::min(v.iov_len, kMaxTransfer - total);
    total += v.iov_len;
  }
  return iovecs;
}

}  // namespace runsc
