#include "runsc-cli/container/oom_score.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

absl::Status Write(int file, const std::string& value) {
  if (write(file, value.data(), value.size()) == static_cast<ssize_t>(value.size())) return absl::OkStatus();
  return HostError(errno, "set oom_score_adj to %s", value.c_str());
}

}  // namespace

int OomScoreAdjOfSentry(int of_container) {
  constexpr int kAdvantage = 100, kLeast = -999;  // thousandths of the memory there is; -1000 would be "never"
  return std::max(of_container - kAdvantage, kLeast);
}

absl::Status SetOomScoreAdj(pid_t pid, int value) {
  const UniqueFd file(open(Cat("/proc/", pid, "/oom_score_adj").c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid()) return HostError(errno, "open oom_score_adj of process %d", pid);
  return Write(file.get(), Cat(value));
}

ScopedOomScoreAdj::ScopedOomScoreAdj(int value) : file_(open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC)) {
  char text[16];
  const ssize_t size = file_.valid() ? pread(file_.get(), text, sizeof(text), 0) : -1;
  if (size < 0) {
    status_ = HostError(errno, "read oom_score_adj");
    file_.reset();
    return;
  }
  before_.assign(text, static_cast<size_t>(size));
  status_ = Write(file_.get(), Cat(value));
}

ScopedOomScoreAdj::~ScopedOomScoreAdj() {
  if (file_.valid()) Write(file_.get(), before_).IgnoreError();  // going back to where one was is always allowed
}

}  // namespace runsc
