// Between what is on the wire and what callers see.
#pragma once

#include <sys/vfs.h>

#include "gofer/file_attr.h"
#include "gofer/protocol.h"

namespace runsc {

FileAttr ToFileAttr(const WireAttr& wire);
struct statfs ToStatfs(const WireStatfs& wire);
SetAttrRequest ToRequest(uint64_t handle, const FileAttrChange& change);

inline timespec ToTimespec(const WireTime& time) {
  return {.tv_sec = time.sec, .tv_nsec = static_cast<long>(time.nsec)};
}
inline WireTime ToWireTime(const timespec& time) {
  return {.sec = time.tv_sec, .nsec = static_cast<uint32_t>(time.tv_nsec), .reserved = 0};
}

}  // namespace runsc
