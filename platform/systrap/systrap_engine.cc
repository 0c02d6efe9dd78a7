// See systrap_engine.h.
#include "platform/systrap/systrap_engine.h"

#include <sched.h>

#include <vector>

#include "platform/systrap/systrap_context.h"
#include "platform/systrap/thread_ops.h"

namespace runsc::systrap {
namespace {

stub::EngineOptions StubOptions(const SystrapOptions& options) {
  return {.name = "systrap",
          .patching = options.patching,
          .spin = options.spin,
          .proc_fd = options.proc_fd,
          .log = options.log,
          .on_stub_death = options.on_stub_death};
}

}  // namespace

SystrapEngine::SystrapEngine(const SystrapOptions& options) : stub::Engine(StubOptions(options)) {}

// The first threads are made while this goes on; they look at the policy only when the kernel runs them.
absl::Status SystrapEngine::Start() {
  const absl::Status status = stub::Engine::Start();
  if (!status.ok()) return status;
  const stub::HostFeatures& host = features();
  if (!host.fsgsbase) Log("host has no fsgsbase; thread pointers are set by arch_prctl");
  if (host.cpus == 1) Log("one CPU; hand-offs never spin");
  policy_.spin = options().spin && host.cpus > 1;
  policy_.max_spinners = host.cpus - 1;
  if (sched_getaffinity(0, sizeof policy_.cpus, &policy_.cpus) != 0) policy_.max_spinners = 0;
  policy_.cycles_per_us = host.cycles_per_us;
  return absl::OkStatus();
}

std::shared_ptr<stub::StubProcess> SystrapEngine::MakeReady(stub::StubProcess& ancestor) {
  auto slot = slots().Allocate();
  if (!slot.ok()) return nullptr;
  SystrapContext::InitSlot(*this, slots().piece(*slot), *slot, ThreadStart{}, SystrapContext::SlotUse::kNewThread);
  auto child = Fork(ancestor, ForkedThreadOps(slots().fd(), slots().offset(*slot), *slot));
  if (!child.ok()) {
    slots().Free(*slot);
    return nullptr;
  }
  (*child)->AdoptSlot(*slot);
  std::vector<int64_t> results;
  if (!(*child)->helper().Finish(&results).ok() || results.empty() || results.back() <= 0) return nullptr;
  (*child)->ReleaseSlot(*slot, static_cast<pid_t>(results.back()), true);
  return *child;
}

}  // namespace runsc::systrap
