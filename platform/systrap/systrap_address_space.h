// One guest address space of the seccomp-trap engine. See platform.h for the contract.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "platform/platform.h"
#include "platform/systrap/engine.h"
#include "platform/systrap/stub_process.h"

namespace runsc::systrap {

class SystrapAddressSpace final : public AddressSpace {
 public:
  SystrapAddressSpace(Engine& engine, std::shared_ptr<StubProcess> process)
      : engine_(engine), process_(std::move(process)) {}
  ~SystrapAddressSpace() override { process_->Kill(); }

  Result<Forked> Fork(Context& parent, const ThreadStart& start) override;
  Result<std::unique_ptr<Context>> NewContext(const ThreadStart& start) override;
  Result<void> Apply(std::span<const MapOp> ops, std::vector<uint64_t>* results) override;
  Result<void> Replace(std::span<const MapOp> ops) override;
  bool ServeBreak(GuestAddr start, GuestAddr limit) override;
  GuestAddr Break() override;
  size_t CopyIn(GuestAddr addr, void* dst, size_t size) override;
  size_t CopyOut(GuestAddr addr, const void* src, size_t size) override;
  Result<int64_t> FutexWake(GuestAddr addr, uint32_t count, bool shared) override;
  Result<size_t> ReadFromHost(int host_fd, int64_t offset, std::span<const iovec> guest) override;
  Result<size_t> WriteToHost(int host_fd, int64_t offset, std::span<const iovec> guest) override;
  void Kill() override { process_->Kill(); }
  Result<std::string> ReadHostProc(const char* file) override;
  pid_t host_pid() const override { return process_->pid(); }

 private:
  // Runs helper operations of which each must succeed.
  // What the stub must leave to the sentry from now on.
  void NoteFiles(std::span<const MapOp> done, std::span<const uint64_t> results);
  Result<void> ApplyAll(std::span<const MapOp> ops, std::span<const stub::HelperOp> translated,
                        std::vector<uint64_t>* results);
  Result<void> RunAll(std::span<const stub::HelperOp> ops, std::vector<uint64_t>* results);
  Result<int64_t> StartHostThread(const StubProcess::Seat& seat);
  Result<size_t> Transfer(bool write, int host_fd, int64_t offset, std::span<const iovec> guest);

  Engine& engine_;
  const std::shared_ptr<StubProcess> process_;
};

}  // namespace runsc::systrap
