// See systrap_platform.h.
#include "platform/systrap/systrap_platform.h"

#include "absl/status/status.h"
#include "platform/stub/stub_platform.h"
#include "platform/systrap/systrap_address_space.h"
#include "platform/systrap/systrap_engine.h"

namespace runsc {
namespace {

class SystrapPlatform final : public stub::StubPlatform {
 public:
  explicit SystrapPlatform(std::unique_ptr<systrap::SystrapEngine> engine) : engine_(std::move(engine)) {}

 protected:
  stub::Engine& engine() const override { return *engine_; }
  std::unique_ptr<AddressSpace> SpaceOf(std::shared_ptr<stub::StubProcess> process) const override {
    return std::make_unique<systrap::SystrapAddressSpace>(*engine_, std::move(process));
  }

 private:
  const std::unique_ptr<systrap::SystrapEngine> engine_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Platform>> NewSystrapPlatform(const SystrapOptions& options) {
  auto engine = std::make_unique<systrap::SystrapEngine>(options);
  absl::Status status = engine->Start();
  if (!status.ok()) return status;
  return std::unique_ptr<Platform>(std::make_unique<SystrapPlatform>(std::move(engine)));
}

}  // namespace runsc
