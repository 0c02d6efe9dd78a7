#include "syscalls/trace_registers.h"

#include <sys/user.h>

#include <algorithm>
#include <cstring>

namespace runsc {
namespace {

static_assert(sizeof(Registers) == sizeof(user_regs_struct));
constexpr uint64_t kWord = sizeof(uint64_t);
constexpr uint64_t kTracerFlags = 0x54dd5;  // CF PF AF ZF SF TF DF OF NT RF AC
constexpr uint64_t kUserEnd = uint64_t{1} << 47;
constexpr size_t kFeaturesOffset = 464, kHeaderOffset = 512, kMxcsrOffset = 24;
constexpr uint64_t kLegacyFeatures = 3;  // x87 and SSE
constexpr uint32_t kMxcsrMask = 0xffff;

// Null or of user privilege; code and stack cannot be null.
bool IsValidSelector(uint64_t selector, bool may_be_null) {
  selector &= 0xffff;
  return selector == 0 ? may_be_null : (selector & 3) == 3;
}

bool AreValidSelectors(const Registers& r) {
  return IsValidSelector(r.cs, false) && IsValidSelector(r.ss, false) && IsValidSelector(r.ds, true) &&
         IsValidSelector(r.es, true) && IsValidSelector(r.fs, true) && IsValidSelector(r.gs, true);
}

uint64_t EnabledFeatures() {
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t{high} << 32) | low;
}

bool IsDebugRegister(uint64_t offset) {
  return offset >= offsetof(user, u_debugreg) && offset < offsetof(user, u_debugreg) + sizeof(user::u_debugreg);
}

Result<void> CheckOffset(uint64_t offset) {
  return offset % kWord != 0 || offset > sizeof(user) - kWord ? Errno(EIO) : Result<void>();
}

}  // namespace

Result<void> TakeRegisters(const Registers& from, Registers& to) {
  if (!AreValidSelectors(from) || from.fs_base >= kUserEnd || from.gs_base >= kUserEnd) return Errno(EIO);
  const Registers old = to;
  to = from;
  to.eflags = (old.eflags & ~kTracerFlags) | (from.eflags & kTracerFlags);
  to.cs = old.cs, to.ss = old.ss, to.ds = old.ds, to.es = old.es, to.fs = old.fs, to.gs = old.gs;
  return {};
}

Result<uint64_t> ReadUserArea(const Registers& regs, uint64_t offset) {
  TRY(CheckOffset(offset));
  if (offset >= sizeof(regs)) return uint64_t{0};
  uint64_t value;
  std::memcpy(&value, reinterpret_cast<const std::byte*>(&regs) + offset, kWord);
  return value;
}

Result<void> WriteUserArea(Registers& regs, uint64_t offset, uint64_t value) {
  TRY(CheckOffset(offset));
  if (offset < sizeof(regs)) {
    std::memcpy(reinterpret_cast<std::byte*>(&regs) + offset, &value, kWord);
    return {};
  }
  if (!IsDebugRegister(offset)) return Errno(EIO);
  return value == 0 ? Result<void>() : Errno(ENOSPC);
}

void ShowFeatures(std::vector<std::byte>& image) {
  if (image.size() < kHeaderOffset) return;
  const uint64_t features = EnabledFeatures();
  std::memcpy(image.data() + kFeaturesOffset, &features, sizeof(features));
}

Result<void> TakeLegacyFp(std::span<const std::byte> from, std::vector<std::byte>& image) {
  if (from.size() > sizeof(user_fpregs_struct) || image.size() < kHeaderOffset + kWord) return Errno(EINVAL);
  uint32_t mxcsr = 0;
  if (from.size() >= kMxcsrOffset + sizeof(mxcsr)) std::memcpy(&mxcsr, from.data() + kMxcsrOffset, sizeof(mxcsr));
  if (mxcsr & ~kMxcsrMask) return Errno(EINVAL);
  std::copy(from.begin(), from.end(), image.begin());
  uint64_t present;
  std::memcpy(&present, image.data() + kHeaderOffset, sizeof(present));
  present |= kLegacyFeatures;
  std::memcpy(image.data() + kHeaderOffset, &present, sizeof(present));
  return {};
}

Result<void> TakeExtendedState(std::span<const std::byte> from, std::vector<std::byte>& image) {
  if (from.size() != image.size()) return Errno(EFAULT);
  image.assign(from.begin(), from.end());
  return {};
}

}  // namespace runsc
