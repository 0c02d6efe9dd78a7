// A filesystem in memory.
#pragma once

#include "sentry/vfs/backing_store.h"
#include "sentry/vfs/inode.h"

namespace runsc {

struct TmpfsOptions {
  uint32_t mode = 01777;
  uid_t uid = 0;
  gid_t gid = 0;
  uint64_t size = 0;                // bytes; 0: half of the machine's memory
  uint64_t inodes = 0;              // 0: as many as half of the machine's pages
  std::string_view type = "tmpfs";  // as shown in /proc/mounts ("devtmpfs")
};

// `backing` must outlive the filesystem.
RefPtr<FileSystem> NewTmpfs(BackingStore& backing, const TmpfsOptions& options);

// "size=1m,mode=755": EINVAL for what is not known. What is not named stays.
Result<void> ParseTmpfsOptions(std::string_view data, TmpfsOptions* options);
// mount -o remount: new limits. EINVAL if more is in use, or if `fs` is not a tmpfs.
Result<void> RemountTmpfs(FileSystem& fs, std::string_view data);

}  // namespace runsc
