// Names: links, removal, renaming, and what a directory or symlink contains.
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "gofer/server/operation.h"

namespace runsc {
namespace {

// As getdents64 writes it.
struct HostDirent {
  uint64_t ino;
  int64_t next;
  uint16_t length;
  uint8_t type;
  char name[];
};
constexpr size_t kNameOffset = offsetof(HostDirent, name);
constexpr size_t kListingBytes = 16 * 1024;  // as host entries; as wire entries it is at most double

bool IsDotOrDotDot(std::string_view name) { return name == "." || name == ".."; }

// Makes node.listing an open directory positioned at `cursor`.
Result<void> Position(const GoferSession& session, ServerNode& node, uint64_t cursor)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(node.listing_mu) {
  bool fresh = !node.listing.valid();
  if (fresh) {
    node.listing = TRY(session.reopener.Open(node.path(), O_RDONLY | O_DIRECTORY));
    node.listing_cursor = 0;
  }
  if (node.listing_cursor == cursor && cursor != 0) return {};
  if (fresh && cursor == 0) return {};
  if (lseek(node.listing.get(), static_cast<off_t>(cursor), SEEK_SET) < 0) return Errno(errno);
  node.listing_cursor = cursor;
  return {};
}

Result<void> PutEntry(const HostDirent& entry, std::string_view name, GoferResponse& response) {
  TRY(response.Put(
      WireDirEntry{.ino = entry.ino, .cursor = static_cast<uint64_t>(entry.next), .type = entry.type, .reserved = {}}));
  return response.PutString(name);
}

// Copies a getdents64 buffer into the reply; returns how many entries that were. Stops when the
// reply is full, having remembered where.
uint32_t PutEntries(ServerNode& node, const char* bytes, size_t size, GoferResponse& response)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(node.listing_mu) {
  uint32_t count = 0;
  for (size_t at = 0; at + kNameOffset < size;) {
    const auto* entry = reinterpret_cast<const HostDirent*>(bytes + at);
    std::string_view name(entry->name);
    size_t mark = response.out.size();
    if (!IsDotOrDotDot(name)) {
      if (!PutEntry(*entry, name, response).ok()) {
        response.out.Rewind(mark);
        lseek(node.listing.get(), static_cast<off_t>(node.listing_cursor), SEEK_SET);
        break;
      }
      count++;
    }
    node.listing_cursor = static_cast<uint64_t>(entry->next);
    at += entry->length;
  }
  return count;
}

// One batch, of some entries unless it is the end; then the listing is closed again. Asks the host on while a whole
// buffer of entries fits, so that most directories are one batch.
Result<ListingReply> PutBatch(ServerNode& node, GoferResponse& response)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(node.listing_mu) {
  alignas(HostDirent) char bytes[kListingBytes];
  ListingReply batch{};
  while (batch.count == 0 || response.out.Fits(2 * kListingBytes)) {
    long n = syscall(SYS_getdents64, node.listing.get(), bytes, sizeof(bytes));
    if (n < 0) return Errno(errno);
    if (n == 0) {
      node.listing.reset();
      batch.at_end = 1;
      break;
    }
    batch.count += PutEntries(node, bytes, static_cast<size_t>(n), response);
  }
  return batch;
}

}  // namespace

Result<void> ServeLink(GoferSession& session, GoferRequest& request, GoferResponse& response) {
  if (request.Fixed<PairRequest>().flags != 0) return Errno(EINVAL);
  const ServerNode& file = *request.nodes[0];
  const ServerNode& dir = *request.nodes[1];
  if (file.type() == S_IFDIR) return Errno(EPERM);
  if (file.attach_index() != dir.attach_index()) return Errno(EXDEV);
  TRY(session.reopener.LinkTo(file.path(), dir.path(), request.strings[0]));
  return response.Put(TRY(StatFile(file.path())));
}

Result<void> ServeUnlink(GoferSession&, GoferRequest& request, GoferResponse&) {
  std::string name(request.strings[0]);
  TRY(FromHost(unlinkat(request.path(), name.c_str(), 0)));
  return {};
}

Result<void> ServeRmdir(GoferSession&, GoferRequest& request, GoferResponse&) {
  std::string name(request.strings[0]);
  TRY(FromHost(unlinkat(request.path(), name.c_str(), AT_REMOVEDIR)));
  return {};
}

Result<void> ServeRename(GoferSession&, GoferRequest& request, GoferResponse&) {
  uint32_t flags = request.Fixed<PairRequest>().flags;
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0) return Errno(EINVAL);
  const ServerNode& from = *request.nodes[0];
  const ServerNode& to = *request.nodes[1];
  if (from.attach_index() != to.attach_index()) return Errno(EXDEV);
  std::string old_name(request.strings[0]), new_name(request.strings[1]);
  // Not the C library's wrapper: without flags it makes a renameat, which the jail's filter does not allow.
  TRY(FromHost(syscall(SYS_renameat2, from.path(), old_name.c_str(), to.path(), new_name.c_str(), flags)));
  return {};
}

Result<void> ServeReadlink(GoferSession&, GoferRequest& request, GoferResponse& response) {
  if (request.node().type() != S_IFLNK) return Errno(EINVAL);
  return response.PutString(TRY(ReadLinkTarget(request.path())));
}

Result<void> ServeReadDir(GoferSession& session, GoferRequest& request, GoferResponse& response) {
  ServerNode& node = *request.nodes[0];
  if (node.type() != S_IFDIR) return Errno(ENOTDIR);
  size_t at = response.out.size();
  TRY(response.Put(ListingReply{}));
  MutexLock lock(node.listing_mu);
  TRY(Position(session, node, request.Fixed<ReadDirRequest>().cursor));
  response.out.Patch(at, TRY(PutBatch(node, response)));
  return {};
}

}  // namespace runsc
