#include "sentry/kernel/signal_frame.h"

#include <algorithm>
#include <cstring>

#include "sentry/kernel/read_ahead.h"

namespace runsc {
namespace {

constexpr uint64_t kSaOnStack = 0x08000000, kSaRestorer = 0x04000000;
constexpr int kSsAutoDisarm = static_cast<int>(1u << 31);
constexpr uint64_t kUcFlags = 1 | 2 | 4;  // UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS
constexpr uint32_t kMagic1 = 0x46505853, kMagic2 = 0x46505845;
constexpr size_t kRedZone = 128;
constexpr size_t kLegacySize = 512, kHeaderSize = 64, kSwOffset = 464;
constexpr uint64_t kFlagTrap = 0x100, kFlagDirection = 0x400, kFlagResume = 0x10000;
constexpr uint64_t kUserFlags = 0x40dd5 | 0x10000;  // what sigreturn may change: CF PF AF ZF SF TF DF OF AC RF

struct SigContext {
  uint64_t r8, r9, r10, r11, r12, r13, r14, r15, di, si, bp, bx, dx, ax, cx, sp, ip, flags;
  uint16_t cs, gs, fs, ss;
  uint64_t err, trapno, oldmask, cr2;
  uint64_t fpstate;
  uint64_t reserved[8];
};
static_assert(sizeof(SigContext) == 256);

struct Frame {
  uint64_t return_address;
  uint64_t uc_flags, uc_link;
  stack_t stack;
  SigContext context;
  uint64_t mask;
  siginfo_t info;
};
static_assert(sizeof(Frame) == 440);

// The software-owned bytes of the legacy area: tell user space that a full XSAVE image follows.
struct SwReserved {
  uint32_t magic1, extended_size;
  uint64_t features;
  uint32_t xstate_size;
  uint32_t padding[7];
};
static_assert(sizeof(SwReserved) == 48);

struct XsaveHeader {
  uint64_t features, compaction, reserved[6];
};

uint64_t EnabledFeatures() {
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t{high} << 32) | low;
}

bool OnAltStack(const Task::SignalStack& stack, GuestAddr sp) {
  if (stack.flags & kSsAutoDisarm) return false;
  return sp > stack.sp && sp - stack.sp <= stack.size;
}

SigContext SaveRegisters(const Registers& r, const FrameRequest& request) {
  SigContext c{};
  c.r8 = r.r8, c.r9 = r.r9, c.r10 = r.r10, c.r11 = r.r11, c.r12 = r.r12, c.r13 = r.r13, c.r14 = r.r14;
  c.r15 = r.r15, c.di = r.rdi, c.si = r.rsi, c.bp = r.rbp, c.bx = r.rbx, c.dx = r.rdx, c.ax = r.rax;
  c.cx = r.rcx, c.sp = r.rsp, c.ip = r.rip, c.flags = r.eflags;
  c.cs = 0x33, c.ss = 0x2b;
  c.err = request.fault.error_code, c.trapno = request.fault.trapno, c.cr2 = request.fault.addr;
  c.oldmask = request.saved_mask;
  return c;
}

Registers LoadRegisters(const SigContext& c, const Registers& current) {
  Registers r = current;
  r.r8 = c.r8, r.r9 = c.r9, r.r10 = c.r10, r.r11 = c.r11, r.r12 = c.r12, r.r13 = c.r13, r.r14 = c.r14;
  r.r15 = c.r15, r.rdi = c.di, r.rsi = c.si, r.rbp = c.bp, r.rbx = c.bx, r.rdx = c.dx, r.rax = c.ax;
  r.rcx = c.cx, r.rsp = c.sp, r.rip = c.ip;
  r.eflags = (current.eflags & ~kUserFlags) | (c.flags & kUserFlags);
  r.orig_rax = ~uint64_t{0};
  return r;
}

// Where the frame goes: [0] the frame, [1] the FP state.
struct Placement {
  GuestAddr frame, fp;
};

Result<Placement> Place(const Task& task, const FrameRequest& request, GuestAddr sp, size_t fp_size) {
  const Task::SignalStack& alt = task.sigaltstack;
  const bool nested = OnAltStack(alt, sp);
  GuestAddr top = sp - kRedZone;
  bool on_alt = nested;
  if ((request.action.flags & kSaOnStack) && AltStackFlags(alt, sp) == 0) {
    top = alt.sp + alt.size;
    on_alt = true;
  }
  const GuestAddr fp = (top - fp_size) & ~GuestAddr{63};
  const GuestAddr frame = ((fp - sizeof(Frame)) & ~GuestAddr{15}) - 8;
  if (frame > top) return Errno(EFAULT);
  if (on_alt && frame < alt.sp) return Errno(EFAULT);
  return Placement{frame, fp};
}

void WriteFpImage(std::byte* dst, std::span<const std::byte> fp) {
  std::memcpy(dst, fp.data(), fp.size());
  const uint32_t size = static_cast<uint32_t>(fp.size());
  const SwReserved sw{kMagic1, size + 4, EnabledFeatures(), size, {}};
  std::memcpy(dst + kSwOffset, &sw, sizeof(sw));
  std::memcpy(dst + fp.size(), &kMagic2, 4);
}

void EnterHandler(Registers& regs, const FrameRequest& request, GuestAddr frame) {
  regs.rdi = static_cast<uint64_t>(request.info.si_signo);
  regs.rsi = frame + offsetof(Frame, info);
  regs.rdx = frame + offsetof(Frame, uc_flags);
  regs.rax = 0;
  regs.rsp = frame;
  regs.rip = request.action.handler;
  regs.eflags &= ~(kFlagTrap | kFlagDirection | kFlagResume);
}

bool IsValidHeader(const XsaveHeader& header) {
  if ((header.features & ~EnabledFeatures()) || header.compaction != 0) return false;
  return std::all_of(header.reserved, header.reserved + 6, [](uint64_t word) { return word == 0; });
}

// MXCSR's reserved bits would fault when loaded.
bool HasValidMxcsr(std::span<const std::byte> image) {
  uint32_t mxcsr;
  std::memcpy(&mxcsr, image.data() + 24, 4);
  return (mxcsr & 0xffff0000) == 0;
}

// How much of the guest's image to believe: all of it with both magics in place, else the legacy part.
Result<size_t> ExtendedSize(ReadAhead& memory, GuestAddr addr, const SwReserved& sw, size_t our_size) {
  if (sw.magic1 != kMagic1 || sw.xstate_size < kLegacySize + kHeaderSize || sw.xstate_size > our_size ||
      sw.xstate_size > sw.extended_size) {
    return kLegacySize;
  }
  const auto magic2 = memory.ReadObject<uint32_t>(addr + sw.xstate_size);
  if (!magic2.ok() || *magic2 != kMagic2) return kLegacySize;
  return size_t{sw.xstate_size};
}

Result<std::vector<std::byte>> ReadFpImage(ReadAhead& memory, GuestAddr addr, size_t our_size) {
  if (addr == 0) return InitialFpState(our_size);
  std::vector<std::byte> image(std::max(our_size, kLegacySize + kHeaderSize));
  TRY(memory.Read(addr, image.data(), kLegacySize));
  SwReserved sw;
  std::memcpy(&sw, image.data() + kSwOffset, sizeof(sw));
  const size_t size = TRY(ExtendedSize(memory, addr, sw, our_size));
  XsaveHeader header{};
  if (size > kLegacySize) {
    TRY(memory.Read(addr + kLegacySize, image.data() + kLegacySize, size - kLegacySize));
    std::memcpy(&header, image.data() + kLegacySize, sizeof(header));
    header.features &= sw.features;
  } else {
    header.features = 3;
  }
  if (!IsValidHeader(header) || !HasValidMxcsr(image)) return Errno(EFAULT);
  std::memcpy(image.data() + kLegacySize, &header, sizeof(header));
  return image;
}

}  // namespace

int AltStackFlags(const Task::SignalStack& stack, GuestAddr sp) {
  if (stack.size == 0) return SS_DISABLE;
  return OnAltStack(stack, sp) ? SS_ONSTACK : 0;
}

std::vector<std::byte> InitialFpState(size_t size) {
  std::vector<std::byte> image(std::max(size, kLegacySize + kHeaderSize));
  const uint16_t control_word = 0x37f;
  const uint32_t mxcsr = 0x1f80;
  std::memcpy(image.data(), &control_word, 2);
  std::memcpy(image.data() + 24, &mxcsr, 4);
  const uint64_t features = 2;  // so that MXCSR counts
  std::memcpy(image.data() + kLegacySize, &features, 8);
  return image;
}

Result<void> PushSignalFrame(Task& task, const FrameRequest& request, Registers& regs) {
  if (!(request.action.flags & kSaRestorer)) return Errno(EFAULT);
  const size_t fp_size = request.fp_state.size() + 4;
  const Placement place = TRY(Place(task, request, regs.rsp, fp_size));
  std::vector<std::byte> buffer(place.fp + fp_size - place.frame);
  Frame frame{};
  frame.return_address = request.action.restorer;
  frame.uc_flags = kUcFlags;
  Task::SignalStack& alt = task.sigaltstack;
  frame.stack.ss_sp = reinterpret_cast<void*>(alt.sp);
  frame.stack.ss_flags = alt.flags;
  frame.stack.ss_size = alt.size;
  frame.context = SaveRegisters(regs, request);
  frame.context.fpstate = place.fp;
  frame.mask = request.saved_mask;
  frame.info = request.info;
  std::memcpy(buffer.data(), &frame, sizeof(frame));
  WriteFpImage(buffer.data() + (place.fp - place.frame), request.fp_state);
  if (task.mm().address_space().CopyOut(place.frame, buffer.data(), buffer.size()) != buffer.size())
    return Errno(EFAULT);
  if (alt.flags & kSsAutoDisarm) alt = {};
  EnterHandler(regs, request, place.frame);
  return {};
}

Result<RestoredFrame> PopSignalFrame(Task& task, const Registers& regs) {
  ReadAhead memory(task);
  const auto frame = TRY(memory.ReadObject<Frame>(regs.rsp - 8));
  RestoredFrame restored;
  restored.regs = LoadRegisters(frame.context, regs);
  restored.mask = frame.mask & ~kUnblockable;
  restored.alt_stack = frame.stack;
  restored.fp_state = TRY(ReadFpImage(memory, frame.context.fpstate, task.mm().layout().xsave_size));
  return restored;
}

}  // namespace runsc
