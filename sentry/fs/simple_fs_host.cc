#include "sentry/fs/simple_fs_host.h"

#include <fcntl.h>
#include <unistd.h>

#include "platform/base/unique_fd.h"

namespace runsc {
namespace {

constexpr size_t kMaxSize = 4 << 20;

}  // namespace

Result<std::string> ReadHostText(const char* path) {
  UniqueFd fd(TRY(FromHost(open(path, O_RDONLY | O_CLOEXEC))));
  std::string text;
  char chunk[4096];
  while (text.size() < kMaxSize) {
    const ssize_t n = TRY(FromHost(read(fd.get(), chunk, sizeof(chunk))));
    if (n == 0) break;
    text.append(chunk, n);
  }
  return text;
}

}  // namespace runsc
