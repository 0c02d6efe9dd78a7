#include "runsc-cli/boot/container_table.h"

#include <algorithm>
#include <iterator>

#include "platform/host/status_util.h"
#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/boot/strace_log.h"

namespace runsc {
namespace {

constexpr size_t kStdio = 3;
constexpr size_t kMaxFamiliesAhead = 100;

// The next `count` of `fds`, in order.
class FdList {
 public:
  explicit FdList(std::vector<UniqueFd> fds) : fds_(std::move(fds)) {}
  size_t left() const { return fds_.size() - next_; }
  UniqueFd Take() { return std::move(fds_[next_++]); }
  std::vector<UniqueFd> Take(size_t count) {
    std::vector<UniqueFd> taken;
    while (count-- > 0) taken.push_back(Take());
    return taken;
  }

 private:
  std::vector<UniqueFd> fds_;
  size_t next_ = 0;
};

absl::StatusOr<std::vector<InheritedFd>> Inherited(FdList& list, const std::vector<int32_t>& numbers) {
  std::vector<InheritedFd> inherited;
  for (const int32_t number : numbers) {
    if (number < 0) return absl::InvalidArgumentError("a negative descriptor");
    inherited.push_back({number, list.Take()});
  }
  return inherited;
}

}  // namespace

void ContainerTable::AddFirst(std::shared_ptr<GuestContainer> container) {
  std::lock_guard<std::mutex> lock(mu_);
  containers_[container->id()] = std::move(container);
}

absl::StatusOr<std::shared_ptr<GuestContainer>> ContainerTable::Find(const std::string& id) {
  std::lock_guard<std::mutex> lock(mu_);
  const auto it = containers_.find(id);
  // A null pointer marks one that is being made.
  if (it == containers_.end() || it->second == nullptr) {
    return absl::NotFoundError(Cat("container \"", id, "\" does not exist in this sandbox"));
  }
  return it->second;
}

absl::Status ContainerTable::Create(const CreateRequest& request, std::vector<UniqueFd> fds) {
  const uint64_t wanted = 2 + kStdio + request.inherited.size() + request.gofer_channels + request.cgroup_files.size();
  if (fds.size() != wanted) return absl::InvalidArgumentError("create: wrong number of descriptors");
  FdList list(std::move(fds));
  ASSIGN_OR_RETURN(const std::string json, ReadFd(list.Take().get(), kMaxSpecBytes));
  ContainerParts parts;
  parts.id = request.container;
  parts.bundle = request.bundle;
  ASSIGN_OR_RETURN(parts.spec, ParseSpec(json));
  if (!parts.spec.process || !parts.spec.root) return absl::InvalidArgumentError("create: no process or root");
  ASSIGN_OR_RETURN(parts.plan, PlanMounts(parts.spec, request.bundle));
  parts.link = list.Take();
  parts.fds = list.Take(kStdio);
  ASSIGN_OR_RETURN(parts.inherited, Inherited(list, request.inherited));
  parts.gofer_channels = list.Take(request.gofer_channels);
  for (const std::string& name : request.cgroup_files) parts.cgroup_files.push_back({name, list.Take()});
  {
    std::lock_guard<std::mutex> lock(mu_);
    if (!containers_.emplace(request.container, nullptr).second) {
      return absl::AlreadyExistsError(Cat("container with id \"", request.container, "\" already exists"));
    }
    parts.number = next_number_++;
    const auto family = families_.extract(request.container);
    if (family) parts.family = family.mapped();
  }
  absl::Status created = CreateNew(request, std::move(parts));
  if (!created.ok()) {
    std::lock_guard<std::mutex> lock(mu_);
    containers_.erase(request.container);
  }
  return created;
}

absl::StatusOr<FamilyReply> ContainerTable::MakeFamily(const std::string& id) {
  ASSIGN_OR_RETURN(std::shared_ptr<AddressSpaceFamily> family, sandbox_.kernel->platform().NewFamily());
  const FamilyReply reply = {family->host_pid()};
  std::lock_guard<std::mutex> lock(mu_);
  // Commands that died in between must not make us keep more and more.
  if (families_.size() >= kMaxFamiliesAhead) families_.clear();
  std::swap(families_[id], family);
  return reply;
}

void ContainerTable::DropFamily(const std::string& id) {
  std::shared_ptr<AddressSpaceFamily> unused;  // ends without our lock
  std::lock_guard<std::mutex> lock(mu_);
  if (const auto family = families_.extract(id)) unused = std::move(family.mapped());
}

absl::Status ContainerTable::CreateNew(const CreateRequest& request, ContainerParts parts) {
  auto container = std::make_shared<GuestContainer>(sandbox_, std::move(parts));
  const std::string& joined = request.shared.pid_of;
  RefPtr<PidNamespace> pid_ns;
  if (!joined.empty()) {
    ASSIGN_OR_RETURN(const std::shared_ptr<GuestContainer> other, Find(joined));
    pid_ns = other->pid_ns();
  }
  const absl::Status created = container->CreateMember(request.shared, joined.empty(), std::move(pid_ns));
  std::lock_guard<std::mutex> lock(mu_);
  if (!created.ok()) {
    container->ForgetFamily();
    destroyed_.push_back(std::move(container));
    return created;
  }
  containers_[request.container] = std::move(container);
  return created;
}

absl::Status ContainerTable::Start(const std::string& id) {
  ASSIGN_OR_RETURN(const std::shared_ptr<GuestContainer> container, Find(id));
  return container->Start();
}

absl::StatusOr<ExecReply> ContainerTable::Exec(const ExecRequest& request, std::vector<UniqueFd> fds) {
  if (fds.size() != 2 + kStdio + request.inherited.size()) {
    return absl::InvalidArgumentError("exec: wrong number of descriptors");
  }
  ASSIGN_OR_RETURN(const std::shared_ptr<GuestContainer> container, Find(request.container));
  FdList list(std::move(fds));
  ASSIGN_OR_RETURN(const std::string json, ReadFd(list.Take().get(), kMaxSpecBytes));
  ASSIGN_OR_RETURN(SpecProcess process, ParseProcess(json));
  UniqueFd link = list.Take();
  std::vector<UniqueFd> stdio = list.Take(kStdio);
  ASSIGN_OR_RETURN(std::vector<InheritedFd> inherited, Inherited(list, request.inherited));
  return container->Exec(std::move(process), std::move(stdio), std::move(inherited), std::move(link));
}

absl::Status ContainerTable::Signal(const SignalRequest& request) {
  ASSIGN_OR_RETURN(const std::shared_ptr<GuestContainer> container, Find(request.container));
  return container->Signal(request);
}

absl::StatusOr<WaitReply> ContainerTable::Wait(const WaitRequest& request) {
  ASSIGN_OR_RETURN(const std::shared_ptr<GuestContainer> container, Find(request.container));
  return container->Wait(request.pid);
}

absl::StatusOr<StateReply> ContainerTable::State(const std::string& id) {
  ASSIGN_OR_RETURN(const std::shared_ptr<GuestContainer> container, Find(id));
  return container->State();
}

absl::StatusOr<ProcessesReply> ContainerTable::Processes(const std::string& id) {
  ASSIGN_OR_RETURN(const std::shared_ptr<GuestContainer> container, Find(id));
  return container->Processes();
}

absl::Status ContainerTable::Limit(const LimitRequest& request) {
  ASSIGN_OR_RETURN(const auto container, Find(request.container));
  container->Limit(request.tasks);
  return absl::OkStatus();
}

absl::Status ContainerTable::Pause(const PauseRequest& request) {
  ASSIGN_OR_RETURN(const std::shared_ptr<GuestContainer> container, Find(request.container));
  return container->Pause(request.paused);
}

absl::StatusOr<TasksReply> ContainerTable::Tasks(const std::string& id) {
  ASSIGN_OR_RETURN(const std::shared_ptr<GuestContainer> container, Find(id));
  return container->Tasks();
}

absl::Status ContainerTable::Strace(const StraceRequest& request, std::vector<UniqueFd> fds) {
  if (fds.size() > 1) return absl::InvalidArgumentError("strace: wrong number of descriptors");
  if (!request.on) {
    sandbox_.kernel->SetTracer(nullptr);
    return absl::OkStatus();
  }
  if (fds.empty() && Log::debug_log_fd() < 0) {
    return absl::FailedPreconditionError("the sandbox has no --debug-log to write the calls to; give --strace-log");
  }
  return StartStrace(*sandbox_.kernel, request.calls, kDefaultStraceBytes,
                     fds.empty() ? UniqueFd() : std::move(fds[0]));
}

absl::Status ContainerTable::Destroy(const std::string& id) {
  DropFamily(id);
  ASSIGN_OR_RETURN(const std::shared_ptr<GuestContainer> container, Find(id));
  container->Destroy();
  std::lock_guard<std::mutex> lock(mu_);
  destroyed_.push_back(container);
  containers_.erase(id);
  return absl::OkStatus();
}

}  // namespace runsc
