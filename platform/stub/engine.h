// What all address spaces of a platform share: the template stub, page pools, the watcher of stub
// exits.
#pragma once

#include <memory>
#include <span>
#include <thread>
#include <unordered_map>

#include "absl/status/status.h"
#include "platform/platform.h"
#include "platform/stub/host_features.h"
#include "platform/stub/shared_pages.h"
#include "platform/stub/stub_family.h"
#include "platform/stub/stub_process.h"

namespace runsc::stub {

struct EngineOptions {
  const char* name = "";  // of the engine, in log lines
  bool patching = false;  // guest threads rewrite hot call sites
  bool spin = false;      // guest threads may spin for an answer
  bool traced = false;    // guest threads are tracees of the sentry: signals reach nobody but it
  int proc_fd = -1;       // as in SystrapOptions
  void (*log)(const char* line) = nullptr;
  void (*on_stub_death)(pid_t host_pid) = nullptr;
};

class Engine {
 public:
  explicit Engine(const EngineOptions& options);
  virtual ~Engine();  // of a derived class: calls StopMaking first
  absl::Status Start();

  const EngineOptions& options() const { return options_; }
  const HostFeatures& features() const { return features_; }
  const Layout& layout() const { return layout_; }
  SharedPages& slots() { return resources_.slots; }
  void Log(const char* line) const;

  // The stubs of whoever asks for no family of his own.
  StubFamily& first_family() { return *first_; }
  Result<std::unique_ptr<StubFamily>> NewFamily();
  // A copy of `parent`; it executes `first_batch` when it comes to life (Helper::Finish collects
  // the results).
  Result<std::shared_ptr<StubProcess>> Fork(StubProcess& parent, std::span<const stub::HelperOp> first_batch);

  // A file of the host's /proc/PID, and what it says. ENOSYS without a proc directory.
  Result<UniqueFd> OpenProc(pid_t pid, const std::string& file) const;
  Result<std::string> ReadProc(pid_t pid, const std::string& file) const;
  // CPU time of a host thread of a stub since it was made; 0 if that cannot be known.
  uint64_t ThreadCpuNs(pid_t pid, pid_t tid) const;
  // Whether a host thread of a stub waits for something; false if that cannot be known.
  bool ThreadSleeps(pid_t pid, pid_t tid) const;

  // A pristine copy of `ancestor` for the pool of its family, as ready as it can be made; null if that fails.
  virtual std::shared_ptr<StubProcess> MakeReady(StubProcess& ancestor);

 protected:
  void StopMaking() { first_.reset(); }

 private:
  absl::Status Init();
  absl::Status SpawnFirst();
  Result<std::shared_ptr<StubProcess>> NewRecord();
  bool Watch(const std::shared_ptr<StubProcess>& process);
  void WatcherMain(absl::Status* started, uint32_t* ready);
  void HandleExit(int pidfd);
  Result<void> AdoptForked(StubProcess& parent, const HelperOp& fork, StubProcess& child)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(fork_mu_);
  // failed_fork.cc
  void SettleFailedFork(StubProcess& parent, std::shared_ptr<StubProcess> child)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(fork_mu_);
  bool HelperIsThrough(StubProcess& stub) ABSL_EXCLUSIVE_LOCKS_REQUIRED(fork_mu_);
  bool EndLostChildren() ABSL_EXCLUSIVE_LOCKS_REQUIRED(fork_mu_);
  void KillAll();

  const EngineOptions options_;
  HostFeatures features_;
  Layout layout_{};
  StubResources resources_;
  UniqueFd text_, epoll_, stop_;
  uint64_t secret_ = 0, tag_key_ = 0;
  std::unique_ptr<StubFamily> first_;
  std::thread watcher_;
  struct {
    pid_t pid = 0, tid = 0;
  } maker_;  // the watcher: stubs are its children

  Mutex fork_mu_{LockRank::kPlatformFork};  // one fork at a time, so a new child can be told
  unsigned marks_ ABSL_GUARDED_BY(fork_mu_) = 0;
  std::vector<std::shared_ptr<StubProcess>> unsettled_ ABSL_GUARDED_BY(fork_mu_);  // may have children nobody knows
  Mutex mu_{LockRank::kPlatformPool};
  std::unordered_map<int, std::shared_ptr<StubProcess>> watched_ ABSL_GUARDED_BY(mu_);  // by pidfd
};

}  // namespace runsc::stub
