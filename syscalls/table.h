// The system call table as data: for dispatch, `runsc help syscalls` and docs/syscalls.md.
#pragma once

#include <span>

#include "sentry/kernel/syscall_table.h"

namespace runsc {

enum class SyscallSupport { kFull, kPartial, kNone };

struct SyscallRow {
  int number;
  const char* name;
  SyscallSupport support;
  const char* note;
};

std::span<const SyscallRow> SyscallRows();  // sorted by number
const SyscallRow* FindSyscallRow(uint64_t number);
const SyscallTable& GetSyscallTable();

}  // namespace runsc
