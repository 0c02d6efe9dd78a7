// See map_ops.h.
#include "platform/stub/map_ops.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>

namespace runsc::stub {
namespace {

bool InGuest(uint64_t addr, uint64_t length) { return addr <= GUEST_MAX_ADDR && length <= GUEST_MAX_ADDR - addr; }

stub::HelperOp Op(uint64_t number, std::initializer_list<uint64_t> args) {
  stub::HelperOp op{number, {}, 1};
  std::copy(args.begin(), args.end(), op.args);
  return op;
}

Result<stub::HelperOp> MapHelperOp(const MapOp& op) {
  const bool fixed = op.flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
  if (!InGuest(0, op.length) || (fixed && !InGuest(op.addr, op.length))) return Errno(ENOMEM);
  const uint64_t hint = InGuest(op.addr, op.length) ? op.addr : 0;
  int flags = op.flags & ~MAP_ANONYMOUS;
  if (op.host_fd < 0) flags |= MAP_ANONYMOUS;
  return Op(SYS_mmap, {hint, op.length, static_cast<uint64_t>(op.prot), static_cast<uint64_t>(flags),
                       static_cast<uint64_t>(static_cast<int64_t>(op.host_fd)), op.offset});
}

Result<stub::HelperOp> RemapHelperOp(const MapOp& op) {
  if (!InGuest(op.addr, op.length)) return Errno(EFAULT);
  if (!InGuest(0, op.new_length)) return Errno(ENOMEM);
  if (op.flags & MREMAP_FIXED && !InGuest(op.new_addr, op.new_length)) return Errno(EINVAL);
  return Op(SYS_mremap, {op.addr, op.length, op.new_length, static_cast<uint64_t>(op.flags), op.new_addr});
}

// The host accounts for what is locked, against the stub's own limit.
Result<stub::HelperOp> LockHelperOp(const MapOp& op) {
  if (op.kind == MapOp::kLockAll) return Op(SYS_mlockall, {static_cast<uint64_t>(op.flags)});
  if (op.kind == MapOp::kUnlockAll) return Op(SYS_munlockall, {});
  if (!InGuest(op.addr, op.length)) return Errno(ENOMEM);
  if (op.kind == MapOp::kUnlock) return Op(SYS_munlock, {op.addr, op.length});
  return Op(SYS_mlock2, {op.addr, op.length, static_cast<uint64_t>(op.flags)});
}

}  // namespace

Result<stub::HelperOp> ToHelperOp(const MapOp& op) {
  switch (op.kind) {
    case MapOp::kMap:
    case MapOp::kReserve:
      return MapHelperOp(op);
    case MapOp::kUnmap:
      if (!InGuest(op.addr, op.length)) return Errno(EINVAL);
      return Op(SYS_munmap, {op.addr, op.length});
    case MapOp::kProtect:
      if (!InGuest(op.addr, op.length)) return Errno(ENOMEM);
      return Op(SYS_mprotect, {op.addr, op.length, static_cast<uint64_t>(op.prot)});
    case MapOp::kRemap:
      return RemapHelperOp(op);
    case MapOp::kAdvise:
      if (!InGuest(op.addr, op.length)) return Errno(ENOMEM);
      return Op(SYS_madvise, {op.addr, op.length, static_cast<uint64_t>(op.flags)});
    case MapOp::kLock:
    case MapOp::kUnlock:
    case MapOp::kLockAll:
    case MapOp::kUnlockAll:
      return LockHelperOp(op);
  }
  return Errno(EINVAL);
}

std::vector<stub::HelperOp> ClearOps() {
  return {Op(SYS_munmap, {0, GUEST_MAX_ADDR}), Op(SYS_madvise, {STUB_LOCAL, STUB_LOCAL_SIZE, MADV_DONTNEED})};
}

stub::HelperOp NameOp() { return Op(SYS_prctl, {PR_SET_NAME, STUB_INFO + offsetof(stub::InfoPage, name)}); }

stub::HelperOp MemoryMapOp() {
  HelperOp op = Op(
      SYS_prctl, {PR_SET_MM, PR_SET_MM_MAP, STUB_INFO + offsetof(stub::InfoPage, memory_map), sizeof(prctl_mm_map), 0});
  op.stop_on_error = 0;  // the host may be without CONFIG_CHECKPOINT_RESTORE
  return op;
}

// The host wants all of it; nothing but the arguments is looked at.
prctl_mm_map MemoryMapOf(const HostLook& look) {
  const uint64_t start = look.arguments, end = start + look.arguments_size;
  prctl_mm_map map{};
  map.start_code = map.start_data = map.start_brk = map.brk = map.start_stack = map.arg_start = start;
  map.end_code = map.end_data = map.arg_end = map.env_start = map.env_end = end;
  map.exe_fd = static_cast<uint32_t>(-1);
  return map;
}

}  // namespace runsc::stub
