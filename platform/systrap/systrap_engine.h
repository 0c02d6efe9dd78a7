// The stubs of the seccomp-trap engine: guest threads wait in slots, and pristine stubs have one already.
#pragma once

#include <memory>

#include "platform/stub/engine.h"
#include "platform/systrap/handoff.h"
#include "platform/systrap/systrap_platform.h"

namespace runsc::systrap {

class SystrapEngine final : public stub::Engine {
 public:
  explicit SystrapEngine(const SystrapOptions& options);
  ~SystrapEngine() override { StopMaking(); }
  absl::Status Start();

  std::shared_ptr<stub::StubProcess> MakeReady(stub::StubProcess& ancestor) override;
  HandoffPolicy& handoff_policy() { return policy_; }

 private:
  HandoffPolicy policy_;
};

}  // namespace runsc::systrap
