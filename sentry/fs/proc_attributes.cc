// The small files of /proc/PID: comm, limits, oom_*, sched*, children.
#include <charconv>

#include "sentry/fs/proc_entries.h"
#include "sentry/fs/simple_fs_host.h"
#include "sentry/fs/simple_fs_text.h"

namespace runsc {
namespace {

struct LimitRow {
  int resource;
  const char* name;
  const char* unit;
};

constexpr LimitRow kLimits[] = {
    {RLIMIT_CPU, "Max cpu time", "seconds"},         {RLIMIT_FSIZE, "Max file size", "bytes"},
    {RLIMIT_DATA, "Max data size", "bytes"},         {RLIMIT_STACK, "Max stack size", "bytes"},
    {RLIMIT_CORE, "Max core file size", "bytes"},    {RLIMIT_RSS, "Max resident set", "bytes"},
    {RLIMIT_NPROC, "Max processes", "processes"},    {RLIMIT_NOFILE, "Max open files", "files"},
    {RLIMIT_MEMLOCK, "Max locked memory", "bytes"},  {RLIMIT_AS, "Max address space", "bytes"},
    {RLIMIT_LOCKS, "Max file locks", "locks"},       {RLIMIT_SIGPENDING, "Max pending signals", "signals"},
    {RLIMIT_MSGQUEUE, "Max msgqueue size", "bytes"}, {RLIMIT_NICE, "Max nice priority", ""},
    {RLIMIT_RTPRIO, "Max realtime priority", ""},    {RLIMIT_RTTIME, "Max realtime timeout", "us"},
};

std::string LimitText(rlim_t value) { return value == RLIM_INFINITY ? "unlimited" : Format("%lu", value); }

std::string_view Trim(std::string_view text) {
  constexpr char kSpace[] = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) + 1 - first);
}

Result<int> ParseInt(std::string_view text) {
  text = Trim(text);
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return Errno(EINVAL);
  return value;
}

int OomScoreAdj(const ProcTarget& target) {
  MutexLock l(target.kernel().task_set_mu());
  return target.group().oom_score_adj;
}

// Making oneself less likely to be killed takes a privilege.
Result<void> SetOomScoreAdj(const ProcTarget& target, Task& writer, int value) {
  TRY(target.task());
  const bool capable = writer.creds()->Has(CAP_SYS_RESOURCE);
  MutexLock l(target.kernel().task_set_mu());
  if (value < target.group().oom_score_adj && !capable) return Errno(EACCES);
  target.group().oom_score_adj = value;
  return {};
}

Result<uint64_t> ResidentPages(const ProcTarget& target) {
  RefPtr<MemoryManager> mm = TRY(target.mm());
  uint64_t total = 0, resident = 0;
  if (!mm) return resident;
  const std::string statm = TRY(mm->address_space().ReadHostProc("statm"));
  sscanf(statm.c_str(), "%lu %lu", &total, &resident);
  return resident;
}

uint64_t CpuTimeNs(const ProcTarget& target) {
  uint64_t ns = 0;
  for (const RefPtr<Task>& task : target.tasks()) ns += task->CpuTimeNs();
  return ns;
}

}  // namespace

Result<std::string> ProcComm(const ProcTarget& target, Task&) { return TRY(target.task())->name() + "\n"; }

Result<void> StoreProcComm(const ProcTarget& target, Task& writer, std::string_view text) {
  RefPtr<Task> task = TRY(target.task());
  if (&task->thread_group() != &writer.thread_group()) return Errno(EINVAL);
  if (text.ends_with('\n')) text.remove_suffix(1);
  task->set_name(text.substr(0, text.find('\0')));
  return {};
}

Result<std::string> ProcLimits(const ProcTarget& target, Task&) {
  TRY(target.task());
  std::string out = Format("%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
  MutexLock l(target.kernel().task_set_mu());
  for (const LimitRow& row : kLimits) {
    const struct rlimit& limit = target.group().limits[row.resource];
    AppendFormat(&out, "%-25s %-20s %-20s ", row.name, LimitText(limit.rlim_cur).c_str(),
                 LimitText(limit.rlim_max).c_str());
    AppendFormat(&out, row.unit[0] != '\0' ? "%-10s\n" : "%s\n", row.unit);
  }
  return out;
}

// Linux' badness, scaled: share of the memory and the adjustment, both in thousandths.
Result<std::string> ProcOomScore(const ProcTarget& target, Task&) {
  const auto pages = static_cast<int64_t>(ReadHostMemory().total / 4096);
  const int64_t resident = static_cast<int64_t>(TRY(ResidentPages(target)));
  const int64_t share = pages > 0 ? resident * 1000 / pages : 0;
  const int64_t score = (1000 + share + OomScoreAdj(target)) * 2 / 3;
  return Format("%ld\n", std::max<int64_t>(score, 0));
}

Result<std::string> ProcOomScoreAdj(const ProcTarget& target, Task&) {
  TRY(target.task());
  return Format("%d\n", OomScoreAdj(target));
}

Result<void> StoreProcOomScoreAdj(const ProcTarget& target, Task& writer, std::string_view text) {
  const int value = TRY(ParseInt(text));
  if (value < -1000 || value > 1000) return Errno(EINVAL);
  return SetOomScoreAdj(target, writer, value);
}

Result<std::string> ProcOomAdj(const ProcTarget& target, Task&) {
  TRY(target.task());
  const int adj = OomScoreAdj(target);
  return Format("%d\n", adj == 1000 ? 15 : adj * 17 / 1000);
}

Result<void> StoreProcOomAdj(const ProcTarget& target, Task& writer, std::string_view text) {
  const int value = TRY(ParseInt(text));
  if (value < -17 || value > 15) return Errno(EINVAL);
  return SetOomScoreAdj(target, writer, value == 15 ? 1000 : value * 1000 / 17);
}

// Time on a CPU, time waiting for one (not known: the host's scheduler decides), time slices (likewise).
Result<std::string> ProcSchedstat(const ProcTarget& target, Task&) {
  TRY(target.task());
  return Format("%lu 0 0\n", CpuTimeNs(target));
}

Result<std::string> ProcSched(const ProcTarget& target, Task&) {
  RefPtr<Task> task = TRY(target.task());
  size_t threads;
  {
    MutexLock l(target.kernel().task_set_mu());
    threads = target.group().tasks.size();
  }
  const uint64_t ns = CpuTimeNs(target);
  std::string out = Format("%s (%d, #threads: %zu)\n", task->name().c_str(), task->tid(), threads);
  out += std::string(67, '-') + "\n";
  AppendFormat(&out, "%-45s:%14lu.%06lu\n", "se.sum_exec_runtime", ns / 1000000, ns % 1000000);
  AppendFormat(&out, "%-45s:%21d\n%-45s:%21d\n", "policy", 0, "prio", 120);
  return out;
}

// Children belong to the process here, not to the thread that made them: listed for the leader.
Result<std::string> ProcChildren(const ProcTarget& target, Task&) {
  RefPtr<Task> task = TRY(target.task());
  std::string out;
  if (task->tid() != target.group().pid()) return out;
  MutexLock l(target.kernel().task_set_mu());
  for (const RefPtr<ThreadGroup>& child : target.group().children) AppendFormat(&out, "%d ", child->pid());
  return out;
}

}  // namespace runsc
