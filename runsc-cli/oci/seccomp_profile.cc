// Reads and checks linux.seccomp.
#include "runsc-cli/oci/seccomp_profile.h"

#include <algorithm>

#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

constexpr std::string_view kNotify = "SCMP_ACT_NOTIFY";

// All that the runtime specification has, after "SCMP_ARCH_".
constexpr std::string_view kArchitectures =
    "X86|X86_64|X32|ARM|AARCH64|MIPS|MIPS64|MIPS64N32|MIPSEL|MIPSEL64|MIPSEL64N32|PPC|PPC64|PPC64LE|S390|S390X|PARISC|"
    "PARISC64|RISCV64|LOONGARCH64|M68K|SH|SHEB";

bool Contains(const std::vector<std::string_view>& known, std::string_view text) {
  return std::find(known.begin(), known.end(), text) != known.end();
}

void CheckKnown(const JsonValue& value, std::string_view text, const std::vector<std::string_view>& known) {
  if (Contains(known, text)) return;
  value.Fail(Cat("unknown value \"", text, "\"; known are ", Join(known, ", ")));
}

SeccompAction ReadAction(const JsonValue& action, const JsonValue& errno_ret) {
  SeccompAction out{action.String(), std::nullopt};
  if (!action.present()) action.Fail("must be given");
  if (out.name != kNotify) CheckKnown(action, out.name, SeccompActions());
  if (errno_ret.present()) out.errno_ret = errno_ret.Uint32();
  return out;
}

std::vector<std::string> ReadArchitectures(const JsonValue& value) {
  std::vector<std::string> names = value.Strings();
  for (std::string_view name : names) {
    std::string_view bare = name;
    const bool prefixed = ConsumePrefix(bare, "SCMP_ARCH_");
    if (!prefixed || !Contains(Split(kArchitectures, '|'), bare)) value.Fail(Cat("unknown value \"", name, "\""));
  }
  return names;
}

std::vector<SeccompCondition> ReadConditions(const JsonValue& value) {
  std::vector<SeccompCondition> conditions;
  value.ForEach([&](const JsonValue& item) {
    SeccompCondition condition;
    condition.index = static_cast<unsigned>(item.Field("index").Int(0, 5));
    condition.op = item.Field("op").String();
    condition.value = item.Field("value").Uint64();
    condition.value_two = item.Field("valueTwo").Uint64();
    CheckKnown(item.Field("op"), condition.op, SeccompOperators());
    conditions.push_back(std::move(condition));
  });
  return conditions;
}

std::vector<SeccompRule> ReadRules(const JsonValue& value) {
  std::vector<SeccompRule> rules;
  value.ForEach([&](const JsonValue& item) {
    rules.push_back({item.Field("names").Strings(), ReadAction(item.Field("action"), item.Field("errnoRet")),
                     ReadConditions(item.Field("args"))});
  });
  return rules;
}

}  // namespace

const std::vector<std::string_view>& SeccompActions() {
  static const std::vector<std::string_view> actions = {
      "SCMP_ACT_ALLOW",       "SCMP_ACT_ERRNO", "SCMP_ACT_KILL",  "SCMP_ACT_KILL_PROCESS",
      "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",   "SCMP_ACT_TRACE", "SCMP_ACT_TRAP"};
  return actions;
}

const std::vector<std::string_view>& SeccompOperators() {
  static const std::vector<std::string_view> operators = {
      "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE"};
  return operators;
}

// Guests have one; others may be listed, and there is never a call of theirs.
const std::vector<std::string_view>& SeccompArchitectures() {
  static const std::vector<std::string_view> architectures = {"SCMP_ARCH_X86_64"};
  return architectures;
}

const std::vector<std::string_view>& SeccompFlags() {
  static const std::vector<std::string_view> flags = {"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
                                                      "SECCOMP_FILTER_FLAG_TSYNC"};
  return flags;
}

SpecSeccomp ReadSeccomp(const JsonValue& value) {
  SpecSeccomp profile;
  profile.default_action = ReadAction(value.Field("defaultAction"), value.Field("defaultErrnoRet"));
  profile.architectures = ReadArchitectures(value.Field("architectures"));
  profile.flags = value.Field("flags").Strings();
  profile.listener_path = value.Field("listenerPath").String();
  (void)value.Field("listenerMetadata").String();
  profile.rules = ReadRules(value.Field("syscalls"));
  return profile;
}

absl::Status ValidateSeccomp(const SpecSeccomp& profile) {
  const auto refuse = [](std::string_view field) {
    return absl::UnimplementedError(
        Cat("linux.seccomp.", field, ": a sandbox's system calls cannot be handed to an agent on the host"));
  };
  if (!profile.listener_path.empty()) return refuse("listenerPath");
  if (profile.default_action.name == kNotify) return refuse("defaultAction: SCMP_ACT_NOTIFY");
  for (size_t i = 0; i < profile.rules.size(); ++i) {
    if (profile.rules[i].action.name == kNotify) return refuse(Cat("syscalls[", i, "].action: SCMP_ACT_NOTIFY"));
    if (profile.rules[i].names.empty())
      return InvalidArgument("linux.seccomp.syscalls[", i, "].names: must not be empty");
  }
  for (const std::string& flag : profile.flags) {
    if (!Contains(SeccompFlags(), flag)) return InvalidArgument("linux.seccomp.flags: unknown flag \"", flag, "\"");
  }
  return absl::OkStatus();
}

}  // namespace runsc
