// A terminal of the sandbox joined to one of the host's: what a container with process.terminal has as its stdio.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "platform/base/unique_fd.h"
#include "sentry/fs/tty.h"
#include "sentry/vfs/file.h"

namespace runsc {

class Kernel;
class Task;

// The sandbox's own line discipline edits, echoes and turns ^C into signals; the host's terminal is raw and carries
// bytes and the window size. A thread of its own moves the bytes until either side hangs up.
class Console : public std::enable_shared_from_this<Console> {
 public:
  // `host`: the end of a terminal that the user is not at, in raw mode.
  // The sandbox's terminal is one of the devpts at /dev/pts that `task` sees.
  static absl::StatusOr<std::shared_ptr<Console>> Open(Task& task, UniqueFd host, uid_t owner);

  ~Console();

  const RefPtr<Tty>& tty() const { return tty_; }
  std::string name() const { return "/dev/pts/" + std::to_string(tty_->index()); }
  // A description of the sandbox's terminal for the stdio of `task`.
  RefPtr<File> OpenStdio(Task& task);
  // Shows it at /dev/console too, where there is one.
  void MountOnDevConsole(Task& task);
  // Moves bytes from now on.
  bool Start();
  // The host terminal's size changed.
  void Resize();
  // Passes on what was written so far, while the host goes on taking it.
  void Drain();

 private:
  class Wakeup;
  Console(Kernel& kernel, UniqueFd host, RefPtr<Tty> tty)
      : kernel_(kernel), host_(std::move(host)), tty_(std::move(tty)) {}
  static void ThreadMain(void* self);
  Path Slave(Task& task) const;  // its node, if `task` sees one
  void Pump();
  bool MoveInput();
  bool MoveOutput();
  void HangUp();

  Kernel& kernel_;
  std::mutex mu_;  // whoever moves bytes
  UniqueFd host_;
  const RefPtr<Tty> tty_;
  WaitQueue host_queue_;
  std::string typed_, printed_;  // on their way in and out
  bool ended_ = false;
};

}  // namespace runsc
