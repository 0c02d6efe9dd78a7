// The gofer protocol: what the bytes on the socket mean. docs/gofer-protocol.md says why.
//
// One message per packet: MessageHeader, then the request's or reply's fixed part, then counted
// strings. Both ends are the same binary on the same machine, so integers are in native order.
#pragma once

#include <cstddef>
#include <cstdint>

namespace runsc {

inline constexpr uint8_t kGoferVersion = 1;
inline constexpr size_t kGoferMaxMessage = 64 * 1024;
inline constexpr size_t kGoferMaxWalk = 32;
inline constexpr size_t kGoferMaxName = 255;
inline constexpr size_t kGoferMaxTarget = 4095;
inline constexpr size_t kGoferMaxXattrValue = 60 * 1024;
inline constexpr size_t kGoferMaxCloses = 512;

enum class GoferOp : uint8_t {
  kAttach = 1,   // AttachRequest                        -> NodeReply, target
  kWalk,         // WalkRequest, names                   -> WalkReply, (NodeReply, target)*, [fd]
  kGetAttr,      // HandleRequest                        -> WireAttr
  kSetAttr,      // SetAttrRequest                       -> WireAttr
  kOpen,         // OpenRequest                          -> fd
  kCreate,       // NewRequest, name                     -> NodeReply, target, fd
  kMkdir,        // NewRequest, name                     -> NodeReply, target
  kMknod,        // NewRequest, name                     -> NodeReply, target
  kSymlink,      // NewRequest, name, target             -> NodeReply, target
  kLink,         // PairRequest (file, dir), name        -> WireAttr
  kUnlink,       // HandleRequest, name
  kRmdir,        // HandleRequest, name
  kRename,       // PairRequest, old name, new name
  kReadlink,     // HandleRequest                        -> string
  kStatfs,       // HandleRequest                        -> WireStatfs
  kReadDir,      // ReadDirRequest                       -> ListingReply, (WireDirEntry, name)*
  kGetXattr,     // XattrRequest, name                   -> string
  kSetXattr,     // XattrRequest, name, value
  kListXattr,    // XattrRequest                         -> CountReply, name*
  kRemoveXattr,  // XattrRequest, name
  kClose,        // CountReply, handle*
  kOpenTmp,      // AttachRequest                        -> fd
  kCreateTmp,    // NewRequest                           -> NodeReply, target, fd
  kSync,         // OpenRequest (flags: kSyncDataOnly)
  kLookup,       // LookupRequest, names                 -> CountReply, (LookupReply, [NodeReply, target])*
  kSettle,       // nothing
  kOpCount
};

struct MessageHeader {
  uint32_t size;  // of the whole message, this header included
  uint8_t version;
  uint8_t op;
  uint16_t fds;       // descriptors that come with this message: 0 or 1, replies only
  int32_t error;      // replies: errno, or 0; then nothing follows the header unless it is 0
  uint32_t sequence;  // of the request, repeated in its reply
  uint32_t cpu;       // requests: the CPU the caller runs on, a hint where to serve it
  uint32_t reserved;
};
static_assert(sizeof(MessageHeader) == 24);

// A counted string is this, then `length` bytes, unaligned and without a NUL.
struct WireString {
  uint16_t length;
};
static_assert(sizeof(WireString) == 2);

struct WireTime {
  int64_t sec;
  uint32_t nsec;
  uint32_t reserved;
};
static_assert(sizeof(WireTime) == 16);

struct WireAttr {
  uint64_t dev, ino, rdev, size, blocks, mount_id;
  uint32_t mode, nlink, uid, gid, blksize, reserved;
  WireTime atime, mtime, ctime, btime;
};
static_assert(sizeof(WireAttr) == 136);

struct WireStatfs {
  uint64_t type, bsize, blocks, bfree, bavail, files, ffree, fsid, namelen, frsize, flags;
};
static_assert(sizeof(WireStatfs) == 88);

struct WireDirEntry {
  uint64_t ino, cursor;
  uint8_t type;
  uint8_t reserved[7];
};
static_assert(sizeof(WireDirEntry) == 24);

// Requests. Handles always come first: the server resolves them, and decides what a read-only attach
// point refuses, before any operation's own code runs.
struct AttachRequest {
  uint32_t index;
  uint32_t reserved;
};
struct HandleRequest {
  uint64_t handle;
};
struct PairRequest {
  uint64_t first, second;
  uint32_t flags;
  uint32_t reserved;
};
struct WalkRequest {
  uint64_t dir;
  uint32_t count;
  int32_t open_flags;  // -1: do not open
};
struct LookupRequest {
  uint64_t dir;
  uint32_t count;
  uint32_t reserved;
};
struct OpenRequest {
  uint64_t file;
  int32_t flags;
  uint32_t reserved;
};
inline constexpr int32_t kSyncDataOnly = 1;
struct NewRequest {
  uint64_t dir;
  uint32_t kind;  // kCreate: open flags; kMknod: file type; else 0
  uint32_t mode;
  uint32_t uid, gid;  // ~0: leave
};
struct SetAttrRequest {
  enum Valid : uint32_t { kMode = 1, kUid = 2, kGid = 4, kSize = 8, kAtime = 16, kMtime = 32, kAll = 63 };
  uint64_t file;
  uint32_t valid, mode, uid, gid;
  uint64_t size;
  WireTime atime, mtime;
};
struct ReadDirRequest {
  uint64_t dir;
  uint64_t cursor;
};
struct XattrRequest {
  uint64_t file;
  int32_t flags;
  uint32_t reserved;
};
static_assert(sizeof(AttachRequest) == 8 && sizeof(HandleRequest) == 8);
static_assert(sizeof(PairRequest) == 24 && sizeof(WalkRequest) == 16 && sizeof(OpenRequest) == 16);
static_assert(sizeof(LookupRequest) == 16);
static_assert(sizeof(NewRequest) == 24 && sizeof(SetAttrRequest) == 64);
static_assert(sizeof(ReadDirRequest) == 16 && sizeof(XattrRequest) == 16);

// Replies.
inline constexpr uint64_t kNoHandle = 0;
struct NodeReply {
  uint64_t handle;  // kNoHandle in lookups of anything but a directory
  WireAttr attr;
};
struct WalkReply {
  uint32_t count;
  int32_t stopped;
};
struct LookupReply {
  int32_t error;  // errno; a node follows if it is 0
  uint32_t reserved;
};
struct CountReply {
  uint32_t count;
  uint32_t reserved;
};
struct ListingReply {
  uint32_t count;
  uint32_t at_end;  // 1: nothing follows these entries
};
static_assert(sizeof(ListingReply) == 8);
static_assert(sizeof(NodeReply) == 144 && sizeof(WalkReply) == 8 && sizeof(CountReply) == 8);
static_assert(sizeof(LookupReply) == 8);

}  // namespace runsc
