#include "sentry/net/net_sysctl.h"

#include <algorithm>
#include <charconv>

#include "sentry/fs/proc_sys.h"
#include "sentry/net/net_stack.h"

namespace runsc {
namespace {

constexpr std::string_view kBlanks = " \t\n";

Result<RefPtr<NetStack>> StackToSet(Task& writer) {
  RefPtr<NetStack> stack = NetStackOf(writer);
  if (!stack->MaySet(writer)) return Errno(EPERM);
  return stack;
}

// The numbers of `text`, between `least` and `most`, take the places of the first of `numbers`. EINVAL: others, none,
// or too many.
Result<void> ParseNumbers(std::string_view text, std::span<int64_t> numbers, int64_t least, int64_t most) {
  size_t count = 0;
  for (;;) {
    text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
    const std::string_view word = text.substr(0, text.find_first_of(kBlanks));
    if (word.empty()) return count > 0 ? Result<void>() : Errno(EINVAL);
    int64_t number;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (error != std::errc() || end != word.data() + word.size()) return Errno(EINVAL);
    if (number < least || number > most || count == numbers.size()) return Errno(EINVAL);
    numbers[count++] = number;
    text.remove_prefix(word.size());
  }
}

Result<void> SetNumber(Task& writer, std::string_view text, size_t setting) {
  const RefPtr<NetStack> stack = TRY(StackToSet(writer));
  const NetSettingRow& row = NetSettingRows()[setting];
  int64_t number;
  TRY(ParseNumbers(text, {&number, 1}, row.least, row.most));
  return stack->Set(setting, static_cast<int>(number));
}

ProcSysKnob NumberKnob(std::string path, size_t setting) {
  return {std::move(path), [=](Task& reader) { return std::to_string(NetStackOf(reader)->settings().at(setting)); },
          [=](Task& writer, std::string_view text) { return SetNumber(writer, text, setting); }};
}

std::string ReadPingGroups(Task& reader) {
  const NetSettings::Groups groups = NetStackOf(reader)->settings().ping_groups();
  const UserNamespace* const ns = reader.creds()->user_ns.get();
  return std::to_string(GidToGuest(ns, groups.first)) + "\t" + std::to_string(GidToGuest(ns, groups.last));
}

// Anything but a range is the empty range, as on Linux.
Result<void> WritePingGroups(Task& writer, std::string_view text) {
  const RefPtr<NetStack> stack = TRY(StackToSet(writer));
  const NetSettings::Groups now = stack->settings().ping_groups();
  const UserNamespace* const ns = writer.creds()->user_ns.get();
  int64_t ends[] = {GidToGuest(ns, now.first), GidToGuest(ns, now.last)};
  TRY(ParseNumbers(text, ends, 0, UINT32_MAX - 1));
  const auto first = IdFromGuest(ns, UserNamespace::kGroups, static_cast<uint32_t>(ends[0]));
  const auto last = IdFromGuest(ns, UserNamespace::kGroups, static_cast<uint32_t>(ends[1]));
  if (!first || !last) return Errno(EINVAL);
  NetSettings::Groups groups;
  if (*first <= *last) groups = {*first, *last};
  stack->settings().set_ping_groups(groups);
  return {};
}

std::string ReadPortRange(Task& reader) {
  const LocalPorts::Range range = NetStackOf(reader)->settings().local_ports()->range;
  return std::to_string(range.first) + "\t" + std::to_string(range.second);
}

Result<void> WritePortRange(Task& writer, std::string_view text) {
  const RefPtr<NetStack> stack = TRY(StackToSet(writer));
  const LocalPorts::Range now = stack->settings().local_ports()->range;
  int64_t ends[] = {now.first, now.second};
  TRY(ParseNumbers(text, ends, 1, UINT16_MAX));
  return stack->settings().SetPortRange({static_cast<uint16_t>(ends[0]), static_cast<uint16_t>(ends[1])});
}

std::string ReadReservedPorts(Task& reader) {
  std::string out;
  for (const auto& [first, last] : NetStackOf(reader)->settings().local_ports()->reserved) {
    if (!out.empty()) out += ',';
    out += std::to_string(first);
    if (last != first) out += '-' + std::to_string(last);
  }
  return out;
}

std::optional<uint16_t> TakePort(std::string_view& text) {
  uint16_t port;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return port;
}

// "8080,9148-9150".
Result<std::vector<LocalPorts::Range>> ParsePortList(std::string_view text) {
  std::vector<LocalPorts::Range> ranges;
  text = text.substr(0, text.find_last_not_of(kBlanks) + 1);
  while (!text.empty()) {
    const std::optional<uint16_t> first = TakePort(text);
    std::optional<uint16_t> last = first;
    if (text.starts_with('-')) {
      text.remove_prefix(1);
      last = TakePort(text);
    }
    if (!first || !last || *last < *first || !(text.empty() || text[0] == ',')) return Errno(EINVAL);
    ranges.emplace_back(*first, *last);
    if (!text.empty()) text.remove_prefix(1);
  }
  return ranges;
}

Result<void> WriteReservedPorts(Task& writer, std::string_view text) {
  const RefPtr<NetStack> stack = TRY(StackToSet(writer));
  stack->settings().SetReservedPorts(TRY(ParsePortList(text)));
  return {};
}

std::string BufferText(const NetSettings::Buffer& buffer) {
  return std::to_string(buffer[0]) + "\t" + std::to_string(buffer[1]) + "\t" + std::to_string(buffer[2]);
}

Result<NetSettings::Buffer> ParseBuffer(std::string_view text, const NetSettings::Buffer& now) {
  int64_t sizes[] = {now[0], now[1], now[2]};
  TRY(ParseNumbers(text, sizes, 1, INT_MAX));
  return NetSettings::Buffer{static_cast<int>(sizes[0]), static_cast<int>(sizes[1]), static_cast<int>(sizes[2])};
}

std::string ReadReceiveBuffer(Task& reader) { return BufferText(NetStackOf(reader)->settings().receive_buffer()); }
std::string ReadSendBuffer(Task& reader) { return BufferText(NetStackOf(reader)->settings().send_buffer()); }

Result<void> WriteReceiveBuffer(Task& writer, std::string_view text) {
  const RefPtr<NetStack> stack = TRY(StackToSet(writer));
  NetSettings& settings = stack->settings();
  settings.set_receive_buffer(TRY(ParseBuffer(text, settings.receive_buffer())));
  return {};
}

Result<void> WriteSendBuffer(Task& writer, std::string_view text) {
  const RefPtr<NetStack> stack = TRY(StackToSet(writer));
  NetSettings& settings = stack->settings();
  settings.set_send_buffer(TRY(ParseBuffer(text, settings.send_buffer())));
  return {};
}

}  // namespace

void PublishNetSysctls() {
  const std::span<const NetSettingRow> rows = NetSettingRows();
  for (size_t i = 0; i < rows.size(); ++i) SetProcSysKnob(NumberKnob(std::string("net/") + rows[i].path, i));
  SetProcSysKnob(NumberKnob("net/ipv4/ip_forward", NetSetting::kForwarding4));
  SetProcSysKnob({"net/ipv4/ping_group_range", ReadPingGroups, WritePingGroups});
  SetProcSysKnob({"net/ipv4/ip_local_port_range", ReadPortRange, WritePortRange});
  SetProcSysKnob({"net/ipv4/ip_local_reserved_ports", ReadReservedPorts, WriteReservedPorts});
  SetProcSysKnob({"net/ipv4/tcp_rmem", ReadReceiveBuffer, WriteReceiveBuffer});
  SetProcSysKnob({"net/ipv4/tcp_wmem", ReadSendBuffer, WriteSendBuffer});
}

}  // namespace runsc
