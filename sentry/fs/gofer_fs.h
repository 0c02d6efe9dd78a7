// A filesystem of host files, reached through the gofer.
#pragma once

#include "gofer/client.h"
#include "sentry/vfs/backing_store.h"
#include "sentry/vfs/inode.h"

namespace runsc {

struct GoferFsOptions {
  // Others may change the host files at any time: names and attributes are asked for on every use.
  bool shared = false;
  bool read_only = false;
};

// Attach point `index` of `client`, which must outlive the filesystem. Its root may be a single file.
Result<RefPtr<FileSystem>> NewGoferFs(GoferClient& client, uint32_t index, const GoferFsOptions& options);

// Memory for an overlay's changes as unlinked files next to attach point `index`.
class GoferBackingStore : public BackingStore {
 public:
  GoferBackingStore(GoferClient& client, uint32_t index) : client_(client), index_(index) {}
  Result<UniqueFd> CreateFile(const char* name) override { return client_.OpenTmp(index_); }

 private:
  GoferClient& client_;
  const uint32_t index_;
};

}  // namespace runsc
