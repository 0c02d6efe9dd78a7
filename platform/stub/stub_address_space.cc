// See stub_address_space.h.
#include "platform/stub/stub_address_space.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "platform/stub/guest_maps.h"
#include "platform/stub/guest_memory.h"
#include "platform/stub/map_ops.h"

namespace runsc::stub {
namespace {

bool IsError(int64_t result) { return result < 0 && result >= -4095; }

// Where a mapping can be: the host would not have placed it elsewhere.
bool IsPlace(const MapOp& op, uint64_t result) {
  const bool maps = op.kind == MapOp::kMap || op.kind == MapOp::kReserve || op.kind == MapOp::kRemap;
  const uint64_t length = op.kind == MapOp::kRemap ? op.new_length : op.length;
  return !maps || (result <= GUEST_MAX_ADDR && length <= GUEST_MAX_ADDR - result);
}

}  // namespace

Result<void> StubAddressSpace::RunAll(std::span<const HelperOp> ops, std::vector<uint64_t>* results) {
  std::vector<int64_t> raw;
  TRY(process_->helper().Run(ops, &raw));
  for (int64_t result : raw) {
    if (IsError(result)) return Errno(static_cast<int>(-result));
    if (results) results->push_back(static_cast<uint64_t>(result));
  }
  if (raw.size() != ops.size()) return Errno(ESRCH);
  return {};
}

Result<int64_t> StubAddressSpace::RunForThread(std::span<const HelperOp> ops) {
  std::vector<int64_t> results;
  TRY(process_->helper().Run(ops, &results));
  if (results.empty()) return Errno(ESRCH);
  if (IsError(results.back())) return Errno(static_cast<int>(-results.back()));
  return results.back();
}

void StubAddressSpace::NoteFiles(std::span<const MapOp> done, std::span<const uint64_t> results) {
  FileRanges& files = process_->file_ranges();
  for (size_t i = 0; i < results.size(); i++) {
    const MapOp& op = done[i];
    const uint64_t result = results[i];
    if (op.kind == MapOp::kMap && op.host_fd >= 0) files.Add(result, result + op.length);
    if (op.kind == MapOp::kMap && op.host_fd < 0) files.Remove(result, result + op.length);
    if (op.kind == MapOp::kUnmap) files.Remove(op.addr, op.addr + op.length);
    if (op.kind == MapOp::kRemap) files.Add(result, result + op.new_length);
  }
}

Result<void> StubAddressSpace::ApplyAll(std::span<const MapOp> ops, std::span<const HelperOp> translated,
                                        std::vector<uint64_t>* results) {
  std::vector<uint64_t> done;
  const auto applied = RunAll(translated, &done);
  for (size_t i = 0; i < done.size(); i++) {
    if (IsPlace(ops[i], done[i])) continue;
    process_->Kill();  // it answers in its helper's place
    return Errno(ESRCH);
  }
  NoteFiles(ops, done);
  if (results) results->insert(results->end(), done.begin(), done.end());
  return applied;
}

Result<void> StubAddressSpace::Apply(std::span<const MapOp> ops, std::vector<uint64_t>* results) {
  std::vector<HelperOp> translated;
  for (const MapOp& op : ops) {
    auto helper_op = ToHelperOp(op);
    // To the guest nothing is mapped where thunks are.
    if (op.kind == MapOp::kProtect && OverlapsThunks(process_->pid(), op.addr, op.length)) helper_op = Errno(ENOMEM);
    if (!helper_op.ok()) {  // as the host would: what came before it happens
      TRY(ApplyAll(ops, translated, results));
      return helper_op.error();
    }
    translated.push_back(*helper_op);
  }
  return ApplyAll(ops, translated, results);
}

Result<void> StubAddressSpace::Replace(std::span<const MapOp> ops, const HostLook& look) {
  std::vector<HelperOp> translated = ClearOps();
  GuestAddr reserved_from = GUEST_MAX_ADDR;
  process_->file_ranges().Clear();
  for (const MapOp& op : ops) {
    translated.push_back(TRY(ToHelperOp(op)));
    if (op.kind == MapOp::kReserve) reserved_from = op.addr;
    if (op.kind == MapOp::kMap && op.host_fd >= 0) process_->file_ranges().Add(op.addr, op.addr + op.length);
  }
  stub::InfoPage& info = process_->helper().info();
  info.reserved_from = reserved_from;
  info.break_start = 0;
  std::memset(info.name, 0, sizeof(info.name));
  look.name.copy(info.name, sizeof(info.name) - 1);
  translated.push_back(NameOp());
  if (look.arguments_size > 0) {
    info.memory_map = MemoryMapOf(look);
    translated.push_back(MemoryMapOp());
  }
  return RunAll(translated, nullptr);
}

size_t StubAddressSpace::CopyIn(GuestAddr addr, void* dst, size_t size) {
  return CopyFromStub(process_->pid(), addr, dst, size);
}

size_t StubAddressSpace::CopyOut(GuestAddr addr, const void* src, size_t size) {
  return CopyToStub(process_->pid(), addr, src, size);
}

Result<int64_t> StubAddressSpace::FutexWake(GuestAddr addr, uint32_t count, bool shared) {
  constexpr uint64_t kWake = 1, kPrivate = 128;
  if (addr >= GUEST_MAX_ADDR) return Errno(EFAULT);
  const HelperOp op{SYS_futex, {addr, shared ? kWake : kWake | kPrivate, count}, 1};
  std::vector<uint64_t> results;
  TRY(RunAll(std::span(&op, 1), &results));
  return static_cast<int64_t>(results[0]);
}

Result<size_t> StubAddressSpace::Transfer(bool write, int host_fd, int64_t offset, std::span<const iovec> guest) {
  constexpr size_t kMaxVectors = 32;
  constexpr uint64_t kVdsoRoom = 0x100000;  // its strings may be written out
  std::vector<iovec> vectors;
  for (const iovec& v : guest.first(std::min(guest.size(), kMaxVectors))) {
    const auto addr = reinterpret_cast<uint64_t>(v.iov_base);
    const bool in_vdso = write && addr - STUB_VDSO < kVdsoRoom && v.iov_len <= kVdsoRoom - (addr - STUB_VDSO);
    if (!in_vdso && (addr >= GUEST_MAX_ADDR || v.iov_len > GUEST_MAX_ADDR - addr)) return Errno(EFAULT);
    vectors.push_back(v);
  }
  const bool positioned = offset >= 0;
  const uint64_t number = write ? (positioned ? SYS_pwritev : SYS_writev) : (positioned ? SYS_preadv : SYS_readv);
  const HelperOp op{
      number,
      {static_cast<uint64_t>(host_fd), 0, vectors.size(), static_cast<uint64_t>(positioned ? offset : 0), 0},
      1};
  const int64_t n = TRY(process_->helper().RunWithData(op, 1, std::as_bytes(std::span(vectors))));
  if (IsError(n)) return Errno(static_cast<int>(-n));
  size_t asked = 0;
  for (const iovec& v : vectors) asked += v.iov_len;
  return std::min<size_t>(static_cast<size_t>(n), asked);
}

Result<size_t> StubAddressSpace::ReadFromHost(int host_fd, int64_t offset, std::span<const iovec> guest) {
  return Transfer(false, host_fd, offset, guest);
}

Result<size_t> StubAddressSpace::WriteToHost(int host_fd, int64_t offset, std::span<const iovec> guest) {
  return Transfer(true, host_fd, offset, guest);
}

Result<std::string> StubAddressSpace::ReadHostProc(const char* file) {
  static constexpr std::string_view kServed[] = {"maps",   "smaps", "smaps_rollup", "numa_maps",
                                                 "status", "stat",  "statm",        "arch_status"};
  const std::string_view name(file);
  if (std::find(std::begin(kServed), std::end(kServed), name) == std::end(kServed)) return Errno(ENOENT);
  std::string text = TRY(host_.ReadProc(process_->pid(), std::string(name)));
  return name == "maps" || name == "smaps" ? StripStubAreas(text) : text;
}

}  // namespace runsc::stub
