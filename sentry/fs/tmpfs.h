// A filesystem in memory.
#pragma once

#include "sentry/vfs/backing_store.h"
#include "sentry/vfs/inode.h"

namespace runsc {

struct TmpfsOptions {
  uint32_t mode = 01777;
  uid_t uid = 0;
  gid_t gid = 0;
  uint64_t size = 0;  // bytes; 0: half of the machine's memory
  std::string_view type = "tmpfs";  // as shown in /proc/mounts ("devtmpfs")
};

// `backing` must outlive the filesystem.
RefPtr<FileSystem> NewTmpfs(BackingStore& backing, const TmpfsOptions& options);

}  // namespace runsc
