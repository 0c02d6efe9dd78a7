// The question Linux answers on an open /proc/PID/maps since 6.11: what is mapped at an address. Debian 12's headers do
// not have it.
#pragma once

#include <sys/ioctl.h>

#include <cstdint>

namespace runsc {

struct MapQuery {
  uint64_t size = sizeof(MapQuery);
  uint64_t wanted = 0;  // 0: the mapping that has `addr`, of any kind
  uint64_t addr = 0;
  uint64_t begin = 0, end = 0;
  uint64_t mapping = 0;  // kQuery* of what was found
  uint64_t page_size = 0, offset = 0, inode = 0;
  uint32_t dev_major = 0, dev_minor = 0;
  uint32_t name_size = 0, build_id_size = 0;  // 0: not asked for
  uint64_t name = 0, build_id = 0;
};
static_assert(sizeof(MapQuery) == 104);

inline constexpr uint64_t kQueryWritable = 2, kQueryExecutable = 4, kQueryShared = 8;
inline constexpr unsigned long kMapQueryRequest = _IOWR('f', 17, MapQuery);

}  // namespace runsc
