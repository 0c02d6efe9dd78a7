// See systrap_platform.h.
#include "platform/systrap/systrap_platform.h"

#include <cstring>

#include "absl/status/status.h"
#include "platform/systrap/systrap_address_space.h"
#include "platform/systrap/systrap_engine.h"

namespace runsc {
namespace {

absl::StatusOr<std::unique_ptr<AddressSpace>> NewSpace(systrap::SystrapEngine& engine, stub::StubFamily& family) {
  auto process = family.NewProcess();
  if (!process.ok()) return absl::ErrnoToStatus(process.error().value(), "fork a stub");
  return std::unique_ptr<AddressSpace>(std::make_unique<systrap::SystrapAddressSpace>(engine, std::move(process).take()));
}

class Family final : public AddressSpaceFamily {
 public:
  Family(systrap::SystrapEngine& engine, std::unique_ptr<stub::StubFamily> stubs) : engine_(engine), stubs_(std::move(stubs)) {}
  absl::StatusOr<std::unique_ptr<AddressSpace>> NewAddressSpace() override { return NewSpace(engine_, *stubs_); }
  pid_t host_pid() const override { return stubs_->ancestor().pid(); }

 private:
  systrap::SystrapEngine& engine_;
  const std::unique_ptr<stub::StubFamily> stubs_;
};

class SystrapPlatform final : public Platform {
 public:
  explicit SystrapPlatform(std::unique_ptr<systrap::SystrapEngine> engine) : engine_(std::move(engine)) {}

  absl::StatusOr<std::unique_ptr<AddressSpace>> NewAddressSpace() override {
    return NewSpace(*engine_, engine_->first_family());
  }
  absl::StatusOr<std::unique_ptr<AddressSpaceFamily>> NewFamily() override {
    auto stubs = engine_->NewFamily();
    if (!stubs.ok()) return absl::ErrnoToStatus(stubs.error().value(), "fork a stub");
    return std::unique_ptr<AddressSpaceFamily>(std::make_unique<Family>(*engine_, std::move(stubs).take()));
  }
  const Layout& layout() const override { return engine_->layout(); }

 private:
  std::unique_ptr<systrap::SystrapEngine> engine_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Platform>> NewSystrapPlatform(const SystrapOptions& options) {
  auto engine = std::make_unique<systrap::SystrapEngine>(options);
  absl::Status status = engine->Start();
  if (!status.ok()) return status;
  return std::unique_ptr<Platform>(std::make_unique<SystrapPlatform>(std::move(engine)));
}

}  // namespace runsc
