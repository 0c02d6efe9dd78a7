#include "sentry/kernel/outside_process.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <future>

#include "absl/strings/str_cat.h"
#include "sentry/kernel/host_thread.h"
#include "sentry/kernel/pids.h"
#include "sentry/kernel/process_timers.h"
#include "sentry/kernel/run_state.h"
#include "sentry/kernel/signal_send.h"

namespace runsc {
namespace {

std::string_view PathVariable(const std::vector<std::string>& env) {
  for (const std::string& entry : env) {
    if (entry.compare(0, 5, "PATH=") == 0) return std::string_view(entry).substr(5);
  }
  return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

// The candidates execvp(3) would try.
std::vector<std::string> Candidates(const InitProcess& init) {
  if (!init.path.empty()) return {init.path};
  const std::string& name = init.args[0];
  if (name.find('/') != std::string::npos) return {name};
  std::vector<std::string> candidates;
  std::string_view path = PathVariable(init.env);
  for (;;) {
    const size_t end = path.find(':');
    const std::string_view dir = path.substr(0, end);
    candidates.push_back(dir.empty() ? name : std::string(dir) + "/" + name);
    if (end == std::string_view::npos) return candidates;
    path.remove_prefix(end + 1);
  }
}

RefPtr<ThreadGroup> NewGroup(Kernel& kernel, int pid, const InitProcess& init, const OutsidePlace& place) {
  auto group = MakeRef<ThreadGroup>(kernel, pid);
  group->actions = MakeRef<SharedSignalActions>();
  group->timers = std::make_shared<ThreadGroup::Timers>(*group);
  for (const auto& [resource, limit] : init.rlimits) {
    if (resource >= 0 && resource < static_cast<int>(RLIM_NLIMITS)) group->limits[resource] = limit;
  }
  group->pgid = group->sid = pid;
  group->oom_score_adj = init.oom_score_adj;
  group->container = place.container;
  group->pid_ns = place.pid_ns;
  return group;
}

absl::Status ExecError(const InitProcess& init, Errno error) {
  return absl::FailedPreconditionError(absl::StrCat("exec ", init.args[0], ": ", std::strerror(error.value())));
}

}  // namespace

Result<std::unique_ptr<OutsideProcess>> OutsideProcess::New(Kernel& kernel, const InitProcess& init,
                                                            OutsidePlace place) {
  int pid;
  {
    MutexLock l(kernel.task_set_mu());
    if (kernel.shutting_down()) return Errno(EAGAIN);
    pid = TRY(kernel.AllocatePidLocked(nullptr));
  }
  Task::Parts parts;
  parts.thread_group = NewGroup(kernel, pid, init, place);
  parts.fds = init.fds;
  parts.fs = MakeRef<FsContext>(place.root, place.root, init.umask);
  parts.creds = init.creds;
  auto task = MakeRef<Task>(kernel, std::move(parts), pid);
  SetNamespaces(*task, std::move(place.namespaces));
  std::unique_ptr<OutsideProcess> process(new OutsideProcess(kernel, std::move(task)));
  ThreadGroup& group = process->task_->thread_group();
  MutexLock l(kernel.task_set_mu());
  group.leader = process->task_.get();
  group.tasks.push_back(process->task_.get());
  TRY(AddToPidNamespacesLocked(place.pid_ns.get(), pid, {}));
  // The first one made, although others (hooks) may run and end before it.
  if (place.pid_ns && place.pid_ns->init == nullptr) place.pid_ns->init = &group;
  if (kernel.init_ == nullptr) kernel.init_ = RefPtr<ThreadGroup>(&group);
  return process;
}

OutsideProcess::~OutsideProcess() {
  if (started_) return;
  const RefPtr<ThreadGroup> group(&task_->thread_group());
  RefPtr<Task> from_table;  // goes without the lock
  bool others;
  {
    MutexLock l(kernel_.task_set_mu());
    others = IsNamespaceInitLocked(*group) && CloseNamespaceLocked();
    if (!others) from_table = WithdrawLocked();
  }
  if (others) EndNamespace();
}

// Whether others are in the namespace of which it is the init. No more will come.
bool OutsideProcess::CloseNamespaceLocked() {
  PidNamespace* const ns = task_->thread_group().pid_ns.get();
  (ns != nullptr ? ns->dead : kernel_.shutting_down_) = true;
  const std::vector<ThreadGroup*> groups = kernel_.ThreadGroupsLocked();
  return std::any_of(groups.begin(), groups.end(), [ns](ThreadGroup* other) { return SeesProcess(ns, *other); });
}

RefPtr<Task> OutsideProcess::WithdrawLocked() {
  ThreadGroup& group = task_->thread_group();
  RefPtr<Task> from_table = kernel_.RemoveTaskLocked(task_->tid());
  kernel_.RemoveThreadGroupLocked(group.pid());
  RemoveFromPidNamespacesLocked(group.pid_ns.get(), task_->tid());
  if (group.pid_ns && group.pid_ns->init == &group) group.pid_ns->init = nullptr;
  if (kernel_.init() == &group) kernel_.init_.reset();
  group.tasks.clear();
  group.leader = nullptr;
  return from_table;
}

// It runs after all, but only to its end, which is any init's: it kills the others and waits for them.
void OutsideProcess::EndNamespace() {
  const auto ended = std::make_shared<std::promise<void>>();
  {
    MutexLock l(kernel_.task_set_mu());
    KillGroupLocked(task_->thread_group(), SIGKILL);
    task_->thread_group().on_exit = [ended](int) { ended->set_value(); };
  }
  for (;;) {
    ReservedThread thread("task", kTaskStackSize);
    if (thread.valid()) {
      task_->StartThread(std::move(thread));
      break;
    }
    usleep(10'000);  // another one ends
  }
  ended->get_future().wait();
}

absl::Status OutsideProcess::EnterDirectory(const InitProcess& init) {
  if (init.args.empty()) return absl::InvalidArgumentError("no command to run");
  const auto cwd = task_->vfs().Lookup(task_->resolver(), task_->fs().root(), init.cwd, Vfs::kDirectory);
  if (!cwd.ok()) {
    return absl::NotFoundError(absl::StrCat("working directory ", init.cwd, ": ", std::strerror(cwd.error().value())));
  }
  task_->fs().set_cwd(*cwd);
  return absl::OkStatus();
}

absl::Status OutsideProcess::Exec(const InitProcess& init) {
  if (absl::Status entered = EnterDirectory(init); !entered.ok()) return entered;
  Errno error(ENOENT);
  for (const std::string& candidate : Candidates(init)) {
    const auto result = task_->Exec(task_->fs().cwd(), candidate, init.args, init.env, 0);
    if (result.ok()) {
      task_->run().registers_replaced = false;  // no call is being served that must not overwrite them
      return absl::OkStatus();
    }
    // As execvp: a refusal is remembered, absence is not.
    if (error == Errno(ENOENT) || !(result.error() == Errno(ENOENT))) error = result.error();
  }
  return ExecError(init, error);
}

absl::Status OutsideProcess::ExecProgram(const InitProcess& init, const Path& program) {
  if (absl::Status entered = EnterDirectory(init); !entered.ok()) return entered;
  const auto result = task_->Exec(program, "", init.args, init.env, AT_EMPTY_PATH);
  if (!result.ok()) return ExecError(init, result.error());
  task_->run().registers_replaced = false;
  task_->set_name(init.args[0].substr(init.args[0].rfind('/') + 1));
  return absl::OkStatus();
}

Result<void> OutsideProcess::PublishLocked() {
  ThreadGroup& group = task_->thread_group();
  PidNamespace* const ns = group.pid_ns.get();
  if (kernel_.shutting_down() || (ns != nullptr && ns->dead)) return Errno(ESRCH);
  kernel_.InsertTaskLocked(*task_);
  kernel_.InsertThreadGroupLocked(group);
  if (!terminal_) return {};
  group.terminal = terminal_;
  terminal_->session = group.sid;
  terminal_->foreground_pgid = group.pgid;
  return {};
}

absl::Status OutsideProcess::Start(std::function<void(int wait_status)> on_exit) {
  ReservedThread thread("task", kTaskStackSize);
  if (!thread.valid()) return absl::ResourceExhaustedError("cannot start a host thread");
  {
    MutexLock l(kernel_.task_set_mu());
    if (!PublishLocked().ok()) return absl::FailedPreconditionError("the container is ending");
    task_->thread_group().on_exit = std::move(on_exit);
  }
  task_->StartThread(std::move(thread));
  started_ = true;
  return absl::OkStatus();
}

}  // namespace runsc
