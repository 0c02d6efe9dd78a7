// Bounds-checked reading and writing of protocol messages.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "gofer/protocol.h"

namespace runsc {

// A name one directory entry can have: no slash, no NUL, not empty, "." or "..", at most 255 bytes.
inline bool IsPlainName(std::string_view name) {
  return !name.empty() && name.size() <= kGoferMaxName && name != "." && name != ".." && name.find('/') == name.npos &&
         name.find('\0') == name.npos;
}

// Takes a received message apart. After the first failure every further read fails.
class WireReader {
 public:
  explicit WireReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <typename T>
  bool Read(T* value) {
    static_assert(std::is_trivially_copyable_v<T>);
    std::span<const std::byte> raw;
    if (!Take(sizeof(T), &raw)) return false;
    memcpy(value, raw.data(), sizeof(T));
    return true;
  }

  bool ReadString(std::string_view* value) {
    WireString header;
    std::span<const std::byte> raw;
    if (!Read(&header) || !Take(header.length, &raw)) return false;
    *value = {reinterpret_cast<const char*>(raw.data()), raw.size()};
    return true;
  }

  // Nothing may follow what the operation defines.
  bool AtEnd() const { return !failed_ && rest_.empty(); }

 private:
  bool Take(size_t size, std::span<const std::byte>* raw) {
    if (failed_ || size > rest_.size()) {
      failed_ = true;
      return false;
    }
    *raw = rest_.first(size);
    rest_ = rest_.subspan(size);
    return true;
  }

  std::span<const std::byte> rest_;
  bool failed_ = false;
};

// Puts a message together in a buffer of fixed size. A write that does not fit writes nothing and
// returns false; what was written before stays.
class WireWriter {
 public:
  explicit WireWriter(std::span<std::byte> buffer) : buffer_(buffer) {}

  template <typename T>
  bool Write(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    return Append(&value, sizeof(T));
  }

  bool WriteString(std::string_view value) {
    if (value.size() > UINT16_MAX || !Fits(sizeof(WireString) + value.size())) return false;
    Write(WireString{static_cast<uint16_t>(value.size())});
    return Append(value.data(), value.size());
  }

  bool Fits(size_t size) const { return size <= buffer_.size() - used_; }
  size_t size() const { return used_; }
  std::span<const std::byte> bytes() const { return buffer_.first(used_); }
  void Rewind(size_t size) { used_ = size; }

  // Overwrites something written earlier, e.g. a count that is known only at the end.
  template <typename T>
  void Patch(size_t offset, const T& value) {
    memcpy(buffer_.data() + offset, &value, sizeof(T));
  }

 private:
  bool Append(const void* data, size_t size) {
    if (!Fits(size)) return false;
    if (size != 0) memcpy(buffer_.data() + used_, data, size);
    used_ += size;
    return true;
  }

  std::span<std::byte> buffer_;
  size_t used_ = 0;
};

}  // namespace runsc
