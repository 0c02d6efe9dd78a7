#include "runsc-cli/oci/check_text.h"

#include <limits.h>

#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"

namespace runsc {

absl::Status CheckNoNul(std::string_view field, std::string_view text) {
  if (text.find('\0') == text.npos) return absl::OkStatus();
  return InvalidArgument(field, ": must not contain a NUL character");
}

absl::Status CheckNoNuls(std::string_view field, const std::vector<std::string>& texts) {
  for (size_t i = 0; i < texts.size(); ++i) {
    RETURN_IF_ERROR(CheckNoNul(Cat(field, "[", i, "]"), texts[i]));
  }
  return absl::OkStatus();
}

absl::Status CheckPathText(std::string_view field, std::string_view text) {
  if (text.size() >= PATH_MAX) return InvalidArgument(field, ": longer than the ", PATH_MAX - 1, " bytes of a path");
  return CheckNoNul(field, text);
}

absl::Status CheckAbsolute(std::string_view field, std::string_view text) {
  if (text.empty()) return InvalidArgument(field, ": must not be empty");
  RETURN_IF_ERROR(CheckPathText(field, text));
  if (text.starts_with('/')) return absl::OkStatus();
  return InvalidArgument(field, ": must be an absolute path, is \"", text, "\"");
}

absl::Status CheckOneLine(std::string_view field, std::string_view text) {
  if (text.find('\n') != text.npos) return InvalidArgument(field, ": must not contain a line break");
  return CheckNoNul(field, text);
}

}  // namespace runsc
