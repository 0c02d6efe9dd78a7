// See ptrace_address_space.h.
#include "platform/ptrace/ptrace_address_space.h"

#include <cerrno>

#include "platform/ptrace/ptrace_context.h"

namespace runsc::ptrace_engine {
namespace {

// A host thread that waits to be seized.
constexpr stub::HelperOp kNewTracee{HELPER_TRACEE, {stub::kThreadFlags}, 1};

}  // namespace

Result<AddressSpace::Forked> PtraceAddressSpace::Fork(Context&, const ThreadStart& start) {
  auto child = TRY(engine_.Fork(*process_, std::span(&kNewTracee, 1)));
  Forked forked;
  forked.address_space = std::make_unique<PtraceAddressSpace>(engine_, child);
  forked.context = std::make_unique<PtraceContext>(engine_, child, 0, start);
  return forked;
}

Result<std::unique_ptr<Context>> PtraceAddressSpace::NewContext(const ThreadStart& start) {
  if (!process_->alive()) return Errno(ESRCH);
  const int64_t tid = TRY(RunForThread(std::span(&kNewTracee, 1)));
  if (tid <= 0 || tid > INT32_MAX) return Errno(EAGAIN);
  return std::unique_ptr<Context>(std::make_unique<PtraceContext>(engine_, process_, static_cast<pid_t>(tid), start));
}

}  // namespace runsc::ptrace_engine
