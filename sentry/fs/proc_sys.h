// Settings of /proc/sys that layers above have.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "sentry/kernel/task.h"

namespace runsc {

struct ProcSysKnob {
  std::string path;                                                        // "net/ipv4/ip_forward"
  std::function<std::string(Task& reader)> read;                           // without the newline
  std::function<Result<void>(Task& writer, std::string_view text)> write;  // checks the writer's rights
};

// For who writes: the next number of `text`, which is cut off it; and whether nothing follows.
std::optional<uint64_t> TakeNumber(std::string_view& text);
bool IsBlank(std::string_view text);

// At boot, before a procfs is made.
void SetProcSysKnob(ProcSysKnob knob);

}  // namespace runsc
