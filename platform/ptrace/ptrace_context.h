// One guest thread of the ptrace engine. See platform.h for the contract.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "platform/platform.h"
#include "platform/ptrace/tracee_unsafe.h"
#include "platform/stub/engine.h"
#include "platform/stub/stub_process.h"

namespace runsc::ptrace_engine {

class PtraceContext final : public Context {
 public:
  // `tid`: the host thread, which waits to be seized; 0: the first one of a fork's child, which its helper makes.
  PtraceContext(stub::Engine& engine, std::shared_ptr<stub::StubProcess> process, pid_t tid, const ThreadStart& start);
  ~PtraceContext() override { Exit(); }

  Event Run() override;
  void SetSyscallResult(int64_t rax) override;
  void SubmitNative(const SyscallRequest& call, bool report) override;
  const Registers& ReadRegisters() override { return regs_; }
  void WriteRegisters(const Registers& regs) override;
  std::span<const std::byte> ReadFpState() override;
  void WriteFpState(std::span<const std::byte> xsave) override;
  void Interrupt() override;
  void SetIdentity(const ThreadIdentity& identity) override { tid_word_ = static_cast<uint32_t>(identity.tid); }
  uint64_t SignalMask() const override { return signal_mask_.load(); }
  void SetSignalMask(uint64_t mask) override { signal_mask_.store(mask); }
  void SetPendingSignals(uint64_t) override {}  // only the kernel changes the mask
  void SetClearChildTid(GuestAddr addr) override { clear_tid_ = addr; }
  GuestAddr RobustList() const override { return robust_list_.load(); }
  void SetRobustList(GuestAddr head) override { robust_list_.store(head); }
  void SetForwarded(const CallSet&) override {}  // every call is forwarded
  void ShowOriginalCode(bool) override {}        // no code is ever rewritten
  std::span<const std::byte> StagedInput(GuestAddr, size_t) override { return {}; }
  std::byte* StagedOutput(GuestAddr, size_t) override { return nullptr; }
  void Exit() override;
  uint64_t CpuTimeNs() override;
  bool Sleeps() override;
  pid_t host_tid() const override { return tid_.load(); }

 private:
  struct PiFutexHost;
  enum class StubRun { kDone, kInterrupted, kFault, kGone };

  bool EnsureSeized();
  bool LearnTid();
  void StoreFirstTid();
  Event Killed();
  bool Load();
  Event RunGuest();
  // What a stop means to the kernel; nullopt: nothing, the guest goes on.
  std::optional<Event> Judge(const Tracee::Stop& stop);
  std::optional<Event> TakeCall();
  Event TakeSyscall(uint64_t number);
  std::optional<Event> TakeSignal(int signal);

  // The submitted call, made by the guest's thread. An event if it did not come to its end.
  std::optional<Event> RunNative();
  int64_t PerformNative(const SyscallRequest& call);
  // The thread executes stub text from `entry` on, with these registers, up to the breakpoint before `end`.
  StubRun RunStub(Registers& regs, GuestAddr entry, GuestAddr end);
  // One call of the host's by the thread; its result, -EINTR when it was not begun or cut short.
  int64_t HostCall(const SyscallRequest& call);
  void HostCallToItsEnd(const SyscallRequest& call);  // whatever interrupts it
  StubRun Lost();
  void EndThread();

  stub::Engine& engine_;
  const std::shared_ptr<stub::StubProcess> process_;
  Tracee tracee_;
  std::atomic<pid_t> tid_;
  bool gone_ = false, exited_ = false;
  std::atomic<bool> in_guest_{false}, interrupt_{false};

  Registers regs_;
  std::vector<std::byte> fp_;
  bool have_fp_ = true, fp_dirty_ = true;
  std::optional<SyscallRequest> native_;
  bool report_native_ = false;

  std::atomic<uint64_t> signal_mask_, robust_list_{0};
  GuestAddr set_tid_, clear_tid_;
  uint32_t tid_word_;  // the guest's name for the thread
  uint64_t last_cpu_ns_ = 0;
};

}  // namespace runsc::ptrace_engine
