// Registers as tracers exchange them: struct user, register sets, and what a tracer may put into them.
#pragma once

#include <span>
#include <vector>

#include "platform/platform.h"

namespace runsc {

// Takes over what a tracer set; flags and selectors that are the kernel's stay. EIO.
Result<void> TakeRegisters(const Registers& from, Registers& to);

// A word of struct user (sys/user.h). EIO outside of it or between words. The debug registers hold nothing, and
// nothing can be put there: ENOSPC.
Result<uint64_t> ReadUserArea(const Registers& regs, uint64_t offset);
Result<void> WriteUserArea(Registers& regs, uint64_t offset, uint64_t value);

// Where debuggers look for the features an XSAVE image has.
void ShowFeatures(std::vector<std::byte>& image);
// The legacy area, or the beginning of it. EINVAL.
Result<void> TakeLegacyFp(std::span<const std::byte> from, std::vector<std::byte>& image);
// All of it. EFAULT for parts.
Result<void> TakeExtendedState(std::span<const std::byte> from, std::vector<std::byte>& image);

}  // namespace runsc
