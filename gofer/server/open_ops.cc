// Getting at files: attach, walk, look up, open, close. And what concerns no file.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "gofer/server/operation.h"
#include "platform/host/start_up_memory_unsafe.h"

namespace runsc {
namespace {

// Status flags that make sense on a descriptor the sentry does I/O with.
constexpr int kOpenFlags = O_ACCMODE | O_TRUNC | O_APPEND | O_DIRECT | O_DSYNC | O_SYNC | O_NOATIME | O_LARGEFILE;

// What Open says about a file that is not regular. Opening a device runs a driver's code with our
// rights, opening a fifo blocks, and a directory descriptor would be a way around this server.
int RefusalFor(uint32_t type) {
  switch (type) {
    case S_IFREG:
      return 0;
    case S_IFDIR:
      return EISDIR;
    case S_IFLNK:
      return ELOOP;
    case S_IFIFO:
    case S_IFSOCK:
      return ENXIO;
    default:
      return EPERM;
  }
}

struct WalkNames {
  std::string_view name[kGoferMaxWalk];
  uint32_t count = 0;
};

Result<WalkNames> ParseNames(GoferRequest& request, uint32_t count) {
  WalkNames names;
  if (count == 0 || count > kGoferMaxWalk) return request.Malformed();
  for (; names.count < count; names.count++) {
    if (!request.rest.ReadString(&names.name[names.count])) return request.Malformed();
  }
  if (!request.rest.AtEnd()) return request.Malformed();
  for (uint32_t i = 0; i < count; i++) TRY(CheckName(names.name[i]));
  return names;
}

// One step: the child of `dir`, registered and written to the reply.
Result<RefPtr<ServerNode>> Step(GoferSession& session, const ServerNode& dir, std::string_view name,
                                GoferResponse& response) {
  UniqueFd child = TRY(OpenChildPath(dir.path(), name));
  size_t at = response.out.size();
  TRY(PutNode(session, dir, std::move(child), response));
  NodeReply reply;
  memcpy(&reply, response.out.bytes().data() + at, sizeof(reply));
  return session.handles.Find(reply.handle);
}

struct WalkEnd {
  WalkReply reply{};
  RefPtr<ServerNode> last;
};

WalkEnd WalkAll(GoferSession& session, RefPtr<ServerNode> dir, const WalkNames& names, GoferResponse& response) {
  WalkEnd end{.last = std::move(dir)};
  for (uint32_t i = 0; i < names.count; i++) {
    if (end.last->type() != S_IFDIR) break;  // the reply's last node says why
    size_t at = response.out.size();
    auto child = Step(session, *end.last, names.name[i], response);
    if (!child.ok() || !*child) {
      response.out.Rewind(at);
      end.reply.stopped = child.ok() ? EIO : child.error().value();
      break;
    }
    end.last = *child;
    end.reply.count++;
  }
  return end;
}

// A directory gets a handle, as names in it will be asked for; of anything else attributes will mostly do, and
// a handle is a descriptor held.
Result<void> DescribeChild(GoferSession& session, const ServerNode& dir, std::string_view name,
                           GoferResponse& response) {
  const WireAttr attr = TRY(StatChild(dir.path(), name));
  if (S_ISDIR(attr.mode)) return PutNode(session, dir, TRY(OpenChildPath(dir.path(), name)), response);
  TRY(response.Put(NodeReply{.handle = kNoHandle, .attr = attr}));
  return response.PutString(S_ISLNK(attr.mode) ? TRY(ReadChildLinkTarget(dir.path(), name)) : "");
}

// One name of a lookup. False: the reply or the table is full.
bool PutChild(GoferSession& session, const ServerNode& dir, std::string_view name, GoferResponse& response) {
  const size_t at = response.out.size();
  if (!response.Put(LookupReply{}).ok()) return false;
  const Result<void> put = DescribeChild(session, dir, name, response);
  if (put.ok()) return true;
  response.out.Rewind(at);
  if (put.error() == Errno(EMSGSIZE) || put.error() == Errno(ENFILE)) return false;
  return response.Put(LookupReply{.error = put.error().value(), .reserved = 0}).ok();
}

}  // namespace

Result<void> CheckOpenFlags(const ServerNode& node, int flags) {
  int access = flags & O_ACCMODE;
  if ((flags & ~kOpenFlags) != 0 || access == O_ACCMODE) return Errno(EINVAL);
  bool changes = access != O_RDONLY || (flags & O_TRUNC) != 0;
  if (changes && node.attach().read_only) return Errno(EROFS);
  return {};
}

Result<UniqueFd> OpenRegular(const GoferSession& session, const ServerNode& node, int flags) {
  if (int error = RefusalFor(node.type()); error != 0) return Errno(error);
  TRY(CheckOpenFlags(node, flags));
  // The O_PATH descriptor pins the inode and its type was checked: what opens here is that file.
  UniqueFd opened = TRY(session.reopener.Open(node.path(), flags));
  struct stat st;
  if (fstat(opened.get(), &st) != 0 || !S_ISREG(st.st_mode)) return Errno(EPERM);
  return opened;
}

Result<void> ServeAttach(GoferSession& session, GoferRequest& request, GoferResponse& response) {
  uint32_t index = request.Fixed<AttachRequest>().index;
  if (index >= session.attach_points.size()) return Errno(ENOENT);
  const GoferAttachPoint& point = session.attach_points[index];
  UniqueFd path = TRY(session.reopener.Open(point.root.get(), O_PATH));
  ServerNode origin(UniqueFd(), S_IFDIR, index, &point);
  return PutNode(session, origin, std::move(path), response);
}

Result<void> ServeWalk(GoferSession& session, GoferRequest& request, GoferResponse& response) {
  auto walk = request.Fixed<WalkRequest>();
  WalkNames names = TRY(ParseNames(request, walk.count));
  if (request.node().type() != S_IFDIR) return Errno(ENOTDIR);
  size_t at = response.out.size();
  TRY(response.Put(WalkReply{}));
  WalkEnd end = WalkAll(session, request.nodes[0], names, response);
  response.out.Patch(at, end.reply);
  bool want_open = walk.open_flags != -1 && end.reply.count == names.count;
  if (want_open && end.last->type() == S_IFREG) {
    auto opened = OpenRegular(session, *end.last, walk.open_flags);
    if (opened.ok()) response.fd = std::move(*opened);
  }
  return {};
}

Result<void> ServeLookup(GoferSession& session, GoferRequest& request, GoferResponse& response) {
  const WalkNames names = TRY(ParseNames(request, request.Fixed<LookupRequest>().count));
  if (request.node().type() != S_IFDIR) return Errno(ENOTDIR);
  const size_t at = response.out.size();
  TRY(response.Put(CountReply{}));
  uint32_t count = 0;
  while (count < names.count && PutChild(session, request.node(), names.name[count], response)) count++;
  response.out.Patch(at, CountReply{.count = count, .reserved = 0});
  return {};
}

Result<void> ServeOpen(GoferSession& session, GoferRequest& request, GoferResponse& response) {
  response.fd = TRY(OpenRegular(session, request.node(), request.Fixed<OpenRequest>().flags));
  return {};
}

Result<void> ServeClose(GoferSession& session, GoferRequest& request, GoferResponse&) {
  uint32_t count = request.Fixed<CountReply>().count;
  if (count > kGoferMaxCloses) return request.Malformed();
  uint64_t handles[kGoferMaxCloses];
  for (uint32_t i = 0; i < count; i++) {
    if (!request.rest.Read(&handles[i])) return request.Malformed();
  }
  if (!request.rest.AtEnd()) return request.Malformed();
  for (uint32_t i = 0; i < count; i++) session.handles.Remove(handles[i]);
  return {};
}

Result<void> ServeOpenTmp(GoferSession& session, GoferRequest& request, GoferResponse& response) {
  uint32_t index = request.Fixed<AttachRequest>().index;
  if (index >= session.attach_points.size()) return Errno(ENOENT);
  const GoferAttachPoint& point = session.attach_points[index];
  if (!point.allow_tmpfile) return Errno(EROFS);
  response.fd = TRY(session.reopener.Open(point.root.get(), O_TMPFILE | O_RDWR, 0600));
  return {};
}

// Directories, which the sentry has no descriptor of; and files.
Result<void> ServeSync(GoferSession& session, GoferRequest& request, GoferResponse&) {
  const uint32_t type = request.node().type();
  if (type != S_IFDIR && type != S_IFREG) return Errno(EINVAL);
  const int32_t flags = request.Fixed<OpenRequest>().flags;
  if ((flags & ~kSyncDataOnly) != 0) return Errno(EINVAL);
  UniqueFd file = TRY(session.reopener.Open(request.path(), O_RDONLY));
  TRY(FromHost(fsync(file.get())));  // of data only too: one host call less to allow
  return {};
}

Result<void> ServeSettle(GoferSession&, GoferRequest&, GoferResponse&) {
  ReleaseStartUpMemory();
  return {};
}

}  // namespace runsc
