// What a Vfs is made of; private to sentry/vfs.
#pragma once

#include "sentry/vfs/mount_table.h"
#include "sentry/vfs/vfs.h"

namespace runsc {

inline constexpr size_t kDefaultCacheLimit = 32768;

struct Vfs::Impl {
  MountTable mounts;
  std::atomic<size_t> cache_limit{kDefaultCacheLimit};
};

}  // namespace runsc
