// See ack_tags.h.
#include "platform/stub/ack_tags.h"

#include <bit>

namespace runsc::stub {
namespace {

struct State {
  uint64_t v0, v1, v2, v3;

  void Mix(int rounds) {
    for (int i = 0; i < rounds; ++i) {
      v0 += v1, v1 = std::rotl(v1, 13) ^ v0, v0 = std::rotl(v0, 32);
      v2 += v3, v3 = std::rotl(v3, 16) ^ v2;
      v0 += v3, v3 = std::rotl(v3, 21) ^ v0;
      v2 += v1, v1 = std::rotl(v1, 17) ^ v2, v2 = std::rotl(v2, 32);
    }
  }
  void Take(uint64_t word) {
    v3 ^= word;
    Mix(2);
    v0 ^= word;
  }
};

}  // namespace

uint64_t SipHash(uint64_t k0, uint64_t k1, uint64_t word) {
  constexpr uint64_t kLength = uint64_t{sizeof word} << 56;
  State state{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
  state.Take(word);
  state.Take(kLength);
  state.v2 ^= 0xff;
  state.Mix(4);
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace runsc::stub
