// One container of the sandbox: its files, its namespaces, its processes.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gofer/client.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/boot/container_cgroup_view.h"
#include "runsc-cli/boot/guest_mounts.h"
#include "runsc-cli/boot/guest_process.h"
#include "runsc-cli/control/protocol.h"
#include "runsc-cli/oci/mount_plan.h"
#include "runsc-cli/oci/spec.h"
#include "sentry/kernel/outside_process.h"
#include "sentry/vfs/backing_store.h"

namespace runsc {

// What the containers of a sandbox share.
struct SandboxParts {
  Kernel* kernel = nullptr;
  OverlayOption overlay;
  bool keep_net_raw = false;
  bool honour_seccomp = true;  // linux.seccomp
  MemfdStore memory;
  MonitorLinks links;
};

struct ContainerParts {
  std::string id, bundle;
  int number = 0;  // ThreadGroup::container
  Spec spec;
  MountPlan plan;
  std::vector<UniqueFd> gofer_channels;
  std::vector<CgroupFd> cgroup_files;
  std::shared_ptr<AddressSpaceFamily> family;  // null: the sandbox's
  std::vector<UniqueFd> fds;                   // of stdio; these and the next as GuestProcess::TakeFds
  std::vector<InheritedFd> inherited;
  UniqueFd link;  // as GuestProcess::Attach
};

// Thread-safe once Create() has returned.
class GuestContainer : public std::enable_shared_from_this<GuestContainer> {
 public:
  GuestContainer(SandboxParts& sandbox, ContainerParts parts);

  // The sandbox's first container lives in the first namespaces. `vfs` has no root yet.
  absl::Status CreateFirst(RefPtr<Vfs> vfs);
  // Another one. `pid_ns`: joined instead of its own one, unless `own_pid_ns`.
  absl::Status CreateMember(const SharedNamespaces& shared, bool own_pid_ns, RefPtr<PidNamespace> pid_ns);

  const std::string& id() const { return parts_.id; }
  const RefPtr<PidNamespace>& pid_ns() const { return place_.pid_ns; }
  absl::Status Start();
  absl::StatusOr<ExecReply> Exec(SpecProcess spec, std::vector<UniqueFd> stdio, std::vector<InheritedFd> inherited,
                                 UniqueFd link);
  absl::Status Signal(const SignalRequest& request);
  absl::StatusOr<WaitReply> Wait(int pid);
  StateReply State();
  ProcessesReply Processes();
  TasksReply Tasks();
  absl::Status Pause(bool paused);
  void Limit(int64_t tasks);
  // Ends the processes that are kept for its programs.
  void ForgetFamily();
  // Kills what is left of it and gives its files back.
  void Destroy();
  // Until its init has ended; the wait status. What only the start needs of memory goes back to the host on the way.
  // For a container that lives as long as the sandbox.
  int AwaitEnd();

 private:
  absl::StatusOr<RefPtr<FileSystem>> OpenRoot();
  absl::Status Create();
  void Settle();
  int FromGuestPid(int pid);
  std::optional<ProcessInfo> DescribeProcess(const ThreadGroup& group, size_t most_arguments);
  std::shared_ptr<GuestProcess> FindExec(int pid);
  void ForgetExec(int pid);

  SandboxParts& sandbox_;
  ContainerParts parts_;
  std::unique_ptr<GoferClient> gofer_;
  std::unique_ptr<UpperStore> upper_;
  OutsidePlace place_;
  std::shared_ptr<GuestProcess> init_;

  std::mutex mu_;
  bool paused_ = false;
  std::map<int, std::shared_ptr<GuestProcess>> execs_;  // running ones, by their number in the container
};

}  // namespace runsc
