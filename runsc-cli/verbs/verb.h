// A verb of the command line: its help, its flags and its function.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "runsc-cli/base/flags.h"

namespace runsc {

struct Invocation {
  const FlagSet& globals;
  const FlagSet& flags;
  std::span<const std::string_view> args;
};

struct Verb {
  std::string_view name;
  std::string_view synopsis;  // after the flags: "<container-id>"
  std::string_view summary;   // one line
  std::span<const FlagDef> flags;
  size_t min_args, max_args;
  // The exit status, or why the command failed.
  absl::StatusOr<int> (*run)(const Invocation& invocation);
  bool has_id = true;     // the first argument names a container
  bool internal = false;  // runsc starts it itself; not in the help
};

inline constexpr size_t kAnyNumber = ~size_t{0};
// Exit status of runsc's own failures, as apart from the guest's.
inline constexpr int kFailureStatus = 128;

extern const Verb kCreateVerb, kRunVerb, kDoVerb, kStartVerb, kStateVerb, kKillVerb, kDeleteVerb, kListVerb, kSpecVerb,
    kHelpVerb, kFlagsVerb, kWaitVerb, kExecVerb, kPsVerb, kPauseVerb, kResumeVerb, kUpdateVerb, kEventsVerb,
    kFeaturesVerb, kDoctorVerb, kInstallVerb, kUninstallVerb, kCompletionVerb, kUsageVerb, kDebugVerb;
extern const Verb kBootVerb, kGoferVerb, kNetBrokerVerb;

// Every verb, in the order of the help.
std::span<const Verb* const> AllVerbs();
const Verb* FindVerb(std::string_view name);

// "runsc <globals> VERB <flags> SYNOPSIS" and the flags of a verb.
std::string VerbHelp(const Verb& verb);
std::string FlagHelp(std::span<const FlagDef> flags);

// Writes to standard output; an error if that failed (a full disk must not look like success).
absl::Status Print(std::string_view text);

}  // namespace runsc
