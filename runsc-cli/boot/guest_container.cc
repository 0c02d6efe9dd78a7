#include "runsc-cli/boot/guest_container.h"

#include <signal.h>

#include <algorithm>

#include "platform/host/start_up_memory_unsafe.h"
#include "platform/host/status_util.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/boot/guest_files.h"
#include "runsc-cli/boot/guest_hooks.h"
#include "runsc-cli/boot/process_attributes.h"
#include "sentry/fs/proc_entries.h"
#include "sentry/kernel/container_control.h"
#include "sentry/kernel/host_thread.h"
#include "sentry/kernel/pids.h"
#include "sentry/vfs/mount_namespace.h"
#include "syscalls/table.h"

namespace runsc {
namespace {

absl::Status NoSuchProcess() { return absl::NotFoundError("no such process"); }

absl::Status SentSignal(const Result<void>& sent) {
  if (sent.ok()) return absl::OkStatus();
  return sent.error() == Errno(ESRCH) ? NoSuchProcess() : absl::InvalidArgumentError("no such signal");
}

UtsName NamesOf(const Spec& spec, UtsName names) {
  if (!spec.hostname.empty()) names.hostname = spec.hostname;
  if (!spec.domainname.empty()) names.domainname = spec.domainname;
  return names;
}

// A cached name is 1.5 KB of the container's memory: at most about a fiftieth of it.
void LimitNameCache(Vfs& vfs, const MemoryResources& memory) {
  constexpr int64_t kBytesForAName = 64 << 10, kFewest = 1024, kMost = 32768;
  if (memory.limit.value_or(-1) <= 0) return;
  vfs.set_cache_limit(static_cast<size_t>(std::clamp(*memory.limit / kBytesForAName, kFewest, kMost)));
}

std::string DoingOf(const TaskActivity& task) {
  switch (task.kind) {
    case TaskActivity::kStopped:
      return "stopped";
    case TaskActivity::kFrozen:
      return "paused";
    case TaskActivity::kGuestCode:
      return "guest code";
    case TaskActivity::kInCall:
      break;
  }
  for (const SyscallRow& row : SyscallRows()) {
    if (static_cast<uint64_t>(row.number) == task.call) return row.name;
  }
  return Cat("call ", task.call);
}

// A reply has room for so many, and for so many bytes of their arguments.
constexpr size_t kMaxProcesses = 65536;
constexpr size_t kMaxArgumentsOfOne = 4096, kMaxArgumentsOfAll = 2 << 20;

// An init that has no program yet, as runc lists its own.
ProcessInfo DescribeWaiting(const GuestProcess& init) {
  ProcessInfo info;
  info.pid = init.pid();
  info.uid = init.spec().user.uid;
  info.start_ns = init.group()->start_time_ns;
  info.name = info.arguments = "runsc init";
  return info;
}

}  // namespace

GuestContainer::GuestContainer(SandboxParts& sandbox, ContainerParts parts)
    : sandbox_(sandbox), parts_(std::move(parts)) {
  gofer_ = std::make_unique<GoferClient>(std::move(parts_.gofer_channels));
  const bool use_disk = !parts_.spec.root->readonly && sandbox_.overlay.medium == OverlayOption::Medium::kSelf;
  upper_ = std::make_unique<UpperStore>(*gofer_, use_disk);
}

absl::StatusOr<RefPtr<FileSystem>> GuestContainer::OpenRoot() {
  return NewRootFileSystem(*gofer_, *upper_, parts_.spec, sandbox_.overlay);
}

absl::Status GuestContainer::CreateFirst(RefPtr<Vfs> vfs) {
  ASSIGN_OR_RETURN(RefPtr<FileSystem> fs, OpenRoot());
  LimitNameCache(*vfs, parts_.spec.linux_.resources.memory);
  const Result<Path> root = vfs->MountRoot(std::move(fs), 0, "none");
  if (!root.ok()) return HostError(root.error().value(), "mount the root file system");
  place_.root = *root;
  return Create();
}

absl::Status GuestContainer::CreateMember(const SharedNamespaces& shared, bool own_pid_ns,
                                          RefPtr<PidNamespace> pid_ns) {
  Vfs& vfs = sandbox_.kernel->vfs();
  ASSIGN_OR_RETURN(RefPtr<FileSystem> fs, OpenRoot());
  Result<RefPtr<MountNamespace>> mounts = vfs.NewNamespace(std::move(fs), 0, "none");
  if (!mounts.ok()) return HostError(mounts.error().value(), "mount the root file system");
  auto set = MakeRef<NamespaceSet>();
  if (!shared.uts) set->uts = MakeRef<UtsNamespace>(nullptr, NamesOf(parts_.spec, sandbox_.kernel->uts()));
  if (!shared.ipc) set->ipc = MakeRef<PlainNamespace>(nullptr);
  if (!shared.net) set->net = MakeRef<PlainNamespace>(nullptr);
  set->pid_for_children = own_pid_ns ? MakeRef<PidNamespace>(nullptr, nullptr) : std::move(pid_ns);
  set->mounts = *mounts;
  place_.container = parts_.number;
  place_.pid_ns = set->pid_for_children;
  place_.root = vfs.RootOfNamespace((*mounts)->id());
  place_.namespaces = std::move(set);
  return Create();
}

absl::Status GuestContainer::Create() {
  const Spec& spec = parts_.spec;
  init_ = std::make_shared<GuestProcess>(sandbox_.links, *spec.process, sandbox_.keep_net_raw);
  RETURN_IF_ERROR(init_->Make(*sandbox_.kernel, place_));
  const auto asked = spec.annotations.find(kDefaultSignals);
  init_->group()->takes_defaults = asked != spec.annotations.end() && asked->second == "true";
  Task& task = init_->task();
  SetAddressSpaceFamily(*sandbox_.kernel, parts_.number, std::move(parts_.family));
  Limit(spec.linux_.resources.pids_limit.value_or(-1));
  const ContainerCgroupView cgroup(std::move(parts_.cgroup_files));
  const auto make_cgroup = [&] { return NewCgroupFs(*sandbox_.kernel, parts_.number, cgroup.Text()); };
  RETURN_IF_ERROR(MountAll(task, *gofer_, sandbox_.memory, parts_.plan, sandbox_.overlay, make_cgroup));
  RETURN_IF_ERROR(MakeDeviceNodes(task, spec));
  RETURN_IF_ERROR(ApplySysctls(task, spec));
  RETURN_IF_ERROR(init_->TakeFds(std::move(parts_.fds), std::move(parts_.inherited)));
  if (Console* console = init_->console()) console->MountOnDevConsole(task);
  const Result<Path> cwd = MakeGuestDirectories(task, init_->cwd());
  if (!cwd.ok()) return HostError(cwd.error().value(), "working directory %s", init_->cwd().c_str());
  if (spec.root->readonly) RETURN_IF_ERROR(SealRoot(task));
  RETURN_IF_ERROR(ProtectPaths(task, spec));
  RETURN_IF_ERROR(init_->FindProgram());
  RETURN_IF_ERROR(ApplyProcessAttributes(task, *spec.process, spec.linux_, sandbox_.honour_seccomp));
  init_->Attach(std::move(parts_.link));
  return absl::OkStatus();
}

// 0 is "not given", as old engines write it.
void GuestContainer::Limit(int64_t tasks) {
  SetTaskLimit(*sandbox_.kernel, parts_.number, tasks > 0 ? static_cast<uint64_t>(tasks) : kNoTaskLimit);
}

absl::Status GuestContainer::Start() {
  if (init_->phase() != ContainerPhase::kCreated || parts_.spec.hooks.start_container.empty())
    return init_->Start(nullptr);
  const GuestHookPlace place = {sandbox_.kernel, &sandbox_.links, place_,
                                parts_.id,       parts_.bundle,   sandbox_.keep_net_raw};
  const absl::Status hooks = RunStartContainerHooks(parts_.spec, place);
  if (hooks.ok()) return init_->Start(nullptr);
  init_->Signal(SIGKILL).IgnoreError();
  return hooks;
}

absl::StatusOr<ExecReply> GuestContainer::Exec(SpecProcess spec, std::vector<UniqueFd> stdio,
                                               std::vector<InheritedFd> inherited, UniqueFd link) {
  if (init_->phase() == ContainerPhase::kExited) return absl::FailedPreconditionError("container not running");
  auto process = std::make_shared<GuestProcess>(sandbox_.links, std::move(spec), sandbox_.keep_net_raw);
  RETURN_IF_ERROR(process->Make(*sandbox_.kernel, place_));
  RETURN_IF_ERROR(process->TakeFds(std::move(stdio), std::move(inherited)));
  RETURN_IF_ERROR(process->FindProgram());
  RETURN_IF_ERROR(
      ApplyProcessAttributes(process->task(), process->spec(), parts_.spec.linux_, sandbox_.honour_seccomp));
  const int pid = process->pid();
  {
    std::lock_guard<std::mutex> lock(mu_);
    execs_[pid] = process;
  }
  process->Attach(std::move(link));
  const absl::Status started = process->Start([self = shared_from_this(), pid] { self->ForgetExec(pid); });
  if (!started.ok()) return started;
  return ExecReply{pid};
}

std::shared_ptr<GuestProcess> GuestContainer::FindExec(int pid) {
  std::lock_guard<std::mutex> lock(mu_);
  const auto it = execs_.find(pid);
  return it == execs_.end() ? nullptr : it->second;
}

void GuestContainer::ForgetExec(int pid) {
  std::lock_guard<std::mutex> lock(mu_);
  execs_.erase(pid);
}

int GuestContainer::FromGuestPid(int pid) {
  if (!place_.pid_ns) return pid;
  MutexLock l(sandbox_.kernel->task_set_mu());
  return place_.pid_ns->FindLocked(pid);
}

absl::Status GuestContainer::Signal(const SignalRequest& request) {
  const int pid = request.pid, signo = request.signo;
  const bool created = init_->phase() == ContainerPhase::kCreated;  // the kernel does not know its init yet
  if (request.all) {
    const absl::Status sent = SentSignal(SignalContainer(*sandbox_.kernel, parts_.number, signo));
    return created ? init_->Signal(signo) : sent;
  }
  const bool whole_init = created && request.group == init_->pid();
  if (request.group != 0 && !whole_init)
    return SentSignal(SignalGroup(*sandbox_.kernel, parts_.number, FromGuestPid(request.group), signo));
  if (whole_init || pid == 0 || pid == init_->pid()) return init_->Signal(signo);
  RefPtr<Task> task = sandbox_.kernel->FindTask(FromGuestPid(pid));
  if (!task || task->thread_group().container != parts_.number) return NoSuchProcess();
  return SentSignal(SignalFromOutside(task->thread_group(), signo));
}

absl::StatusOr<WaitReply> GuestContainer::Wait(int pid) {
  if (pid == 0 || pid == init_->pid()) return WaitReply{init_->Wait()};
  const std::shared_ptr<GuestProcess> process = FindExec(pid);
  if (process == nullptr) return NoSuchProcess();
  return WaitReply{process->Wait()};
}

StateReply GuestContainer::State() {
  std::lock_guard<std::mutex> lock(mu_);
  return {init_->phase(), paused_};
}

std::optional<ProcessInfo> GuestContainer::DescribeProcess(const ThreadGroup& group, size_t most_arguments) {
  const RefPtr<Task> leader = sandbox_.kernel->FindTask(group.pid());
  if (!leader) return std::nullopt;
  ProcessInfo info;
  if (const RefPtr<MemoryManager> mm = leader->MmSnapshot()) {
    info.stub = mm->address_space().host_pid();
    info.arguments = ArgumentsOf(*mm, std::min(most_arguments, kMaxArgumentsOfOne));
  }
  MutexLock l(sandbox_.kernel->task_set_mu());
  const PidNamespace* ns = place_.pid_ns.get();
  const auto number = [&](int pid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
    return ns == nullptr ? pid : ns->NumberLocked(pid);
  };
  info.pid = number(group.pid());
  info.parent = group.parent != nullptr ? number(group.parent->pid()) : 0;
  info.uid = leader->CredsSnapshot()->ruid;
  info.cpu_ns = static_cast<int64_t>(leader->CpuTimeNs());
  info.start_ns = group.start_time_ns;
  info.name = leader->name();
  info.terminal = group.terminal ? group.terminal->rdev : 0;
  info.zombie = group.zombie;
  return info;
}

ProcessesReply GuestContainer::Processes() {
  ProcessesReply reply;
  if (init_->phase() == ContainerPhase::kCreated) reply.processes.push_back(DescribeWaiting(*init_));
  size_t room = kMaxArgumentsOfAll;
  for (const RefPtr<ThreadGroup>& group : ProcessesOf(*sandbox_.kernel, parts_.number)) {
    if (reply.processes.size() == kMaxProcesses) break;
    std::optional<ProcessInfo> info = DescribeProcess(*group, room);
    if (!info) continue;
    room -= info->arguments.size();
    reply.processes.push_back(*std::move(info));
  }
  return reply;
}

TasksReply GuestContainer::Tasks() {
  TasksReply reply;
  for (const TaskActivity& task : ActivityOf(*sandbox_.kernel, parts_.number)) {
    if (reply.tasks.size() == kMaxProcesses) break;
    reply.tasks.push_back({task.tid, task.pid, task.name, DoingOf(task)});
  }
  return reply;
}

absl::Status GuestContainer::Pause(bool paused) {
  if (init_->phase() != ContainerPhase::kRunning) return absl::FailedPreconditionError("container not running");
  std::lock_guard<std::mutex> lock(mu_);
  FreezeContainer(*sandbox_.kernel, parts_.number, paused);
  paused_ = paused;
  return absl::OkStatus();
}

// By a thread of its own: a gofer that hangs must not keep the sandbox from ending.
void GuestContainer::Settle() {
  const auto settle = [](void* gofer) {
    (void)static_cast<GoferClient*>(gofer)->Settle();  // one that is dead shows elsewhere
    ReleaseStartUpMemory();
  };
  if (!StartDetachedThread("settle", kTaskStackSize, settle, gofer_.get())) LogDebug("no thread to settle with");
}

int GuestContainer::AwaitEnd() {
  constexpr int32_t kStartSeconds = 1;
  if (init_->phase() == ContainerPhase::kCreated) Settle();  // who knows when it will start
  init_->AwaitStart();
  if (const std::optional<int> ended = init_->WaitFor(kStartSeconds)) return *ended;
  Settle();
  return init_->Wait();
}

void GuestContainer::ForgetFamily() { SetAddressSpaceFamily(*sandbox_.kernel, parts_.number, nullptr); }

void GuestContainer::Destroy() {
  (void)init_->Signal(SIGKILL);
  (void)SignalContainer(*sandbox_.kernel, parts_.number, SIGKILL);
  init_->Wait();
  ForgetFamily();
  place_.namespaces.reset();
  place_.root = Path();
  gofer_->Disconnect();
  parts_.spec = {};
  parts_.plan = {};
}

}  // namespace runsc
