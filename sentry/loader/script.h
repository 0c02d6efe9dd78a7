// `#!` lines.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "platform/base/result.h"

namespace runsc {

struct ScriptLine {
  std::string interpreter;
  std::optional<std::string> argument;  // everything after the interpreter, as one argument
};

inline constexpr size_t kScriptHeadSize = 256;  // BINPRM_BUF_SIZE

// `head` is the start of the file, at most kScriptHeadSize bytes, beginning with "#!". ENOEXEC.
Result<ScriptLine> ParseScriptLine(std::string_view head);

}  // namespace runsc
