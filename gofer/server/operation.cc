// The table of everything the server can do.
#include "gofer/server/operation.h"

#include <sys/stat.h>

#include <cerrno>

namespace runsc {
namespace {

constexpr int kSelf = GoferOperation::kParsesItself;
constexpr Access kRead = Access::kRead;
constexpr Access kChange = Access::kChange;

// Walk, Open and OpenTmp read or write by their flags: they ask the attach point themselves.
constexpr GoferOperation kOperations[] = {
    {GoferOp::kAttach, "attach", sizeof(AttachRequest), 0, 0, 0, kRead, ServeAttach},
    {GoferOp::kWalk, "walk", sizeof(WalkRequest), 1, kSelf, 0, kRead, ServeWalk},
    {GoferOp::kGetAttr, "getattr", sizeof(HandleRequest), 1, 0, 0, kRead, ServeGetAttr},
    {GoferOp::kSetAttr, "setattr", sizeof(SetAttrRequest), 1, 0, 0, kChange, ServeSetAttr},
    {GoferOp::kOpen, "open", sizeof(OpenRequest), 1, 0, 0, kRead, ServeOpen},
    {GoferOp::kCreate, "create", sizeof(NewRequest), 1, 1, 1, kChange, ServeCreate},
    {GoferOp::kMkdir, "mkdir", sizeof(NewRequest), 1, 1, 1, kChange, ServeMkdir},
    {GoferOp::kMknod, "mknod", sizeof(NewRequest), 1, 1, 1, kChange, ServeMknod},
    {GoferOp::kSymlink, "symlink", sizeof(NewRequest), 1, 2, 1, kChange, ServeSymlink},
    {GoferOp::kLink, "link", sizeof(PairRequest), 2, 1, 1, kChange, ServeLink},
    {GoferOp::kUnlink, "unlink", sizeof(HandleRequest), 1, 1, 1, kChange, ServeUnlink},
    {GoferOp::kRmdir, "rmdir", sizeof(HandleRequest), 1, 1, 1, kChange, ServeRmdir},
    {GoferOp::kRename, "rename", sizeof(PairRequest), 2, 2, 2, kChange, ServeRename},
    {GoferOp::kReadlink, "readlink", sizeof(HandleRequest), 1, 0, 0, kRead, ServeReadlink},
    {GoferOp::kStatfs, "statfs", sizeof(HandleRequest), 1, 0, 0, kRead, ServeStatfs},
    {GoferOp::kReadDir, "readdir", sizeof(ReadDirRequest), 1, 0, 0, kRead, ServeReadDir},
    {GoferOp::kGetXattr, "getxattr", sizeof(XattrRequest), 1, 1, 0, kRead, ServeGetXattr},
    {GoferOp::kSetXattr, "setxattr", sizeof(XattrRequest), 1, 2, 0, kChange, ServeSetXattr},
    {GoferOp::kListXattr, "listxattr", sizeof(XattrRequest), 1, 0, 0, kRead, ServeListXattr},
    {GoferOp::kRemoveXattr, "removexattr", sizeof(XattrRequest), 1, 1, 0, kChange, ServeRemoveXattr},
    {GoferOp::kClose, "close", sizeof(CountReply), 0, kSelf, 0, kRead, ServeClose},
    {GoferOp::kOpenTmp, "opentmp", sizeof(AttachRequest), 0, 0, 0, kRead, ServeOpenTmp},
    {GoferOp::kCreateTmp, "createtmp", sizeof(NewRequest), 1, 0, 0, kChange, ServeCreateTmp},
    {GoferOp::kSync, "sync", sizeof(OpenRequest), 1, 0, 0, kRead, ServeSync},
    {GoferOp::kLookup, "lookup", sizeof(LookupRequest), 1, kSelf, 0, kRead, ServeLookup},
    {GoferOp::kSettle, "settle", 0, 0, 0, 0, kRead, ServeSettle},
};
static_assert(std::size(kOperations) + 1 == static_cast<size_t>(GoferOp::kOpCount));

}  // namespace

const GoferOperation* FindOperation(uint8_t op) {
  for (const GoferOperation& row : kOperations) {
    if (static_cast<uint8_t>(row.op) == op) return &row;
  }
  return nullptr;
}

Result<void> CheckName(std::string_view name) {
  if (name.size() > kGoferMaxName) return Errno(ENAMETOOLONG);
  if (!IsPlainName(name)) return Errno(EINVAL);
  return {};
}

Result<void> PutNode(GoferSession& session, const ServerNode& relative_to, UniqueFd path, GoferResponse& response) {
  NodeReply reply{.attr = TRY(StatFile(path.get()))};
  std::string target;
  if (S_ISLNK(reply.attr.mode)) target = TRY(ReadLinkTarget(path.get()));
  if (!response.out.Fits(sizeof(reply) + sizeof(WireString) + target.size())) return Errno(EMSGSIZE);
  reply.handle = TRY(session.handles.Insert(MakeRef<ServerNode>(std::move(path), reply.attr.mode & S_IFMT,
                                                                relative_to.attach_index(), &relative_to.attach())));
  TRY(response.Put(reply));
  return response.PutString(target);
}

}  // namespace runsc
