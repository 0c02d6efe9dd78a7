#include "syscalls/trace_registers.h"

#include <sys/user.h>

#include <gtest/gtest.h>

#include <cstring>

namespace runsc {
namespace {

Registers UserRegisters() {
  Registers regs{};
  regs.cs = 0x33, regs.ss = 0x2b;
  regs.eflags = 0x202;
  regs.rip = 0x1000;
  return regs;
}

TEST(TakeRegistersTest, KernelsFlagsAndSelectorsStay) {
  Registers regs = UserRegisters();
  Registers wanted = regs;
  wanted.rip = 0x2000;
  wanted.eflags = 0x3000 | 0x20000 | 1;  // IOPL, VM, CF; interrupts off
  wanted.cs = 0x23;
  ASSERT_TRUE(TakeRegisters(wanted, regs).ok());
  EXPECT_EQ(regs.rip, 0x2000u);
  EXPECT_EQ(regs.eflags, 0x203u);
  EXPECT_EQ(regs.cs, 0x33u);
}

TEST(TakeRegistersTest, RefusesWhatCannotBeLoaded) {
  const Registers before = UserRegisters();
  for (auto change :
       {+[](Registers& r) { r.cs = 0; }, +[](Registers& r) { r.ss = 0x28; }, +[](Registers& r) { r.ds = 0x10; },
        +[](Registers& r) { r.fs_base = ~uint64_t{0}; }, +[](Registers& r) { r.gs_base = uint64_t{1} << 47; }}) {
    Registers regs = before, wanted = before;
    wanted.rip = 0x2000;
    change(wanted);
    EXPECT_EQ(TakeRegisters(wanted, regs).error(), Errno(EIO));
    EXPECT_EQ(regs.rip, before.rip);
  }
}

TEST(UserAreaTest, Words) {
  Registers regs = UserRegisters();
  EXPECT_EQ(*ReadUserArea(regs, offsetof(user_regs_struct, rip)), 0x1000u);
  ASSERT_TRUE(WriteUserArea(regs, offsetof(user_regs_struct, r15), 7).ok());
  EXPECT_EQ(regs.r15, 7u);
  EXPECT_EQ(*ReadUserArea(regs, sizeof(user) - 8), 0u);
}

TEST(UserAreaTest, RefusesWhatIsNoWordOfIt) {
  Registers regs = UserRegisters();
  for (const uint64_t offset :
       {uint64_t{1}, uint64_t{sizeof(user) - 7}, uint64_t{sizeof(user)}, ~uint64_t{0}, ~uint64_t{7}}) {
    EXPECT_EQ(ReadUserArea(regs, offset).error(), Errno(EIO)) << offset;
    EXPECT_EQ(WriteUserArea(regs, offset, 0).error(), Errno(EIO)) << offset;
  }
}

TEST(UserAreaTest, DebugRegistersStayEmpty) {
  Registers regs = UserRegisters();
  EXPECT_TRUE(WriteUserArea(regs, offsetof(user, u_debugreg[7]), 0).ok());
  EXPECT_EQ(WriteUserArea(regs, offsetof(user, u_debugreg[0]), 0x1000).error(), Errno(ENOSPC));
}

TEST(FpStateTest, LegacyPartBecomesPresent) {
  std::vector<std::byte> image(832);
  std::vector<std::byte> legacy(sizeof(user_fpregs_struct));
  legacy[160] = std::byte{9};
  ASSERT_TRUE(TakeLegacyFp(legacy, image).ok());
  EXPECT_EQ(image[160], std::byte{9});
  EXPECT_EQ(image[512], std::byte{3});
  legacy.resize(16);
  EXPECT_TRUE(TakeLegacyFp(legacy, image).ok());  // a part
  EXPECT_EQ(image[160], std::byte{9});
}

TEST(FpStateTest, Refusals) {
  std::vector<std::byte> image(832);
  std::vector<std::byte> legacy(sizeof(user_fpregs_struct));
  legacy[27] = std::byte{0x80};  // a reserved bit of mxcsr
  EXPECT_EQ(TakeLegacyFp(legacy, image).error(), Errno(EINVAL));
  legacy.resize(513);
  EXPECT_EQ(TakeLegacyFp(legacy, image).error(), Errno(EINVAL));
  EXPECT_EQ(TakeExtendedState(std::span(image).first(512), image).error(), Errno(EFAULT));
}

TEST(FpStateTest, FeaturesAreShown) {
  std::vector<std::byte> image(832);
  ShowFeatures(image);
  EXPECT_EQ(image[464] & std::byte{3}, std::byte{3});
  std::vector<std::byte> tiny(16);
  ShowFeatures(tiny);  // no room: nothing happens
}

}  // namespace
}  // namespace runsc
