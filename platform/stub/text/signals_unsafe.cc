// Host signals of guest threads: trapped calls, faults, interruptions. No handler returns to the
// kernel; they leave by loading the guest's registers.
#include <linux/audit.h>

#include "platform/stub/text/stub_unsafe.h"

namespace runsc::stub {
namespace {

constexpr uint64_t kTrapFlag = 1 << 8;
constexpr uint64_t kGuestFlags = 0x254dd5;  // arithmetic, TF, DF, RF, AC, ID
constexpr int kSigill = 4, kSigtrap = 5, kSigsegv = 11;
constexpr int kSiKernel = 0x80;

// A thread's slot is where its signal stack is.
ThreadPage* CurrentThread() {
  return reinterpret_cast<ThreadPage*>(reinterpret_cast<uint64_t>(__builtin_frame_address(0)) &
                                       ~static_cast<uint64_t>(STUB_SLOT_SIZE - 1));
}

uint64_t Address(const char* label) { return reinterpret_cast<uint64_t>(label); }
bool Within(uint64_t rip, const char* begin, const char* end) { return rip >= Address(begin) && rip < Address(end); }
bool InStubText(uint64_t rip) { return rip - STUB_BASE < STUB_TEXT_SIZE; }

void CaptureRegs(ThreadPage* t, const MachineContext& m) {
  t->regs = {m.r15, m.r14, m.r13, m.r12, m.rbp, m.rbx, m.r11, m.r10,    m.r9,
             m.r8,  m.rax, m.rcx, m.rdx, m.rsi, m.rdi, m.rip, m.rflags, m.rsp};
}

void CaptureFrame(ThreadPage* t, UserContext* uc) {
  CaptureRegs(t, uc->m);
  t->fp = uc->m.fpstate;
  t->handler_sp = reinterpret_cast<uint64_t>(uc) - 256;
}

// Goes on in the stub where the signal hit it.
[[noreturn]] void Resume(ThreadPage* t, MachineContext* m) {
  const uint64_t rsp = m->rsp, rflags = m->rflags;
  uint64_t* frame = &m->rip;
  frame[1] = 0x33;
  frame[2] = rflags & kGuestFlags;
  frame[3] = rsp;
  frame[4] = 0x2b;
  resume_frame(m, m->fpstate, t->xsave_mask);
}

[[noreturn]] void ReportFault(ThreadPage* t, const SignalInfo& info, const MachineContext& m) {
  Call call{};
  call.args[0] = static_cast<uint64_t>(info.signo);
  call.args[1] = static_cast<uint64_t>(static_cast<int64_t>(info.code));
  call.args[2] = info.addr;
  call.args[3] = m.trapno;
  call.args[4] = m.error;
  t->regs.rip = CanonicalRip(t->regs.rip);
  Remote(t, kEventFault, call, 0);
  Finish(t);
}

// The fault of an exit sequence is the guest's: it asked for a context that cannot be loaded.
[[noreturn]] void ReportExitFault(ThreadPage* t, SignalInfo* info, UserContext* uc) {
  t->fp = uc->m.fpstate;
  t->handler_sp = reinterpret_cast<uint64_t>(uc) - 256;
  info->signo = kSigsegv;
  info->code = kSiKernel;
  info->addr = 0;
  ReportFault(t, *info, uc->m);
}

bool InExit(uint64_t rip) { return Within(rip, exit_fast, exit_fast_end) || Within(rip, exit_mem, exit_live_end); }

// Faults of the copy loops turn into their error result.
bool FixUp(MachineContext* m) {
  if (Within(m->rip, reinterpret_cast<char*>(safe_copy), safe_copy_end) ||
      Within(m->rip, reinterpret_cast<char*>(safe_string), safe_string_end) ||
      Within(m->rip, reinterpret_cast<char*>(safe_probe_write), safe_probe_write_end) ||
      Within(m->rip, reinterpret_cast<char*>(safe_cmpxchg), safe_cmpxchg_end) ||
      Within(m->rip, reinterpret_cast<char*>(safe_cmpxchg8), safe_cmpxchg8_end)) {
    m->rip = Address(safe_fault);
    return true;
  }
  return false;
}

void FaultInStub(ThreadPage* t, SignalInfo* info, UserContext* uc) {
  if (FixUp(&uc->m)) Resume(t, &uc->m);
  if (info->signo == kSigtrap && uc->m.rflags & kTrapFlag) {
    t->stepping = 1;  // the step ends after the next guest instruction
    uc->m.rflags &= ~kTrapFlag;
    Resume(t, &uc->m);
  }
  if (InExit(uc->m.rip)) ReportExitFault(t, info, uc);
}

// A guest that enters the middle of a rewritten call site hits an invalid opcode there.
bool RepairEntry(const SignalInfo& info, MachineContext* m) {
  if (info.signo == kSigill) {
    const uint64_t rip = ResumableRip(m->rip);
    if (rip == m->rip) return false;
    m->rip = rip;
    return true;
  }
  if (info.signo == kSigtrap && IsPatchTrap(m->rip)) {
    m->rip -= 1;
    return true;
  }
  return false;
}

}  // namespace

void Finish(ThreadPage* t) {
  uint64_t rflags = t->regs.rflags & kGuestFlags;
  if (t->stepping) {
    t->stepping = 0;
    rflags |= kTrapFlag;
  }
  t->iret = {t->regs.rip, 0x33, rflags, t->regs.rsp, 0x2b};
  asm volatile("pushq $2; popfq" ::: "memory", "cc");  // iretq refuses a nested-task flag
  register ThreadPage* rdi asm("rdi") = t;
  if (t->fp) {
    asm volatile("jmp exit_mem" : : "r"(rdi) : "memory");
  } else {
    asm volatile("jmp exit_live" : : "r"(rdi) : "memory");
  }
  __builtin_unreachable();
}

extern "C" [[noreturn]] void on_sigsys(int, SignalInfo* info, UserContext* uc) {
  ThreadPage* t = CurrentThread();
  CaptureFrame(t, uc);
  if (uc->m.cs != 0x33) {
    info->signo = kSigsegv;
    info->code = kSiKernel;
    info->addr = 0;
    ReportFault(t, *info, uc->m);
  }
  if (info->arch != AUDIT_ARCH_X86_64) {
    t->regs.rax = static_cast<uint64_t>(-38);  // no 32-bit calls
    Finish(t);
  }
  if (Info().patching) t->regs.rip = MaybePatch(t, t->regs.rip);
  ServeSyscall(t, kMetaTrapped);
  Finish(t);
}

extern "C" [[noreturn]] void on_fault(int, SignalInfo* info, UserContext* uc) {
  ThreadPage* t = CurrentThread();
  if (InStubText(uc->m.rip)) {
    FaultInStub(t, info, uc);
  } else if (uc->m.cs == 0x33 && RepairEntry(*info, &uc->m)) {
    CaptureFrame(t, uc);
    Finish(t);
  }
  CaptureFrame(t, uc);
  ReportFault(t, *info, uc->m);
}

extern "C" [[noreturn]] void on_kick(int, SignalInfo*, UserContext* uc) {
  ThreadPage* t = CurrentThread();
  MachineContext* m = &uc->m;
  if (!InStubText(m->rip)) {
    CaptureFrame(t, uc);
    kicked(t);
  }
  __atomic_store_n(&t->kick, 1, __ATOMIC_SEQ_CST);
  if (Within(m->rip, native_check, native_after)) {
    m->rip = Address(native_interrupted);
  } else if (Within(m->rip, exit_fast, exit_fast_end)) {
    m->rip = Address(exit_fast);
    m->rdi = reinterpret_cast<uint64_t>(t);
  } else if (Within(m->rip, exit_mem, exit_live)) {
    m->rip = Address(exit_mem);
    m->rdi = reinterpret_cast<uint64_t>(t);
  } else if (Within(m->rip, exit_live, exit_live_end)) {
    m->rip = Address(exit_live);
    m->rdi = reinterpret_cast<uint64_t>(t);
    m->rsp = t->stack_top;
  }
  Resume(t, m);
}

}  // namespace runsc::stub
