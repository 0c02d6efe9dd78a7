// The names of core files: /proc/sys/kernel/core_pattern and core_uses_pid, as core(5) explains them.
#pragma once

#include <signal.h>

#include <string>
#include <string_view>

#include "platform/base/result.h"

namespace runsc {

class Task;

// What the % specifiers of a pattern stand for.
struct CoreFacts {
  int pid, tid, outer_pid, outer_tid;  // as the process' pid namespace numbers it, and as the sandbox's first one
  unsigned uid, gid;
  int signo;
  bool dumpable;
  int64_t seconds;
  uint64_t limit;
  std::string host, comm, exe_path;
};
std::string ExpandCorePattern(std::string_view pattern, bool uses_pid, const CoreFacts& facts);

// The file name for a core of the caller's, which `info` ends. EPERM: cores are switched off.
Result<std::string> CoreFileName(Task& task, const siginfo_t& info);

std::string CorePattern();
// EINVAL: to a program or a socket, which would run outside of every container.
Result<void> SetCorePattern(std::string_view pattern);
bool CoreUsesPid();
void SetCoreUsesPid(bool on);

}  // namespace runsc
