// /proc/PID/stat, statm and status: proc_pid_stat(5), proc_pid_status(5).
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "sentry/fs/proc_entries.h"
#include "sentry/fs/proc_sizes.h"
#include "sentry/fs/simple_fs_cpus.h"
#include "sentry/fs/simple_fs_text.h"
#include "sentry/kernel/pids.h"
#include "sentry/kernel/ptrace.h"
#include "sentry/kernel/seccomp.h"
#include "sentry/kernel/terminal.h"

namespace runsc {
namespace {

constexpr int64_t kNsPerTick = kNsPerSecond / 100;

struct Times {
  uint64_t user = 0, system = 0;  // ns
};

uint64_t NsOf(const timeval& tv) { return tv.tv_sec * uint64_t{kNsPerSecond} + tv.tv_usec * 1000; }

// What the task set lock guards, copied out.
struct Snapshot {
  int tracer = 0;
  int tgid = 0, tid = 0, ppid = 0, pgid = 0, sid = 0, tpgid = -1, threads = 0, nice = 0, exit_signal = 0,
      exit_status = 0;
  uint64_t tty = 0;
  int64_t start_ns = 0;
  Times times, children;
  rusage self_usage{}, children_usage{};
  SignalSet pending = 0, shared_pending = 0, ignored = 0, caught = 0;
  size_t queued = 0;
  uint64_t queue_limit = 0;
};

void CopySignalsLocked(ThreadGroup& group, const Task& task, Snapshot* s)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  s->pending = task.pending.pending();
  s->shared_pending = group.pending.pending();
  s->queued = task.pending.queued() + group.pending.queued();
  s->queue_limit = group.limits[RLIMIT_SIGPENDING].rlim_cur;
  if (!group.actions) return;
  for (int signo = 1; signo <= kMaxSignal; ++signo) {
    const uint64_t handler = group.actions->value.actions[signo].handler;
    if (handler == 1) s->ignored |= SignalBit(signo);
    if (handler > 1) s->caught |= SignalBit(signo);
  }
}

void CopyJobControlLocked(ThreadGroup& group, const Task& reader, Snapshot* s)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  s->ppid = group.parent != nullptr ? PidToGuestLocked(reader, group.parent->pid()) : 0;
  s->pgid = PidToGuestLocked(reader, group.pgid);
  s->sid = PidToGuestLocked(reader, group.sid);
  if (!group.terminal) return;
  s->tty = group.terminal->rdev;
  s->tpgid = PidToGuestLocked(reader, group.terminal->foreground_pgid);
}

Snapshot TakeSnapshot(const ProcTarget& target, const Task& task, const Task& reader) {
  Snapshot s;
  ThreadGroup& group = target.group();
  {
    MutexLock l(target.kernel().task_set_mu());
    CopyJobControlLocked(group, reader, &s);
    s.tgid = PidToGuestLocked(reader, group.pid());
    s.tid = PidToGuestLocked(reader, task.tid());
    if (Task* tracer = TracerOfLocked(task)) s.tracer = PidToGuestLocked(reader, tracer->tid());
    CopySignalsLocked(group, task, &s);
    s.threads = static_cast<int>(group.tasks.size());
    s.nice = task.nice;
    s.exit_signal = group.exit_signal;
    s.exit_status = group.zombie ? group.exit_status : 0;
    s.start_ns = group.start_time_ns;
    s.self_usage = group.self_usage;
    s.children_usage = group.children_usage;
    s.children = {NsOf(group.children_usage.ru_utime), NsOf(group.children_usage.ru_stime)};
    if (target.whole_process()) s.times = {group.exited_user_ns, group.exited_system_ns};
  }
  for (const RefPtr<Task>& t : target.tasks()) {
    s.times.user += t->UserTimeNs();
    s.times.system += t->SystemTimeNs();
  }
  return s;
}

std::string StateText(char letter) {
  switch (letter) {
    case 'R':
      return "R (running)";
    case 'S':
      return "S (sleeping)";
    case 'D':
      return "D (disk sleep)";
    case 'T':
      return "T (stopped)";
    case 't':
      return "t (tracing stop)";
    default:
      return "Z (zombie)";
  }
}

void AppendIds(const ProcTarget& target, const Task& task, const Snapshot& s, Task& reader, std::string* out) {
  CredentialsRef c = task.CredsSnapshot();
  const UserNamespace* ns = reader.creds()->user_ns.get();
  AppendFormat(out, "Tgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t%d\n", s.tgid, s.tid, s.ppid, s.tracer);
  AppendFormat(out, "Uid:\t%u\t%u\t%u\t%u\n", UidToGuest(ns, c->ruid), UidToGuest(ns, c->euid), UidToGuest(ns, c->suid),
               UidToGuest(ns, c->fsuid));
  AppendFormat(out, "Gid:\t%u\t%u\t%u\t%u\n", GidToGuest(ns, c->rgid), GidToGuest(ns, c->egid), GidToGuest(ns, c->sgid),
               GidToGuest(ns, c->fsgid));
}

// The table's size, as Linux grows it: in powers of two from 64.
int FdTableSize(const Task& task) {
  RefPtr<FdTable> fds = task.FdsSnapshot();
  if (!fds) return 0;
  const std::vector<int> open = fds->OpenFds();
  int size = 64;
  while (!open.empty() && size <= open.back()) size *= 2;
  return size;
}

// Its numbers from the reader's pid namespace down to its own.
std::string NumbersText(const ProcTarget& target, Task& reader, int tid) {
  MutexLock l(target.kernel().task_set_mu());
  std::string text;
  const PidNamespace* const own = reader.thread_group().pid_ns.get();
  const size_t hidden = own != nullptr ? static_cast<size_t>(own->level()) - 1 : 0;
  if (own == nullptr) AppendFormat(&text, "\t%d", tid);
  const std::vector<int> inner = InnerPidsLocked(target.group(), tid);
  for (size_t i = hidden; i < inner.size(); ++i) AppendFormat(&text, "\t%d", inner[i]);
  return text;
}

void AppendGroups(const ProcTarget& target, const Task& task, Task& reader, std::string* out) {
  AppendFormat(out, "FDSize:\t%d\nGroups:\t", FdTableSize(task));
  const UserNamespace* ns = reader.creds()->user_ns.get();
  for (gid_t gid : task.CredsSnapshot()->groups) AppendFormat(out, "%u ", GidToGuest(ns, gid));
  int pgid, sid;
  {
    MutexLock l(target.kernel().task_set_mu());
    pgid = target.group().pgid, sid = target.group().sid;
  }
  *out += "\nNStgid:" + NumbersText(target, reader, target.group().pid());
  *out += "\nNSpid:" + NumbersText(target, reader, task.tid());
  *out += "\nNSpgid:" + NumbersText(target, reader, pgid) + "\nNSsid:" + NumbersText(target, reader, sid);
  *out += "\nKthread:\t0\n";
}

struct MemoryLine {
  const char* name;
  uint64_t ProcSizes::*pages;  // null: the host's line
};

constexpr MemoryLine kMemoryLines[] = {
    {"VmPeak", &ProcSizes::total},
    {"VmSize", &ProcSizes::total},
    {"VmLck", nullptr},
    {"VmPin", nullptr},
    {"VmHWM", nullptr},
    {"VmRSS", nullptr},
    {"RssAnon", nullptr},
    {"RssFile", nullptr},
    {"RssShmem", nullptr},
    {"VmData", &ProcSizes::data},
    {"VmStk", &ProcSizes::stack},
    {"VmExe", &ProcSizes::text},
    {"VmLib", &ProcSizes::library},
    {"VmPTE", nullptr},
    {"VmSwap", nullptr},
    {"HugetlbPages", nullptr},
};

// The line that starts with "Name:"; empty if there is none.
std::string LineOf(const std::string& text, const char* name) {
  const std::string start = std::string("\n") + name + ":";
  const size_t at = text.find(start);
  if (at == std::string::npos) return {};
  const size_t end = text.find('\n', at + 1);
  return end == std::string::npos ? std::string() : text.substr(at + 1, end - at);
}

void AppendMemory(MemoryManager* mm, std::string* out) {
  if (mm == nullptr) return;
  const ProcSizes sizes = MeasureSizes(mm);
  const std::string host = mm->address_space().ReadHostProc("status").value_or("");
  for (const MemoryLine& line : kMemoryLines) {
    if (line.pages == nullptr) {
      *out += LineOf(host, line.name);
    } else {
      AppendFormat(out, "%s:\t%8lu kB\n", line.name, sizes.*line.pages * 4);
    }
  }
}

void AppendSignals(const Task& task, const Snapshot& s, std::string* out) {
  AppendFormat(out, "Threads:\t%d\nSigQ:\t%zu/%lu\n", s.threads, s.queued, s.queue_limit);
  AppendFormat(out, "SigPnd:\t%016lx\nShdPnd:\t%016lx\n", s.pending, s.shared_pending);
  AppendFormat(out, "SigBlk:\t%016lx\n", task.StateLetter() == 'Z' ? SignalSet{0} : task.MaskFromAnyThread());
  AppendFormat(out, "SigIgn:\t%016lx\nSigCgt:\t%016lx\n", s.ignored, s.caught);
}

void AppendCapabilities(const Task& task, std::string* out) {
  CredentialsRef c = task.CredsSnapshot();
  AppendFormat(out, "CapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\n", c->inheritable, c->permitted, c->effective);
  AppendFormat(out, "CapBnd:\t%016lx\nCapAmb:\t%016lx\nNoNewPrivs:\t%d\n", c->bounding, c->ambient, c->no_new_privs);
  const SeccompStatus seccomp = SeccompStatusOf(task);
  AppendFormat(out, "Seccomp:\t%d\nSeccomp_filters:\t%d\n", seccomp.mode, seccomp.filters);
}

// What sched_setaffinity chose, of the processors there are.
CpuSet AllowedCpus(const ProcTarget& target, const Task& task) {
  CpuSet cpus = CpuRange(0, target.kernel().cpus());
  MutexLock l(target.kernel().task_set_mu());
  const auto& mask = task.affinity;
  if (std::all_of(mask.begin(), mask.end(), [](uint64_t word) { return word == 0; })) return cpus;
  for (size_t i = 0; i < cpus.size() && i < mask.size() * 64; ++i) cpus[i] = (mask[i / 64] >> (i % 64)) & 1;
  return cpus;
}

void AppendPlacement(const ProcTarget& target, const Task& task, std::string* out) {
  const CpuSet cpus = AllowedCpus(target, task);
  *out += "Cpus_allowed:\t" + CpuMaskText(cpus) + "\nCpus_allowed_list:\t" + CpuListText(cpus) + "\n";
  *out += "Mems_allowed:\t1\nMems_allowed_list:\t0\n";
}

// Fields 23 to 28: sizes and addresses, the latter only for who may see them.
std::string StatMemory(MemoryManager* mm, bool permitted) {
  const ProcSizes sizes = MeasureSizes(mm);
  const MemoryManager::Image image = mm != nullptr ? mm->image() : MemoryManager::Image{};
  const bool show = permitted && mm != nullptr;
  return Format(" %lu %lu 18446744073709551615 %lu %lu %lu 0 0", sizes.total * 4096, sizes.resident,
                show ? image.start_code : uint64_t{mm != nullptr}, show ? image.end_code : uint64_t{mm != nullptr},
                show ? image.start_stack : uint64_t{0});
}

// Fields 45 to 52.
std::string StatImage(MemoryManager* mm, bool permitted, int exit_status) {
  if (mm == nullptr || !permitted) return Format(" 0 0 0 0 0 0 0 %d", permitted ? exit_status : 0);
  const MemoryManager::Image i = mm->image();
  return Format(" %lu %lu %lu %lu %lu %lu %lu %d", i.start_data, i.end_data, i.start_brk, i.arg_start, i.arg_end,
                i.env_start, i.env_end, exit_status);
}

// Fields 4 to 22.
std::string StatProcess(const Task& task, const Snapshot& s) {
  constexpr unsigned kFlags = 0x400000;  // PF_RANDOMIZE
  std::string out = Format(" %d %d %d %lu %d %u", s.ppid, s.pgid, s.sid, s.tty, s.tpgid, kFlags);
  AppendFormat(&out, " %ld %ld %ld %ld", s.self_usage.ru_minflt, s.children_usage.ru_minflt, s.self_usage.ru_majflt,
               s.children_usage.ru_majflt);
  AppendFormat(&out, " %lu %lu %lu %lu", s.times.user / kNsPerTick, s.times.system / kNsPerTick,
               s.children.user / kNsPerTick, s.children.system / kNsPerTick);
  AppendFormat(&out, " %d %d %d 0 %ld", 20 + s.nice, s.nice, s.threads, s.start_ns / kNsPerTick);
  return out;
}

}  // namespace

Result<std::string> ProcStat(const ProcTarget& target, Task& reader) {
  RefPtr<Task> task = TRY(target.task());
  RefPtr<MemoryManager> mm = TRY(target.mm());
  const bool permitted = target.CheckMayInspect(reader).ok();
  const Snapshot s = TakeSnapshot(target, *task, reader);
  const uint64_t blocked = task->StateLetter() == 'Z' ? 0 : task->MaskFromAnyThread();
  constexpr uint64_t kShown = 0x7fffffff;
  std::string out = Format("%d (%s) %c", s.tid, task->name().c_str(), task->StateLetter());
  out += StatProcess(*task, s);
  out += StatMemory(mm.get(), permitted);
  AppendFormat(&out, " %lu %lu %lu %lu 0 0 0 %d 0 0 %d 0 0 0", s.pending & kShown, blocked & kShown, s.ignored & kShown,
               s.caught & kShown, s.exit_signal, task->sched_policy & ~SCHED_RESET_ON_FORK);
  out += StatImage(mm.get(), permitted, s.exit_status);
  return out + "\n";
}

Result<std::string> ProcStatm(const ProcTarget& target, Task&) {
  RefPtr<MemoryManager> mm = TRY(target.mm());
  const ProcSizes s = MeasureSizes(mm.get());
  return Format("%lu %lu %lu %lu 0 %lu 0\n", s.total, s.resident, s.shared, s.text, s.data + s.stack);
}

Result<std::string> ProcStatus(const ProcTarget& target, Task& reader) {
  RefPtr<Task> task = TRY(target.task());
  RefPtr<MemoryManager> mm = TRY(target.mm());
  RefPtr<FsContext> fs = task->FsSnapshot();
  const Snapshot s = TakeSnapshot(target, *task, reader);
  std::string out = "Name:\t" + task->name() + "\n";
  if (fs) AppendFormat(&out, "Umask:\t%04o\n", fs->umask());
  out += "State:\t" + StateText(task->StateLetter()) + "\n";
  AppendIds(target, *task, s, reader, &out);
  AppendGroups(target, *task, reader, &out);
  AppendMemory(mm.get(), &out);
  AppendFormat(&out, "CoreDumping:\t0\nTHP_enabled:\t1\n");
  AppendSignals(*task, s, &out);
  AppendCapabilities(*task, &out);
  AppendPlacement(target, *task, &out);
  return out;
}

}  // namespace runsc
