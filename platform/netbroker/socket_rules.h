// Which host sockets and options a container may have. The sentry asks first, the broker's system call filter has
// the last word.
#pragma once

#include <span>

namespace runsc {

struct SocketOption {
  int level, name;
};
std::span<const SocketOption> SettableOptions();
bool MaySetOption(int level, int name);
// What may be set, and facts. Not what takes an argument: the host would act on it with the sentry's memory.
bool MayReadOption(int level, int name);

struct SocketKind {
  int domain, type, protocol;
};
std::span<const SocketKind> AllowedKinds();
// `type` without SOCK_NONBLOCK and SOCK_CLOEXEC.
bool IsAllowedKind(int domain, int type, int protocol);

// The SIOCGIF* a container may ask.
std::span<const unsigned> InterfaceQueries();

}  // namespace runsc
