#include "syscalls/table.h"

#include "syscalls/adapt.h"
#include "syscalls/handlers.h"

namespace runsc {
namespace {

SyscallResult Unimplemented(Task&) { return Errno(ENOSYS); }

constexpr SyscallRow kRows[] = {
#define SYSCALL(number, name, handler, support, note) {number, #name, SyscallSupport::support, note},
#include "syscalls/table_x86_64.inc"
#undef SYSCALL
};

SyscallTable BuildTable() {
  SyscallTable table;
#define SYSCALL(number, name, handler, support, note) table.entries[number].handler = &Adapter<&handler>::Call;
#include "syscalls/table_x86_64.inc"
#undef SYSCALL
  return table;
}

}  // namespace

std::span<const SyscallRow> SyscallRows() { return kRows; }

const SyscallRow* FindSyscallRow(uint64_t number) {
  for (const SyscallRow& row : kRows) {
    if (static_cast<uint64_t>(row.number) == number) return &row;
  }
  return nullptr;
}

const SyscallTable& GetSyscallTable() {
  static const SyscallTable table = BuildTable();
  return table;
}

}  // namespace runsc
