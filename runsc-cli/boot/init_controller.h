// The life of the container's init inside the sandbox, as the control socket sees it.
#pragma once

#include <condition_variable>
#include <mutex>
#include <vector>

#include "runsc-cli/control/channel.h"
#include "runsc-cli/control/server.h"

namespace runsc {

class Kernel;

// created --Start()--> starting --Started()--> running --Exited()--> exited. Signals that come before
// the start act on an init that does not exist yet: deadly ones end the sandbox. Thread-safe; its lock
// is never held while the kernel is called.
class InitController : public ControlHandler {
 public:
  explicit InitController(Kernel& kernel) : kernel_(kernel) {}

  // ControlHandler, on the control server's threads.
  absl::Status Start() override;  // until init runs or could not
  Result<void> Signal(const SignalRequest& request) override;
  int WaitForInit() override;
  SandboxPhase Phase() override;
  std::vector<int32_t> Processes() override;

  // The boot thread: tells the command we are ready, waits for its kCommit (exits the process if it
  // never comes) and for the start. False if a signal ended the container first.
  bool AwaitStart(const ControlChannel& sync);
  // The boot thread: how the start went; answers Start() and a kCommit with start_now.
  void Started(const absl::Status& result, ControlChannel sync);
  // The boot thread: init has ended.
  void Exited(int wait_status);
  // The signal that ended a container which was never started; 0 if none did.
  int early_signal();

 private:
  enum class Phase_ { kCreated, kStarting, kRunning, kExited };

  Kernel& kernel_;
  std::mutex mu_;
  std::condition_variable changed_;
  Phase_ phase_ = Phase_::kCreated;
  absl::Status start_result_;
  bool start_now_ = false;
  int early_signal_ = 0;
  int wait_status_ = 0;
};

// Whether an unhandled `signo` ends a process.
bool EndsProcessByDefault(int signo);

}  // namespace runsc
