// /proc/sys: what sysctl(8) shows. Only the names of the machine and what layers above add can be set;
// everything else says what holds in this kernel.
#include "sentry/fs/proc_sys.h"

#include <charconv>

#include "sentry/fs/proc_entries.h"
#include "sentry/fs/simple_fs_host.h"
#include "sentry/fs/simple_fs_text.h"
#include "sentry/kernel/linux_version.h"
#include "sentry/kernel/namespaces.h"
#include "sentry/kernel/random.h"

namespace runsc {
namespace {

struct Constant {
  const char* path;  // below /proc/sys
  const char* value;
  uint32_t mode = 0644;  // as Linux shows it: where that lets somebody write, here it is refused
};

constexpr Constant kConstants[] = {
    {"fs/aio-max-nr", "65536"},
    {"fs/aio-nr", "0", 0444},
    {"fs/dentry-state", "0\t0\t45\t0\t0\t0", 0444},
    {"fs/dir-notify-enable", "1"},
    {"fs/epoll/max_user_watches", "5491489"},
    {"fs/file-max", "9223372036854775807"},
    {"fs/file-nr", "0\t0\t9223372036854775807", 0444},
    {"fs/inode-nr", "0\t0", 0444},
    {"fs/inode-state", "0\t0\t0\t0\t0\t0\t0", 0444},
    {"fs/inotify/max_queued_events", "16384"},
    {"fs/inotify/max_user_instances", "128"},
    {"fs/inotify/max_user_watches", "65536"},
    {"fs/lease-break-time", "45"},
    {"fs/leases-enable", "0"},
    {"fs/mqueue/msg_default", "10"},
    {"fs/mqueue/msg_max", "10"},
    {"fs/mqueue/msgsize_default", "8192"},
    {"fs/mqueue/msgsize_max", "8192"},
    {"fs/mqueue/queues_max", "256"},
    {"fs/nr_open", "1048576"},
    {"fs/overflowgid", "65534"},
    {"fs/overflowuid", "65534"},
    {"fs/pipe-max-size", "1048576"},
    {"fs/pipe-user-pages-hard", "0"},
    {"fs/pipe-user-pages-soft", "16384"},
    {"fs/protected_fifos", "0"},
    {"fs/protected_hardlinks", "1"},
    {"fs/protected_regular", "0"},
    {"fs/protected_symlinks", "0"},
    {"fs/suid_dumpable", "0"},
    {"kernel/arch", "x86_64", 0444},
    {"kernel/auto_msgmni", "0"},
    {"kernel/cap_last_cap", "40", 0444},
    {"kernel/core_pipe_limit", "0"},
    {"kernel/ctrl-alt-del", "0"},
    {"kernel/dmesg_restrict", "1"},
    {"kernel/io_uring_disabled", "2"},
    {"kernel/keys/maxbytes", "20000"},
    {"kernel/keys/maxkeys", "200"},
    {"kernel/kptr_restrict", "2"},
    {"kernel/modules_disabled", "1"},
    {"kernel/ngroups_max", "65536", 0444},
    {"kernel/numa_balancing", "0"},
    {"kernel/osrelease", kGuestRelease, 0444},
    {"kernel/ostype", kGuestSysname, 0444},
    {"kernel/overflowgid", "65534"},
    {"kernel/overflowuid", "65534"},
    {"kernel/panic", "0"},
    {"kernel/panic_on_oops", "0"},
    {"kernel/panic_on_warn", "0"},
    {"kernel/perf_cpu_time_max_percent", "25"},
    {"kernel/perf_event_max_contexts_per_stack", "8"},
    {"kernel/perf_event_max_sample_rate", "100000"},
    {"kernel/perf_event_max_stack", "127"},
    {"kernel/perf_event_mlock_kb", "516"},
    {"kernel/perf_event_paranoid", "4"},
    {"kernel/pid_max", "4194304"},
    {"kernel/print-fatal-signals", "0"},
    {"kernel/printk", "4\t4\t1\t7"},
    {"kernel/pty/max", "4096"},
    {"kernel/pty/reserve", "1024"},
    {"kernel/random/entropy_avail", "256", 0444},
    {"kernel/random/poolsize", "256", 0444},
    {"kernel/random/urandom_min_reseed_secs", "60"},
    {"kernel/random/write_wakeup_threshold", "256"},
    {"kernel/randomize_va_space", "2"},
    {"kernel/sched_autogroup_enabled", "0"},
    {"kernel/sched_rr_timeslice_ms", "100"},
    {"kernel/sched_rt_period_us", "1000000"},
    {"kernel/sched_rt_runtime_us", "950000"},
    {"kernel/seccomp/actions_avail", "kill_process kill_thread trap errno user_notif trace log allow", 0444},
    {"kernel/shm_rmid_forced", "0"},
    {"kernel/softlockup_panic", "0"},
    {"kernel/sysctl_writes_strict", "1"},
    {"kernel/tainted", "0"},
    {"kernel/threads-max", "192730"},
    {"kernel/unprivileged_bpf_disabled", "2"},
    {"kernel/version", kGuestVersion, 0444},
    {"kernel/watchdog", "0"},
    {"kernel/yama/ptrace_scope", "0"},
    {"net/core/default_qdisc", "noqueue"},
    {"net/core/netdev_max_backlog", "1000"},
    {"net/core/optmem_max", "131072"},
    {"net/core/rmem_default", "212992", 0444},
    {"net/core/rmem_max", "4194304", 0444},
    {"net/core/wmem_default", "212992", 0444},
    {"net/core/wmem_max", "4194304", 0444},
    {"net/ipv4/tcp_allowed_congestion_control", "reno cubic", 0444},
    {"net/ipv4/tcp_available_congestion_control", "reno cubic", 0444},
    {"net/ipv4/tcp_congestion_control", "cubic"},
    {"user/max_cgroup_namespaces", "0"},
    {"user/max_inotify_instances", "128"},
    {"user/max_inotify_watches", "65536"},
    {"user/max_ipc_namespaces", "96365"},
    {"user/max_mnt_namespaces", "96365"},
    {"user/max_net_namespaces", "96365"},
    {"user/max_pid_namespaces", "96365"},
    {"user/max_time_namespaces", "0"},
    {"user/max_user_namespaces", "96365"},
    {"user/max_uts_namespaces", "96365"},
    {"vm/drop_caches", "0", 0200},
    {"vm/hugetlb_shm_group", "0"},
    {"vm/legacy_va_layout", "0"},
    {"vm/memfd_noexec", "0"},
    {"vm/mmap_min_addr", "65536"},
    {"vm/nr_hugepages", "0"},
    {"vm/nr_overcommit_hugepages", "0"},
    {"vm/oom_kill_allocating_task", "0"},
    {"vm/panic_on_oom", "0"},
    {"vm/unprivileged_userfaultfd", "0"},
    {"vm/zone_reclaim_mode", "0"},
};

// Settings of the host's memory management, which is the guest's, and what to say where they cannot be read.
constexpr Constant kHostSettings[] = {
    {"vm/dirty_background_bytes", "0"},
    {"vm/dirty_background_ratio", "10"},
    {"vm/dirty_bytes", "0"},
    {"vm/dirty_expire_centisecs", "3000"},
    {"vm/dirty_ratio", "20"},
    {"vm/dirty_writeback_centisecs", "500"},
    {"vm/max_map_count", "65530"},
    {"vm/min_free_kbytes", "67584"},
    {"vm/overcommit_memory", "0"},
    {"vm/overcommit_ratio", "50"},
    {"vm/page-cluster", "3"},
    {"vm/swappiness", "60"},
    {"vm/vfs_cache_pressure", "100"},
};

// Setting what has no effect here must not look like success.
Result<void> RefuseWrite(Task&, std::string_view) { return Errno(EPERM); }

void AddAt(SimpleDir& sys, std::string_view path, TextReader read, TextWriter write, uint32_t mode = 0644) {
  const size_t slash = path.rfind('/');
  sys.Dir(path.substr(0, slash)).AddKnob(path.substr(slash + 1), std::move(read), std::move(write), mode);
}

Result<std::string> HostSetting(const Constant& setting) {
  const auto host = ReadHostText(std::string("/proc/sys/") + setting.path);
  return host.ok() ? *host : std::string(setting.value) + "\n";
}

Result<std::string> Hostname(Task& reader) { return UtsOf(reader).hostname + "\n"; }
Result<std::string> Domainname(Task& reader) { return UtsOf(reader).domainname + "\n"; }

// proc_do_string: up to the first newline or NUL.
std::string NameToSet(std::string_view text) {
  constexpr size_t kMaxName = 64;
  return std::string(text.substr(0, std::min({text.find('\n'), text.find('\0'), kMaxName})));
}

Result<void> SetHostname(Task& writer, std::string_view text) {
  std::string name = NameToSet(text);
  UtsName uts = UtsOf(writer);
  uts.hostname = std::move(name);
  return SetUts(writer, std::move(uts));
}

Result<void> SetDomainname(Task& writer, std::string_view text) {
  std::string name = NameToSet(text);
  UtsName uts = UtsOf(writer);
  uts.domainname = std::move(name);
  return SetUts(writer, std::move(uts));
}

std::vector<ProcSysKnob>& Knobs() {
  static auto& knobs = *new std::vector<ProcSysKnob>;
  return knobs;
}

Result<std::string> Uuid(Task&) { return RandomUuid() + "\n"; }

}  // namespace

std::optional<uint64_t> TakeNumber(std::string_view& text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == text.npos) return std::nullopt;
  text.remove_prefix(begin);
  uint64_t number;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

bool IsBlank(std::string_view text) { return text.find_first_not_of(" \t\n") == text.npos; }

void SetProcSysKnob(ProcSysKnob knob) { Knobs().push_back(std::move(knob)); }

void AddProcSys(SimpleDir& sys) {
  for (const Constant& constant : kConstants) {
    TextReader read = [&constant](Task&) { return Result<std::string>(std::string(constant.value) + "\n"); };
    AddAt(sys, constant.path, std::move(read), &RefuseWrite, constant.mode);
  }
  for (const Constant& setting : kHostSettings) {
    AddAt(
        sys, setting.path, [&setting](Task&) { return HostSetting(setting); }, &RefuseWrite);
  }
  for (const ProcSysKnob& knob : Knobs()) {
    TextReader read = [&knob](Task& reader) { return Result<std::string>(knob.read(reader) + "\n"); };
    AddAt(sys, knob.path, std::move(read), knob.write ? knob.write : &RefuseWrite, knob.write ? 0644 : 0444);
  }
  AddAt(sys, "kernel/hostname", &Hostname, &SetHostname);
  AddAt(sys, "kernel/domainname", &Domainname, &SetDomainname);
  AddAt(sys, "kernel/random/uuid", &Uuid, &RefuseWrite, 0444);
  sys.Dir("kernel/random").AddFixed("boot_id", RandomUuid() + "\n");
}

}  // namespace runsc
