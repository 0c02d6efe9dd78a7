#include "sentry/loader/script.h"

namespace runsc {
namespace {

constexpr std::string_view kBlank = " \t";

}  // namespace

// A line that does not end within the head is only good if the interpreter's path does.
Result<ScriptLine> ParseScriptLine(std::string_view head) {
  std::string_view line = head.substr(2);
  const size_t end = line.find('\n');
  const bool truncated = end == std::string_view::npos && head.size() >= kScriptHeadSize;
  line = line.substr(0, end);
  if (const size_t nul = line.find('\0'); nul != std::string_view::npos) line = line.substr(0, nul);
  const size_t start = line.find_first_not_of(kBlank);
  // A file that ends here names the empty path; a line that does names nothing.
  if (start == std::string_view::npos && end == std::string_view::npos && !truncated) return ScriptLine{};
  if (start == std::string_view::npos) return Errno(ENOEXEC);
  line.remove_prefix(start);
  const size_t path_end = line.find_first_of(kBlank);
  if (path_end == std::string_view::npos && truncated) return Errno(ENOEXEC);
  ScriptLine script;
  script.interpreter = std::string(line.substr(0, path_end));
  if (path_end == std::string_view::npos) return script;
  const size_t arg_start = line.find_first_not_of(kBlank, path_end);
  if (arg_start == std::string_view::npos) return script;
  const size_t arg_end = line.find_last_not_of(kBlank);
  script.argument = std::string(line.substr(arg_start, arg_end - arg_start + 1));
  return script;
}

}  // namespace runsc
