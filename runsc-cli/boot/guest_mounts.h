// The container's file system tree: the root, and what config.json mounts on it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "gofer/client.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/oci/mount_plan.h"
#include "runsc-cli/oci/spec.h"
#include "sentry/kernel/kernel.h"
#include "sentry/vfs/backing_store.h"
#include "sentry/vfs/vfs.h"

namespace runsc {

// Room for changed files: an unnamed file on the disk of the root file system while there is one to be
// had, else memory.
class UpperStore : public BackingStore {
 public:
  UpperStore(GoferClient& gofer, bool use_disk) : gofer_(gofer), use_disk_(use_disk) {}
  Result<UniqueFd> CreateFile(const char* name) override;

 private:
  GoferClient& gofer_;
  const bool use_disk_;
  MemfdStore memory_;
};

// Attach point 0 with the overlay --overlay2 asks for. A read-only root gets one in memory whatever the flag: mount
// points may have to be made, and the host's tree is never touched.
absl::StatusOr<RefPtr<FileSystem>> NewRootFileSystem(GoferClient& gofer, BackingStore& upper, const Spec& spec,
                                                     const OverlayOption& overlay);

// Everything else. `task` is the future init; `cgroup` makes its view of its cgroup.
using CgroupFsMaker = std::function<RefPtr<FileSystem>()>;
absl::Status MountAll(Task& task, GoferClient& gofer, BackingStore& memory, const MountPlan& plan,
                      const OverlayOption& overlay, const CgroupFsMaker& cgroup);
// root.readonly, once everything is mounted.
absl::Status SealRoot(Task& task);

// Makes the directory `path` and its parents in the guest where they are missing.
Result<Path> MakeGuestDirectories(Task& task, std::string_view path);

}  // namespace runsc
