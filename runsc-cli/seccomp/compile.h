// From a seccomp profile to the program the sentry runs on the guest's system calls.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "platform/base/bpf_program.h"
#include "runsc-cli/oci/seccomp_profile.h"

namespace runsc {

struct CompiledSeccomp {
  BpfProgram program;
  bool log = false;                        // SECCOMP_FILTER_FLAG_LOG
  std::vector<std::string> unknown_names;  // calls of other kernels or architectures: no rule is made
};

// As runc with libseccomp reads a profile:
//  - a rule with the default action says nothing;
//  - of the rules for one call, one without conditions decides alone, else the first whose conditions all hold;
//  - conditions on the same argument in one rule are alternatives;
//  - calls newer than every call the profile names fail with ENOSYS where the default would refuse them, so that C
//    libraries fall back to the older ones.
absl::StatusOr<CompiledSeccomp> CompileSeccomp(const SpecSeccomp& profile);

}  // namespace runsc
