// Files of /proc/PID that set something of the process, and what it has and did: coredump_filter, timerslack_ns,
// loginuid, sessionid, io, timers.
#include "sentry/fs/proc_entries.h"
#include "sentry/fs/proc_sys.h"
#include "sentry/fs/simple_fs_text.h"
#include "sentry/kernel/pids.h"
#include "sentry/kernel/process_timers.h"
#include "sentry/kernel/run_state.h"

namespace runsc {
namespace {

// Another's timers are what its scheduling is: CAP_SYS_NICE.
Result<RefPtr<Task>> SlackOf(const ProcTarget& target, Task& caller) {
  RefPtr<Task> task = TRY(target.task());
  if (task.get() != &caller && !caller.creds()->Has(CAP_SYS_NICE)) return Errno(EPERM);
  return task;
}

Result<uint64_t> OneNumber(std::string_view text) {
  const auto number = TakeNumber(text);
  return number && IsBlank(text) ? Result<uint64_t>(*number) : Errno(EINVAL);
}

// As kstrtouint with base 0: decimal, 0x hexadecimal or 0 octal.
Result<uint32_t> ParseFilter(std::string_view text) {
  const std::string copy(text.substr(0, text.find('\n')));
  char* end = nullptr;
  errno = 0;
  const uint64_t value = strtoull(copy.c_str(), &end, 0);
  const bool has_digits = !copy.empty() && copy.find_first_of("+-") == copy.npos && end == copy.c_str() + copy.size();
  if (!has_digits) return Errno(EINVAL);
  return value <= UINT32_MAX ? Result<uint32_t>(static_cast<uint32_t>(value)) : Errno(ERANGE);
}

// All threads, those that are gone, and children that were waited for; or of one thread.
Result<IoTotals> IoOf(const ProcTarget& target) {
  if (!target.whole_process()) return TRY(target.task())->run().io.totals();
  MutexLock l(target.kernel().task_set_mu());
  IoTotals totals = target.group().past_io;
  for (const Task* task : target.group().tasks) totals += task->run().io.totals();
  return totals;
}

}  // namespace

Result<std::string> ProcCoredumpFilter(const ProcTarget& target, Task&) {
  if (!TRY(target.mm())) return std::string();
  MutexLock l(target.kernel().task_set_mu());
  return Format("%08x\n", target.group().core_filter);
}

Result<void> StoreProcCoredumpFilter(const ProcTarget& target, Task&, std::string_view text) {
  constexpr uint32_t kKnown = (1 << 9) - 1;
  const uint32_t filter = TRY(ParseFilter(text));
  TRY(target.task());
  MutexLock l(target.kernel().task_set_mu());
  target.group().core_filter = filter & kKnown;
  return {};
}

Result<std::string> ProcTimerslack(const ProcTarget& target, Task& reader) {
  return Format("%lu\n", TRY(SlackOf(target, reader))->timer_slack_ns.load());
}

Result<void> StoreProcTimerslack(const ProcTarget& target, Task& writer, std::string_view text) {
  const uint64_t slack = TRY(OneNumber(text));
  const RefPtr<Task> task = TRY(SlackOf(target, writer));
  task->timer_slack_ns = slack != 0 ? slack : task->default_timer_slack_ns;
  return {};
}

Result<std::string> ProcLoginuid(const ProcTarget& target, Task& reader) {
  const uint32_t uid = TRY(target.task())->run().login.uid();
  return Format("%u", uid == LoginSession::kUnset ? uid : UidToGuest(reader.creds()->user_ns.get(), uid));
}

// Only one's own.
Result<void> StoreProcLoginuid(const ProcTarget& target, Task& writer, std::string_view text) {
  const RefPtr<Task> task = TRY(target.task());
  if (task.get() != &writer) return Errno(EPERM);
  const uint64_t number = TRY(OneNumber(text));
  if (number > UINT32_MAX) return Errno(ERANGE);
  const auto asked = static_cast<uint32_t>(number);
  if (asked == LoginSession::kUnset) return task->run().login.SetUid(writer, asked);
  const auto uid = IdFromGuest(writer.creds()->user_ns.get(), UserNamespace::kUsers, asked);
  return uid ? task->run().login.SetUid(writer, *uid) : Errno(EINVAL);
}

Result<std::string> ProcSessionid(const ProcTarget& target, Task&) {
  return Format("%u", TRY(target.task())->run().login.session());
}

// What a disk moved is the host's business: its bytes are none here, as for a process whose files are cached.
Result<std::string> ProcIo(const ProcTarget& target, Task& reader) {
  TRY(target.CheckMayInspect(reader));
  const IoTotals io = TRY(IoOf(target));
  return Format(
      "rchar: %lu\nwchar: %lu\nsyscr: %lu\nsyscw: %lu\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n",
      io.bytes_read, io.bytes_written, io.reads, io.writes);
}

// timer_create(2)'s.
Result<std::string> ProcTimers(const ProcTarget& target, Task& reader) {
  static constexpr const char* kKinds[] = {"signal", "none", "thread"};
  TRY(target.CheckMayInspect(reader));
  std::string out;
  const int pid = PidToGuest(reader, target.group().pid());
  ThreadGroup::Timers& timers = *target.group().timers;
  MutexLock l(timers.mu);
  for (const auto& [id, timer] : timers.posix) {
    const sigevent& event = timer->event;
    const bool of_thread = event.sigev_notify & SIGEV_THREAD_ID;
    const int whom = of_thread ? timer->target_tid : pid;
    AppendFormat(&out, "ID: %d\nsignal: %d/%016lx\nnotify: %s/%s.%d\nClockID: %d\n", id, event.sigev_signo,
                 reinterpret_cast<uint64_t>(event.sigev_value.sival_ptr), kKinds[event.sigev_notify & 3],
                 of_thread ? "tid" : "pid", whom, timer->timer->clock().id);
  }
  return out;
}

}  // namespace runsc
