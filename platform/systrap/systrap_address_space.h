// One guest address space of the seccomp-trap engine. See platform.h for the contract.
#pragma once

#include <memory>

#include "platform/platform.h"
#include "platform/stub/stub_address_space.h"
#include "platform/systrap/systrap_engine.h"

namespace runsc::systrap {

class SystrapAddressSpace final : public stub::StubAddressSpace {
 public:
  SystrapAddressSpace(SystrapEngine& engine, std::shared_ptr<stub::StubProcess> process)
      : StubAddressSpace(engine, std::move(process)), engine_(engine) {}

  Result<Forked> Fork(Context& parent, const ThreadStart& start) override;
  Result<std::unique_ptr<Context>> NewContext(const ThreadStart& start) override;
  bool ServeBreak(GuestAddr start, GuestAddr limit) override;
  GuestAddr Break() override;

 private:
  Result<int64_t> StartHostThread(const stub::StubProcess::Seat& seat);

  SystrapEngine& engine_;
};

}  // namespace runsc::systrap
