// Making new files, with the owner and mode asked for.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "gofer/server/operation.h"

namespace runsc {
namespace {

constexpr uint32_t kPermissionBits = 07777;

// Gives a file just made the owner and mode the sentry asked for. The owner first: changing it
// clears the set-id bits.
Result<void> GiveAway(const GoferSession& session, int path, const NewRequest& asked) {
  WireAttr attr = TRY(StatFile(path));
  constexpr uint32_t kLeave = ~0u;
  bool owner_differs = (asked.uid != kLeave && asked.uid != attr.uid) || (asked.gid != kLeave && asked.gid != attr.gid);
  if (owner_differs && fchownat(path, "", asked.uid, asked.gid, AT_EMPTY_PATH) != 0) {
    return Errno(errno);
  }
  if (S_ISLNK(attr.mode)) return {};
  bool mode_differs = (attr.mode & kPermissionBits) != asked.mode;
  bool lost_by_chown = owner_differs && (asked.mode & (S_ISUID | S_ISGID)) != 0;
  if (mode_differs || lost_by_chown) return session.reopener.Chmod(path, asked.mode);
  return {};
}

// The end of every creation: owner, mode, handle, reply. Undoes the creation on failure.
Result<void> Finish(GoferSession& session, GoferRequest& request, Result<UniqueFd> path, uint32_t type,
                    GoferResponse& response) {
  auto asked = request.Fixed<NewRequest>();
  auto finish = [&]() -> Result<void> {
    UniqueFd fd = TRY(std::move(path));
    // A neighbour on a shared mount may have put something else under the name meanwhile.
    if ((TRY(StatFile(fd.get())).mode & S_IFMT) != type) return Errno(ESTALE);
    TRY(GiveAway(session, fd.get(), asked));
    return PutNode(session, request.node(), std::move(fd), response);
  };
  Result<void> done = finish();
  if (!done.ok() && done.error().value() != ESTALE) {
    std::string name(request.strings[0]);
    unlinkat(request.path(), name.c_str(), type == S_IFDIR ? AT_REMOVEDIR : 0);
  }
  return done;
}

Result<void> CheckMode(const NewRequest& asked) {
  if ((asked.mode & ~kPermissionBits) != 0) return Errno(EINVAL);
  return {};
}

}  // namespace

Result<void> ServeCreate(GoferSession& session, GoferRequest& request, GoferResponse& response) {
  auto asked = request.Fixed<NewRequest>();
  int flags = static_cast<int>(asked.kind);
  TRY(CheckMode(asked));
  TRY(CheckOpenFlags(request.node(), flags));
  UniqueFd file = TRY(CreateChild(request.path(), request.strings[0], flags & ~O_TRUNC, asked.mode & 0777));
  Result<UniqueFd> path = session.reopener.Open(file.get(), O_PATH);
  TRY(Finish(session, request, std::move(path), S_IFREG, response));
  response.fd = std::move(file);
  return {};
}

// A file without a name in the directory; it may get one by kLink.
Result<void> ServeCreateTmp(GoferSession& session, GoferRequest& request, GoferResponse& response) {
  auto asked = request.Fixed<NewRequest>();
  TRY(CheckMode(asked));
  if (request.node().type() != S_IFDIR) return Errno(ENOTDIR);
  const int exclusive = static_cast<int>(asked.kind) & O_EXCL;
  UniqueFd file = TRY(session.reopener.Open(request.path(), O_TMPFILE | O_RDWR | exclusive, asked.mode & 0777));
  UniqueFd path = TRY(session.reopener.Open(file.get(), O_PATH));
  TRY(GiveAway(session, path.get(), asked));
  TRY(PutNode(session, request.node(), std::move(path), response));
  response.fd = std::move(file);
  return {};
}

Result<void> ServeMkdir(GoferSession& session, GoferRequest& request, GoferResponse& response) {
  auto asked = request.Fixed<NewRequest>();
  TRY(CheckMode(asked));
  std::string name(request.strings[0]);
  if (mkdirat(request.path(), name.c_str(), asked.mode & 0777) != 0) return Errno(errno);
  return Finish(session, request, OpenChildPath(request.path(), name), S_IFDIR, response);
}

Result<void> ServeMknod(GoferSession& session, GoferRequest& request, GoferResponse& response) {
  auto asked = request.Fixed<NewRequest>();
  TRY(CheckMode(asked));
  uint32_t type = asked.kind;
  if (type == S_IFCHR || type == S_IFBLK) return Errno(EPERM);
  if (type != S_IFREG && type != S_IFIFO && type != S_IFSOCK) return Errno(EINVAL);
  std::string name(request.strings[0]);
  if (mknodat(request.path(), name.c_str(), type | (asked.mode & 0777), 0) != 0) return Errno(errno);
  return Finish(session, request, OpenChildPath(request.path(), name), type, response);
}

Result<void> ServeSymlink(GoferSession& session, GoferRequest& request, GoferResponse& response) {
  std::string name(request.strings[0]), target(request.strings[1]);
  if (target.empty()) return Errno(ENOENT);
  if (target.size() > kGoferMaxTarget) return Errno(ENAMETOOLONG);
  if (target.find('\0') != target.npos) return Errno(EINVAL);
  if (symlinkat(target.c_str(), request.path(), name.c_str()) != 0) return Errno(errno);
  return Finish(session, request, OpenChildPath(request.path(), name), S_IFLNK, response);
}

}  // namespace runsc
