#include "sentry/net/net_sysctl.h"

#include <linux/capability.h>

#include <algorithm>

#include "sentry/fs/proc_sys.h"
#include "sentry/net/net_stack.h"

namespace runsc {
namespace {

Result<RefPtr<NetStack>> StackToSet(Task& writer) {
  RefPtr<NetStack> stack = NetStackOf(writer);
  if (!stack->Allows(writer, CAP_NET_ADMIN)) return Errno(EPERM);
  return stack;
}

std::string ReadFirstOpenPort(Task& reader) { return std::to_string(NetStackOf(reader)->first_open_port()); }

Result<void> WriteFirstOpenPort(Task& writer, std::string_view text) {
  const RefPtr<NetStack> stack = TRY(StackToSet(writer));
  const std::optional<uint64_t> port = TakeNumber(text);
  if (!port || *port > UINT16_MAX || !IsBlank(text)) return Errno(EINVAL);
  stack->set_first_open_port(static_cast<uint16_t>(*port));
  return {};
}

std::string ReadPingGroups(Task& reader) { return NetStackOf(reader)->ping_groups(); }

// Anything but a range is the empty range, as on Linux.
Result<void> WritePingGroups(Task& writer, std::string_view text) {
  const RefPtr<NetStack> stack = TRY(StackToSet(writer));
  const std::optional<uint64_t> low = TakeNumber(text), high = TakeNumber(text);
  if (!low || !high || std::max(*low, *high) > UINT32_MAX || !IsBlank(text)) return Errno(EINVAL);
  const bool range = *low <= *high;
  stack->set_ping_groups(range ? static_cast<uint32_t>(*low) : 1, range ? static_cast<uint32_t>(*high) : 0);
  return {};
}

}  // namespace

void PublishNetSysctls() {
  SetProcSysKnob({"net/ipv4/ip_unprivileged_port_start", ReadFirstOpenPort, WriteFirstOpenPort});
  SetProcSysKnob({"net/ipv4/ping_group_range", ReadPingGroups, WritePingGroups});
}

}  // namespace runsc
