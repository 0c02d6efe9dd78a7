// Makes register and FP images that came from the guest safe to load, and converts between the
// stub's layout and Linux's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "platform/platform.h"
#include "platform/stub/host_features.h"
#include "platform/stub/stub_layout.h"

namespace runsc::stub {

// Flags a guest may set by itself: arithmetic, TF, DF, NT, RF, AC, ID. The rest reads as Linux has
// it.
uint64_t SanitizeFlags(uint64_t rflags);

Registers ToRegisters(const stub::ThreadRegs& regs, uint64_t orig_rax, uint64_t fs_base);
stub::ThreadRegs ToThreadRegs(const Registers& regs);

// The state a fresh program starts with.
std::vector<std::byte> InitialFpState(const HostFeatures& features);
// Copies an XSAVE image and repairs whatever xrstor would refuse.
std::vector<std::byte> SanitizeFpState(std::span<const std::byte> image, const HostFeatures& features);

}  // namespace runsc::stub
