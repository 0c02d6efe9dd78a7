#include "runsc-cli/sandbox/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <utility>

#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/sandbox/fd_socket.h"

namespace runsc {
namespace {

absl::Status MakeRaw(int fd, termios* before) {
  termios settings;
  if (tcgetattr(fd, &settings) != 0) return HostError(errno, "terminal settings");
  if (before != nullptr) *before = settings;
  cfmakeraw(&settings);
  if (tcsetattr(fd, TCSANOW, &settings) != 0) return HostError(errno, "set the terminal to raw");
  return absl::OkStatus();
}

void SetSize(int fd, ConsoleSize size) {
  if (size.height == 0 && size.width == 0) return;
  winsize window{};
  window.ws_row = static_cast<unsigned short>(size.height);
  window.ws_col = static_cast<unsigned short>(size.width);
  ioctl(fd, TIOCSWINSZ, &window);
}

}  // namespace

absl::StatusOr<UniqueFd> OpenTerminalFor(const std::string& console_socket, ConsoleSize size) {
  ASSIGN_OR_RETURN(const UniqueFd socket, ConnectToFdSocket("console", console_socket));
  const UniqueFd master(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!master.valid() || unlockpt(master.get()) != 0) return HostError(errno, "open a pseudo-terminal");
  int number = 0;
  ioctl(master.get(), TIOCGPTN, &number);
  UniqueFd slave(ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!slave.valid()) return HostError(errno, "open pseudo-terminal %d", number);
  RETURN_IF_ERROR(MakeRaw(slave.get(), nullptr));
  SetSize(slave.get(), size);
  RETURN_IF_ERROR(SendFd(socket.get(), master.get(), Cat("/dev/pts/", number)));
  return slave;
}

absl::StatusOr<UserTerminal> UserTerminal::Open() {
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (!isatty(fd)) continue;
    UserTerminal terminal;
    RETURN_IF_ERROR(MakeRaw(fd, &terminal.saved_));
    terminal.fd_ = fd;
    return terminal;
  }
  return absl::FailedPreconditionError("a terminal is asked for, but standard input is not one");
}

UserTerminal& UserTerminal::operator=(UserTerminal&& other) noexcept {
  Restore();
  fd_ = std::exchange(other.fd_, -1);
  saved_ = other.saved_;
  return *this;
}

void UserTerminal::Restore() {
  if (fd_ >= 0) tcsetattr(fd_, TCSANOW, &saved_);
  fd_ = -1;
}

}  // namespace runsc
