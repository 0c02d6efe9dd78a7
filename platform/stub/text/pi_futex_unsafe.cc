// Priority-inheriting futexes, by the guest's own thread.
#include "platform/stub/pi_futex.h"

#include "platform/stub/text/stub_unsafe.h"

namespace runsc::stub {
namespace {

struct OwnThread {
  ThreadPage* t;

  uint32_t tid() const { return static_cast<uint32_t>(t->identity.tid); }
  bool Load(uint64_t addr, uint32_t* word) const { return CopyFromGuest(word, addr); }
  int64_t Exchange(uint64_t addr, uint32_t old_value, uint32_t new_value) const {
    return safe_cmpxchg(addr, old_value, new_value);
  }
  int64_t Wait(uint64_t addr, uint64_t op, uint32_t value, uint64_t timeout) const {
    const uint64_t args[6] = {addr, op, value, timeout, 0, FUTEX_BITSET_MATCH_ANY};
    return native_call(t, __NR_futex, args);
  }
  void Wake(uint64_t addr, uint64_t op) const { Syscall(__NR_futex, addr, op, 1); }
};

}  // namespace

int64_t PiFutexOfThread(ThreadPage* t, const uint64_t* args) {
  OwnThread host{t};
  return PiFutex(host, args);
}

}  // namespace runsc::stub
