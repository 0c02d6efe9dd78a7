// One guest address space of the ptrace engine. See platform.h for the contract.
#pragma once

#include <memory>

#include "platform/platform.h"
#include "platform/stub/stub_address_space.h"

namespace runsc::ptrace_engine {

class PtraceAddressSpace final : public stub::StubAddressSpace {
 public:
  PtraceAddressSpace(stub::Engine& engine, std::shared_ptr<stub::StubProcess> process)
      : StubAddressSpace(engine, std::move(process)), engine_(engine) {}

  Result<Forked> Fork(Context& parent, const ThreadStart& start) override;
  Result<std::unique_ptr<Context>> NewContext(const ThreadStart& start) override;

 private:
  stub::Engine& engine_;
};

}  // namespace runsc::ptrace_engine
