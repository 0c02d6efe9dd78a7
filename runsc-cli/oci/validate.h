// Every reason to refuse a well-formed config.json: one function per clause of the runtime spec.
#pragma once

#include "absl/status/status.h"
#include "runsc-cli/oci/spec.h"

namespace runsc {

// The first violated clause: "process.args: must not be empty".
absl::Status ValidateSpec(const Spec& spec);

// The same of a process.json.
absl::Status ValidateProcess(const SpecProcess& process);

// The same of `linux` alone; ValidateSpec's own.
absl::Status ValidateLinux(const SpecLinux& linux_);

}  // namespace runsc
