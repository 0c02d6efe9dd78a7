#include "runsc-cli/boot/strace_log.h"

#include <time.h>
#include <unistd.h>

#include <memory>

#include "platform/host/status_util.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"
#include "syscalls/strace.h"

namespace runsc {
namespace {

// A full disk must not stop the guest: what cannot be written is lost.
void WriteLine(int fd, std::string_view line) {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  const std::string text =
      FormatLogLine(LogFormat::kText, LogLevel::kInfo, now.tv_sec * 1'000'000'000 + now.tv_nsec, line);
  (void)!write(fd, text.data(), text.size());
}

}  // namespace

absl::Status StartStrace(Kernel& kernel, std::string calls, size_t max_bytes, UniqueFd file) {
  StraceOptions options;
  options.filter = std::move(calls);
  options.max_bytes = max_bytes;
  if (file.valid()) {
    options.log = [fd = std::make_shared<UniqueFd>(std::move(file))](std::string_view line) {
      WriteLine(fd->get(), line);
    };
  } else {
    options.log = [](std::string_view line) { Log::Write(LogLevel::kInfo, line); };
  }
  std::string error;
  const SyscallTracer* tracer = NewStrace(std::move(options), &error);
  if (tracer == nullptr) return absl::InvalidArgumentError(error);
  kernel.SetTracer(tracer);
  return absl::OkStatus();
}

}  // namespace runsc
