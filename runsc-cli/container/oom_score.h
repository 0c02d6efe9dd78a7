// Whom the host kills first when memory is short: /proc/PID/oom_score_adj.
#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"
#include "platform/base/unique_fd.h"

namespace runsc {

// The kernel of a container goes after the container's programs.
int OomScoreAdjOfSentry(int of_container);

// Lowering it takes CAP_SYS_RESOURCE on the host: PermissionDenied.
absl::Status SetOomScoreAdj(pid_t pid, int value);

// This process' own, while it makes children that are to inherit it.
class ScopedOomScoreAdj {
 public:
  explicit ScopedOomScoreAdj(int value);
  ~ScopedOomScoreAdj();
  ScopedOomScoreAdj(const ScopedOomScoreAdj&) = delete;
  const absl::Status& status() const { return status_; }  // as SetOomScoreAdj

 private:
  UniqueFd file_;
  std::string before_;
  absl::Status status_;
};

}  // namespace runsc
