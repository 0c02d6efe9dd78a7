// See systrap_context.h.
#include "platform/systrap/systrap_context.h"

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "platform/stub/futex_unsafe.h"
#include "platform/stub/guest_maps.h"
#include "platform/stub/guest_memory.h"
#include "platform/stub/guest_state.h"
#include "platform/stub/stub_symbols.h"

namespace runsc::systrap {

using stub::CopyFromStub, stub::CopyToStub, stub::InitialFpState, stub::SanitizeFlags, stub::SanitizeFpState;
using stub::StubProcess;

namespace {

using stub::StagedArg;
using stub::Staging;

uint64_t SlotAddress(uint32_t slot) { return STUB_SLOTS + static_cast<uint64_t>(slot) * STUB_SLOT_SIZE; }

bool IsInput(Staging kind) { return kind != Staging::kNone && kind != Staging::kOut; }
bool IsOutput(Staging kind) { return kind == Staging::kOut || kind == Staging::kInOut; }

stub::EventKind KindOf(const stub::RequestLine& request) {
  return static_cast<stub::EventKind>(request.meta >> stub::kMetaKindShift & 0xf);
}

// Reads a word the guest may be changing, once.
template <typename T>
T ReadOnce(const T& word) {
  return __atomic_load_n(&word, __ATOMIC_RELAXED);
}

stub::ThreadRegs ReadRegsOnce(const stub::ThreadRegs& shared) {
  stub::ThreadRegs copy;
  auto* to = reinterpret_cast<uint64_t*>(&copy);
  const auto* from = reinterpret_cast<const uint64_t*>(&shared);
  for (size_t i = 0; i < sizeof copy / sizeof(uint64_t); i++) to[i] = ReadOnce(from[i]);
  return copy;
}

}  // namespace

void SystrapContext::InitSlot(SystrapEngine& engine, uint8_t* memory, uint32_t slot, const ThreadStart& start,
                              SlotUse use) {
  auto* page = reinterpret_cast<stub::ThreadPage*>(memory);
  memset(static_cast<void*>(page), 0, offsetof(stub::ThreadPage, line));
  const uint64_t base = SlotAddress(slot);
  page->self = base;
  page->entry = stub_symbol::tramp_entry;
  page->stack_top = base + SLOT_STACK_TOP;
  page->alt_stack[0] = base + SLOT_ALT_STACK;
  page->alt_stack[2] = SLOT_STACK_TOP - SLOT_ALT_STACK;
  page->xsave_mask = engine.features().xsave_mask;
  page->signal_mask = start.signal_mask;
  page->clear_tid = start.clear_child_tid;
  page->set_tid = start.set_child_tid;
  page->identity = {start.tid, start.tgid, start.ppid, start.uid, start.euid, start.gid, start.egid};
  page->new_process = use == SlotUse::kForkedThread;
  page->sentry_cpu = ~0u;
  page->line.meta = 0;
  // The thread waits for its first Run; a parked one does so already and may sleep on the word.
  if (use != SlotUse::kParkedThread) page->line.state = stub::kRequest;
}

SystrapContext::SystrapContext(SystrapEngine& engine, std::shared_ptr<stub::StubProcess> process, uint32_t slot,
                               const ThreadStart& start)
    : engine_(engine),
      process_(std::move(process)),
      slot_(slot),
      memory_(process_->SlotMemory(slot)),
      handoff_(engine.handoff_policy()),
      regs_(start.regs),
      fp_(start.fp_state.empty() ? InitialFpState(engine.features())
                                 : SanitizeFpState(start.fp_state, engine.features())) {
  have_regs_ = have_fp_ = fp_dirty_ = true;
  process_->Register(this);
}

SystrapContext::~SystrapContext() { Exit(); }

bool SystrapContext::Started(int64_t tid) {
  if (tid <= 0 || tid > INT32_MAX || !process_->alive() || !process_->HasThread(static_cast<pid_t>(tid))) return false;
  tid_.store(static_cast<pid_t>(tid));
  handoff_.Attach(static_cast<pid_t>(tid));
  started_ = true;
  return true;
}

// A fork's child made its thread by itself; its helper says which.
bool SystrapContext::EnsureStarted() {
  if (started_) return true;
  std::vector<int64_t> results;
  if (!process_->helper().Finish(&results).ok() || results.empty()) return false;
  return Started(results.back());
}

static_assert(stub::kReplyRoomAt > stub::kMaxStagedArgs);  // behind the result and the sizes

std::byte* SystrapContext::Staging(int index) const {
  return reinterpret_cast<std::byte*>(memory_ + SLOT_STAGING + stub::StagedOffset(index));
}

void SystrapContext::OnDeath() {
  alive_.store(false);
  __atomic_store_n(&page()->line.state, stub::kDead, __ATOMIC_SEQ_CST);
  stub::FutexWakeAll(&page()->line.state);
}

Event SystrapContext::Killed() {
  dead_ = true;
  in_guest_.store(false);
  handoff_.Rest();
  return Event{.kind = Event::kKilled};
}

bool SystrapContext::Launch() {
  launched_ = true;
  in_guest_.store(true);
  WriteReply();
  handoff_.Publish(page());
  return true;
}

// Resumes the guest; false if an interruption came first.
bool SystrapContext::BeginRun() {
  if (kick_sent_.load()) {
    kick_sent_.store(false);
    __atomic_store_n(&page()->kick, 0, __ATOMIC_SEQ_CST);
  }
  handoff_.Resume();
  in_guest_.store(true);
  if (interrupt_.load() && interrupt_.exchange(false)) return false;
  WriteReply();
  handoff_.Reply(page());
  return true;
}

Event SystrapContext::Run() {
  if (dead_ || exited_ || !alive_.load() || !EnsureStarted()) return Killed();
  if (std::exchange(launched_, false)) {
    if (interrupt_.load()) Kick(tid_.load());  // who interrupted may not have known the thread
  } else if (!BeginRun()) {
    return InterruptedBeforeResume();
  }
  if (!WaitForEvent()) return Killed();
  in_guest_.store(false);
  return TakeEvent();
}

Event SystrapContext::InterruptedBeforeResume() {
  in_guest_.store(false);
  if (pending_ == Pending::kNative) {
    return Event{.kind = Event::kSyscall, .was_interrupted = true, .syscall = native_};
  }
  return Event{.kind = Event::kInterrupted};
}

void SystrapContext::WriteReply() {
  stub::ThreadPage* const p = page();
  switch (pending_) {
    case Pending::kReturn:
      p->line.number = stub::kActionReturn;
      p->line.args[0] = static_cast<uint64_t>(result_);
      for (int i = 0; i < stub::kMaxStagedArgs; i++) p->line.args[1 + i] = granted_[i];
      if (in_reply_ >= 0) memcpy(&p->line.args[stub::kReplyRoomAt], reply_room_, sizeof reply_room_);
      break;
    case Pending::kNative:
      p->line.number = (report_native_ ? stub::kActionNativeReport : stub::kActionNative) | native_.number << 8;
      for (int i = 0; i < 6; i++) p->line.args[i] = native_.args[i];
      break;
    case Pending::kRestore:
      p->line.number = stub::kActionRestore;
      p->line.args[0] = fp_dirty_;
      p->regs = stub::ToThreadRegs(regs_);
      p->fs_base = regs_.fs_base;
      p->gs_base = regs_.gs_base;
      if (fp_dirty_) HandOverFp();
      break;
  }
}

// Two thirds of what a sleeping thread would hold here; it is not asked for again before the next event.
void SystrapContext::HandOverFp() {
  memcpy(memory_ + SLOT_FP, fp_.data(), fp_.size());
  fp_ = std::vector<std::byte>();  // an empty list would keep the memory
  have_fp_ = fp_dirty_ = false;
}

bool SystrapContext::WaitForEvent() {
  stub::ThreadPage* const p = page();
  for (;;) {
    if (!handoff_.Wait(p, alive_) || !alive_.load()) return false;
    request_.meta = ReadOnce(p->line.meta);
    request_.number = ReadOnce(p->line.number);
    for (int i = 0; i < 6; i++) request_.args[i] = ReadOnce(p->line.args[i]);
    handoff_.Follow(p, request_.meta & stub::kMetaCpuMask);
    if (KindOf(request_) != stub::kEventPatchQuery) return true;
    AnswerPatchQuery(request_.args[0]);
    handoff_.Reply(p);
  }
}

// A site may be rewritten only in memory that is this process's own: private, and not writable, so
// that its owner does not change it under us.
void SystrapContext::AnswerPatchQuery(uint64_t site) {
  stub::ThreadPage* const p = page();
  p->line.number = stub::kActionReturn;
  p->line.args[0] = stub::IsPrivateText(engine_, process_->pid(), site);
  for (int i = 1; i < 6; i++) p->line.args[i] = 0;
}

Event SystrapContext::TakeEvent() {
  kind_ = KindOf(request_);
  row_ = nullptr;
  have_regs_ = have_fp_ = fp_dirty_ = completed_ = regs_written_ = false;
  pending_ = Pending::kReturn;
  result_ = 0;
  last_grant_ = in_reply_ = -1;
  std::fill(std::begin(granted_), std::end(granted_), 0);
  std::fill(std::begin(string_sizes_), std::end(string_sizes_), 0);
  if (kind_ == stub::kEventSyscall) {
    row_ = stub::FindMarshalRow(request_.number);
    if (row_ != nullptr) in_reply_ = stub::OutputInReply(*row_, request_.args);
    if (in_reply_ >= 0) memset(reply_room_, 0, sizeof reply_room_);
    Event event{.kind = Event::kSyscall};
    event.was_interrupted = request_.meta & stub::kMetaInterrupted;
    event.syscall.number = request_.number;
    std::copy(std::begin(request_.args), std::end(request_.args), event.syscall.args);
    return event;
  }
  if (kind_ == stub::kEventInterrupted) {
    interrupt_.store(false);
    return Event{.kind = Event::kInterrupted};
  }
  return TakeFault();
}

// Also for kinds no stub posts: a guest that scribbles over its request gets a fault.
Event SystrapContext::TakeFault() {
  Event event{.kind = Event::kFault};
  FaultInfo& fault = event.fault;
  fault.signo = static_cast<int>(request_.args[0]);
  fault.code = static_cast<int>(request_.args[1]);
  fault.addr = request_.args[2];
  fault.trapno = request_.args[3];
  fault.error_code = request_.args[4];
  if (!FaultInfo::IsSignal(fault.signo)) fault = {SIGSEGV, SI_KERNEL, 0, 0, 0};
  return event;
}

void SystrapContext::SetSyscallResult(int64_t rax) {
  pending_ = regs_written_ ? Pending::kRestore : Pending::kReturn;
  result_ = rax;
  completed_ = true;
  if (have_regs_) regs_.rax = static_cast<uint64_t>(rax);
}

void SystrapContext::SubmitNative(const SyscallRequest& call, bool report) {
  pending_ = Pending::kNative;
  report_native_ = report;
  native_ = call;
}

// A trapped call returns to a thunk too when its site was rewritten by this very trap.
GuestAddr SystrapContext::CanonicalRip(GuestAddr rip) {
  stub::Thunk thunk;
  const GuestAddr at = rip & ~(sizeof thunk - 1);
  if (kind_ != stub::kEventSyscall || rip - at != stub::kThunkReturn) return rip;
  if (CopyFromStub(process_->pid(), at, &thunk, sizeof thunk) != sizeof thunk) return rip;
  return thunk.magic == stub::kThunkMagic ? thunk.site + 2 : rip;
}

const Registers& SystrapContext::ReadRegisters() {
  FlushOutputs();
  if (have_regs_) return regs_;
  const stub::ThreadRegs regs = ReadRegsOnce(page()->regs);
  const bool is_call = kind_ == stub::kEventSyscall;
  regs_ = stub::ToRegisters(regs, is_call ? request_.number : ~0UL, ReadOnce(page()->fs_base));
  regs_.gs_base = ReadOnce(page()->gs_base);
  if (is_call) {
    regs_.rip = CanonicalRip(regs_.rip);
    regs_.rcx = regs_.rip;
    if (completed_) regs_.rax = static_cast<uint64_t>(result_);
  }
  have_regs_ = true;
  return regs_;
}

void SystrapContext::WriteRegisters(const Registers& regs) {
  FlushOutputs();
  regs_ = regs;
  regs_.eflags = SanitizeFlags(regs.eflags);
  have_regs_ = regs_written_ = true;
  pending_ = Pending::kRestore;
  row_ = nullptr;
  last_grant_ = -1;
}

std::vector<std::byte> SystrapContext::CopyFp(uint64_t slot_offset) const {
  const size_t size = engine_.features().xsave_size;
  if (slot_offset > STUB_SLOT_SIZE - size) return InitialFpState(engine_.features());
  std::vector<std::byte> image(size);
  memcpy(image.data(), memory_ + slot_offset, size);
  return SanitizeFpState(image, engine_.features());
}

bool SystrapContext::SaveState() { return DoNow(stub::kActionSave); }

bool SystrapContext::DoNow(stub::Action action) {
  stub::ThreadPage* const p = page();
  p->line.number = action;
  handoff_.Reply(p);
  const stub::RequestLine event = request_;
  const bool ok = WaitForEvent();
  request_ = event;
  return ok;
}

std::span<const std::byte> SystrapContext::ReadFpState() {
  if (have_fp_) return fp_;
  uint64_t offset = SLOT_FP;
  if (request_.meta & stub::kMetaFpCopied) {
    // Where it already is.
  } else if (request_.meta & stub::kMetaFpSaved) {
    offset = ReadOnce(page()->fp) - SlotAddress(slot_);
  } else if (dead_ || !SaveState()) {
    offset = ~0UL;
  }
  fp_ = CopyFp(offset);
  have_fp_ = true;
  return fp_;
}

void SystrapContext::WriteFpState(std::span<const std::byte> xsave) {
  if (!have_regs_) ReadRegisters();
  fp_ = SanitizeFpState(xsave, engine_.features());
  have_fp_ = fp_dirty_ = true;
  pending_ = Pending::kRestore;
}

// The flag is set first. Either Run sees it before it resumes the guest, or we see that the guest
// runs and send the signal; kick in the thread's page makes a signal that lands in the stub count.
void SystrapContext::Interrupt() {
  interrupt_.store(true);
  if (in_guest_.load()) Kick(tid_.load());
}

void SystrapContext::Kick(pid_t tid) {
  // One signal per run of the guest is enough, and more could nest until the signal stack is full.
  if (tid == 0 || kick_sent_.exchange(true)) return;
  __atomic_store_n(&page()->kick, 1, __ATOMIC_SEQ_CST);
  if (process_->Kick(tid)) return;
  OnDeath();  // the host thread ended by itself: guest code reached the stub's exit
}

void SystrapContext::SetIdentity(const ThreadIdentity& i) {
  page()->identity = {i.tid, i.tgid, i.ppid, i.uid, i.euid, i.gid, i.egid};
}

uint64_t SystrapContext::SignalMask() const { return __atomic_load_n(&page()->signal_mask, __ATOMIC_SEQ_CST); }

void SystrapContext::SetSignalMask(uint64_t mask) { __atomic_store_n(&page()->signal_mask, mask, __ATOMIC_SEQ_CST); }

void SystrapContext::SetPendingSignals(uint64_t pending) {
  __atomic_store_n(&page()->pending_signals, pending, __ATOMIC_SEQ_CST);
}

void SystrapContext::SetClearChildTid(GuestAddr addr) { page()->clear_tid = addr; }

GuestAddr SystrapContext::RobustList() const { return ReadOnce(page()->robust_list); }
void SystrapContext::SetRobustList(GuestAddr head) { page()->robust_list = head; }

// For the whole address space, where guest code cannot take it back: a thread whose calls need not be
// forwarded only pays for it.
void SystrapContext::SetForwarded(const CallSet& calls) {
  if (calls == forwarded_) return;
  process_->CountForwarded(forwarded_, calls);
  forwarded_ = calls;
}

void SystrapContext::ShowOriginalCode(bool on) {
  stub::InfoPage& info = process_->helper().info();
  if (info.show_original == on) return;
  info.show_original = on;
  if (on && !dead_ && alive_.load() && EnsureStarted()) (void)DoNow(stub::kActionUnpatch);
}

std::span<const std::byte> SystrapContext::StagedInput(GuestAddr addr, size_t size) {
  if (row_ == nullptr) return {};
  for (int i = 0; i < stub::kMaxStagedArgs; i++) {
    const StagedArg& a = row_->args[i];
    if (!IsInput(a.kind) || !(request_.meta >> (stub::kMetaStagedShift + i) & 1)) continue;
    const GuestAddr begin = request_.args[a.arg];
    uint64_t staged = stub::StagedSize(a, request_.args);
    if (staged > stub::StagedCapacity(a)) continue;  // no stub stages that, but a guest may say so
    if (a.kind == Staging::kString) {
      uint64_t& known = string_sizes_[i];
      if (known == 0) known = strnlen(reinterpret_cast<char*>(Staging(i)), stub::kStagedPage - 1) + 1;
      staged = known;
    }
    if (addr < begin || addr - begin >= staged) continue;
    return {Staging(i) + (addr - begin), std::min<uint64_t>(size, staged - (addr - begin))};
  }
  return {};
}

std::byte* SystrapContext::StagedOutput(GuestAddr addr, size_t size) {
  if (row_ == nullptr || completed_) return nullptr;
  for (int i = 0; i < stub::kMaxStagedArgs; i++) {
    const StagedArg& a = row_->args[i];
    if (!IsOutput(a.kind) || !(request_.meta >> (stub::kMetaStagedShift + i) & 1)) continue;
    const uint64_t room = stub::StagedSize(a, request_.args);
    if (addr == request_.args[a.arg]) granted_[i] = 0;  // a restarted call begins anew
    const GuestAddr next = request_.args[a.arg] + granted_[i];
    if (room > stub::StagedCapacity(a) || addr != next || size > room - granted_[i]) continue;
    granted_[i] += size;
    last_grant_ = i;
    return Output(i) + (granted_[i] - size);
  }
  return nullptr;
}

bool SystrapContext::TrimStagedOutput(GuestAddr end) {
  if (last_grant_ < 0) return false;
  const uint64_t size = end - request_.args[row_->args[last_grant_].arg];
  if (size > granted_[last_grant_]) return false;
  granted_[last_grant_] = size;
  return true;
}

std::span<const std::byte> SystrapContext::GrantedOutput(GuestAddr addr, size_t size) {
  if (row_ == nullptr || completed_) return {};
  for (int i = 0; i < stub::kMaxStagedArgs; i++) {
    const GuestAddr begin = request_.args[row_->args[i].arg];
    if (addr < begin || addr - begin >= granted_[i]) continue;
    return {Output(i) + (addr - begin), std::min<uint64_t>(size, granted_[i] - (addr - begin))};
  }
  return {};
}

void SystrapContext::FlushOutputs() {
  if (!completed_ || row_ == nullptr) return;
  for (int i = 0; i < stub::kMaxStagedArgs; i++) {
    if (granted_[i] == 0) continue;
    const size_t size = granted_[i];
    granted_[i] = 0;
    if (CopyToStub(process_->pid(), request_.args[row_->args[i].arg], Output(i), size) == size) continue;
    result_ = -EFAULT;
    if (have_regs_) regs_.rax = static_cast<uint64_t>(result_);
  }
}

void SystrapContext::Exit() {
  if (exited_) return;
  exited_ = true;
  SetForwarded({});
  handoff_.Rest();
  const pid_t tid = tid_.exchange(0);
  const bool park = tid != 0 && process_->ShouldPark();
  if (alive_.load() && !dead_ && !process_->was_killed()) {
    page()->line.number = park ? stub::kActionPark : stub::kActionExit;
    handoff_.Publish(page());
  }
  process_->Unregister(this);
  process_->ReleaseSlot(slot_, tid, park);
}

uint64_t SystrapContext::CpuTimeNs() {
  // The last thread of a process that was told to end accounts for all of it: /proc may no longer
  // show the threads, and looking there makes the end of a process dearer.
  if (process_->was_killed()) return process_->CpuTimeNs();
  const pid_t tid = tid_.load();
  if (tid == 0) return 0;
  const uint64_t ns = engine_.ThreadCpuNs(process_->pid(), tid);
  const uint64_t base = ReadOnce(page()->cpu_base_ns);
  return ns > base ? ns - base : 0;
}

bool SystrapContext::Sleeps() { return engine_.ThreadSleeps(process_->pid(), tid_.load()); }

}  // namespace runsc::systrap
