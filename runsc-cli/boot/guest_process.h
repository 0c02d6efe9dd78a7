// A guest process that the outside starts and waits for: a container's init, or one of `exec`.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "runsc-cli/boot/console.h"
#include "runsc-cli/boot/monitor_links.h"
#include "runsc-cli/control/protocol.h"
#include "runsc-cli/oci/spec.h"
#include "sentry/kernel/outside_process.h"

namespace runsc {

// A descriptor of the host, and the guest's number for it (or kProgramNumber).
struct InheritedFd {
  int number = -1;
  UniqueFd host;
};

// created --Start()--> (starting) --> running --> exited. Signals that come before the start act on a process that
// does not exist yet: deadly ones end it. Thread-safe from Attach() on; its lock is never held while the kernel is
// called.
class GuestProcess : public std::enable_shared_from_this<GuestProcess> {
 public:
  GuestProcess(MonitorLinks& links, SpecProcess spec, bool keep_net_raw);

  // --- before anybody else knows of it, in this order
  absl::Status Make(Kernel& kernel, OutsidePlace place);
  Task& task() const { return outside_->task(); }
  const SpecProcess& spec() const { return spec_; }
  // `stdio`: stdin, stdout, stderr; with process.terminal a host terminal, three times.
  absl::Status TakeFds(std::vector<UniqueFd> stdio, std::vector<InheritedFd> inherited);
  // `path`: not to be looked for; "" means args[0], or the program that was among the descriptors.
  absl::Status FindProgram(std::string path = {});
  // Its monitor; it need not have one.
  void Attach(UniqueFd link);

  // ---
  absl::Status Start(std::function<void()> on_end);
  absl::Status Signal(int signo);
  void AwaitStart();                                           // or its end
  int Wait();                                                  // blocks; a wait status
  std::optional<int> WaitFor(std::optional<int32_t> seconds);  // nothing: it did not end in time
  ContainerPhase phase();
  // Its number in its own pid namespace, and the sentry's.
  int pid() const { return pid_; }
  const RefPtr<ThreadGroup>& group() const { return group_; }
  Console* console() const { return console_.get(); }
  const std::string& cwd() const { return init_.cwd; }

 private:
  enum class Stage { kCreated, kStarting, kRunning, kExited };

  absl::Status TakeTerminal(UniqueFd host);
  absl::Status TakeProgram(UniqueFd host);
  absl::Status TakeInherited(InheritedFd fd);
  absl::Status Run();
  void OnLink(int signo);
  void Ended(int wait_status);

  MonitorLinks& links_;
  const SpecProcess spec_;
  InitProcess init_;
  std::optional<Path> program_;              // instead of one that is looked for
  std::unique_ptr<OutsideProcess> outside_;  // until it runs
  RefPtr<ThreadGroup> group_;
  std::shared_ptr<Console> console_;
  int pid_ = 0;
  uint64_t link_ = 0;
  std::function<void()> on_end_;

  std::mutex mu_;
  std::condition_variable changed_;
  Stage stage_ = Stage::kCreated;
  int wait_status_ = 0;
};

// Whether an unhandled `signo` ends a process.
bool EndsProcessByDefault(int signo);

}  // namespace runsc
