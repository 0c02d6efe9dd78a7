// From linux.resources to what is written into which cgroup file: no file is touched here.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runsc-cli/oci/resources.h"

namespace runsc {

struct CgroupSetting {
  std::string controller;  // v1: whose directory the file is in
  std::string file, value;
};

struct CgroupSettings {
  std::vector<CgroupSetting> settings;
  std::vector<std::string> warnings;  // what this version of cgroups has no word for
};

absl::StatusOr<CgroupSettings> SettingsV1(const SpecResources& resources);
absl::StatusOr<CgroupSettings> SettingsV2(const SpecResources& resources);

// A container may have `limit` tasks: the sentry counts these. Its host tasks are more: each guest thread is a thread
// of a stub and one of the sentry, each guest process has a helper besides, and there are the sentry's own, the
// gofer's, and a monitor for each exec. This bound stops a runaway all the same.
int64_t HostTaskLimit(int64_t limit);
int64_t GuestTaskLimit(int64_t host_limit);  // and back

// v1's cpu.shares (2 to 262144) as v2's cpu.weight (1 to 10000), and blkio.weight (10 to 1000) as io.weight: runc's
// linear maps, which monitoring tools invert.
uint64_t CpuWeight(uint64_t shares);
uint64_t IoWeight(uint64_t blkio_weight);

}  // namespace runsc
