// The machine: names, load, random bytes, and what only its administrator may do.
#include <linux/random.h>
#include <linux/reboot.h>
#include <sys/personality.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "sentry/fs/load_average.h"
#include "sentry/fs/simple_fs_host.h"
#include "sentry/kernel/linux_version.h"
#include "sentry/kernel/namespaces.h"
#include "sentry/kernel/random.h"
#include "sentry/kernel/task.h"
#include "syscalls/handlers.h"
#include "syscalls/user_range.h"

namespace runsc {
namespace {

constexpr size_t kUtsLength = sizeof(utsname::nodename) - 1;

template <size_t N>
void SetField(char (&field)[N], std::string_view text) {
  text = text.substr(0, N - 1);
  std::memcpy(field, text.data(), text.size());
}

Result<std::string> CopyInUtsField(Task& task, GuestAddr addr, int32_t length) {
  if (!MaySetUts(task)) return Errno(EPERM);
  if (length < 0 || static_cast<size_t>(length) > kUtsLength) return Errno(EINVAL);
  std::string text(length, '\0');
  TRY(task.CopyIn(addr, text.data(), text.size()));
  return std::string(text.c_str());
}

// The sandbox has no such facility to administrate; those who could not anyway are told so first, as on
// Linux.
SyscallResult DenyWithout(Task& task, int capability, Errno if_capable) {
  return task.creds()->Has(capability) ? if_capable : Errno(EPERM);
}

uint32_t PersonalityOf(Task& task) {
  MutexLock l(task.kernel().task_set_mu());
  return task.thread_group().personality;
}

// What UNAME26 asks for: "6.12.0-x" is "2.6.72-x", for programs that cannot imagine a major number above 2.
std::string ReleaseAs26() {
  constexpr unsigned kFirst = 60;  // of 4.0; what came between is long gone
  const std::string release = kGuestRelease;
  unsigned minor = 0;
  std::sscanf(kGuestRelease, "%*u.%u", &minor);
  const size_t rest = std::min(release.find_first_not_of("0123456789."), release.size());
  return "2.6." + std::to_string(kFirst + minor) + release.substr(rest);
}

size_t CountTasks(Kernel& kernel) {
  MutexLock l(kernel.task_set_mu());
  size_t count = 0;
  for (ThreadGroup* group : kernel.ThreadGroupsLocked()) count += group->tasks.size();
  return count;
}

}  // namespace

// uname(2)
SyscallResult SysUname(Task& task, GuestAddr buf) {
  utsname names{};
  const UtsName uts = UtsOf(task);
  const uint32_t personality = PersonalityOf(task);
  SetField(names.sysname, kGuestSysname);
  SetField(names.nodename, uts.hostname);
  SetField(names.release, personality & UNAME26 ? ReleaseAs26() : kGuestRelease);
  SetField(names.version, kGuestVersion);
  SetField(names.machine, (personality & PER_MASK) == PER_LINUX32 ? "i686" : kGuestMachine);
  SetField(names.domainname, uts.domainname);
  TRY(task.CopyOutObject(buf, names));
  return int64_t{0};
}

// sethostname(2)
SyscallResult SysSethostname(Task& task, GuestAddr name, int length) {
  std::string hostname = TRY(CopyInUtsField(task, name, length));
  UtsName uts = UtsOf(task);
  uts.hostname = std::move(hostname);
  TRY(SetUts(task, std::move(uts)));
  return int64_t{0};
}

// setdomainname(2)
SyscallResult SysSetdomainname(Task& task, GuestAddr name, int length) {
  std::string domainname = TRY(CopyInUtsField(task, name, length));
  UtsName uts = UtsOf(task);
  uts.domainname = std::move(domainname);
  TRY(SetUts(task, std::move(uts)));
  return int64_t{0};
}

// sysinfo(2): the host's memory, which is what the guest may use; no load average of the host's.
SyscallResult SysSysinfo(Task& task, GuestAddr buf) {
  timespec up;
  clock_gettime(CLOCK_BOOTTIME, &up);
  const HostMemory memory = ReadHostMemory();
  struct sysinfo info {};
  info.uptime = up.tv_sec + (up.tv_nsec != 0);
  info.totalram = memory.total;
  info.freeram = memory.free;
  info.sharedram = memory.shared;
  info.bufferram = memory.buffers;
  info.mem_unit = 1;
  const LoadAverage::Averages loads = LoadOf(task.kernel());
  for (size_t i = 0; i < loads.size(); ++i) info.loads[i] = static_cast<unsigned long>(loads[i] * (1 << SI_LOAD_SHIFT));
  info.procs = static_cast<unsigned short>(CountTasks(task.kernel()));
  TRY(task.CopyOutObject(buf, info));
  return int64_t{0};
}

// getrandom(2)
SyscallResult SysGetrandom(Task& task, GuestAddr buf, uint64_t count, uint32_t flags) {
  if (flags & ~uint32_t{GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE}) return Errno(EINVAL);
  if ((flags & GRND_INSECURE) && (flags & GRND_RANDOM)) return Errno(EINVAL);
  TRY(CheckUserRange(buf, count));
  UserSink sink(task, buf, count);
  return static_cast<int64_t>(TRY(WriteRandom(task, sink)));
}

// syslog(2): the sandbox' kernel log is empty and cannot be turned off.
SyscallResult SysSyslog(Task& task, int type, GuestAddr buf, int length) {
  enum {
    kClose,
    kOpen,
    kRead,
    kReadAll,
    kReadClear,
    kClear,
    kConsoleOff,
    kConsoleOn,
    kConsoleLevel,
    kSizeUnread,
    kSizeBuffer
  };
  const bool harmless = type == kReadAll || type == kSizeBuffer;
  if (!harmless && !task.creds()->Has(CAP_SYSLOG) && !task.creds()->Has(CAP_SYS_ADMIN)) return Errno(EPERM);
  switch (type) {
    case kReadAll:
    case kReadClear:
    case kRead:
      if (buf == 0 || length < 0) return Errno(EINVAL);
      return int64_t{0};
    case kConsoleLevel:
      return Errno(length < 1 || length > 8 ? EINVAL : EPERM);
    case kClose:
    case kOpen:
    case kClear:
    case kSizeUnread:
    case kSizeBuffer:
      return int64_t{0};
    case kConsoleOff:
    case kConsoleOn:
      return Errno(EPERM);
    default:
      return Errno(EINVAL);
  }
}

// reboot(2): the sandbox ends when its first process does, not by request.
SyscallResult SysReboot(Task& task, int magic1, int magic2, uint32_t command) {
  if (!task.creds()->Has(CAP_SYS_BOOT)) return Errno(EPERM);
  const auto magic = static_cast<uint32_t>(magic2);
  if (static_cast<uint32_t>(magic1) != LINUX_REBOOT_MAGIC1) return Errno(EINVAL);
  if (magic != LINUX_REBOOT_MAGIC2 && magic != LINUX_REBOOT_MAGIC2A && magic != LINUX_REBOOT_MAGIC2B &&
      magic != LINUX_REBOOT_MAGIC2C) {
    return Errno(EINVAL);
  }
  return Errno(command == LINUX_REBOOT_CMD_CAD_OFF || command == LINUX_REBOOT_CMD_CAD_ON ? EINVAL : EPERM);
}

// swapon(2): the guest has no swap of its own.
SyscallResult SysSwapon(Task&, GuestAddr, int) { return Errno(EPERM); }

// swapoff(2)
SyscallResult SysSwapoff(Task& task, GuestAddr path) {
  if (!task.creds()->Has(CAP_SYS_ADMIN)) return Errno(EPERM);
  TRY(task.CopyInPath(path));
  return Errno(EINVAL);
}

// acct(2)
SyscallResult SysAcct(Task& task, GuestAddr) { return DenyWithout(task, CAP_SYS_PACCT, Errno(ENOSYS)); }

// init_module(2): no modules can be loaded into this kernel.
SyscallResult SysInitModule(Task& task, GuestAddr, uint64_t, GuestAddr) {
  return DenyWithout(task, CAP_SYS_MODULE, Errno(ENOSYS));
}

// finit_module(2)
SyscallResult SysFinitModule(Task& task, int, GuestAddr, int) {
  return DenyWithout(task, CAP_SYS_MODULE, Errno(ENOSYS));
}

// delete_module(2)
SyscallResult SysDeleteModule(Task& task, GuestAddr, uint32_t) {
  return DenyWithout(task, CAP_SYS_MODULE, Errno(ENOSYS));
}

// iopl(2): level 0 is what everybody has.
SyscallResult SysIopl(Task&, uint32_t level) {
  if (level > 3) return Errno(EINVAL);
  return level == 0 ? SyscallResult(int64_t{0}) : Errno(EPERM);
}

// ioperm(2)
SyscallResult SysIoperm(Task&, uint64_t from, uint64_t count, int turn_on) {
  constexpr uint64_t kPorts = 65536;
  if (from + count <= from || from + count > kPorts) return Errno(EINVAL);
  return turn_on ? SyscallResult(Errno(EPERM)) : SyscallResult(int64_t{0});
}

// vhangup(2): never any terminal of the guest's to give away.
SyscallResult SysVhangup(Task& task) { return DenyWithout(task, CAP_SYS_TTY_CONFIG, Errno(ENOSYS)); }

}  // namespace runsc
