// A bundle on the host: config.json read, checked, and its root file system found.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "runsc-cli/oci/mount_plan.h"
#include "runsc-cli/oci/spec.h"

namespace runsc {

struct Bundle {
  std::string path;    // absolute
  std::string rootfs;  // absolute
  std::string json;    // config.json as it is
  Spec spec;
  MountPlan plan;
};

// Everything that can be wrong with a bundle is found here, before anything was made.
absl::StatusOr<Bundle> LoadBundle(const std::string& directory);
// The same from a spec made in memory.
absl::StatusOr<Bundle> MakeBundle(std::string directory, std::string json);

}  // namespace runsc
