// See stub_family.h.
#include "platform/stub/stub_family.h"

#include "platform/stub/engine.h"

namespace runsc::stub {

StubFamily::~StubFamily() {
  pool_.Stop();
  ancestor_->Kill();
}

void StubFamily::StartPool() {
  std::call_once(pool_started_, [this] { pool_.Start([this] { return engine_.MakeReady(*ancestor_); }); });
}

Result<std::shared_ptr<StubProcess>> StubFamily::NewProcess() {
  StartPool();
  if (std::shared_ptr<StubProcess> ready = pool_.Take()) return ready;
  return engine_.Fork(*ancestor_, {});
}

}  // namespace runsc::stub
