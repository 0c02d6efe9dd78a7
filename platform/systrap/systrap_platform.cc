// See systrap_platform.h.
#include "platform/systrap/systrap_platform.h"

#include <cstring>

#include "absl/status/status.h"
#include "platform/systrap/engine.h"
#include "platform/systrap/systrap_address_space.h"

namespace runsc {
namespace {

class SystrapPlatform final : public Platform {
 public:
  explicit SystrapPlatform(std::unique_ptr<systrap::Engine> engine) : engine_(std::move(engine)) {}

  absl::StatusOr<std::unique_ptr<AddressSpace>> NewAddressSpace() override {
    auto process = engine_->NewProcess();
    if (!process.ok()) return absl::ErrnoToStatus(process.error().value(), "fork a stub");
    return std::unique_ptr<AddressSpace>(
        std::make_unique<systrap::SystrapAddressSpace>(*engine_, std::move(process).take()));
  }
  const Layout& layout() const override { return engine_->layout(); }

 private:
  std::unique_ptr<systrap::Engine> engine_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Platform>> NewSystrapPlatform(const SystrapOptions& options) {
  auto engine = std::make_unique<systrap::Engine>(options);
  absl::Status status = engine->Start();
  if (!status.ok()) return status;
  return std::unique_ptr<Platform>(std::make_unique<SystrapPlatform>(std::move(engine)));
}

}  // namespace runsc
