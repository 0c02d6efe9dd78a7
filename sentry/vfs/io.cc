// Sinks and sources over sentry memory.
#include "sentry/vfs/io.h"

#include <unistd.h>

#include <algorithm>

namespace runsc {

Result<size_t> BufferSink::Write(std::span<const std::byte> data) {
  const size_t n = std::min(data.size(), remaining());
  if (n > 0) std::memcpy(buffer_.data() + used_, data.data(), n);
  used_ += n;
  return n;
}

Result<size_t> BufferSink::FillFromHost(int host_fd, int64_t offset, size_t size) {
  void* to = buffer_.data() + used_;
  const size_t want = std::min(size, remaining());
  const ssize_t n = TRY(FromHost(offset < 0 ? read(host_fd, to, want) : pread(host_fd, to, want, offset)));
  used_ += n;
  return static_cast<size_t>(n);
}

Result<size_t> BufferSource::Read(std::span<std::byte> data) {
  const size_t n = std::min(data.size(), remaining());
  if (n > 0) std::memcpy(data.data(), buffer_.data() + used_, n);
  used_ += n;
  return n;
}

Result<size_t> BufferSource::DrainToHost(int host_fd, int64_t offset, size_t size) {
  const void* from = buffer_.data() + used_;
  const size_t want = std::min(size, remaining());
  const ssize_t n = TRY(FromHost(offset < 0 ? write(host_fd, from, want) : pwrite(host_fd, from, want, offset)));
  used_ += n;
  return static_cast<size_t>(n);
}

}  // namespace runsc
