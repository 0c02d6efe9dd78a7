// The guest's side of the hand-off: posting a request, waiting for the answer, carrying it out.
#include "platform/stub/marshal_table.h"
#include "platform/stub/pi_futex.h"
#include "platform/stub/text/stub_unsafe.h"

namespace runsc::stub {
namespace {

constexpr uint64_t kFutexWait = 0, kFutexWake = 1;
constexpr int64_t kEintr = -4, kEfault = -14, kNotStarted = -512;

uint8_t* Staging(ThreadPage* t, int index) {
  return reinterpret_cast<uint8_t*>(t) + SLOT_STAGING + StagedOffset(index);
}

bool CopyArgIn(ThreadPage* t, int index, const StagedArg& a, const uint64_t* args) {
  const void* src = reinterpret_cast<const void*>(args[a.arg]);
  if (a.kind == Staging::kString) return safe_string(Staging(t, index), src, kStagedPage) >= 0;
  const uint64_t size = StagedSize(a, args);
  return size <= StagedCapacity(a) && safe_copy(Staging(t, index), src, size) == 0;
}

// Room is only staged where the guest's buffer can be written at both ends: a call that takes its data
// away (a pipe's read) must find out before it does.
bool CanTake(const StagedArg& a, const uint64_t* args) {
  const uint64_t size = StagedSize(a, args);
  if (a.count_arg == StagedArg::kFixed || size == 0 || size > kStagedBulk) return true;
  auto* buffer = reinterpret_cast<uint8_t*>(args[a.arg]);
  return safe_probe_write(buffer) == 0 && safe_probe_write(buffer + size - 1) == 0;
}

// Copies inputs in; the bits of those that worked.
uint32_t StageInputs(ThreadPage* t, const MarshalRow* row, const uint64_t* args) {
  uint32_t staged = 0;
  for (int i = 0; i < kMaxStagedArgs; i++) {
    const StagedArg& a = row->args[i];
    if (a.kind == Staging::kNone) break;
    if (args[a.arg] == 0) continue;
    if (a.kind == Staging::kOut ? CanTake(a, args) : CopyArgIn(t, i, a, args)) staged |= 1u << i;
  }
  return staged << kMetaStagedShift;
}

bool UnstageOutputs(ThreadPage* t, const MarshalRow* row, const uint64_t* args, const uint64_t* sizes) {
  const int in_reply = OutputInReply(*row, args);
  for (int i = 0; i < kMaxStagedArgs; i++) {
    const StagedArg& a = row->args[i];
    if (a.kind == Staging::kNone) break;
    uint64_t size = sizes[i];
    if (size == 0) continue;
    const uint64_t room = i == in_reply ? kReplyRoom : StagedCapacity(a);
    if (size > room) size = room;
    const void* from = i == in_reply ? static_cast<void*>(&t->line.args[kReplyRoomAt]) : Staging(t, i);
    if (safe_copy(reinterpret_cast<void*>(args[a.arg]), from, size) != 0) return false;
  }
  return true;
}

// True if the sentry was awake and spinning for it may pay.
bool Post(ThreadPage* t, uint32_t meta) {
  const uint32_t cpu = CurrentCpu();
  t->line.meta = meta | cpu;
  if (__atomic_load_n(&t->line.state, __ATOMIC_RELAXED) == kReplySentryAsleep) t->posted = Cycles();
  const uint32_t old = __atomic_exchange_n(&t->line.state, kRequest, __ATOMIC_SEQ_CST);
  if (old == kReplySentryAsleep) {
    Syscall(__NR_futex, reinterpret_cast<uint64_t>(&t->line.state), kFutexWake, 0x7fffffff);
    return false;
  }
  return t->sentry_cpu != cpu;
}

bool SpinForReply(ThreadPage* t) {
  const uint64_t budget = Info().spin_cycles;
  if (budget == 0) return false;
  const uint64_t start = Cycles();
  for (;;) {
    const uint32_t state = __atomic_load_n(&t->line.state, __ATOMIC_ACQUIRE);
    if (state >= kReply) return true;
    if (state == kRequestDeferred || Cycles() - start > budget) return false;
    __builtin_ia32_pause();
  }
}

void SleepForReply(ThreadPage* t) {
  uint32_t expected = kRequest;
  while (!__atomic_compare_exchange_n(&t->line.state, &expected, kRequestGuestAsleep, false, __ATOMIC_SEQ_CST,
                                      __ATOMIC_SEQ_CST)) {
    if (expected >= kReply) return;
  }
  while (__atomic_load_n(&t->line.state, __ATOMIC_ACQUIRE) == kRequestGuestAsleep) {
    Syscall(__NR_futex, reinterpret_cast<uint64_t>(&t->line.state), kFutexWait, kRequestGuestAsleep);
  }
}

void PostAndWait(ThreadPage* t, const Call& call, uint32_t meta) {
  t->line.number = call.number;
  for (int i = 0; i < 6; i++) t->line.args[i] = call.args[i];
  if (t->fp) meta |= kMetaFpSaved;
  if (Info().has_fsgsbase) asm volatile("rdfsbase %0" : "=r"(t->fs_base));
  if (!Post(t, meta) || !SpinForReply(t)) SleepForReply(t);
}

void SaveFp(ThreadPage* t) {
  uint8_t* area = reinterpret_cast<uint8_t*>(t) + SLOT_FP;
  if (t->fp == reinterpret_cast<uint64_t>(area)) return;
  if (t->fp) {
    safe_copy(area, reinterpret_cast<void*>(t->fp), Info().xsave_size);
  } else {
    const uint64_t mask = t->xsave_mask;
    asm volatile("xsave64 (%0)"
                 :
                 : "r"(area), "a"(static_cast<uint32_t>(mask)), "d"(static_cast<uint32_t>(mask >> 32))
                 : "memory");
  }
}

bool MakesTask(uint64_t number) {
  return number == __NR_clone || number == __NR_fork || number == __NR_vfork || number == __NR_clone3;
}

void SetFsBase(uint64_t base) {
  if (Info().has_fsgsbase) {
    asm volatile("wrfsbase %0" : : "r"(base));
  } else {
    Syscall(__NR_arch_prctl, 0x1002, base);
  }
}

constexpr uint64_t kSetGs = 0x1001;

void Restore(ThreadPage* t, bool with_fp) {
  if (with_fp) {
    t->fp = reinterpret_cast<uint64_t>(t) + SLOT_FP;
    t->handler_sp = t->stack_top;
  }
  SetFsBase(t->fs_base);
  if (t->gs_base | t->gs_taken | Local().uses_gs) SetGsBase(t, t->gs_base);
  t->regs.rip = ResumableRip(t->regs.rip);
}

[[noreturn]] void EndThread(ThreadPage* t, bool park) {
  ClearTid(t);
  TakeBackGs(t);
  if (park) thread_park(t);
  thread_exit();
}

uint64_t ThreadCpuNs() {
  constexpr uint64_t kThreadCpuClock = 3;
  uint64_t time[2] = {};
  Syscall(__NR_clock_gettime, kThreadCpuClock, reinterpret_cast<uint64_t>(time));
  return time[0] * 1000000000 + time[1];
}

// Some calls the stub serves are more than one of the host's.
int64_t Carry(ThreadPage* t, const Call& call) {
  if (call.number == __NR_futex && IsPiFutex(call.args[1])) return PiFutexOfThread(t, call.args);
  if (call.number == __NR_brk) return Break(call.args[0]);
  return native_call(t, call.number, call.args);
}

// Runs the call of a kActionNative reply. True: it is done; false: an interruption came first, and
// *call is what the sentry must hear of.
bool RunNative(ThreadPage* t, Call* call) {
  Call native;
  native.number = t->line.number >> 8;
  for (int i = 0; i < 6; i++) native.args[i] = t->line.args[i];
  const int64_t result = Carry(t, native);
  if (result == kNotStarted || result == kEintr) {
    *call = native;
    return false;
  }
  t->regs.rax = static_cast<uint64_t>(result);
  return true;
}

// The way out to the guest finds the interruption.
bool EndNative(ThreadPage* t, bool report) {
  if (report) __atomic_store_n(&t->kick, 1, __ATOMIC_SEQ_CST);
  return false;
}

void Return(ThreadPage* t, const MarshalRow* row, const Call& call) {
  const uint64_t result = t->line.args[0];
  const uint64_t sizes[kMaxStagedArgs] = {t->line.args[1], t->line.args[2], t->line.args[3]};
  const bool ok = !row || UnstageOutputs(t, row, call.args, sizes);
  t->regs.rax = ok ? result : static_cast<uint64_t>(kEfault);
}

// Carries out replies until one ends the request.
bool Perform(ThreadPage* t, Call call, uint32_t meta) {
  const bool is_call = (meta >> kMetaKindShift & 0xf) == kEventSyscall;
  const MarshalRow* row = is_call ? FindMarshalRow(call.number) : nullptr;
  bool canonical = !is_call;  // regs.rip may point into a rewritten call site
  for (;;) {
    switch (t->line.number & 0xff) {
      case kActionNative:
      case kActionNativeReport: {
        const bool report = (t->line.number & 0xff) == kActionNativeReport;
        if (RunNative(t, &call)) return EndNative(t, report);
        row = nullptr;
        meta = kEventSyscall << kMetaKindShift | kMetaInterrupted;
        PostAndWait(t, call, meta);
        break;
      }
      case kActionRestore:
        Restore(t, t->line.args[0] != 0);
        return true;
      case kActionSave:
        SaveFp(t);
        t->regs.rip = CanonicalRip(t->regs.rip);
        canonical = true;
        PostAndWait(t, call, (meta & ~(0xfu << kMetaKindShift)) | kEventSaved << kMetaKindShift);
        break;
      case kActionUnpatch:
        RestoreAllSites();
        t->regs.rip = CanonicalRip(t->regs.rip);
        canonical = true;
        PostAndWait(t, call, (meta & ~(0xfu << kMetaKindShift)) | kEventSaved << kMetaKindShift);
        break;
      case kActionExit:
        EndThread(t, false);
      case kActionPark:
        EndThread(t, true);
      default:
        if (is_call) Return(t, row, call);
        if (canonical) t->regs.rip = ResumableRip(t->regs.rip);
        return false;
    }
  }
}

}  // namespace

void ClearTid(ThreadPage* t) {
  const uint64_t word = t->clear_tid;
  const uint32_t zero = 0;
  t->clear_tid = 0;
  if (word != 0 && CopyToGuest(word, zero)) Syscall(__NR_futex, word, kFutexWake, 1);
}

void SetGsBase(ThreadPage* t, uint64_t base) {
  if (base != 0 && !Local().uses_gs) StopPatching();
  t->gs_base = base;
  if (!Local().uses_gs) return TakeBackGs(t);  // exec made a fresh address space
  t->gs_taken = 1;
  Syscall(__NR_arch_prctl, kSetGs, base);
}

void TakeBackGs(ThreadPage* t) {
  if (!t->gs_taken) return;
  Syscall(__NR_arch_prctl, kSetGs, t->self);
  t->gs_taken = 0;
}

bool Remote(ThreadPage* t, EventKind kind, const Call& call, uint32_t meta) {
  meta |= static_cast<uint32_t>(kind) << kMetaKindShift;
  if (kind == kEventSyscall && MakesTask(call.number)) {  // the sentry would have to ask for it
    SaveFp(t);
    meta |= kMetaFpCopied;
  }
  if (kind == kEventSyscall && !(meta & kMetaInterrupted)) {
    if (const MarshalRow* row = FindMarshalRow(call.number)) meta |= StageInputs(t, row, call.args);
  }
  PostAndWait(t, call, meta);
  return Perform(t, call, meta);
}

bool AwaitReply(ThreadPage* t, const Call& call, uint32_t meta) {
  SleepForReply(t);
  return Perform(t, call, meta);
}

uint64_t Ask(ThreadPage* t, EventKind kind, uint64_t arg) {
  PostAndWait(t, Call{0, {arg}}, static_cast<uint32_t>(kind) << kMetaKindShift);
  return t->line.args[0];
}

extern "C" void kicked(ThreadPage* t) {
  __atomic_store_n(&t->kick, 0, __ATOMIC_SEQ_CST);
  t->regs.rip = CanonicalRip(t->regs.rip);
  Remote(t, kEventInterrupted, Call{}, 0);
  Finish(t);
}

namespace {
[[noreturn]] void Begin(ThreadPage* t) {
  t->handler_sp = t->stack_top;
  if (t->set_tid) CopyToGuest(t->set_tid, t->identity.tid);
  Finish(t);
}
}  // namespace

extern "C" void thread_start(ThreadPage* t) {
  if (t->new_process) RepairAfterFork();
  AwaitReply(t, Call{}, 0);
  Begin(t);
}

extern "C" void thread_restart(ThreadPage* t) {
  const uint64_t cpu = ThreadCpuNs();
  AwaitReply(t, Call{}, 0);
  t->cpu_base_ns = cpu;
  Begin(t);
}

}  // namespace runsc::stub
