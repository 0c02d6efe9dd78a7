// See stub_family.h.
#include "platform/systrap/stub_family.h"

#include "platform/systrap/engine.h"
#include "platform/systrap/systrap_context.h"
#include "platform/systrap/thread_ops.h"

namespace runsc::systrap {

StubFamily::~StubFamily() {
  pool_.Stop();
  ancestor_->Kill();
}

void StubFamily::StartPool() {
  std::call_once(pool_started_, [this] { pool_.Start([this] { return MakeReady(); }); });
}

Result<std::shared_ptr<StubProcess>> StubFamily::NewProcess() {
  StartPool();
  if (std::shared_ptr<StubProcess> ready = pool_.Take()) return ready;
  return engine_.Fork(*ancestor_, {});
}

std::shared_ptr<StubProcess> StubFamily::MakeReady() {
  SharedPages& slots = engine_.slots();
  auto slot = slots.Allocate();
  if (!slot.ok()) return nullptr;
  SystrapContext::InitSlot(engine_, slots.piece(*slot), *slot, ThreadStart{}, SystrapContext::SlotUse::kNewThread);
  auto child = engine_.Fork(*ancestor_, ForkedThreadOps(slots.fd(), slots.offset(*slot), *slot));
  if (!child.ok()) {
    slots.Free(*slot);
    return nullptr;
  }
  (*child)->AdoptSlot(*slot);
  std::vector<int64_t> results;
  if (!(*child)->helper().Finish(&results).ok() || results.empty() || results.back() <= 0) return nullptr;
  (*child)->ReleaseSlot(*slot, static_cast<pid_t>(results.back()), true);
  return *child;
}

}  // namespace runsc::systrap
