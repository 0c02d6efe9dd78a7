#include "syscalls/strace_values.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>

#include "sentry/fs/simple_fs_text.h"

namespace runsc {
namespace {

struct Name {
  uint64_t value;
  const char* name;
};

#define NAME(x) \
  { static_cast<uint64_t>(x), #x }

// What `flags` contains, joined by '|', the unknown rest in hexadecimal. Names of several bits come first.
std::string FlagsText(uint64_t flags, std::span<const Name> names, const char* none) {
  std::string text;
  for (const Name& n : names) {
    if (n.value == 0 || (flags & n.value) != n.value) continue;
    text += std::string(text.empty() ? "" : "|") + n.name;
    flags &= ~n.value;
  }
  if (flags != 0) AppendFormat(&text, "%s0x%lx", text.empty() ? "" : "|", flags);
  return text.empty() ? none : text;
}

std::string NameOf(int64_t value, std::span<const Name> names) {
  for (const Name& n : names) {
    if (n.value == static_cast<uint64_t>(value)) return n.name;
  }
  return Format("%ld", value);
}

constexpr Name kOpenFlags[] = {
    NAME(O_TMPFILE),  NAME(O_SYNC),     NAME(O_CREAT),   NAME(O_EXCL),  NAME(O_NOCTTY), NAME(O_TRUNC),
    NAME(O_APPEND),   NAME(O_NONBLOCK), NAME(O_DSYNC),   NAME(O_ASYNC), NAME(O_DIRECT), NAME(O_DIRECTORY),
    NAME(O_NOFOLLOW), NAME(O_NOATIME),  NAME(O_CLOEXEC), NAME(O_PATH),
};
constexpr Name kProt[] = {NAME(PROT_READ), NAME(PROT_WRITE), NAME(PROT_EXEC), NAME(PROT_GROWSDOWN)};
constexpr Name kMapFlags[] = {
    NAME(MAP_SHARED_VALIDATE), NAME(MAP_SHARED),          NAME(MAP_PRIVATE),   NAME(MAP_FIXED),
    NAME(MAP_ANONYMOUS),       NAME(MAP_GROWSDOWN),       NAME(MAP_DENYWRITE), NAME(MAP_EXECUTABLE),
    NAME(MAP_LOCKED),          NAME(MAP_NORESERVE),       NAME(MAP_POPULATE),  NAME(MAP_STACK),
    NAME(MAP_HUGETLB),         NAME(MAP_FIXED_NOREPLACE),
};
constexpr Name kAtFlags[] = {NAME(AT_SYMLINK_NOFOLLOW), NAME(AT_REMOVEDIR), NAME(AT_SYMLINK_FOLLOW),
                             NAME(AT_NO_AUTOMOUNT), NAME(AT_EMPTY_PATH)};
constexpr Name kCloneFlags[] = {
    NAME(CLONE_VM),
    NAME(CLONE_FS),
    NAME(CLONE_FILES),
    NAME(CLONE_SIGHAND),
    NAME(CLONE_PIDFD),
    NAME(CLONE_PTRACE),
    NAME(CLONE_VFORK),
    NAME(CLONE_PARENT),
    NAME(CLONE_THREAD),
    NAME(CLONE_NEWNS),
    NAME(CLONE_SYSVSEM),
    NAME(CLONE_SETTLS),
    NAME(CLONE_PARENT_SETTID),
    NAME(CLONE_CHILD_CLEARTID),
    NAME(CLONE_DETACHED),
    NAME(CLONE_CHILD_SETTID),
    NAME(CLONE_NEWUTS),
    NAME(CLONE_NEWIPC),
    NAME(CLONE_NEWUSER),
    NAME(CLONE_NEWPID),
    NAME(CLONE_NEWNET),
};
constexpr Name kFutexOps[] = {
    NAME(FUTEX_WAIT),        NAME(FUTEX_WAKE),        NAME(FUTEX_REQUEUE),         NAME(FUTEX_CMP_REQUEUE),
    NAME(FUTEX_WAKE_OP),     NAME(FUTEX_LOCK_PI),     NAME(FUTEX_UNLOCK_PI),       NAME(FUTEX_TRYLOCK_PI),
    NAME(FUTEX_WAIT_BITSET), NAME(FUTEX_WAKE_BITSET), NAME(FUTEX_WAIT_REQUEUE_PI), NAME(FUTEX_CMP_REQUEUE_PI),
    NAME(FUTEX_LOCK_PI2),
};
constexpr Name kWhence[] = {NAME(SEEK_SET), NAME(SEEK_CUR), NAME(SEEK_END), NAME(SEEK_DATA), NAME(SEEK_HOLE)};
constexpr Name kRestartCodes[] = {
    {512, "ERESTARTSYS"}, {513, "ERESTARTNOINTR"}, {514, "ERESTARTNOHAND"}, {516, "ERESTART_RESTARTBLOCK"}};

std::string EscapedByte(unsigned char c) {
  switch (c) {
    case '\n':
      return "\\n";
    case '\t':
      return "\\t";
    case '\r':
      return "\\r";
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    default:
      return c >= 32 && c < 127 ? std::string(1, static_cast<char>(c)) : Format("\\x%02x", c);
  }
}

std::string UnixAddressText(std::string_view bytes) {
  std::string_view path = bytes.substr(std::min(bytes.size(), offsetof(sockaddr_un, sun_path)));
  const bool abstract = !path.empty() && path[0] == '\0';
  path = abstract ? path.substr(1) : path.substr(0, path.find('\0'));
  return std::string("{AF_UNIX, ") + (abstract ? "@" : "") + QuoteBytes(path, false) + "}";
}

}  // namespace

std::string EscapeBytes(std::string_view bytes) {
  std::string text;
  for (char c : bytes) text += EscapedByte(static_cast<unsigned char>(c));
  return text;
}

std::string QuoteBytes(std::string_view bytes, bool cut) { return "\"" + EscapeBytes(bytes) + (cut ? "\"..." : "\""); }

std::string OpenFlagsText(int flags) {
  static constexpr const char* kAccess[] = {"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"};
  const std::string rest = FlagsText(static_cast<uint32_t>(flags & ~O_ACCMODE), kOpenFlags, "");
  return std::string(kAccess[flags & O_ACCMODE]) + (rest.empty() ? "" : "|" + rest);
}

std::string ProtText(int prot) { return FlagsText(static_cast<uint32_t>(prot), kProt, "PROT_NONE"); }
std::string MapFlagsText(int flags) { return FlagsText(static_cast<uint32_t>(flags), kMapFlags, "0"); }
std::string AtFlagsText(int flags) { return FlagsText(static_cast<uint32_t>(flags), kAtFlags, "0"); }

std::string CloneFlagsText(uint64_t flags) {
  const int signo = static_cast<int>(flags & 0xff);
  std::string text = FlagsText(flags & ~uint64_t{0xff}, kCloneFlags, "");
  if (signo != 0) text += (text.empty() ? "" : "|") + SignalText(signo);
  return text.empty() ? "0" : text;
}

std::string SignalText(int signo) {
  const char* name = signo > 0 && signo < 32 ? sigabbrev_np(signo) : nullptr;
  if (name != nullptr) return std::string("SIG") + name;
  return signo >= 32 && signo <= 64 ? Format("SIGRT_%d", signo - 32) : Format("%d", signo);
}

std::string FutexOpText(int op) {
  std::string text = NameOf(op & FUTEX_CMD_MASK, kFutexOps);
  if (op & FUTEX_PRIVATE_FLAG) text += "_PRIVATE";
  if (op & FUTEX_CLOCK_REALTIME) text += "|FUTEX_CLOCK_REALTIME";
  return text;
}

std::string WhenceText(int whence) { return NameOf(whence, kWhence); }

std::string SocketAddressText(std::string_view bytes) {
  sa_family_t family = AF_UNSPEC;
  if (bytes.size() >= sizeof(family)) memcpy(&family, bytes.data(), sizeof(family));
  if (family == AF_UNIX) return UnixAddressText(bytes);
  sockaddr_in in{};
  if (family == AF_INET && bytes.size() >= sizeof(in)) {
    memcpy(&in, bytes.data(), sizeof(in));
    const uint32_t ip = ntohl(in.sin_addr.s_addr);
    return Format("{AF_INET, %u.%u.%u.%u:%u}", ip >> 24, (ip >> 16) & 255, (ip >> 8) & 255, ip & 255,
                  ntohs(in.sin_port));
  }
  return Format("{family %u, ", family) + QuoteBytes(bytes.substr(std::min<size_t>(2, bytes.size())), false) + "}";
}

std::string ErrnoName(int error) {
  if (error >= 512) return NameOf(error, kRestartCodes);
  const char* name = strerrorname_np(error);
  return name != nullptr ? name : Format("errno %d", error);
}

}  // namespace runsc
