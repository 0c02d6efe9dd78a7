// One request being served, and the table of everything the server can do.
#pragma once

#include <array>
#include <cstring>
#include <span>
#include <string_view>

#include "gofer/protocol.h"
#include "gofer/server/session.h"
#include "gofer/wire.h"
#include "platform/base/result.h"

namespace runsc {

struct GoferRequest {
  std::span<const std::byte> fixed;  // exactly Operation::fixed_size bytes
  std::array<RefPtr<ServerNode>, 2> nodes;
  std::array<std::string_view, 2> strings;
  WireReader rest{{}};  // what follows, for operations that parse it themselves
  bool malformed = false;

  template <typename T>
  T Fixed() const {
    T value;
    memcpy(&value, fixed.data(), sizeof(T));
    return value;
  }
  const ServerNode& node() const { return *nodes[0]; }
  int path() const { return nodes[0]->path(); }

  // The message breaks the protocol: the connection ends.
  Errno Malformed() {
    malformed = true;
    return Errno(EPROTO);
  }
};

struct GoferResponse {
  WireWriter out;  // after the header
  UniqueFd fd;

  // Every reply fits by construction or is cut by its operation; what does not is our limit.
  template <typename T>
  Result<void> Put(const T& value) {
    if (!out.Write(value)) return Errno(EMSGSIZE);
    return {};
  }
  Result<void> PutString(std::string_view text) {
    if (!out.WriteString(text)) return Errno(EMSGSIZE);
    return {};
  }
};

enum class Access { kRead, kChange };

// The row decides everything that can be checked without knowing the operation: sizes, handles,
// names, and whether a read-only attach point refuses it.
struct GoferOperation {
  GoferOp op;
  const char* name;
  size_t fixed_size;
  int handles;  // how many handles the fixed part starts with
  int strings;  // how many strings follow, or kParsesItself
  int names;    // how many of those must be plain names
  Access access;
  Result<void> (*serve)(GoferSession&, GoferRequest&, GoferResponse&);

  static constexpr int kParsesItself = -1;
};

// The row of an operation number from the wire; null if there is none.
const GoferOperation* FindOperation(uint8_t op);

// EINVAL or ENAMETOOLONG unless `name` can be a directory entry.
Result<void> CheckName(std::string_view name);

// Registers `path` as a new handle and writes its NodeReply and link target.
Result<void> PutNode(GoferSession& session, const ServerNode& relative_to, UniqueFd path, GoferResponse& response);

// Opens the regular file of `node`; refuses everything else, unknown flags, and changes on a
// read-only attach point.
Result<UniqueFd> OpenRegular(const GoferSession& session, const ServerNode& node, int flags);
Result<void> CheckOpenFlags(const ServerNode& node, int flags);

// Operations, by topic. open_ops.cc:
Result<void> ServeAttach(GoferSession&, GoferRequest&, GoferResponse&);
Result<void> ServeWalk(GoferSession&, GoferRequest&, GoferResponse&);
Result<void> ServeLookup(GoferSession&, GoferRequest&, GoferResponse&);
Result<void> ServeOpen(GoferSession&, GoferRequest&, GoferResponse&);
Result<void> ServeClose(GoferSession&, GoferRequest&, GoferResponse&);
Result<void> ServeOpenTmp(GoferSession&, GoferRequest&, GoferResponse&);
Result<void> ServeSync(GoferSession&, GoferRequest&, GoferResponse&);
Result<void> ServeSettle(GoferSession&, GoferRequest&, GoferResponse&);
// create_ops.cc:
Result<void> ServeCreate(GoferSession&, GoferRequest&, GoferResponse&);
Result<void> ServeCreateTmp(GoferSession&, GoferRequest&, GoferResponse&);
Result<void> ServeMkdir(GoferSession&, GoferRequest&, GoferResponse&);
Result<void> ServeMknod(GoferSession&, GoferRequest&, GoferResponse&);
Result<void> ServeSymlink(GoferSession&, GoferRequest&, GoferResponse&);
// name_ops.cc:
Result<void> ServeLink(GoferSession&, GoferRequest&, GoferResponse&);
Result<void> ServeUnlink(GoferSession&, GoferRequest&, GoferResponse&);
Result<void> ServeRmdir(GoferSession&, GoferRequest&, GoferResponse&);
Result<void> ServeRename(GoferSession&, GoferRequest&, GoferResponse&);
Result<void> ServeReadlink(GoferSession&, GoferRequest&, GoferResponse&);
Result<void> ServeReadDir(GoferSession&, GoferRequest&, GoferResponse&);
// attr_ops.cc:
Result<void> ServeGetAttr(GoferSession&, GoferRequest&, GoferResponse&);
Result<void> ServeSetAttr(GoferSession&, GoferRequest&, GoferResponse&);
Result<void> ServeStatfs(GoferSession&, GoferRequest&, GoferResponse&);
Result<void> ServeGetXattr(GoferSession&, GoferRequest&, GoferResponse&);
Result<void> ServeSetXattr(GoferSession&, GoferRequest&, GoferResponse&);
Result<void> ServeListXattr(GoferSession&, GoferRequest&, GoferResponse&);
Result<void> ServeRemoveXattr(GoferSession&, GoferRequest&, GoferResponse&);

}  // namespace runsc
