// Flags that `create` and `run` share, and what they mean.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "runsc-cli/base/flags.h"
#include "runsc-cli/sandbox/create.h"
#include "runsc-cli/verbs/verb.h"

namespace runsc {

// The rows of the table, for inclusion in a verb's own table. (A macro, because C++ has no way to
// concatenate constant arrays that keeps them readable.)
#define RUNSC_CREATE_FLAGS                                                                               \
  {"bundle", FlagKind::kString, ".", "", "directory with config.json", "b"},                             \
      {"pid-file", FlagKind::kString, "", "", "file that gets the container's host pid"},                \
      {"console-socket", FlagKind::kString, "", "", "socket that gets the terminal"},                    \
      {"user-log", FlagKind::kString, "", "", "file for messages to the user", "", false},               \
      {"pidfd-socket", FlagKind::kString, "", "", "socket that gets a pidfd of the process"},            \
      {"no-pivot", FlagKind::kBool, "false", "", "runc's", "", false},                                   \
      {"no-new-keyring", FlagKind::kBool, "false", "", "runc's", "", false},                             \
      {"preserve-fds", FlagKind::kUint, "0", "", "descriptors from 3 on that the container inherits"}, { \
    "pass-fd", FlagKind::kList, "", "", "M:N: descriptor M is the container's N"                         \
  }

// Errors for what is asked for but not there yet; a warning for --network.
absl::Status CheckCreateFlags(const Invocation& invocation);
// Platform and network choices every sandbox obeys.
absl::Status CheckSandboxFlags(const FlagSet& globals);
// What RUNSC_CREATE_FLAGS say, but for the bundle.
absl::Status SetCreateOptions(const Invocation& invocation, CreateOptions& options);
// What of config.json is not honoured and yet no reason to refuse it.
void WarnOfUnapplied(const Spec& spec);

}  // namespace runsc
