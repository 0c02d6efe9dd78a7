// linux.seccomp of config.json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "runsc-cli/oci/json_reader.h"

namespace runsc {

struct SeccompAction {
  std::string name;  // "SCMP_ACT_ERRNO"
  std::optional<uint32_t> errno_ret;
};

struct SeccompCondition {
  unsigned index = 0;
  std::string op;  // "SCMP_CMP_EQ"
  uint64_t value = 0, value_two = 0;
};

struct SeccompRule {
  std::vector<std::string> names;
  SeccompAction action;
  std::vector<SeccompCondition> conditions;
};

struct SpecSeccomp {
  SeccompAction default_action;
  std::vector<std::string> architectures, flags;
  std::string listener_path;
  std::vector<SeccompRule> rules;
};

SpecSeccomp ReadSeccomp(const JsonValue& value);

// What a profile may ask for and a sandbox cannot give.
absl::Status ValidateSeccomp(const SpecSeccomp& profile);

// As `runsc features` lists them.
const std::vector<std::string_view>& SeccompActions();
const std::vector<std::string_view>& SeccompOperators();
const std::vector<std::string_view>& SeccompArchitectures();
const std::vector<std::string_view>& SeccompFlags();

}  // namespace runsc
