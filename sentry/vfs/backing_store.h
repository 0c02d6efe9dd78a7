// Where memory for tmpfs and overlay files, shared mappings and memfds comes from.
#pragma once

#include "platform/base/result.h"
#include "platform/base/unique_fd.h"

namespace runsc {

// In the sentry it makes memfds, or asks the gofer for unlinked files (file-backed overlay upper).
class BackingStore {
 public:
  virtual ~BackingStore() = default;
  // An empty host file, readable, writable and mappable.
  virtual Result<UniqueFd> CreateFile(const char* name) = 0;
};

// The same host file through a descriptor that cannot write, for mappings that must never become
// writable. ENOENT without a procfs.
Result<UniqueFd> ReopenReadOnly(int fd);
// Where the above finds our descriptors: a procfs root that stays open. Called once, at boot.
void SetProcfsForReopen(int proc_root);

// memfd_create. ENFILE when only the reserve is left.
class MemfdStore : public BackingStore {
 public:
  Result<UniqueFd> CreateFile(const char* name) override;
};
// Keeps the last of the descriptors we may have for what keeps the sandbox going: processes, files that they open.
// Called once, at boot.
void ReserveDescriptors();

}  // namespace runsc
