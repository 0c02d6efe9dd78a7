// Settings of /proc/sys that layers above have.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sentry/kernel/task.h"

namespace runsc {

struct ProcSysKnob {
  const char* path;                                            // "net/ipv4/ip_forward"
  std::string (*read)(Task& reader);                           // without the newline
  Result<void> (*write)(Task& writer, std::string_view text);  // checks the writer's rights
};

// For who writes: the next number of `text`, which is cut off it; and whether nothing follows.
std::optional<uint64_t> TakeNumber(std::string_view& text);
bool IsBlank(std::string_view text);

// At boot, before a procfs is made.
void SetProcSysKnob(const ProcSysKnob& knob);

}  // namespace runsc
