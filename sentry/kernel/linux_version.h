// The Linux the guest sees: uname(2), /proc/version, /proc/sys/kernel. Never anything of the host's.
#pragma once

namespace runsc {

inline constexpr char kGuestSysname[] = "Linux";
inline constexpr char kGuestRelease[] = "6.12.0-runsc";
inline constexpr char kGuestVersion[] = "#1 SMP PREEMPT_DYNAMIC runsc";
inline constexpr char kGuestMachine[] = "x86_64";

}  // namespace runsc
