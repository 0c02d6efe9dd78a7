// The version this program reports.
#pragma once

namespace runsc {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace runsc
