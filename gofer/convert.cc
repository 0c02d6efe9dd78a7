// Between what is on the wire and what callers see.
#include "gofer/convert.h"

#include <cstring>

namespace runsc {

FileAttr ToFileAttr(const WireAttr& wire) {
  FileAttr attr;
  attr.dev = wire.dev;
  attr.ino = wire.ino;
  attr.mode = wire.mode;
  attr.nlink = wire.nlink;
  attr.uid = wire.uid;
  attr.gid = wire.gid;
  attr.rdev = wire.rdev;
  attr.size = wire.size;
  attr.blocks = wire.blocks;
  attr.blksize = wire.blksize;
  attr.atime = ToTimespec(wire.atime);
  attr.mtime = ToTimespec(wire.mtime);
  attr.ctime = ToTimespec(wire.ctime);
  attr.btime = ToTimespec(wire.btime);
  attr.mount_id = wire.mount_id;
  return attr;
}

struct statfs ToStatfs(const WireStatfs& wire) {
  struct statfs out {};
  out.f_type = static_cast<__fsword_t>(wire.type);
  out.f_bsize = static_cast<__fsword_t>(wire.bsize);
  out.f_blocks = wire.blocks;
  out.f_bfree = wire.bfree;
  out.f_bavail = wire.bavail;
  out.f_files = wire.files;
  out.f_ffree = wire.ffree;
  static_assert(sizeof(out.f_fsid) == sizeof(wire.fsid));
  memcpy(&out.f_fsid, &wire.fsid, sizeof(wire.fsid));
  out.f_namelen = static_cast<__fsword_t>(wire.namelen);
  out.f_frsize = static_cast<__fsword_t>(wire.frsize);
  out.f_flags = static_cast<__fsword_t>(wire.flags);
  return out;
}

SetAttrRequest ToRequest(uint64_t handle, const FileAttrChange& change) {
  SetAttrRequest request{.file = handle};
  if (change.mode) request.valid |= SetAttrRequest::kMode, request.mode = *change.mode;
  if (change.uid) request.valid |= SetAttrRequest::kUid, request.uid = *change.uid;
  if (change.gid) request.valid |= SetAttrRequest::kGid, request.gid = *change.gid;
  if (change.size) request.valid |= SetAttrRequest::kSize, request.size = *change.size;
  if (change.atime) request.valid |= SetAttrRequest::kAtime, request.atime = ToWireTime(*change.atime);
  if (change.mtime) request.valid |= SetAttrRequest::kMtime, request.mtime = ToWireTime(*change.mtime);
  return request;
}

}  // namespace runsc
