// Files of /proc about the whole machine: times, memory, and what is compiled in.
#include <sys/resource.h>

#include <algorithm>

#include "sentry/fs/load_average.h"
#include "sentry/fs/proc_cpuinfo.h"
#include "sentry/fs/proc_entries.h"
#include "sentry/fs/simple_fs_host.h"
#include "sentry/fs/simple_fs_text.h"
#include "sentry/kernel/linux_version.h"

namespace runsc {
namespace {

constexpr int64_t kNsPerTick = kNsPerSecond / 100;
const int64_t started_ns = Kernel::MonotonicNs();  // the process, and with it the sandbox

uint64_t NsOf(const timeval& tv) { return tv.tv_sec * uint64_t{kNsPerSecond} + tv.tv_usec * 1000; }

int64_t UptimeNs() {
  timespec ts;
  clock_gettime(CLOCK_BOOTTIME, &ts);
  return ToNs(ts);
}

// What all processes have used, those that are gone included, and how many there are.
struct Load {
  uint64_t user_ns = 0, system_ns = 0, idle_ns = 0;
  int running = 0, threads = 0, last_pid = 0;
};

Load MeasureLoad(Kernel& kernel) {
  Load load;
  std::vector<RefPtr<Task>> tasks;
  {
    MutexLock l(kernel.task_set_mu());
    for (ThreadGroup* group : kernel.ThreadGroupsLocked()) {
      load.user_ns += group->exited_user_ns + NsOf(group->children_usage.ru_utime);
      load.system_ns += group->exited_system_ns + NsOf(group->children_usage.ru_stime);
      load.last_pid = std::max(load.last_pid, group->pid());
      for (Task* task : group->tasks) tasks.emplace_back(task);
    }
  }
  for (const RefPtr<Task>& task : tasks) {
    load.user_ns += task->UserTimeNs();
    load.system_ns += task->SystemTimeNs();
    load.running += task->StateLetter() == 'R';
  }
  load.threads = static_cast<int>(tasks.size());
  const uint64_t capacity = UptimeNs() * kernel.cpus();
  const uint64_t busy = load.user_ns + load.system_ns;
  load.idle_ns = capacity > busy ? capacity - busy : 0;
  return load;
}

std::string CpuLine(const std::string& name, const Load& load, uint64_t share) {
  return Format("%s %lu 0 %lu %lu 0 0 0 0 0 0\n", name.c_str(), load.user_ns / share / kNsPerTick,
                load.system_ns / share / kNsPerTick, load.idle_ns / share / kNsPerTick);
}

// Of the sentry's threads: every entry of a guest thread into the kernel that waits is one.
uint64_t ContextSwitches() {
  struct rusage usage {};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nvcsw + usage.ru_nivcsw;
}

Result<std::string> Stat(Task& reader) {
  Kernel& kernel = reader.kernel();
  const Load load = MeasureLoad(kernel);
  std::string out = CpuLine("cpu ", load, 1);
  for (int i = 0; i < kernel.cpus(); ++i) out += CpuLine("cpu" + std::to_string(i), load, kernel.cpus());
  AppendFormat(&out, "intr 0\nctxt %lu\nbtime %ld\n", ContextSwitches(),
               (Kernel::RealtimeNs() - UptimeNs()) / kNsPerSecond);
  AppendFormat(&out, "processes %lu\nprocs_running %d\nprocs_blocked 0\n", kernel.total_forks(),
               std::max(load.running, 1));
  return out + "softirq 0 0 0 0 0 0 0 0 0 0 0\n";
}

Result<std::string> Uptime(Task& reader) {
  const int64_t up = UptimeNs() / (kNsPerSecond / 100);
  const uint64_t idle = MeasureLoad(reader.kernel()).idle_ns / (kNsPerSecond / 100);
  return Format("%ld.%02ld %lu.%02lu\n", up / 100, up % 100, idle / 100, idle % 100);
}

LoadAverage::Averages AverageOf(const Load& load) {
  static LoadAverage& averages = *new LoadAverage(started_ns);
  return averages.At(Kernel::MonotonicNs(), load.user_ns + load.system_ns);
}

Result<std::string> Loadavg(Task& reader) {
  const Load load = MeasureLoad(reader.kernel());
  const LoadAverage::Averages average = AverageOf(load);
  return Format("%.2f %.2f %.2f %d/%d %d\n", average[0], average[1], average[2], load.running, load.threads,
                load.last_pid);
}

}  // namespace

LoadAverage::Averages LoadOf(Kernel& kernel) { return AverageOf(MeasureLoad(kernel)); }

namespace {

constexpr const char* kMemoryLines[] = {
    "MemTotal:",     "MemFree:",      "MemAvailable:", "Buffers:",        "Cached:",          "SwapCached:",
    "Active:",       "Inactive:",     "Active(anon):", "Inactive(anon):", "Active(file):",    "Inactive(file):",
    "Unevictable:",  "Mlocked:",      "Dirty:",        "Writeback:",      "AnonPages:",       "Mapped:",
    "Shmem:",        "KReclaimable:", "Slab:",         "SReclaimable:",   "SUnreclaim:",      "KernelStack:",
    "PageTables:",   "CommitLimit:",  "Committed_AS:", "VmallocTotal:",   "HugePages_Total:", "HugePages_Free:",
    "Hugepagesize:",
};

bool IsMemoryLine(std::string_view line) {
  return std::any_of(std::begin(kMemoryLines), std::end(kMemoryLines),
                     [&](const char* name) { return line.starts_with(name); });
}

// The swap is the host's business.
constexpr char kNoSwap[] = "SwapTotal:             0 kB\nSwapFree:              0 kB\n";

// Guest memory is ordinary memory of the host, so the host's account of it is the guest's.
Result<std::string> Meminfo(Task&) {
  const auto host = ReadHostText("/proc/meminfo");
  if (!host.ok()) return host;
  std::string out;
  for (size_t at = 0; at < host->size();) {
    const size_t end = std::min(host->find('\n', at), host->size() - 1) + 1;
    const std::string_view line(host->data() + at, end - at);
    if (line.starts_with("SwapTotal:")) out += kNoSwap;
    if (IsMemoryLine(line)) out += line;
    at = end;
  }
  return out;
}

// What there is of each kind of page is the host's account, as in meminfo; what happened to them is nobody's here.
Result<std::string> Vmstat(Task&) {
  const std::string host =
      ReadHostText("/proc/vmstat").value_or(Format("nr_free_pages %lu\n", ReadHostMemory().free / 4096));
  std::string out;
  for (size_t at = 0; at < host.size();) {
    const size_t end = std::min(host.find('\n', at), host.size() - 1) + 1;
    if (host.compare(at, 3, "nr_") == 0) out.append(host, at, end - at);
    at = end;
  }
  return out + "pgpgin 0\npgpgout 0\npswpin 0\npswpout 0\noom_kill 0\n";
}

Result<std::string> Cpuinfo(Task& reader) { return CpuinfoText(reader.kernel().cpus()); }

Result<std::string> Version(Task&) {
  return Format("%s version %s (runsc@sandbox) (g++) %s\n", kGuestSysname, kGuestRelease, kGuestVersion);
}

Result<std::string> Interrupts(Task& reader) {
  std::string out(11, ' ');
  for (int i = 0; i < reader.kernel().cpus(); ++i) AppendFormat(&out, "%-11s", Format("CPU%d", i).c_str());
  return out + "\n";
}

// None of them happens here.
Result<std::string> Softirqs(Task& reader) {
  const int cpus = reader.kernel().cpus();
  std::string out(20, ' ');
  for (int i = 0; i < cpus; ++i) AppendFormat(&out, "%-11s", Format("CPU%d", i).c_str());
  for (const char* name :
       {"HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU"}) {
    AppendFormat(&out, "\n%12s:", name);
    for (int i = 0; i < cpus; ++i) AppendFormat(&out, " %10d", 0);
  }
  return out + "\n";
}

constexpr char kFilesystems[] =
    "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tsockfs\nnodev\tpipefs\nnodev\tdevpts\nnodev\tcgroup2\nnodev\toverl"
    "ay\n";
constexpr char kDevices[] =
    "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 pts\n\nBlock devices:\n";

}  // namespace

void AddProcMachine(SimpleDir& dir) {
  dir.AddText("cpuinfo", &Cpuinfo);
  dir.AddText("interrupts", &Interrupts);
  dir.AddText("loadavg", &Loadavg);
  dir.AddText("meminfo", &Meminfo);
  dir.AddText("softirqs", &Softirqs);
  dir.AddText("stat", &Stat);
  dir.AddText("uptime", &Uptime);
  dir.AddText("version", &Version);
  dir.AddText("vmstat", &Vmstat);
  dir.AddFixed("cgroups",
               "#subsys_name\thierarchy\tnum_"
               "cgroups\tenabled\ncpuset\t0\t1\t1\ncpu\t0\t1\t1\ncpuacct\t0\t1\t1\nmemory\t0\t1\t1\npids\t0\t1\t1\n");
  dir.AddFixed("cmdline", "\n");
  dir.AddFixed("consoles", "");
  dir.AddFixed("devices", kDevices);
  dir.AddFixed("diskstats", "");
  dir.AddFixed("filesystems", kFilesystems);
  dir.AddFixed("misc", "");
  dir.AddFixed("modules", "");
  dir.AddFixed("partitions", "major minor  #blocks  name\n\n");
  dir.AddFixed("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
  dir.Dir("bus");
  dir.Dir("driver");
  dir.Dir("fs");
  dir.Dir("irq");
  dir.Dir("tty").AddFixed("ldiscs", "n_tty       0\n");
  dir.Dir("tty").AddFixed("drivers",
                          "/dev/tty             /dev/tty        5       0 system:/dev/tty\n"
                          "pty_slave            /dev/pts      136 0-1048575 pty:slave\n");
}

}  // namespace runsc
