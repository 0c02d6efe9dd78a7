#include "runsc-cli/seccomp/compile.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <sys/syscall.h>

#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

SpecSeccomp Parse(std::string_view text) {
  const nlohmann::json document = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
  absl::Status error;
  SpecSeccomp profile = ReadSeccomp(JsonValue(&document, "", &error));
  EXPECT_TRUE(error.ok()) << error;
  return profile;
}

class Filter {
 public:
  explicit Filter(std::string_view json) : compiled_(CompileSeccomp(Parse(json))) {
    EXPECT_TRUE(compiled_.ok()) << compiled_.status();
  }
  uint32_t Run(long number, std::vector<uint64_t> args = {}, uint32_t arch = AUDIT_ARCH_X86_64) const {
    seccomp_data data{};
    data.nr = static_cast<int>(number);
    data.arch = arch;
    for (size_t i = 0; i < args.size(); ++i) data.args[i] = args[i];
    return compiled_->program.Run(data);
  }
  const CompiledSeccomp& compiled() const { return *compiled_; }

 private:
  absl::StatusOr<CompiledSeccomp> compiled_;
};

constexpr uint32_t kAllow = SECCOMP_RET_ALLOW;
constexpr uint32_t Error(uint32_t error) { return SECCOMP_RET_ERRNO | error; }

TEST(CompileSeccomp, DefaultActionAlone) {
  EXPECT_EQ(Filter(R"({"defaultAction": "SCMP_ACT_ALLOW"})").Run(SYS_read), kAllow);
  EXPECT_EQ(Filter(R"({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 5})").Run(SYS_read), Error(5));
  EXPECT_EQ(Filter(R"({"defaultAction": "SCMP_ACT_KILL"})").Run(SYS_read), SECCOMP_RET_KILL_THREAD);
}

TEST(CompileSeccomp, EveryActionHasItsVerdict) {
  const Filter filter(R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
      {"names": ["read"], "action": "SCMP_ACT_ERRNO"},
      {"names": ["write"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
      {"names": ["open"], "action": "SCMP_ACT_TRAP"},
      {"names": ["close"], "action": "SCMP_ACT_TRACE", "errnoRet": 7},
      {"names": ["stat"], "action": "SCMP_ACT_LOG"},
      {"names": ["fstat"], "action": "SCMP_ACT_KILL_PROCESS"}]})");

  EXPECT_EQ(filter.Run(SYS_read), Error(EPERM));
  EXPECT_EQ(filter.Run(SYS_write), Error(ENOSYS));
  EXPECT_EQ(filter.Run(SYS_open), SECCOMP_RET_TRAP);
  EXPECT_EQ(filter.Run(SYS_close), SECCOMP_RET_TRACE | 7u);
  EXPECT_EQ(filter.Run(SYS_stat), SECCOMP_RET_LOG);
  EXPECT_EQ(filter.Run(SYS_fstat), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(filter.Run(SYS_lstat), kAllow);
  EXPECT_EQ(filter.Run(SYS_openat2), kAllow);
}

TEST(CompileSeccomp, CallsNewerThanTheProfileDoNotExist) {
  const Filter filter(
      R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read", "statx"], "action": "SCMP_ACT_ALLOW"}]})");

  EXPECT_EQ(filter.Run(SYS_statx), kAllow);
  EXPECT_EQ(filter.Run(SYS_statx - 1), Error(EPERM));
  EXPECT_EQ(filter.Run(SYS_clone3), Error(ENOSYS));
  EXPECT_EQ(filter.Run(0x40000000 + SYS_read), Error(ENOSYS));
}

TEST(CompileSeccomp, OtherArchitecturesAreKilled) {
  EXPECT_EQ(Filter(R"({"defaultAction": "SCMP_ACT_ALLOW"})").Run(SYS_read, {}, AUDIT_ARCH_I386),
            SECCOMP_RET_KILL_PROCESS);
}

TEST(CompileSeccomp, ComparesWholeArguments) {
  constexpr uint64_t kValue = 0x1'0000'0005;
  const std::vector<uint64_t> values = {
      0, 4, 5, 6, 0xffff'ffff, 0x1'0000'0004, kValue, 0x1'0000'0006, 0x2'0000'0000, ~uint64_t{0}};
  const struct {
    const char* op;
    bool (*holds)(uint64_t);
  } cases[] = {{"EQ", [](uint64_t a) { return a == kValue; }}, {"NE", [](uint64_t a) { return a != kValue; }},
               {"LT", [](uint64_t a) { return a < kValue; }},  {"LE", [](uint64_t a) { return a <= kValue; }},
               {"GT", [](uint64_t a) { return a > kValue; }},  {"GE", [](uint64_t a) { return a >= kValue; }}};
  for (const auto& c : cases) {
    const Filter filter(
        Cat(R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["kill"], "action": "SCMP_ACT_ALLOW",
        "args": [{"index": 1, "value": 4294967301, "op": "SCMP_CMP_)",
            c.op, "\"}]}]}"));
    for (uint64_t value : values) {
      EXPECT_EQ(filter.Run(SYS_kill, {0, value}), c.holds(value) ? kAllow : Error(EPERM)) << c.op << " " << value;
    }
  }
}

TEST(CompileSeccomp, ComparesMaskedArguments) {
  const Filter filter(
      R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["clone"], "action": "SCMP_ACT_ALLOW",
      "args": [{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]}]})");

  EXPECT_EQ(filter.Run(SYS_clone, {0x11}), kAllow);
  EXPECT_EQ(filter.Run(SYS_clone, {0x10000000}), Error(EPERM));
  EXPECT_EQ(filter.Run(SYS_clone, {0x1'0000'0011}), kAllow);
}

TEST(CompileSeccomp, ConditionsOfARuleMustAllHold) {
  const Filter filter(
      R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["kill"], "action": "SCMP_ACT_ALLOW",
      "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 1, "value": 2, "op": "SCMP_CMP_NE"}]}]})");

  EXPECT_EQ(filter.Run(SYS_kill, {1, 3}), kAllow);
  EXPECT_EQ(filter.Run(SYS_kill, {1, 2}), Error(EPERM));
  EXPECT_EQ(filter.Run(SYS_kill, {2, 3}), Error(EPERM));
}

TEST(CompileSeccomp, ConditionsOnOneArgumentAreAlternatives) {
  const Filter filter(
      R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["personality"], "action": "SCMP_ACT_ALLOW",
      "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]}]})");

  EXPECT_EQ(filter.Run(SYS_personality, {0}), kAllow);
  EXPECT_EQ(filter.Run(SYS_personality, {8}), kAllow);
  EXPECT_EQ(filter.Run(SYS_personality, {1}), Error(EPERM));
}

TEST(CompileSeccomp, RulesOfOneCallAreTriedInOrder) {
  const Filter filter(R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
      {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "args": [{"index": 0, "value": 16, "op": "SCMP_CMP_EQ"}]},
      {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 2, "args": [{"index": 0, "value": 10, "op": "SCMP_CMP_GE"}]}]})");

  EXPECT_EQ(filter.Run(SYS_socket, {16}), Error(1));
  EXPECT_EQ(filter.Run(SYS_socket, {17}), Error(2));
  EXPECT_EQ(filter.Run(SYS_socket, {2}), kAllow);
}

TEST(CompileSeccomp, ARuleWithoutConditionsDecides) {
  const Filter filter(R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
      {"names": ["socket"], "action": "SCMP_ACT_TRAP", "args": [{"index": 0, "value": 16, "op": "SCMP_CMP_EQ"}]},
      {"names": ["socket"], "action": "SCMP_ACT_ALLOW"},
      {"names": ["socket"], "action": "SCMP_ACT_LOG", "args": [{"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]}]})");

  EXPECT_EQ(filter.Run(SYS_socket, {16}), kAllow);
  EXPECT_EQ(filter.Run(SYS_socket, {2}), kAllow);
}

TEST(CompileSeccomp, UnknownNamesAreReported) {
  const Filter filter(
      R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read", "socketcall"], "action": "SCMP_ACT_ALLOW"}]})");

  EXPECT_EQ(filter.compiled().unknown_names, std::vector<std::string>{"socketcall"});
  EXPECT_EQ(filter.Run(SYS_read), kAllow);
}

TEST(CompileSeccomp, AProfileOfEveryCallFits) {
  std::string rules;
  for (int i = 0; i < 460; i += 2) {
    rules += Cat(rules.empty() ? "" : ",",
                 R"({"names": ["read", "close", "fstat", "poll", "mmap"], "action": "SCMP_ACT_ALLOW",)",
                 R"("args": [{"index": 0, "op": "SCMP_CMP_GT", "value": )", i, "}]}");
  }
  EXPECT_FALSE(CompileSeccomp(Parse(Cat(R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [)", rules, "]}"))).ok());
  EXPECT_TRUE(
      CompileSeccomp(
          Parse(
              R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]})"))
          .ok());
}

TEST(SeccompProfile, RefusesAgentsAndUnknownFlags) {
  EXPECT_FALSE(ValidateSeccomp(Parse(R"({"defaultAction": "SCMP_ACT_NOTIFY"})")).ok());
  EXPECT_FALSE(ValidateSeccomp(Parse(R"({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x"})")).ok());
  EXPECT_FALSE(ValidateSeccomp(Parse(R"({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["X"]})")).ok());
  EXPECT_FALSE(
      ValidateSeccomp(
          Parse(R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": [], "action": "SCMP_ACT_TRAP"}]})"))
          .ok());
  EXPECT_TRUE(
      ValidateSeccomp(Parse(R"({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG"]})")).ok());
}

}  // namespace
}  // namespace runsc
