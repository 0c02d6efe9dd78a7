// config.json's mounts in the order and form in which they are made: worked out once, by the same
// code, in the command (which opens the host trees) and in the sandbox (which mounts them).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runsc-cli/oci/spec.h"

namespace runsc {

struct PlannedMount {
  enum class Kind { kBind, kProc, kSys, kDev, kTmpfs, kDevPts, kMqueue, kCgroup } kind = Kind::kTmpfs;
  std::string destination;  // absolute, in the guest
  std::string source;       // as given; for kBind the absolute host path
  uint64_t flags = 0;       // MS_RDONLY, MS_NOSUID, ...
  std::string data;         // comma-separated options that are no flags: "mode=755,size=64k"
  bool recursive = false;   // kBind: rbind
  bool copy_up = false;     // kTmpfs: begins with what it covers
  int attach = -1;          // kBind: the gofer's attach point; 0 is the root file system

  bool read_only() const;
};

struct MountPlan {
  std::vector<PlannedMount> mounts;
};

// `bundle` resolves relative bind sources. InvalidArgument for file systems we do not have.
absl::StatusOr<MountPlan> PlanMounts(const Spec& spec, const std::string& bundle);

// The options that are flags or choose the kind of mount, sorted: what `features` tells.
std::vector<std::string> MountOptionNames();

}  // namespace runsc
