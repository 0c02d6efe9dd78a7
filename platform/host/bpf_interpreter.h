// Runs a seccomp program on a system call, to know what the kernel would do.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <optional>
#include <span>

namespace runsc {

// The program's return value (SECCOMP_RET_*), or nothing if the kernel would not accept the program.
std::optional<uint32_t> RunFilter(std::span<const sock_filter> program, const seccomp_data& data);

}  // namespace runsc
