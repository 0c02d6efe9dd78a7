#include "platform/base/bpf_program.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <random>

namespace runsc {
namespace {

using Code = std::vector<sock_filter>;

sock_filter Load(uint32_t offset) { return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset); }
sock_filter Return(uint32_t value) { return BPF_STMT(BPF_RET | BPF_K, value); }
sock_filter ReturnA() { return BPF_STMT(BPF_RET | BPF_A, 0); }

uint32_t RunCode(Code code, const seccomp_data& data = {}) {
  auto program = BpfProgram::Check(std::move(code));
  EXPECT_TRUE(program.ok());
  return program.ok() ? program->Run(data) : ~0u;
}

bool IsRefused(Code code) { return !BpfProgram::Check(std::move(code)).ok(); }

TEST(BpfProgramTest, LoadsWordsOfTheCall) {
  seccomp_data data{};
  data.nr = 42;
  data.args[5] = 0x1122334455667788;
  EXPECT_EQ(RunCode({Load(0), ReturnA()}, data), 42u);
  EXPECT_EQ(RunCode({Load(offsetof(seccomp_data, args) + 40), ReturnA()}, data), 0x55667788u);
  EXPECT_EQ(RunCode({Load(offsetof(seccomp_data, args) + 44), ReturnA()}, data), 0x11223344u);
}

TEST(BpfProgramTest, Computes) {
  EXPECT_EQ(RunCode({BPF_STMT(BPF_LD | BPF_IMM, 7), BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 6), ReturnA()}), 42u);
  EXPECT_EQ(RunCode({BPF_STMT(BPF_LD | BPF_IMM, 7), BPF_STMT(BPF_MISC | BPF_TAX, 0),
                     BPF_STMT(BPF_ALU | BPF_SUB | BPF_X, 0), ReturnA()}),
            0u);
  EXPECT_EQ(RunCode({BPF_STMT(BPF_LD | BPF_IMM, 5), BPF_STMT(BPF_ST, 3), BPF_STMT(BPF_LD | BPF_IMM, 0),
                     BPF_STMT(BPF_LDX | BPF_MEM, 3), BPF_STMT(BPF_MISC | BPF_TXA, 0), ReturnA()}),
            5u);
}

TEST(BpfProgramTest, DivisionByZeroKills) {
  EXPECT_EQ(RunCode({BPF_STMT(BPF_LD | BPF_IMM, 7), BPF_STMT(BPF_LDX | BPF_IMM, 0),
                     BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), Return(1)}),
            0u);
}

TEST(BpfProgramTest, Jumps) {
  const Code code{Load(0), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 10, 1, 0), Return(1), Return(2)};
  seccomp_data data{};
  data.nr = 9;
  EXPECT_EQ(RunCode(code, data), 1u);
  data.nr = 10;
  EXPECT_EQ(RunCode(code, data), 2u);
}

TEST(BpfProgramTest, SaysWhatHoldsForAllArguments) {
  const Code code{Load(0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 7, 1, 0), Return(1), Load(offsetof(seccomp_data, args)),
                  ReturnA()};
  const auto program = BpfProgram::Check(code);
  ASSERT_TRUE(program.ok());
  EXPECT_EQ(program->RunOnNumber(6, 0), 1u);
  EXPECT_EQ(program->RunOnNumber(7, 0), std::nullopt);
  const auto by_arch = BpfProgram::Check({Load(offsetof(seccomp_data, arch)), ReturnA()});
  EXPECT_EQ(by_arch->RunOnNumber(7, 5), 5u);
  const auto by_ip = BpfProgram::Check({Load(offsetof(seccomp_data, instruction_pointer)), Return(1)});
  EXPECT_EQ(by_ip->RunOnNumber(7, 5), std::nullopt);
}

TEST(BpfProgramTest, RefusesWhatCouldLeaveTheProgram) {
  EXPECT_TRUE(IsRefused({}));
  EXPECT_TRUE(IsRefused({Load(0)}));
  EXPECT_TRUE(IsRefused({BPF_STMT(BPF_JMP | BPF_JA, 1), Return(0)}));
  EXPECT_TRUE(IsRefused({BPF_STMT(BPF_JMP | BPF_JA, ~0u), Return(0)}));
  EXPECT_TRUE(IsRefused({BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 255), Return(0)}));
}

TEST(BpfProgramTest, RefusesScratchThatWasNotWrittenOnEveryPath) {
  EXPECT_TRUE(IsRefused({BPF_STMT(BPF_LD | BPF_MEM, 0), Return(0)}));
  EXPECT_TRUE(IsRefused({Load(0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 1, 0), BPF_STMT(BPF_ST, 0),
                         BPF_STMT(BPF_LD | BPF_MEM, 0), Return(0)}));
  EXPECT_FALSE(IsRefused({Load(0), BPF_STMT(BPF_ST, 0), BPF_STMT(BPF_LD | BPF_MEM, 0), Return(0)}));
  EXPECT_TRUE(IsRefused({Load(0), BPF_STMT(BPF_ST, 16), Return(0)}));
}

// Whatever is accepted ends within its length and touches nothing outside (the sanitizers watch).
TEST(BpfProgramTest, RandomProgramsEnd) {
  std::mt19937 random(1);
  int accepted = 0;
  for (int i = 0; i < 200000; ++i) {
    Code code(1 + random() % 6);
    for (auto& insn : code)
      insn = {static_cast<uint16_t>(random() % 256), static_cast<uint8_t>(random() % 4),
              static_cast<uint8_t>(random() % 4), static_cast<uint32_t>(random() % 70)};
    code.back() = Return(3);
    auto program = BpfProgram::Check(code);
    if (!program.ok()) continue;
    ++accepted;
    program->Run(seccomp_data{});
  }
  EXPECT_GT(accepted, 100);
}

}  // namespace
}  // namespace runsc
