#include "runsc-cli/sandbox/guest_streams.h"

#include <fcntl.h>

#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/control/protocol.h"
#include "runsc-cli/sandbox/sealed_copy.h"

namespace runsc {
namespace {

constexpr int kFirst = 3;  // after standard input, output and error
constexpr int kMost = 65535;

absl::Status AddFd(std::vector<FdMapping>& list, std::string_view flag, FdMapping added) {
  if (fcntl(added.fd, F_GETFD) < 0) return InvalidArgument(flag, ": descriptor ", added.fd, " is not open");
  for (const FdMapping& other : list) {
    if (other.target == added.target) return InvalidArgument(flag, ": number ", added.target, " is given twice");
  }
  list.push_back(added);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<FdMapping>> InheritedFds(int64_t preserved, const std::vector<std::string>& passed) {
  std::vector<FdMapping> list;
  for (int fd = kFirst; fd < kFirst + preserved; ++fd) RETURN_IF_ERROR(AddFd(list, "--preserve-fds", {fd, fd}));
  for (std::string_view text : passed) {
    const size_t colon = text.find(':');
    const auto host = ParseNumber<int>(text.substr(0, colon));
    const auto guest = colon == text.npos ? std::nullopt : ParseNumber<int>(text.substr(colon + 1));
    if (!host || *host < 0 || !guest || *guest < kFirst || *guest > kMost) {
      return InvalidArgument("--pass-fd: \"", text, "\" is not HOST:GUEST with a guest's number from 3 to ", kMost);
    }
    RETURN_IF_ERROR(AddFd(list, "--pass-fd", {*host, *guest}));
  }
  return list;
}

absl::StatusOr<UniqueFd> TakeProgram(int64_t fd, std::vector<FdMapping>& list) {
  if (fd < 0) return UniqueFd();
  if (fd > kMost) return InvalidArgument("--exec-fd: there is no descriptor ", fd);
  absl::StatusOr<UniqueFd> program = SealedCopyOfFile(static_cast<int>(fd));
  if (!program.ok()) return absl::Status(program.status().code(), Cat("--exec-fd: ", MessageOf(program.status())));
  list.push_back({program->get(), kProgramNumber});
  return program;
}

absl::StatusOr<GuestStreams> GuestStreams::Open(const StreamOptions& options) {
  const bool has_socket = !options.console_socket.empty();
  if (options.terminal && options.detached && !has_socket) {
    return InvalidArgument("cannot allocate tty if runc will detach without setting console socket");
  }
  if (has_socket && !(options.terminal && options.detached)) {
    return InvalidArgument("cannot use console socket if runc will not detach or allocate tty");
  }
  GuestStreams streams;
  streams.inherited_ = options.inherited;
  if (has_socket) {
    ASSIGN_OR_RETURN(streams.made_, OpenTerminalFor(options.console_socket, options.size));
  } else if (options.terminal) {
    ASSIGN_OR_RETURN(streams.user_, UserTerminal::Open());
  }
  return streams;
}

std::vector<int> GuestStreams::fds() const {
  std::vector<int> fds = {0, 1, 2};
  if (made_.valid()) fds.assign(3, made_.get());
  if (user_.fd() >= 0) fds.assign(3, user_.fd());
  for (const FdMapping& fd : inherited_) fds.push_back(fd.fd);
  return fds;
}

std::vector<int32_t> GuestStreams::inherited_numbers() const {
  std::vector<int32_t> numbers;
  for (const FdMapping& fd : inherited_) numbers.push_back(fd.target);
  return numbers;
}

}  // namespace runsc
