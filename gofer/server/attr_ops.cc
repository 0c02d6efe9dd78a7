// Attributes: stat, changes to it, file system figures, extended attributes.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include "gofer/convert.h"
#include "gofer/server/operation.h"

namespace runsc {
namespace {

constexpr size_t kXattrListMax = 60 * 1024;

bool StartsWith(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

// trusted.* and security.* mean something to the host: guests have no say in them.
bool MayChangeXattr(std::string_view name) {
  return StartsWith(name, "user.") || name == "system.posix_acl_access" || name == "system.posix_acl_default";
}
bool MayReadXattr(std::string_view name) { return MayChangeXattr(name) || name == "security.capability"; }

Result<std::string> XattrName(const GoferRequest& request, bool (*allowed)(std::string_view)) {
  std::string_view name = request.strings[0];
  if (name.empty() || name.size() > kGoferMaxName) return Errno(ERANGE);
  if (name.find('\0') != name.npos) return Errno(EINVAL);
  if (!allowed(name)) return Errno(EOPNOTSUPP);
  return std::string(name);
}

// Extended attributes need an opened file; only regular files and directories are ever opened.
Result<UniqueFd> OpenForXattr(const GoferSession& session, const ServerNode& node, int otherwise) {
  if (node.type() != S_IFREG && node.type() != S_IFDIR) return Errno(otherwise);
  return session.reopener.Open(node.path(), O_RDONLY);
}

Result<void> SetSize(const GoferSession& session, const ServerNode& node, uint64_t size) {
  if (size > INT64_MAX) return Errno(EINVAL);
  UniqueFd file = TRY(OpenRegular(session, node, O_WRONLY));
  TRY(FromHost(ftruncate(file.get(), static_cast<off_t>(size))));
  return {};
}

Result<void> SetOwner(const ServerNode& node, const SetAttrRequest& change) {
  uid_t uid = (change.valid & SetAttrRequest::kUid) != 0 ? change.uid : ~0u;
  gid_t gid = (change.valid & SetAttrRequest::kGid) != 0 ? change.gid : ~0u;
  TRY(FromHost(fchownat(node.path(), "", uid, gid, AT_EMPTY_PATH)));
  return {};
}

Result<timespec> CheckedTime(const WireTime& time, bool set) {
  if (!set) return timespec{.tv_sec = 0, .tv_nsec = UTIME_OMIT};
  if (time.nsec != UTIME_NOW && time.nsec >= 1'000'000'000) return Errno(EINVAL);
  return ToTimespec(time);
}

Result<void> SetTimes(const ServerNode& node, const SetAttrRequest& change) {
  timespec times[2] = {
      TRY(CheckedTime(change.atime, (change.valid & SetAttrRequest::kAtime) != 0)),
      TRY(CheckedTime(change.mtime, (change.valid & SetAttrRequest::kMtime) != 0)),
  };
  TRY(FromHost(utimensat(node.path(), "", times, AT_EMPTY_PATH)));
  return {};
}

Result<void> ApplyChange(const GoferSession& session, const ServerNode& node, const SetAttrRequest& change) {
  auto has = [&](uint32_t bits) { return (change.valid & bits) != 0; };
  if (has(SetAttrRequest::kSize)) TRY(SetSize(session, node, change.size));
  if (has(SetAttrRequest::kUid | SetAttrRequest::kGid)) TRY(SetOwner(node, change));
  if (has(SetAttrRequest::kMode)) TRY(session.reopener.Chmod(node.path(), change.mode));
  if (has(SetAttrRequest::kAtime | SetAttrRequest::kMtime)) TRY(SetTimes(node, change));
  return {};
}

}  // namespace

Result<void> ServeGetAttr(GoferSession&, GoferRequest& request, GoferResponse& response) {
  return response.Put(TRY(StatFile(request.path())));
}

Result<void> ServeSetAttr(GoferSession& session, GoferRequest& request, GoferResponse& response) {
  auto change = request.Fixed<SetAttrRequest>();
  const ServerNode& node = request.node();
  bool mode = (change.valid & SetAttrRequest::kMode) != 0;
  if ((change.valid & ~SetAttrRequest::kAll) != 0) return Errno(EINVAL);
  if (mode && (change.mode & ~07777u) != 0) return Errno(EINVAL);
  if (mode && node.type() == S_IFLNK) return Errno(EOPNOTSUPP);
  TRY(ApplyChange(session, node, change));
  return response.Put(TRY(StatFile(node.path())));
}

Result<void> ServeStatfs(GoferSession&, GoferRequest& request, GoferResponse& response) {
  struct statfs host;
  TRY(FromHost(fstatfs(request.path(), &host)));
  WireStatfs wire{.type = static_cast<uint64_t>(host.f_type),
                  .bsize = static_cast<uint64_t>(host.f_bsize),
                  .blocks = host.f_blocks,
                  .bfree = host.f_bfree,
                  .bavail = host.f_bavail,
                  .files = host.f_files,
                  .ffree = host.f_ffree,
                  .namelen = static_cast<uint64_t>(host.f_namelen),
                  .frsize = static_cast<uint64_t>(host.f_frsize),
                  .flags = static_cast<uint64_t>(host.f_flags)};
  memcpy(&wire.fsid, &host.f_fsid, sizeof(wire.fsid));
  return response.Put(wire);
}

Result<void> ServeGetXattr(GoferSession& session, GoferRequest& request, GoferResponse& response) {
  std::string name = TRY(XattrName(request, MayReadXattr));
  UniqueFd file = TRY(OpenForXattr(session, request.node(), ENODATA));
  std::string value(kGoferMaxXattrValue, '\0');
  ssize_t n = TRY(FromHost(fgetxattr(file.get(), name.c_str(), value.data(), value.size())));
  return response.PutString(std::string_view(value).substr(0, static_cast<size_t>(n)));
}

Result<void> ServeSetXattr(GoferSession& session, GoferRequest& request, GoferResponse&) {
  std::string name = TRY(XattrName(request, MayChangeXattr));
  int flags = request.Fixed<XattrRequest>().flags;
  if ((flags & ~(XATTR_CREATE | XATTR_REPLACE)) != 0) return Errno(EINVAL);
  std::string_view value = request.strings[1];
  UniqueFd file = TRY(OpenForXattr(session, request.node(), EPERM));
  TRY(FromHost(fsetxattr(file.get(), name.c_str(), value.data(), value.size(), flags)));
  return {};
}

Result<void> ServeListXattr(GoferSession& session, GoferRequest& request, GoferResponse& response) {
  size_t at = response.out.size();
  CountReply header{};
  TRY(response.Put(header));
  auto file = OpenForXattr(session, request.node(), ENODATA);
  if (!file.ok()) return file.error().value() == ENODATA ? Result<void>() : file.error();
  std::string names(kXattrListMax, '\0');
  ssize_t n = TRY(FromHost(flistxattr(file->get(), names.data(), names.size())));
  std::string_view rest = std::string_view(names).substr(0, static_cast<size_t>(n));
  while (!rest.empty()) {
    std::string_view name = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(std::min(name.size() + 1, rest.size()));
    if (!MayReadXattr(name)) continue;
    TRY(response.PutString(name));
    header.count++;
  }
  response.out.Patch(at, header);
  return {};
}

Result<void> ServeRemoveXattr(GoferSession& session, GoferRequest& request, GoferResponse&) {
  std::string name = TRY(XattrName(request, MayChangeXattr));
  UniqueFd file = TRY(OpenForXattr(session, request.node(), EPERM));
  TRY(FromHost(fremovexattr(file.get(), name.c_str())));
  return {};
}

}  // namespace runsc
