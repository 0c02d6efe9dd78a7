// /proc/cpuinfo.
#pragma once

#include <string>

namespace runsc {

// The first `cpus` processors of the host's /proc/cpuinfo; made from CPUID where that cannot be read.
std::string CpuinfoText(int cpus);
// Keeps the first `cpus` processors of such a text.
std::string FirstProcessors(const std::string& text, int cpus);

}  // namespace runsc
