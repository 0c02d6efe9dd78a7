// See stub_platform.h.
#include "platform/stub/stub_platform.h"

#include <utility>

#include "absl/status/status.h"

namespace runsc::stub {

class StubPlatform::Family final : public AddressSpaceFamily {
 public:
  Family(const StubPlatform& platform, std::unique_ptr<StubFamily> stubs)
      : platform_(platform), stubs_(std::move(stubs)) {}
  absl::StatusOr<std::unique_ptr<AddressSpace>> NewAddressSpace() override { return platform_.NewSpace(*stubs_); }
  pid_t host_pid() const override { return stubs_->ancestor().pid(); }

 private:
  const StubPlatform& platform_;
  const std::unique_ptr<StubFamily> stubs_;
};

absl::StatusOr<std::unique_ptr<AddressSpace>> StubPlatform::NewSpace(StubFamily& family) const {
  auto process = family.NewProcess();
  if (!process.ok()) return absl::ErrnoToStatus(process.error().value(), "fork a stub");
  return SpaceOf(std::move(process).take());
}

absl::StatusOr<std::unique_ptr<AddressSpace>> StubPlatform::NewAddressSpace() {
  return NewSpace(engine().first_family());
}

absl::StatusOr<std::unique_ptr<AddressSpaceFamily>> StubPlatform::NewFamily() {
  auto stubs = engine().NewFamily();
  if (!stubs.ok()) return absl::ErrnoToStatus(stubs.error().value(), "fork a stub");
  return std::unique_ptr<AddressSpaceFamily>(std::make_unique<Family>(*this, std::move(stubs).take()));
}

}  // namespace runsc::stub
