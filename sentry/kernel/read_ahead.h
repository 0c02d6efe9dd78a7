// Guest memory read by the page and kept for the time of one call: what is read from it piece by piece lies close
// together (a program's arguments, a signal frame), and each read of another process is a host call. What was
// read once is not read again, so it cannot change between a check and its use.
#pragma once

#include <string_view>

#include "sentry/kernel/task.h"

namespace runsc {

class ReadAhead {
 public:
  explicit ReadAhead(Task& task) : task_(task) {}

  // What there is from `addr` to the end of its page; empty if nothing.
  std::string_view At(GuestAddr addr);
  // All of it, or EFAULT.
  Result<void> Read(GuestAddr addr, void* dst, size_t size);
  template <typename T>
  Result<T> ReadObject(GuestAddr addr) {
    T value;
    TRY(Read(addr, &value, sizeof(value)));
    return value;
  }

 private:
  static constexpr size_t kPage = 4096;
  static constexpr int kPages = 4;
  struct Page {
    GuestAddr start = ~GuestAddr{0};
    size_t begin = 0, end = 0;  // what is known of it
    char bytes[kPage];
  };
  void Fill(Page& page, GuestAddr addr);

  Task& task_;
  int next_ = 0;
  Page pages_[kPages];
};

}  // namespace runsc
