// Images from the guest must be loadable whatever they hold.
#include "platform/stub/guest_state.h"

#include <gtest/gtest.h>
#include <immintrin.h>

#include <cstring>
#include <random>

namespace runsc::stub {
namespace {

// Loads the image as the stub will; faults if it is not valid.
__attribute__((target("xsave"))) void LoadImage(const std::vector<std::byte>& image, uint64_t mask) {
  std::vector<std::byte> memory(image.size() + 64), saved(image.size() + 64);
  auto align = [](std::vector<std::byte>& v) {
    return reinterpret_cast<std::byte*>((reinterpret_cast<uintptr_t>(v.data()) + 63) & ~uintptr_t{63});
  };
  memcpy(align(memory), image.data(), image.size());
  asm volatile("xsave64 (%0)" ::"r"(align(saved)), "a"(uint32_t(mask)), "d"(uint32_t(mask >> 32)) : "memory");
  asm volatile("xrstor64 (%0)" ::"r"(align(memory)), "a"(uint32_t(mask)), "d"(uint32_t(mask >> 32)) : "memory");
  asm volatile("xrstor64 (%0)" ::"r"(align(saved)), "a"(uint32_t(mask)), "d"(uint32_t(mask >> 32)) : "memory");
}

TEST(GuestStateTest, RandomFpImagesAreRepaired) {
  const HostFeatures features = ProbeHostFeatures();
  std::mt19937_64 random(1);
  for (int round = 0; round < 2000; round++) {
    std::vector<std::byte> image(random() % (features.xsave_size + 200));
    for (std::byte& b : image) b = static_cast<std::byte>(random());
    const std::vector<std::byte> repaired = SanitizeFpState(image, features);
    ASSERT_EQ(repaired.size(), features.xsave_size);
    LoadImage(repaired, features.xsave_mask);
  }
}

TEST(GuestStateTest, ValidFpImagesSurvive) {
  const HostFeatures features = ProbeHostFeatures();
  std::vector<std::byte> image = InitialFpState(features);
  image[512] = std::byte{3};
  for (int i = 160; i < 416; i++) image[i] = static_cast<std::byte>(i);  // xmm registers
  EXPECT_EQ(SanitizeFpState(image, features), image);
}

TEST(GuestStateTest, FlagsKeepOnlyWhatUserModeMaySet) {
  EXPECT_EQ(SanitizeFlags(0), 0x202u);
  EXPECT_EQ(SanitizeFlags(~0UL) & (1UL << 12 | 1UL << 13 | 1UL << 17 | 1UL << 19 | 1UL << 20), 0u);
  EXPECT_TRUE(SanitizeFlags(1 << 8) & 1 << 8);  // single step is a debugger's right
}

TEST(GuestStateTest, RegistersRoundTrip) {
  stub::ThreadRegs regs;
  auto* words = reinterpret_cast<uint64_t*>(&regs);
  for (size_t i = 0; i < sizeof regs / 8; i++) words[i] = 1000 + i;
  regs.rflags = 0x246;
  const stub::ThreadRegs back = ToThreadRegs(ToRegisters(regs, 7, 8));
  EXPECT_EQ(memcmp(&regs, &back, sizeof regs), 0);
}

}  // namespace
}  // namespace runsc::stub
