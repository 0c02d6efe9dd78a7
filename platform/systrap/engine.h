// What all address spaces of a platform share: the template stub, page pools, the watcher of stub
// exits.
#pragma once

#include <memory>
#include <span>
#include <thread>
#include <unordered_map>

#include "absl/status/status.h"
#include "platform/platform.h"
#include "platform/systrap/handoff.h"
#include "platform/systrap/host_features.h"
#include "platform/systrap/shared_pages.h"
#include "platform/systrap/stub_family.h"
#include "platform/systrap/stub_process.h"
#include "platform/systrap/systrap_platform.h"

namespace runsc::systrap {

class Engine {
 public:
  explicit Engine(const SystrapOptions& options);
  ~Engine();
  absl::Status Start();

  const SystrapOptions& options() const { return options_; }
  const HostFeatures& features() const { return features_; }
  const Layout& layout() const { return layout_; }
  HandoffPolicy& handoff_policy() { return policy_; }
  SharedPages& slots() { return resources_.slots; }
  void Log(const char* line) const {
    if (options_.log) options_.log(line);
  }

  // The stubs of whoever asks for no family of his own.
  StubFamily& first_family() { return *first_; }
  Result<std::unique_ptr<StubFamily>> NewFamily();
  // A copy of `parent`; it executes `first_batch` when it comes to life (Helper::Finish collects
  // the results).
  Result<std::shared_ptr<StubProcess>> Fork(StubProcess& parent,
                                            std::span<const stub::HelperOp> first_batch);

  // Reads a file of the host's /proc/PID. Empty without a proc directory.
  Result<std::string> ReadProc(pid_t pid, const std::string& file) const;

 private:
  absl::Status Init();
  absl::Status SpawnFirst();
  Result<std::shared_ptr<StubProcess>> NewRecord();
  bool Watch(const std::shared_ptr<StubProcess>& process);
  void WatcherMain(absl::Status* started, uint32_t* ready);
  void HandleExit(int pidfd);
  void KillAll();

  const SystrapOptions options_;
  HostFeatures features_;
  HandoffPolicy policy_;
  Layout layout_{};
  StubResources resources_;
  UniqueFd text_, epoll_, stop_;
  uint64_t secret_ = 0;
  std::unique_ptr<StubFamily> first_;
  std::thread watcher_;

  Mutex fork_mu_{LockRank::kPlatformFork};  // one fork at a time, so a new child can be told
  Mutex mu_{LockRank::kPlatformPool};
  std::unordered_map<int, std::shared_ptr<StubProcess>> watched_ ABSL_GUARDED_BY(mu_);  // by pidfd
};

}  // namespace runsc::systrap
