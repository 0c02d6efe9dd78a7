#include "sentry/net/net_sysctl.h"

#include <linux/capability.h>

#include <charconv>
#include <optional>

#include "sentry/fs/proc_sys.h"
#include "sentry/net/net_stack.h"

namespace runsc {
namespace {

// The next number of `text` and what follows it.
std::optional<uint32_t> TakeNumber(std::string_view& text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == text.npos) return std::nullopt;
  text.remove_prefix(begin);
  uint32_t number;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

bool IsBlank(std::string_view text) { return text.find_first_not_of(" \t\n") == text.npos; }

Result<RefPtr<NetStack>> StackToSet(Task& writer) {
  RefPtr<NetStack> stack = NetStackOf(writer);
  if (!stack->Allows(writer, CAP_NET_ADMIN)) return Errno(EPERM);
  return stack;
}

std::string ReadFirstOpenPort(Task& reader) { return std::to_string(NetStackOf(reader)->first_open_port()); }

Result<void> WriteFirstOpenPort(Task& writer, std::string_view text) {
  const RefPtr<NetStack> stack = TRY(StackToSet(writer));
  const std::optional<uint32_t> port = TakeNumber(text);
  if (!port || *port > UINT16_MAX || !IsBlank(text)) return Errno(EINVAL);
  stack->set_first_open_port(static_cast<uint16_t>(*port));
  return {};
}

std::string ReadPingGroups(Task& reader) { return NetStackOf(reader)->ping_groups(); }

// Anything but a range is the empty range, as on Linux.
Result<void> WritePingGroups(Task& writer, std::string_view text) {
  const RefPtr<NetStack> stack = TRY(StackToSet(writer));
  const std::optional<uint32_t> low = TakeNumber(text), high = TakeNumber(text);
  if (!low || !high || !IsBlank(text)) return Errno(EINVAL);
  const bool range = *low <= *high;
  stack->set_ping_groups(range ? *low : 1, range ? *high : 0);
  return {};
}

}  // namespace

void PublishNetSysctls() {
  SetProcSysKnob({"net/ipv4/ip_unprivileged_port_start", ReadFirstOpenPort, WriteFirstOpenPort});
  SetProcSysKnob({"net/ipv4/ping_group_range", ReadPingGroups, WritePingGroups});
}

}  // namespace runsc
