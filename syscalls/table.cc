#include "syscalls/table.h"

#include "syscalls/adapt.h"
#include "syscalls/handlers.h"
#include "syscalls/ipc_handlers.h"

namespace runsc {
namespace {

SyscallResult Unimplemented(Task&) { return Errno(ENOSYS); }

constexpr SyscallRow kRows[] = {
#define SYSCALL(nr, call, function, support, note) {nr, #call, SyscallSupport::support, note},
#include "syscalls/table_x86_64.inc"
#undef SYSCALL
};

SyscallTable BuildTable() {
  SyscallTable table;
#define SYSCALL(nr, call, function, support, note) table.entries[nr].handler = &Adapter<&function>::Call;
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
