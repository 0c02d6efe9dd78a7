// Every flag that may stand before the verb, and the few settings the command line itself uses.
#pragma once

#include <span>
#include <string>

#include "absl/status/status.h"
#include "runsc-cli/base/flags.h"

namespace runsc {

std::span<const FlagDef> GlobalFlags();

// Where container state lives: --root, or the default for this user.
std::string StateRoot(const FlagSet& globals);

// Which mounts get a copy-on-write layer, and what the layer is kept in (--overlay2).
struct OverlayOption {
  enum class Scope { kNone, kRoot, kAll } scope = Scope::kNone;
  enum class Medium { kMemory, kSelf, kDirectory } medium = Medium::kMemory;
  std::string directory;    // for kDirectory
  uint64_t size_limit = 0;  // bytes; 0 = none
};
absl::StatusOr<OverlayOption> ParseOverlayOption(std::string_view text);

// Rules that concern more than one flag or more than its type.
absl::Status CheckGlobalFlags(const FlagSet& globals);
// RUNSC_PLATFORM stands for --platform where that is not given.
absl::Status TakeFlagsOfEnvironment(FlagSet& globals);

}  // namespace runsc
