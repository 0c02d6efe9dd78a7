// Rules for container ids.
#include "runsc-cli/container/container_id.h"

#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

// Leaves room under NAME_MAX (255) for nothing: the id is exactly one directory name.
constexpr size_t kMaxIdLength = 255;

bool IsIdCharacter(char c) {
  const bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return alphanumeric || c == '_' || c == '+' || c == '-' || c == '.';
}

}  // namespace

absl::Status CheckContainerId(std::string_view id) {
  if (id.empty()) return InvalidArgument("container id must not be empty");
  if (id.size() > kMaxIdLength) {
    return InvalidArgument("container id is longer than ", kMaxIdLength, " characters");
  }
  for (char c : id) {
    if (!IsIdCharacter(c)) {
      return InvalidArgument("invalid container id \"", id, "\": only letters, digits and _ + - . are allowed");
    }
  }
  if (id == "." || id == "..") return InvalidArgument("invalid container id \"", id, "\"");
  return absl::OkStatus();
}

}  // namespace runsc
