// Where the bytes of a read go to and those of a write come from: guest memory or sentry memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "platform/base/result.h"

namespace runsc {

// Destination of a read. Consumed front to back.
class IoSink {
 public:
  virtual ~IoSink() = default;
  virtual size_t remaining() const = 0;
  // Appends up to remaining() bytes; returns how many were taken. EFAULT only if none could be.
  virtual Result<size_t> Write(std::span<const std::byte> data) = 0;
  // Appends up to `size` bytes read from a host file (offset -1: at the file's own offset), by the
  // cheapest path. 0 at end of file.
  virtual Result<size_t> FillFromHost(int host_fd, int64_t offset, size_t size) = 0;
};

// Source of a write. Consumed front to back.
class IoSource {
 public:
  virtual ~IoSource() = default;
  virtual size_t remaining() const = 0;
  // Takes up to data.size() bytes; returns how many. EFAULT only if none could be.
  virtual Result<size_t> Read(std::span<std::byte> data) = 0;
  // Puts back the last `size` bytes taken by Read: the file could not use them.
  virtual void Unread(size_t size) = 0;
  virtual Result<size_t> DrainToHost(int host_fd, int64_t offset, size_t size) = 0;
};

// Sink and source over sentry memory: kernel-internal reads, ELF headers, tests.
class BufferSink : public IoSink {
 public:
  explicit BufferSink(std::span<std::byte> buffer) : buffer_(buffer) {}
  size_t remaining() const override { return buffer_.size() - used_; }
  size_t used() const { return used_; }
  Result<size_t> Write(std::span<const std::byte> data) override;
  Result<size_t> FillFromHost(int host_fd, int64_t offset, size_t size) override;

 private:
  std::span<std::byte> buffer_;
  size_t used_ = 0;
};

class BufferSource : public IoSource {
 public:
  explicit BufferSource(std::span<const std::byte> buffer) : buffer_(buffer) {}
  size_t remaining() const override { return buffer_.size() - used_; }
  Result<size_t> Read(std::span<std::byte> data) override;
  void Unread(size_t size) override { used_ -= size; }
  Result<size_t> DrainToHost(int host_fd, int64_t offset, size_t size) override;

 private:
  std::span<const std::byte> buffer_;
  size_t used_ = 0;
};

}  // namespace runsc
