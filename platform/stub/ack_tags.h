// What a helper writes under its answers. They lie where guest code can write too: without a tag it could say that a
// batch is done while the helper has yet to begin, and the sentry would go on, change the batch and close descriptors
// in it, whose numbers mean other files when the helper comes to them.
#pragma once

#include <atomic>
#include <cstdint>

namespace runsc::stub {

// SipHash-2-4 of one word's eight bytes. The helper has its own (text/entry_unsafe.S).
uint64_t SipHash(uint64_t k0, uint64_t k1, uint64_t word);

class AckTags {
 public:
  // The helpers' registers hold both.
  void SetKeys(uint64_t k0, uint64_t k1) { k0_ = k0, k1_ = k1; }
  // Never twice the same, in whatever stub: a tag that was seen is of no use.
  uint64_t NextNonce() { return last_nonce_.fetch_add(1, std::memory_order_relaxed) + 1; }
  uint64_t Of(uint64_t nonce) const { return SipHash(k0_, k1_, nonce); }

 private:
  uint64_t k0_ = 0, k1_ = 0;
  std::atomic<uint64_t> last_nonce_{0};
};

}  // namespace runsc::stub
