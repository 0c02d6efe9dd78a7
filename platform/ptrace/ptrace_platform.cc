// See ptrace_platform.h.
#include "platform/ptrace/ptrace_platform.h"

#include <signal.h>

#include "absl/status/status.h"
#include "platform/ptrace/ptrace_address_space.h"
#include "platform/ptrace/ptrace_context.h"
#include "platform/stub/stub_platform.h"

namespace runsc {
namespace {

using ptrace_engine::PtraceAddressSpace;

class PtraceEngine final : public stub::Engine {
 public:
  explicit PtraceEngine(const PtraceOptions& options)
      : Engine({.name = "ptrace",
                .traced = true,
                .proc_fd = options.proc_fd,
                .log = options.log,
                .on_stub_death = options.on_stub_death}) {}
  ~PtraceEngine() override { StopMaking(); }
};

class PtracePlatform final : public stub::StubPlatform {
 public:
  explicit PtracePlatform(const PtraceOptions& options) : engine_(options) {}

  absl::Status Start() {
    StopSilently();
    const absl::Status status = engine_.Start();
    return status.ok() ? TryTracing() : status;
  }

 protected:
  stub::Engine& engine() const override { return engine_; }
  std::unique_ptr<AddressSpace> SpaceOf(std::shared_ptr<stub::StubProcess> process) const override {
    return std::make_unique<PtraceAddressSpace>(engine_, std::move(process));
  }

 private:
  // Each stop of a tracee would send SIGCHLD to some thread of ours.
  static void StopSilently() {
    struct sigaction action;
    if (sigaction(SIGCHLD, nullptr, &action) != 0) return;
    action.sa_flags |= SA_NOCLDSTOP;
    sigaction(SIGCHLD, &action, nullptr);
  }

  // A thread that starts where nothing is mapped: the fault tells that the host lets us drive it.
  absl::Status TryTracing() {
    auto space = NewAddressSpace();
    if (!space.ok()) return space.status();
    auto context = (*space)->NewContext(ThreadStart{.regs = {}});
    if (context.ok() && (*context)->Run().kind == Event::kFault) return absl::OkStatus();
    return absl::FailedPreconditionError(
        "ptrace of an own child: the host does not allow it (kernel.yama.ptrace_scope above 1, or a seccomp profile)");
  }

  mutable PtraceEngine engine_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Platform>> NewPtracePlatform(const PtraceOptions& options) {
  auto platform = std::make_unique<PtracePlatform>(options);
  const absl::Status status = platform->Start();
  if (!status.ok()) return status;
  return std::unique_ptr<Platform>(std::move(platform));
}

}  // namespace runsc
