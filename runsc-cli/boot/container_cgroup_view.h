// The guest's /sys/fs/cgroup: the host files that the command opened, and the container's own count of tasks.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "runsc-cli/cgroup/view.h"
#include "sentry/fs/cgroup_fs.h"

namespace runsc {

class ContainerCgroupView {
 public:
  explicit ContainerCgroupView(std::vector<CgroupFd> files)
      : files_(std::make_shared<std::vector<CgroupFd>>(std::move(files))) {}
  CgroupText Text() const;

 private:
  std::shared_ptr<const std::vector<CgroupFd>> files_;
};

}  // namespace runsc
