// A filesystem that shows another one and keeps every change to itself.
#pragma once

#include "sentry/vfs/backing_store.h"
#include "sentry/vfs/inode.h"

namespace runsc {

struct OverlayOptions {
  uint64_t size = 0;  // bytes of changed data; 0: no limit of its own
};

// `lower` must not change underneath; nothing is ever written to it. `backing` must outlive the result.
Result<RefPtr<FileSystem>> NewOverlay(BackingStore& backing, RefPtr<FileSystem> lower, const OverlayOptions& options);

}  // namespace runsc
