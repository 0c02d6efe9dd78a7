// Sets of processors in the two forms Linux prints them.
#pragma once

#include <string>
#include <vector>

namespace runsc {

using CpuSet = std::vector<bool>;  // index: processor

CpuSet CpuRange(int first, int count);
std::string CpuMaskText(const CpuSet& cpus);  // "ff,ffffffff"
std::string CpuListText(const CpuSet& cpus);  // "0-3,8"

}  // namespace runsc
