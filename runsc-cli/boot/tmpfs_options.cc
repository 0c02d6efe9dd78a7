// Parses tmpfs mount options.
#include "runsc-cli/boot/tmpfs_options.h"

#include <unistd.h>

#include <cstdlib>
#include <optional>

#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

std::optional<uint32_t> ParseOctal(std::string_view text) {
  uint32_t value;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  if (error != std::errc() || end != text.data() + text.size() || value > 07777) return std::nullopt;
  return value;
}

uint64_t TotalMemory() { return uint64_t(sysconf(_SC_PHYS_PAGES)) * uint64_t(sysconf(_SC_PAGESIZE)); }

bool IsIgnored(std::string_view name) {
  for (std::string_view known : {"nr_inodes", "nr_blocks", "huge", "mpol", "inode32", "inode64", "noswap"}) {
    if (name == known) return true;
  }
  return false;
}

bool ApplyOption(std::string_view name, std::string_view value, TmpfsOptions& options) {
  if (name == "mode") {
    const std::optional<uint32_t> mode = ParseOctal(value);
    if (mode) options.mode = *mode;
    return mode.has_value();
  }
  if (name == "size") {
    const std::optional<uint64_t> size = ParseTmpfsSize(value, TotalMemory());
    if (size) options.size = *size;
    return size.has_value();
  }
  if (name == "uid" || name == "gid") {
    const std::optional<uint32_t> id = ParseNumber<uint32_t>(value);
    if (id) (name == "uid" ? options.uid : options.gid) = *id;
    return id.has_value();
  }
  return IsIgnored(name);
}

}  // namespace

std::optional<uint64_t> ParseTmpfsSize(std::string_view text, uint64_t total) {
  if (ConsumeSuffix(text, "%")) {
    const std::optional<uint64_t> percent = ParseNumber<uint64_t>(text);
    if (!percent || *percent > 100) return std::nullopt;
    return total / 100 * *percent;
  }
  int shift = 0;
  if (ConsumeSuffix(text, "k") || ConsumeSuffix(text, "K")) shift = 10;
  else if (ConsumeSuffix(text, "m") || ConsumeSuffix(text, "M")) shift = 20;
  else if (ConsumeSuffix(text, "g") || ConsumeSuffix(text, "G")) shift = 30;
  const std::optional<uint64_t> number = ParseNumber<uint64_t>(text);
  if (!number || *number > (uint64_t{1} << 62) >> shift) return std::nullopt;
  return *number << shift;
}

absl::StatusOr<TmpfsOptions> ParseTmpfsOptions(std::string_view data, uint32_t default_mode) {
  TmpfsOptions options;
  options.mode = default_mode;
  if (data.empty()) return options;
  for (std::string_view option : Split(data, ',')) {
    const size_t equals = option.find('=');
    const std::string_view value = equals == option.npos ? std::string_view() : option.substr(equals + 1);
    if (!ApplyOption(option.substr(0, equals), value, options)) {
      return InvalidArgument("unknown or malformed tmpfs option \"", option, "\"");
    }
  }
  return options;
}

}  // namespace runsc
