// What the broker keeps: its network namespace, two capabilities, a score of system calls.
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>

#include "platform/host/capabilities_unsafe.h"
#include "platform/host/jail_unsafe.h"
#include "platform/host/mounts_unsafe.h"
#include "platform/host/status_util.h"
#include "platform/netbroker/server/server.h"
#include "platform/netbroker/socket_rules.h"

namespace runsc {
namespace {

using Calls = std::vector<AllowedCall>;

// Whether a guest may is for the sentry to say, which knows the guest's capabilities.
constexpr uint64_t kCapabilities = 1ull << CAP_NET_BIND_SERVICE | 1ull << CAP_NET_RAW;

void AddSockets(Calls& calls) {
  constexpr int kFlags = SOCK_NONBLOCK | SOCK_CLOEXEC;
  for (const SocketKind& kind : AllowedKinds()) {
    calls.push_back({SYS_socket,
                     "a socket of the container's",
                     {ArgIs(0, static_cast<uint32_t>(kind.domain)), ArgIs(1, static_cast<uint32_t>(kind.type | kFlags)),
                      ArgIs(2, static_cast<uint32_t>(kind.protocol))}});
  }
  calls.push_back({SYS_socket,
                   "links, addresses and routes, for the sentry to read",
                   {ArgIs(0, AF_NETLINK), ArgIs(1, SOCK_RAW | SOCK_CLOEXEC), ArgIs(2, NETLINK_ROUTE)}});
  for (const SocketOption& option : SettableOptions()) {
    calls.push_back({SYS_setsockopt,
                     "guest setsockopt",
                     {ArgIs(1, static_cast<uint32_t>(option.level)), ArgIs(2, static_cast<uint32_t>(option.name))}});
  }
  for (const unsigned query : InterfaceQueries()) {
    calls.push_back({SYS_ioctl, "guest netdevice ioctls that read", {ArgIs(1, query)}});
  }
  calls.insert(calls.end(),
               {
                   {SYS_bind, "guest bind"},
                   {SYS_connect, "guest connect"},
                   {SYS_listen, "guest listen"},
                   {SYS_shutdown, "guest shutdown"},
                   {SYS_getsockname, "guest getsockname"},
                   {SYS_getpeername, "guest getpeername"},
                   {SYS_getsockopt, "what kind of socket it is given", {ArgIs(1, SOL_SOCKET), ArgIs(2, SO_DOMAIN)}},
               });
}

void AddProcess(Calls& calls) {
  constexpr int kSleep = FUTEX_WAIT_BITSET_PRIVATE;  // see ShouldSendAgain
  calls.insert(calls.end(), {
                                {SYS_recvmsg, "requests"},
                                {SYS_sendmsg, "replies with descriptors"},
                                {SYS_futex, "waits for a reply to be possible", {ArgIs(1, kSleep)}},
                                {SYS_close, "sockets handed over"},
                                {SYS_brk, "heap of the C library"},
                                {SYS_mmap, "heap of the C library; never executable", {ArgLacksBits(2, PROT_EXEC)}},
                                {SYS_munmap, "heap of the C library"},
                                {SYS_exit_group, "end of the broker"},
                                {SYS_restart_syscall, "waits continued after SIGSTOP and SIGCONT"},
                            });
}

}  // namespace

std::vector<AllowedCall> BrokerFilter() {
  Calls calls;
  AddSockets(calls);
  AddProcess(calls);
  return calls;
}

absl::Status EnterBrokerJail(int netns) {
  if (netns >= 0 && setns(netns, CLONE_NEWNET) != 0) return HostError(errno, "enter the network namespace");
  RETURN_IF_ERROR(MakeMountsPrivate());
  ASSIGN_OR_RETURN(UniqueFd root, NewTmpfs());
  RETURN_IF_ERROR(PivotInto(root.get()));
  RETURN_IF_ERROR(SealRoot());
  return LimitCapabilities(kCapabilities);
}

absl::Status LockDownBroker() {
  RETURN_IF_ERROR(SetUndumpable());
  ASSIGN_OR_RETURN(SeccompProgram program, CompileFilter(BrokerFilter()));
  return InstallFilter(program);
}

}  // namespace runsc
