// A monitor waits for two descriptors and copies numbers from one to the other: that is all it may do.
#include "platform/host/monitor_filter.h"

#include <sys/syscall.h>

namespace runsc {

std::vector<AllowedCall> MonitorFilter(pid_t self) {
  return {
      {SYS_poll, "waits for a signal and for the sandbox"},
      {SYS_read, "the signal that came"},
      {SYS_recvfrom, "the wait status of the guest process"},
      {SYS_sendto, "the signal, to the sandbox"},
      {SYS_restart_syscall, "the wait, continued after SIGSTOP and SIGCONT"},
      {SYS_kill, "its own death, when the guest process died of a signal", {ArgIs(0, static_cast<uint32_t>(self))}},
      {SYS_rt_sigprocmask, "lets that signal through"},
      {SYS_exit_group, "its end with the guest's exit status"},
  };
}

}  // namespace runsc
