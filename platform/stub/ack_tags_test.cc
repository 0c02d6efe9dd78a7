#include "platform/stub/ack_tags.h"

#include <gtest/gtest.h>

namespace runsc::stub {
namespace {

// The authors' own example: the key is 00 01 .. 0f, the message 00 01 .. 07.
TEST(AckTags, AreSipHash) {
  EXPECT_EQ(SipHash(0x0706050403020100, 0x0f0e0d0c0b0a0908, 0x0706050403020100), 0x93f5f5799a932462u);
}

TEST(AckTags, NoncesDoNotComeAgain) {
  AckTags tags;
  tags.SetKeys(1, 2);
  const uint64_t first = tags.NextNonce(), second = tags.NextNonce();
  EXPECT_NE(first, second);
  EXPECT_NE(tags.Of(first), tags.Of(second));
}

}  // namespace
}  // namespace runsc::stub
