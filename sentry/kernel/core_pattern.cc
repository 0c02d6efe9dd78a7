#include "sentry/kernel/core_pattern.h"

#include <sys/resource.h>

#include <algorithm>

#include "sentry/kernel/namespaces.h"
#include "sentry/kernel/pids.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/vfs.h"

namespace runsc {
namespace {

constexpr size_t kMaxPattern = 127;

struct Settings {
  Mutex mu{LockRank::kFile};
  std::string pattern ABSL_GUARDED_BY(mu) = "core";
  std::atomic<bool> uses_pid{false};
};

Settings& TheSettings() {
  static Settings* const settings = new Settings;
  return *settings;
}

// What a process chose must not lead out of the directory.
std::string AsOneName(std::string text) {
  std::replace(text.begin(), text.end(), '/', '!');
  if (text.empty() || text == "." || text == "..") text.insert(0, "!");
  return text;
}

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string Specifier(char specifier, const CoreFacts& facts) {
  switch (specifier) {
    case '%':
      return "%";
    case 'p':
      return std::to_string(facts.pid);
    case 'P':
      return std::to_string(facts.outer_pid);
    case 'i':
      return std::to_string(facts.tid);
    case 'I':
      return std::to_string(facts.outer_tid);
    case 'u':
      return std::to_string(facts.uid);
    case 'g':
      return std::to_string(facts.gid);
    case 'd':
      return facts.dumpable ? "1" : "0";
    case 's':
      return std::to_string(facts.signo);
    case 't':
      return std::to_string(facts.seconds);
    case 'c':
      return std::to_string(facts.limit);
    case 'h':
      return AsOneName(facts.host);
    case 'e':
      return AsOneName(facts.comm);
    case 'f':
      return AsOneName(BaseName(facts.exe_path));
    case 'E':
      return AsOneName(facts.exe_path);
    default:
      return "";  // unknown ones are dropped
  }
}

CoreFacts FactsOf(Task& task, const siginfo_t& info) {
  const RefPtr<File> exe = task.mm().image().exe;
  const CredentialsRef creds = task.creds();
  CoreFacts facts{};
  facts.pid = PidToGuest(task, task.pid()), facts.tid = PidToGuest(task, task.tid());
  facts.outer_pid = task.pid(), facts.outer_tid = task.tid();
  facts.uid = creds->ruid, facts.gid = creds->rgid;
  facts.signo = info.si_signo;
  facts.dumpable = true;  // else there is no core
  facts.seconds = Kernel::RealtimeNs() / kNsPerSecond;
  facts.limit = task.rlimit(RLIMIT_CORE);
  facts.host = UtsOf(task).hostname;
  facts.comm = task.name();
  facts.exe_path = exe ? task.vfs().PathName(exe->path(), task.fs().root()) : facts.comm;
  return facts;
}

}  // namespace

std::string ExpandCorePattern(std::string_view pattern, bool uses_pid, const CoreFacts& facts) {
  std::string name;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%') {
      name += pattern[i];
    } else if (++i < pattern.size()) {
      uses_pid &= pattern[i] != 'p';
      name += Specifier(pattern[i], facts);
    }
  }
  return uses_pid ? name + "." + std::to_string(facts.pid) : name;
}

Result<std::string> CoreFileName(Task& task, const siginfo_t& info) {
  const std::string pattern = CorePattern();
  if (pattern.empty() && !CoreUsesPid()) return Errno(EPERM);
  return ExpandCorePattern(pattern, CoreUsesPid(), FactsOf(task, info));
}

std::string CorePattern() {
  Settings& settings = TheSettings();
  MutexLock l(settings.mu);
  return settings.pattern;
}

Result<void> SetCorePattern(std::string_view pattern) {
  pattern = pattern.substr(0, std::min({pattern.find('\n'), pattern.find('\0'), kMaxPattern}));
  if (!pattern.empty() && (pattern[0] == '|' || pattern[0] == '@')) return Errno(EINVAL);
  Settings& settings = TheSettings();
  MutexLock l(settings.mu);
  settings.pattern = pattern;
  return {};
}

bool CoreUsesPid() { return TheSettings().uses_pid; }
void SetCoreUsesPid(bool on) { TheSettings().uses_pid = on; }

}  // namespace runsc
