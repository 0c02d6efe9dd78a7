// The options of mount -t tmpfs, as tmpfs(5) lists them.
#include <sys/sysinfo.h>

#include <algorithm>
#include <charconv>

#include "sentry/fs/tmpfs.h"

namespace runsc {
namespace {

constexpr uint64_t kPage = 4096;

template <typename T>
Result<T> ParseWhole(std::string_view text, int base) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size() ? Result<T>(value) : Errno(EINVAL);
}

uint64_t TotalMemory() {
  struct sysinfo info;
  return sysinfo(&info) == 0 ? uint64_t{info.totalram} * info.mem_unit : uint64_t{1} << 31;
}

// "64m", "50%" of the memory.
Result<uint64_t> ParseSize(std::string_view text, bool percent) {
  if (text.empty()) return Errno(EINVAL);
  static constexpr std::string_view kUnits = "kmgtpe";
  const char last = text.back();
  if (last == '%' && percent) {
    return TotalMemory() / 100 * TRY(ParseWhole<uint32_t>(text.substr(0, text.size() - 1), 10));
  }
  const size_t unit = kUnits.find(static_cast<char>(last | 0x20));
  if (last >= '0' && last <= '9') return ParseWhole<uint64_t>(text, 10);
  if (unit == std::string_view::npos) return Errno(EINVAL);
  const uint64_t value = TRY(ParseWhole<uint64_t>(text.substr(0, text.size() - 1), 10));
  uint64_t bytes;
  if (__builtin_mul_overflow(value, uint64_t{1} << (10 * (unit + 1)), &bytes)) return Errno(EINVAL);
  return bytes;
}

bool IsAccepted(std::string_view name) {
  static constexpr std::string_view kWithoutEffect[] = {"huge", "mpol", "inode32", "inode64", "noswap"};
  return name.empty() ||
         std::find(std::begin(kWithoutEffect), std::end(kWithoutEffect), name) != std::end(kWithoutEffect);
}

Result<void> Apply(std::string_view name, std::string_view value, TmpfsOptions* options) {
  if (name == "size") {
    options->size = TRY(ParseSize(value, true));
  } else if (name == "nr_blocks") {
    options->size = TRY(ParseSize(value, false)) * kPage;
  } else if (name == "nr_inodes") {
    options->inodes = TRY(ParseSize(value, false));
  } else if (name == "mode") {
    options->mode = TRY(ParseWhole<uint32_t>(value, 8)) & 07777;
  } else if (name == "uid") {
    options->uid = TRY(ParseWhole<uint32_t>(value, 10));
  } else if (name == "gid") {
    options->gid = TRY(ParseWhole<uint32_t>(value, 10));
  } else if (!IsAccepted(name)) {
    return Errno(EINVAL);
  }
  return {};
}

}  // namespace

Result<void> ParseTmpfsOptions(std::string_view data, TmpfsOptions* options) {
  while (!data.empty()) {
    const std::string_view option = data.substr(0, data.find(','));
    data.remove_prefix(std::min(option.size() + 1, data.size()));
    const size_t equals = std::min(option.find('='), option.size());
    const std::string_view value = option.substr(std::min(equals + 1, option.size()));
    TRY(Apply(option.substr(0, equals), value, options));
  }
  return {};
}

}  // namespace runsc
