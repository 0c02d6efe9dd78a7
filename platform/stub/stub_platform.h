// A platform whose address spaces are stubs of an engine.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "platform/platform.h"
#include "platform/stub/engine.h"

namespace runsc::stub {

class StubPlatform : public Platform {
 public:
  absl::StatusOr<std::unique_ptr<AddressSpace>> NewAddressSpace() final;
  absl::StatusOr<std::unique_ptr<AddressSpaceFamily>> NewFamily() final;
  const Layout& layout() const final { return engine().layout(); }

 protected:
  virtual Engine& engine() const = 0;
  virtual std::unique_ptr<AddressSpace> SpaceOf(std::shared_ptr<StubProcess> process) const = 0;

 private:
  class Family;
  absl::StatusOr<std::unique_ptr<AddressSpace>> NewSpace(StubFamily& family) const;
};

}  // namespace runsc::stub
