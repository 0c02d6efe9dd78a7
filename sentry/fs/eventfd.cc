// The counter of eventfd(2).
#include "sentry/fs/eventfd.h"

#include <sys/eventfd.h>

#include <cstdio>
#include <limits>

#include "sentry/kernel/task.h"

namespace runsc {
namespace {

constexpr uint64_t kMaxValue = std::numeric_limits<uint64_t>::max() - 1;

int NextId() {
  static std::atomic<int> next{0};
  return next.fetch_add(1);
}

}  // namespace

const char EventFile::kKind = 0;

EventFile::EventFile(RefPtr<AnonInode> inode, uint64_t value, bool semaphore, int flags)
    : AnonFile(std::move(inode), "anon_inode:[eventfd]", O_RDWR | flags),
      semaphore_(semaphore),
      id_(NextId()),
      value_(value) {}

Result<uint64_t> EventFile::Take() {
  MutexLock l(mu_);
  if (value_ == 0) return Errno(EAGAIN);
  const uint64_t taken = semaphore_ ? 1 : value_;
  value_ -= taken;
  return taken;
}

Result<void> EventFile::Add(uint64_t value) {
  MutexLock l(mu_);
  if (value > kMaxValue - value_) return Errno(EAGAIN);
  value_ += value;
  return {};
}

Result<size_t> EventFile::Read(Task& task, IoSink& dst, const int64_t* offset) {
  if (offset != nullptr) return Errno(ESPIPE);
  if (dst.remaining() < sizeof(uint64_t)) return Errno(EINVAL);
  const uint64_t value = TRY(Take());
  queue_.Notify(EPOLLOUT | EPOLLWRNORM);
  TRY(dst.Write(std::as_bytes(std::span(&value, 1))));
  return sizeof(value);
}

Result<size_t> EventFile::Write(Task& task, IoSource& src, const int64_t* offset) {
  if (offset != nullptr) return Errno(ESPIPE);
  uint64_t value = 0;
  if (src.remaining() != sizeof(value)) return Errno(EINVAL);
  if (TRY(src.Read(std::as_writable_bytes(std::span(&value, 1)))) != sizeof(value)) return Errno(EFAULT);
  if (value > kMaxValue) return Errno(EINVAL);
  if (auto added = Add(value); !added.ok()) {
    src.Unread(sizeof(value));
    return added.error();
  }
  queue_.Notify(EPOLLIN | EPOLLRDNORM);
  return sizeof(value);
}

EventMask EventFile::Readiness(EventMask mask) {
  MutexLock l(mu_);
  EventMask ready = 0;
  if (value_ > 0) ready |= EPOLLIN;
  if (value_ < kMaxValue) ready |= EPOLLOUT;
  return ready & mask;
}

std::string EventFile::FdInfo() const {
  MutexLock l(mu_);
  char text[96];
  std::snprintf(text, sizeof(text), "eventfd-count: %16lx\neventfd-id: %d\neventfd-semaphore: %d\n", value_, id_,
                semaphore_ ? 1 : 0);
  return text;
}

RefPtr<File> NewEventFile(Task& task, uint64_t value, int flags) {
  return MakeRef<EventFile>(NewAnonInode(task), value, (flags & EFD_SEMAPHORE) != 0, flags & O_NONBLOCK);
}

}  // namespace runsc
