// Specs made by runsc itself: the starting point `spec` writes, and what `do` runs.
#pragma once

#include "runsc-cli/oci/spec.h"

namespace runsc {

inline constexpr char kOciVersion[] = "1.2.0";

// What `runsc spec` writes.
Spec TemplateSpec();
// The mounts every container gets from the two above.
std::vector<SpecMount> DefaultMounts();
// Every capability there is.
SpecCapabilities AllCapabilities();

}  // namespace runsc
