// The names config.json uses for the kernel's constants.
#pragma once

#include <optional>
#include <string_view>

namespace runsc {

// "CAP_KILL" -> 5.
std::optional<int> CapabilityFromName(std::string_view name);
// 5 -> "CAP_KILL"; empty if there is none.
std::string_view CapabilityName(int capability);
// "RLIMIT_NOFILE" -> 7.
std::optional<int> RlimitFromName(std::string_view name);
std::string_view RlimitName(int resource);
// "TERM", "SIGTERM", "15", "RTMIN+3", "SIGRTMAX-1" -> number. 0 is a signal here, as for kill(2).
std::optional<int> SignalFromName(std::string_view name);

}  // namespace runsc
