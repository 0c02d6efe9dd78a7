#include "runsc-cli/boot/guest_hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "nlohmann/json.hpp"
#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"
#include "sentry/vfs/backing_store.h"

namespace runsc {
namespace {

constexpr size_t kMaxOutput = 4096;

std::string StateText(const Spec& spec, const GuestHookPlace& place) {
  nlohmann::ordered_json out;
  out["ociVersion"] = spec.oci_version;
  out["id"] = place.container;
  out["status"] = "created";
  out["pid"] = 1;  // of init, as the container will know it
  out["bundle"] = place.bundle;
  if (!spec.annotations.empty()) out["annotations"] = spec.annotations;
  return out.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

absl::StatusOr<UniqueFd> MemoryFile(std::string_view text) {
  MemfdStore store;
  Result<UniqueFd> file = store.CreateFile("hook");
  if (!file.ok()) return HostError(file.error().value(), "memory file");
  UniqueFd fd = std::move(file).take();
  if (pwrite(fd.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    return HostError(errno, "write memory file");
  return fd;
}

absl::StatusOr<UniqueFd> Duplicate(const UniqueFd& fd) {
  UniqueFd copy(fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
  if (!copy.valid()) return HostError(errno, "duplicate descriptor");
  return copy;
}

SpecProcess ProcessOf(const Spec& spec, const SpecHook& hook) {
  SpecProcess process = *spec.process;
  process.terminal = false;
  process.args = hook.args.empty() ? std::vector<std::string>{hook.path} : hook.args;
  process.env = hook.env;
  process.cwd = std::string("/");
  return process;
}

std::string Output(const UniqueFd& file) {
  std::string text(kMaxOutput, '\0');
  const ssize_t n = pread(file.get(), text.data(), text.size(), 0);
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  while (text.ends_with('\n')) text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

absl::Status Verdict(int wait_status, const std::string& output) {
  if (wait_status == 0) return absl::OkStatus();
  const std::string how = WIFSIGNALED(wait_status) ? Cat("killed by signal ", WTERMSIG(wait_status))
                                                   : Cat("exit status ", WEXITSTATUS(wait_status));
  return absl::AbortedError(Cat(how, output.empty() ? "" : ", output: ", output));
}

absl::Status RunHook(const Spec& spec, const SpecHook& hook, const GuestHookPlace& place) {
  ASSIGN_OR_RETURN(UniqueFd state, MemoryFile(StateText(spec, place)));
  ASSIGN_OR_RETURN(const UniqueFd output, MemoryFile(""));
  std::vector<UniqueFd> fds;
  fds.push_back(std::move(state));
  for (int i = 0; i < 2; ++i) {
    ASSIGN_OR_RETURN(UniqueFd copy, Duplicate(output));
    fds.push_back(std::move(copy));
  }
  auto process = std::make_shared<GuestProcess>(*place.links, ProcessOf(spec, hook), place.keep_net_raw);
  RETURN_IF_ERROR(process->Make(*place.kernel, place.place));
  RETURN_IF_ERROR(process->TakeFds(std::move(fds), {}));
  RETURN_IF_ERROR(process->FindProgram(hook.path));
  RETURN_IF_ERROR(process->Start(nullptr));
  const std::optional<int> ended = process->WaitFor(hook.timeout_seconds);
  if (ended) return Verdict(*ended, Output(output));
  process->Signal(SIGKILL).IgnoreError();
  process->Wait();
  return absl::DeadlineExceededError(Cat("did not end within ", *hook.timeout_seconds, " s and was killed"));
}

}  // namespace

absl::Status RunStartContainerHooks(const Spec& spec, const GuestHookPlace& place) {
  for (size_t i = 0; i < spec.hooks.start_container.size(); ++i) {
    const SpecHook& hook = spec.hooks.start_container[i];
    const absl::Status status = RunHook(spec, hook, place);
    if (!status.ok())
      return absl::Status(status.code(), Cat("hooks.startContainer[", i, "] ", hook.path, ": ", MessageOf(status)));
  }
  return absl::OkStatus();
}

}  // namespace runsc
