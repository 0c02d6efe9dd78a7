// A guest address space as a stub has it: what both engines do alike. See platform.h for the contract.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "platform/platform.h"
#include "platform/stub/engine.h"
#include "platform/stub/stub_process.h"

namespace runsc::stub {

class StubAddressSpace : public AddressSpace {
 public:
  ~StubAddressSpace() override { process_->Kill(); }

  Result<void> Apply(std::span<const MapOp> ops, std::vector<uint64_t>* results) override;
  Result<void> Replace(std::span<const MapOp> ops, const HostLook& look) override;
  size_t CopyIn(GuestAddr addr, void* dst, size_t size) override;
  size_t CopyOut(GuestAddr addr, const void* src, size_t size) override;
  Result<int64_t> FutexWake(GuestAddr addr, uint32_t count, bool shared) override;
  Result<size_t> ReadFromHost(int host_fd, int64_t offset, std::span<const iovec> guest) override;
  Result<size_t> WriteToHost(int host_fd, int64_t offset, std::span<const iovec> guest) override;
  void Kill() override { process_->Kill(); }
  Result<std::string> ReadHostProc(const char* file) override;
  pid_t host_pid() const override { return process_->pid(); }

 protected:
  StubAddressSpace(Engine& engine, std::shared_ptr<StubProcess> process)
      : process_(std::move(process)), host_(engine) {}

  // Runs helper operations of which each must succeed.
  Result<void> RunAll(std::span<const HelperOp> ops, std::vector<uint64_t>* results);
  // Runs them; the result of the last: a new thread's id.
  Result<int64_t> RunForThread(std::span<const HelperOp> ops);

  const std::shared_ptr<StubProcess> process_;

 private:
  // What the stub must leave to the sentry from now on.
  void NoteFiles(std::span<const MapOp> done, std::span<const uint64_t> results);
  Result<void> ApplyAll(std::span<const MapOp> ops, std::span<const HelperOp> translated,
                        std::vector<uint64_t>* results);
  Result<size_t> Transfer(bool write, int host_fd, int64_t offset, std::span<const iovec> guest);

  Engine& host_;
};

}  // namespace runsc::stub
