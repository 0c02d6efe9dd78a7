// One guest thread, as the sentry drives it. See platform.h for the contract.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "platform/platform.h"
#include "platform/stub/marshal_table.h"
#include "platform/stub/stub_process.h"
#include "platform/systrap/handoff.h"
#include "platform/systrap/shared_write_queue.h"
#include "platform/systrap/systrap_engine.h"

namespace runsc::systrap {

class SystrapContext final : public Context, private stub::StubThread {
 public:
  // A thread that waits in `slot` for its first Run, or will (a fork's child).
  SystrapContext(SystrapEngine& engine, std::shared_ptr<stub::StubProcess> process, uint32_t slot,
                 const ThreadStart& start);
  ~SystrapContext() override;

  // Fills the slot before the host thread starts, or while a parked one waits in it.
  enum class SlotUse { kNewThread, kParkedThread, kForkedThread };
  static void InitSlot(SystrapEngine& engine, uint8_t* memory, uint32_t slot, const ThreadStart& start, SlotUse use);

  // The host thread exists. False if `tid` is no thread of the stub.
  bool Started(int64_t tid);

  Event Run() override;
  bool Launch() override;
  void GoIdle() override { handoff_.Pause(page()); }
  void SetSyscallResult(int64_t rax) override;
  void SubmitNative(const SyscallRequest& call, bool report) override;
  const Registers& ReadRegisters() override;
  void WriteRegisters(const Registers& regs) override;
  std::span<const std::byte> ReadFpState() override;
  void WriteFpState(std::span<const std::byte> xsave) override;
  void Interrupt() override;
  void SetIdentity(const ThreadIdentity& identity) override;
  uint64_t SignalMask() const override;
  void SetSignalMask(uint64_t mask) override;
  void SetPendingSignals(uint64_t pending) override;
  void SetClearChildTid(GuestAddr addr) override;
  GuestAddr RobustList() const override;
  void SetRobustList(GuestAddr head) override;
  void SetForwarded(const CallSet& calls) override;
  void ShowOriginalCode(bool on) override;
  std::span<const std::byte> StagedInput(GuestAddr addr, size_t size) override;
  std::byte* StagedOutput(GuestAddr addr, size_t size) override;
  bool TrimStagedOutput(GuestAddr end) override;
  std::span<const std::byte> GrantedOutput(GuestAddr addr, size_t size) override;
  WriteQueue* write_queue() override { return &write_queue_; }
  void Exit() override;
  uint64_t CpuTimeNs() override;
  bool Sleeps() override;
  pid_t host_tid() const override { return tid_.load(); }

 private:
  // The host thread or its whole process is gone.
  void OnDeath() override;

  enum class Pending { kReturn, kNative, kRestore };

  stub::ThreadPage* page() const { return reinterpret_cast<stub::ThreadPage*>(memory_); }
  std::byte* Staging(int index) const;
  // Where an output is kept until the stub copies it out.
  std::byte* Output(int index) {
    return index == in_reply_ ? std::as_writable_bytes(std::span(reply_room_)).data() : Staging(index);
  }
  bool EnsureStarted();
  Event Killed();
  void Kick(pid_t tid);
  bool BeginRun();
  // A kick came before the guest was resumed.
  Event InterruptedBeforeResume();
  void WriteReply();
  void HandOverFp();
  // Answers what concerns only the engine until an event for the kernel arrives. False: dead.
  bool WaitForEvent();
  void AnswerPatchQuery(uint64_t site);
  Event TakeEvent();
  Event TakeFault();
  // One round trip that makes the FP state readable.
  bool SaveState();
  // One round trip in which the stub does `action`; the event stays the current one. False: dead.
  bool DoNow(stub::Action action);
  GuestAddr CanonicalRip(GuestAddr rip);
  // Writes the granted outputs to guest memory now, because the stub will not get to do it.
  void FlushOutputs();
  std::vector<std::byte> CopyFp(uint64_t slot_offset) const;

  SystrapEngine& engine_;
  const std::shared_ptr<stub::StubProcess> process_;
  const uint32_t slot_;
  uint8_t* const memory_;
  SharedWriteQueue write_queue_{memory_};
  Handoff handoff_;
  std::atomic<pid_t> tid_{0};
  std::atomic<bool> alive_{true};  // false after OnDeath
  bool started_ = false;           // the host thread is known
  bool launched_ = false;          // the guest runs before the first Run
  bool exited_ = false;
  bool dead_ = false;
  CallSet forwarded_;

  // Interruption: see Interrupt().
  std::atomic<bool> in_guest_{false}, interrupt_{false}, kick_sent_{false};

  // The current event, read once from the slot.
  stub::RequestLine request_{};
  stub::EventKind kind_ = stub::kEventInterrupted;
  const stub::MarshalRow* row_ = nullptr;
  uint64_t string_sizes_[stub::kMaxStagedArgs] = {};
  uint64_t granted_[stub::kMaxStagedArgs] = {};
  int last_grant_ = -1;
  int in_reply_ = -1;  // stub::OutputInReply
  uint64_t reply_room_[stub::kReplyRoom / sizeof(uint64_t)] = {};

  // The answer.
  Pending pending_ = Pending::kRestore;
  int64_t result_ = 0;
  SyscallRequest native_{};
  bool report_native_ = false;
  bool completed_ = false;     // SetSyscallResult was called
  bool regs_written_ = false;  // WriteRegisters was called
  bool have_regs_ = false, have_fp_ = false, fp_dirty_ = false;
  Registers regs_{};
  std::vector<std::byte> fp_;
};

}  // namespace runsc::systrap
