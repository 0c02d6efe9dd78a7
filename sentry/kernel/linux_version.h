// The Linux the guest sees: uname(2), /proc/version, /proc/sys/kernel. Never anything of the host's.
#pragma once

namespace runsc {

inline constexpr char kSysname[] = "Linux";
inline constexpr char kRelease[] = "6.12.0-runsc";
inline constexpr char kVersion[] = "#1 SMP PREEMPT_DYNAMIC runsc";
inline constexpr char kMachine[] = "x86_64";

}  // namespace runsc
