// See tracee_unsafe.h.
#include "platform/ptrace/tracee_unsafe.h"

#include <asm/ptrace-abi.h>
#include <elf.h>
#include <linux/audit.h>
#include <linux/ptrace.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "platform/stub/stub_symbols.h"

namespace runsc::ptrace_engine {
namespace {

static_assert(sizeof(Registers) == sizeof(user_regs_struct));

constexpr int kCallStop = SIGTRAP | 0x80;  // with PTRACE_O_TRACESYSGOOD
constexpr size_t kMaxFpState = 16384;

bool IsWaitingPlace(uint64_t rip) { return rip >= stub_symbol::tracee_wait && rip <= stub_symbol::tracee_wait_end; }

}  // namespace

long Tracee::Request(int request, uint64_t addr, void* data) const {
  return syscall(SYS_ptrace, request, tid_, addr, data);
}

// __WNOTHREAD: only what this thread traces. Else every stop would be looked at by every thread that waits.
Tracee::Stop Tracee::Wait() {
  siginfo_t info{};
  while (waitid(P_PID, static_cast<id_t>(tid_), &info, WEXITED | WSTOPPED | __WALL | __WNOTHREAD) != 0) {
    if (errno != EINTR) return {Stop::kGone};
  }
  if (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED) return {Stop::kGone};
  if (info.si_status == kCallStop) return {Stop::kCall};
  if (info.si_status > 0xff) return {Stop::kOther};
  return {Stop::kSignal, info.si_status};
}

bool Tracee::Seize(pid_t pid, pid_t tid) {
  // The number is the stub's word. Within the stub all threads are equal.
  if (tid <= 0 || tid == pid || syscall(SYS_tgkill, pid, tid, 0) != 0) return false;
  tid_ = tid;
  const uint64_t options = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD;
  if (Request(PTRACE_SEIZE, 0, reinterpret_cast<void*>(options)) == 0) return StopAtItsPlace();
  tid_ = 0;
  return false;
}

// Until it is there it has the sentry's descriptors and the helper's secret. Registers tell, which no other thread of
// the guest can write.
bool Tracee::StopAtItsPlace() {
  constexpr int kPatience = 10000;
  for (int i = 0; i < kPatience; i++) {
    if (Request(PTRACE_INTERRUPT, 0, nullptr) != 0 || Wait().kind == Stop::kGone) return false;
    Registers regs;
    if (!ReadRegisters(&regs)) return false;
    if (IsWaitingPlace(regs.rip)) return true;
    if (Request(PTRACE_CONT, 0, nullptr) != 0) return false;
    sched_yield();
  }
  return false;
}

Tracee::Stop Tracee::Resume(Mode mode) {
  if (Request(mode == Mode::kGuest ? PTRACE_SYSEMU : PTRACE_CONT, 0, nullptr) != 0 && errno != ESRCH)
    return {Stop::kOther};
  return Wait();
}

void Tracee::AwaitEnd() {
  while (Wait().kind != Stop::kGone) {
  }
}

bool Tracee::ReadRegisters(Registers* regs) { return Request(PTRACE_GETREGS, 0, regs) == 0; }

bool Tracee::WriteRegisters(const Registers& regs) {
  return Request(PTRACE_SETREGS, 0, const_cast<Registers*>(&regs)) == 0;
}

std::vector<std::byte> Tracee::ReadFpState() {
  std::vector<std::byte> image(kMaxFpState);
  iovec io{image.data(), image.size()};
  if (Request(PTRACE_GETREGSET, NT_X86_XSTATE, &io) != 0) io.iov_len = 0;
  image.resize(io.iov_len);
  return image;
}

// The host wants an image of its own size.
bool Tracee::WriteFpState(std::span<const std::byte> image) {
  std::vector<std::byte> whole = ReadFpState();
  if (whole.empty()) return false;
  memcpy(whole.data(), image.data(), std::min(whole.size(), image.size()));
  iovec io{whole.data(), whole.size()};
  return Request(PTRACE_SETREGSET, NT_X86_XSTATE, &io) == 0;
}

bool Tracee::ReadSignal(siginfo_t* info) { return Request(PTRACE_GETSIGINFO, 0, info) == 0; }

bool Tracee::IsCallOf32Bits() {
  ptrace_syscall_info info{};
  if (Request(PTRACE_GET_SYSCALL_INFO, sizeof info, &info) <= 0) return true;
  return info.arch != AUDIT_ARCH_X86_64;
}

}  // namespace runsc::ptrace_engine
