#include "runsc-cli/boot/container_cgroup_view.h"

#include <unistd.h>

namespace runsc {
namespace {

constexpr size_t kMaxFile = 16 << 10;

std::optional<std::string> ReadHostFile(const std::vector<CgroupFd>& files, const std::string& name) {
  for (const CgroupFd& file : files) {
    if (file.name != name) continue;
    std::string text(kMaxFile, '\0');
    const ssize_t n = pread(file.fd.get(), text.data(), text.size(), 0);
    if (n < 0) return std::nullopt;
    text.resize(static_cast<size_t>(n));
    return text;
  }
  return std::nullopt;
}

}  // namespace

CgroupText ContainerCgroupView::Text() const {
  return [files = files_](const std::string& name) -> Result<std::string> {
    const auto host = [&](const std::string& file) { return ReadHostFile(*files, file); };
    std::optional<std::string> text = CgroupViewText(host, name);
    if (!text) return Errno(ENOENT);
    return *std::move(text);
  };
}

}  // namespace runsc
