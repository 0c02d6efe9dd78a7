// See guest_state.h.
#include "platform/stub/guest_state.h"

#include <algorithm>
#include <cstring>

namespace runsc::stub {
namespace {

constexpr uint64_t kUserFlags = 0x254dd5;
constexpr uint64_t kFixedFlags = 0x202;  // reserved bit 1, interrupts on
constexpr uint64_t kUserCs = 0x33, kUserSs = 0x2b;

constexpr size_t kLegacySize = 512, kHeaderSize = 64;
constexpr size_t kControlOffset = 0, kMxcsrOffset = 24, kSoftwareOffset = 464;
constexpr uint16_t kInitialControl = 0x37f;
constexpr uint32_t kInitialMxcsr = 0x1f80;

template <typename T>
T Load(const std::vector<std::byte>& image, size_t offset) {
  T value;
  memcpy(&value, image.data() + offset, sizeof value);
  return value;
}
template <typename T>
void Store(std::vector<std::byte>& image, size_t offset, T value) {
  memcpy(image.data() + offset, &value, sizeof value);
}

}  // namespace

uint64_t SanitizeFlags(uint64_t rflags) { return (rflags & kUserFlags) | kFixedFlags; }

Registers ToRegisters(const stub::ThreadRegs& r, uint64_t orig_rax, uint64_t fs_base) {
  Registers out{};
  out.r15 = r.r15, out.r14 = r.r14, out.r13 = r.r13, out.r12 = r.r12;
  out.rbp = r.rbp, out.rbx = r.rbx, out.r11 = r.r11, out.r10 = r.r10, out.r9 = r.r9, out.r8 = r.r8;
  out.rax = r.rax, out.rcx = r.rcx, out.rdx = r.rdx, out.rsi = r.rsi, out.rdi = r.rdi;
  out.orig_rax = orig_rax;
  out.rip = r.rip, out.rsp = r.rsp;
  out.eflags = SanitizeFlags(r.rflags);
  out.cs = kUserCs, out.ss = kUserSs;
  out.fs_base = fs_base;
  return out;
}

stub::ThreadRegs ToThreadRegs(const Registers& r) {
  return {r.r15,
          r.r14,
          r.r13,
          r.r12,
          r.rbp,
          r.rbx,
          r.r11,
          r.r10,
          r.r9,
          r.r8,
          r.rax,
          r.rcx,
          r.rdx,
          r.rsi,
          r.rdi,
          r.rip,
          SanitizeFlags(r.eflags),
          r.rsp};
}

std::vector<std::byte> InitialFpState(const HostFeatures& features) {
  std::vector<std::byte> image(features.xsave_size);
  Store<uint16_t>(image, kControlOffset, kInitialControl);
  Store<uint32_t>(image, kMxcsrOffset, kInitialMxcsr);
  Store<uint32_t>(image, kMxcsrOffset + 4, features.mxcsr_mask);
  return image;
}

std::vector<std::byte> SanitizeFpState(std::span<const std::byte> image, const HostFeatures& features) {
  std::vector<std::byte> out = InitialFpState(features);
  if (image.size() < kLegacySize) return out;
  memcpy(out.data(), image.data(), std::min(image.size(), out.size()));
  Store(out, kMxcsrOffset, Load<uint32_t>(out, kMxcsrOffset) & features.mxcsr_mask);
  memset(out.data() + kSoftwareOffset, 0, kLegacySize - kSoftwareOffset);
  uint64_t present = 3;  // an image without a header is x87 and SSE
  if (image.size() >= kLegacySize + kHeaderSize) present = Load<uint64_t>(out, kLegacySize);
  memset(out.data() + kLegacySize, 0, kHeaderSize);
  Store(out, kLegacySize, present & features.xsave_mask);
  return out;
}

}  // namespace runsc::stub
