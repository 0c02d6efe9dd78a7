// Guest memory as the destination and source of file I/O.
#include <unistd.h>

#include <algorithm>

#include "sentry/kernel/task.h"

namespace runsc {
namespace {

constexpr size_t kMaxTransfer = 0x7ffff000;

GuestAddr AddressOf(const iovec& v) { return reinterpret_cast<GuestAddr>(v.iov_base); }

size_t TotalLength(std::span<const iovec> iovecs) {
  size_t total = 0;
  for (const iovec& v : iovecs) total += v.iov_len;
  return total;
}

Result<size_t> ReadHost(int fd, void* dst, size_t size, int64_t offset) {
  const ssize_t n = offset < 0 ? read(fd, dst, size) : pread(fd, dst, size, offset);
  if (n < 0) return Errno(errno);
  return static_cast<size_t>(n);
}

Result<size_t> WriteHost(int fd, const void* src, size_t size, int64_t offset) {
  const ssize_t n = offset < 0 ? write(fd, src, size) : pwrite(fd, src, size, offset);
  if (n < 0) return Errno(errno);
  return static_cast<size_t>(n);
}

// The first `size` bytes of `iovecs`, as a list of their own.
std::vector<iovec> Prefix(std::span<const iovec> iovecs, size_t size) {
  std::vector<iovec> out;
  for (const iovec& v : iovecs) {
    if (size == 0) break;
    const size_t n = std::min(size, v.iov_len);
    if (n > 0) out.push_back({v.iov_base, n});
    size -= n;
  }
  return out;
}

iovec Advanced(const iovec& v, size_t n) { return {static_cast<char*>(v.iov_base) + n, v.iov_len - n}; }

}  // namespace

UserSink::UserSink(Task& task, std::vector<iovec> iovecs) : task_(task), single_{}, many_(std::move(iovecs)) {
  left_ = many_;
  remaining_ = TotalLength(many_);
}

UserSink::UserSink(Task& task, GuestAddr addr, size_t size)
    : task_(task), single_{reinterpret_cast<void*>(addr), std::min(size, kMaxTransfer)} {
  left_ = {&single_, 1};
  remaining_ = single_.iov_len;
}

void UserSink::Advance(size_t n) {
  remaining_ -= n;
  while (!left_.empty() && n >= left_[0].iov_len) {
    n -= left_[0].iov_len;
    left_ = left_.subspan(1);
  }
  if (!left_.empty()) left_[0] = Advanced(left_[0], n);
}

Result<size_t> UserSink::Write(std::span<const std::byte> data) {
  size_t done = 0;
  while (done < data.size() && remaining_ > 0) {
    while (left_[0].iov_len == 0) left_ = left_.subspan(1);
    const size_t want = std::min(data.size() - done, left_[0].iov_len);
    const size_t n = task_.CopyOutPartial(AddressOf(left_[0]), data.data() + done, want);
    Advance(n);
    done += n;
    if (n < want) break;
  }
  if (done == 0 && !data.empty() && remaining_ > 0) return Errno(EFAULT);
  return done;
}

// The stub copies out what was granted, so the end of a short read is taken back, or keeps its old bytes.
Result<size_t> UserSink::FillStaged(std::byte* room, int host_fd, int64_t offset, size_t size) {
  const GuestAddr addr = AddressOf(left_[0]);
  const auto n = ReadHost(host_fd, room, size, offset);
  const size_t got = n.ok() ? *n : 0;
  if (got < size && !task_.context().TrimStagedOutput(addr + got)) {
    task_.mm().address_space().CopyIn(addr + got, room + got, size - got);
  }
  Advance(got);
  return n;
}

Result<size_t> UserSink::FillFromHost(int host_fd, int64_t offset, size_t size) {
  size = std::min(size, remaining_);
  if (size == 0) return size_t{0};
  while (left_[0].iov_len == 0) left_ = left_.subspan(1);
  if (left_.size() == 1 || size <= left_[0].iov_len) {
    if (std::byte* room = task_.context().StagedOutput(AddressOf(left_[0]), size)) {
      return FillStaged(room, host_fd, offset, size);
    }
    const iovec one{left_[0].iov_base, size};
    const size_t n = TRY(task_.mm().address_space().ReadFromHost(host_fd, offset, {&one, 1}));
    Advance(n);
    return n;
  }
  const size_t n = TRY(task_.mm().address_space().ReadFromHost(host_fd, offset, Prefix(left_, size)));
  Advance(n);
  return n;
}

UserSource::UserSource(Task& task, std::vector<iovec> iovecs)
    : task_(task), single_{}, many_(std::move(iovecs)), remaining_(TotalLength(many_)) {}

UserSource::UserSource(Task& task, GuestAddr addr, size_t size)
    : task_(task), single_{reinterpret_cast<void*>(addr), std::min(size, kMaxTransfer)}, remaining_(single_.iov_len) {}

std::span<const iovec> UserSource::All() const {
  return many_.empty() ? std::span<const iovec>(&single_, 1) : std::span<const iovec>(many_);
}

// Skips used-up and empty iovecs; only called while something remains.
iovec UserSource::Current() {
  const auto all = All();
  while (within_ >= all[index_].iov_len) {
    ++index_;
    within_ = 0;
  }
  return Advanced(all[index_], within_);
}

void UserSource::Advance(size_t n) {
  remaining_ -= n;
  const auto all = All();
  while (n > 0) {
    const size_t step = std::min(n, all[index_].iov_len - within_);
    within_ += step;
    n -= step;
    if (within_ == all[index_].iov_len && n > 0) {
      ++index_;
      within_ = 0;
    }
  }
}

Result<size_t> UserSource::Read(std::span<std::byte> data) {
  size_t done = 0;
  while (done < data.size() && remaining_ > 0) {
    const iovec from = Current();
    const size_t want = std::min(data.size() - done, from.iov_len);
    const size_t n = task_.CopyInPartial(AddressOf(from), data.data() + done, want);
    Advance(n);
    done += n;
    if (n < want) break;
  }
  if (done == 0 && !data.empty() && remaining_ > 0) return Errno(EFAULT);
  return done;
}

void UserSource::Unread(size_t size) {
  remaining_ += size;
  const auto all = All();
  while (size > 0) {
    if (within_ == 0) within_ = all[--index_].iov_len;
    const size_t step = std::min(size, within_);
    within_ -= step;
    size -= step;
  }
}

Result<size_t> UserSource::DrainToHost(int host_fd, int64_t offset, size_t size) {
  size = std::min(size, remaining_);
  if (size == 0) return size_t{0};
  const iovec from = Current();
  size_t n;
  if (size <= from.iov_len) {
    const auto staged = task_.context().StagedInput(AddressOf(from), size);
    const iovec one{from.iov_base, size};
    n = staged.size() >= size ? TRY(WriteHost(host_fd, staged.data(), size, offset))
                              : TRY(task_.mm().address_space().WriteToHost(host_fd, offset, {&one, 1}));
  } else {
    auto rest = Prefix(All().subspan(index_ + 1), size - from.iov_len);
    rest.insert(rest.begin(), from);
    n = TRY(task_.mm().address_space().WriteToHost(host_fd, offset, rest));
  }
  Advance(n);
  return n;
}

}  // namespace runsc
