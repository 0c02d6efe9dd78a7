// The sentry's side of the gofer: typed calls on host files.
#include "gofer/client.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <iterator>

#include "gofer/channel.h"
#include "gofer/convert.h"
#include "gofer/protocol.h"
#include "gofer/wire.h"

namespace runsc {
namespace {

// Closes wait until so many are queued; then the next call takes them along.
constexpr size_t kCloseBatch = 64;

// From 512 on they are the kernel's own restart codes, which no gofer may cause.
bool ValidErrno(int32_t error) { return error > 0 && error < kRestartSys.value(); }

// The sentry reads, writes and maps what it gets here: nothing but a regular file will do, whatever
// the gofer says.
bool IsRegularFile(const UniqueFd& fd) {
  struct stat st;
  return fd.valid() && fstat(fd.get(), &st) == 0 && S_ISREG(st.st_mode);
}

}  // namespace

// One request under construction.
class GoferClient::Call {
 public:
  explicit Call(GoferOp op) : op_(op), bytes_(sizeof(MessageHeader), '\0') {}
  template <typename T>
  Call(GoferOp op, const T& fixed) : Call(op) {
    Append(&fixed, sizeof(T));
  }

  void Append(const void* data, size_t size) { bytes_.append(static_cast<const char*>(data), size); }

  Call& String(std::string_view text) {
    if (text.size() > UINT16_MAX) {
      too_long_ = true;
      return *this;
    }
    WireString header{static_cast<uint16_t>(text.size())};
    Append(&header, sizeof(header));
    bytes_.append(text);
    return *this;
  }

  bool too_long() const { return too_long_ || bytes_.size() > kGoferMaxMessage; }
  GoferOp op() const { return op_; }
  std::span<std::byte> bytes() { return std::as_writable_bytes(std::span(bytes_)); }

 private:
  GoferOp op_;
  std::string bytes_;
  bool too_long_ = false;
};

// A successful reply being read.
struct GoferClient::Reply {
  GoferChannel::Packet packet;
  size_t position = 0;

  WireReader reader() const { return WireReader(std::as_bytes(std::span(packet.body)).subspan(position)); }
  template <typename T>
  bool Read(T* value) {
    bool ok = reader().Read(value);
    position += ok ? sizeof(T) : 0;
    return ok;
  }
  bool ReadString(std::string* value) {
    std::string_view text;
    if (!reader().ReadString(&text)) return false;
    value->assign(text);
    position += sizeof(WireString) + text.size();
    return true;
  }
};

GoferHandle::~GoferHandle() {
  if (client_ != nullptr) client_->QueueClose(id_);
}

GoferClient::GoferClient(std::vector<UniqueFd> channels) {
  for (UniqueFd& fd : channels) channels_.push_back(std::make_unique<GoferChannel>(std::move(fd)));
  if (channels_.empty()) alive_ = false;
}

GoferClient::~GoferClient() = default;

void GoferClient::Disconnect() {
  alive_.store(false, std::memory_order_release);
  for (auto& channel : channels_) {
    MutexLock lock(channel->mu);
    channel->Close();
  }
}

Result<GoferClient::Reply> GoferClient::Send(Call& call) {
  FlushCloses(kCloseBatch);
  if (call.too_long()) return Errno(E2BIG);
  if (!alive()) return Errno(EIO);
  Reply reply;
  if (!Exchange(call, &reply)) {
    alive_.store(false, std::memory_order_release);
    return Errno(EIO);
  }
  int32_t error = reply.packet.header.error;
  if (error == 0) return reply;
  return Errno(ValidErrno(error) ? error : EIO);
}

// On the first free channel, so that its memory stays warm; else queues up for one.
bool GoferClient::Exchange(Call& call, Reply* reply) {
  for (auto& channel : channels_) {
    if (!channel->mu.TryLock()) continue;
    bool done = channel->Exchange(call.bytes(), call.op(), &reply->packet);
    channel->mu.Unlock();
    return done;
  }
  uint32_t turn = next_channel_.fetch_add(1, std::memory_order_relaxed);
  GoferChannel& channel = *channels_[turn % channels_.size()];
  MutexLock lock(channel.mu);
  return channel.Exchange(call.bytes(), call.op(), &reply->packet);
}

void GoferClient::QueueClose(uint64_t id) {
  if (!alive()) return;
  MutexLock lock(close_mu_);
  closed_.push_back(id);
}

void GoferClient::FlushCloses(size_t at_least) {
  std::vector<uint64_t> batch;
  {
    MutexLock lock(close_mu_);
    if (closed_.size() < at_least) return;
    batch.swap(closed_);
  }
  for (size_t i = 0; i < batch.size(); i += kGoferMaxCloses) {
    size_t n = std::min(kGoferMaxCloses, batch.size() - i);
    Call call(GoferOp::kClose, CountReply{.count = static_cast<uint32_t>(n)});
    call.Append(&batch[i], n * sizeof(uint64_t));
    (void)Send(call);  // a failure means the gofer is gone, and the handles with it
  }
}

Result<GoferNode> GoferClient::TakeNode(Reply& reply) {
  NodeReply wire;
  GoferNode node;
  if (!reply.Read(&wire)) return Errno(EIO);
  if (wire.handle != kNoHandle) node.handle = GoferHandle(this, wire.handle);
  node.attr = ToFileAttr(wire.attr);
  if (!reply.ReadString(&node.link_target)) return Errno(EIO);
  return node;
}

Result<GoferNode> GoferClient::CallForNode(Call& call) {
  Reply reply = TRY(Send(call));
  return TakeNode(reply);
}

Result<FileAttr> GoferClient::CallForAttr(Call& call) {
  Reply reply = TRY(Send(call));
  WireAttr wire;
  if (!reply.Read(&wire)) return Errno(EIO);
  return ToFileAttr(wire);
}

Result<std::string> GoferClient::CallForString(Call& call) {
  Reply reply = TRY(Send(call));
  std::string text;
  if (!reply.ReadString(&text)) return Errno(EIO);
  return text;
}

Result<UniqueFd> GoferClient::CallForFd(Call& call) {
  Reply reply = TRY(Send(call));
  if (!IsRegularFile(reply.packet.fd)) return Errno(EIO);
  return std::move(reply.packet.fd);
}

Result<void> GoferClient::CallForNothing(Call& call) {
  TRY(Send(call));
  return {};
}

Result<CreatedFile> GoferClient::CallForFile(Call& call) {
  Reply reply = TRY(Send(call));
  CreatedFile created{.node = TRY(TakeNode(reply)), .fd = {}};
  if (!IsRegularFile(reply.packet.fd)) return Errno(EIO);
  created.fd = std::move(reply.packet.fd);
  return created;
}

Result<GoferNode> GoferClient::Attach(uint32_t index) {
  Call call(GoferOp::kAttach, AttachRequest{.index = index});
  return CallForNode(call);
}

Result<WalkResult> GoferClient::Walk(const GoferHandle& dir, std::span<const std::string_view> names, int open_flags) {
  if (names.empty() || names.size() > kMaxWalkNames) return Errno(EINVAL);
  Call call(GoferOp::kWalk,
            WalkRequest{.dir = dir.id(), .count = static_cast<uint32_t>(names.size()), .open_flags = open_flags});
  for (std::string_view name : names) call.String(name);
  Reply reply = TRY(Send(call));
  WalkReply wire;
  if (!reply.Read(&wire) || wire.count > names.size()) return Errno(EIO);
  WalkResult result;
  for (uint32_t i = 0; i < wire.count; i++) result.nodes.push_back(TRY(TakeNode(reply)));
  if (wire.stopped != 0) result.stopped = Errno(ValidErrno(wire.stopped) ? wire.stopped : EIO);
  if (IsRegularFile(reply.packet.fd)) result.fd = std::move(reply.packet.fd);
  return result;
}

Result<std::vector<Result<GoferNode>>> GoferClient::Lookup(const GoferHandle& dir, std::span<const std::string> names) {
  if (names.empty() || names.size() > kMaxWalkNames) return Errno(EINVAL);
  Call call(GoferOp::kLookup,
            LookupRequest{.dir = dir.id(), .count = static_cast<uint32_t>(names.size()), .reserved = 0});
  for (const std::string& name : names) call.String(name);
  Reply reply = TRY(Send(call));
  CountReply header;
  if (!reply.Read(&header) || header.count > names.size()) return Errno(EIO);
  std::vector<Result<GoferNode>> children;
  for (uint32_t i = 0; i < header.count; i++) {
    LookupReply child;
    if (!reply.Read(&child)) return Errno(EIO);
    if (child.error == 0) {
      children.push_back(TRY(TakeNode(reply)));
    } else {
      children.push_back(Errno(ValidErrno(child.error) ? child.error : EIO));
    }
  }
  return children;
}

Result<FileAttr> GoferClient::GetAttr(const GoferHandle& file) {
  Call call(GoferOp::kGetAttr, HandleRequest{file.id()});
  return CallForAttr(call);
}

Result<FileAttr> GoferClient::SetAttr(const GoferHandle& file, const FileAttrChange& change) {
  Call call(GoferOp::kSetAttr, ToRequest(file.id(), change));
  return CallForAttr(call);
}

Result<UniqueFd> GoferClient::Open(const GoferHandle& file, int flags) {
  Call call(GoferOp::kOpen, OpenRequest{.file = file.id(), .flags = flags});
  return CallForFd(call);
}

Result<CreatedFile> GoferClient::Create(const GoferHandle& dir, std::string_view name, int flags,
                                        const NewHostFile& file) {
  Call call(
      GoferOp::kCreate,
      NewRequest{
          .dir = dir.id(), .kind = static_cast<uint32_t>(flags), .mode = file.mode, .uid = file.uid, .gid = file.gid});
  return CallForFile(call.String(name));
}

Result<CreatedFile> GoferClient::CreateTmp(const GoferHandle& dir, int flags, const NewHostFile& file) {
  Call call(
      GoferOp::kCreateTmp,
      NewRequest{
          .dir = dir.id(), .kind = static_cast<uint32_t>(flags), .mode = file.mode, .uid = file.uid, .gid = file.gid});
  return CallForFile(call);
}

Result<GoferNode> GoferClient::Mkdir(const GoferHandle& dir, std::string_view name, const NewHostFile& file) {
  Call call(GoferOp::kMkdir, NewRequest{.dir = dir.id(), .mode = file.mode, .uid = file.uid, .gid = file.gid});
  return CallForNode(call.String(name));
}

Result<GoferNode> GoferClient::Mknod(const GoferHandle& dir, std::string_view name, uint32_t type,
                                     const NewHostFile& file) {
  Call call(GoferOp::kMknod,
            NewRequest{.dir = dir.id(), .kind = type, .mode = file.mode, .uid = file.uid, .gid = file.gid});
  return CallForNode(call.String(name));
}

Result<GoferNode> GoferClient::Symlink(const GoferHandle& dir, std::string_view name, std::string_view target,
                                       uint32_t uid, uint32_t gid) {
  Call call(GoferOp::kSymlink, NewRequest{.dir = dir.id(), .uid = uid, .gid = gid});
  return CallForNode(call.String(name).String(target));
}

Result<FileAttr> GoferClient::Link(const GoferHandle& file, const GoferHandle& dir, std::string_view name) {
  Call call(GoferOp::kLink, PairRequest{.first = file.id(), .second = dir.id()});
  return CallForAttr(call.String(name));
}

Result<void> GoferClient::Unlink(const GoferHandle& dir, std::string_view name) {
  Call call(GoferOp::kUnlink, HandleRequest{dir.id()});
  return CallForNothing(call.String(name));
}

Result<void> GoferClient::Rmdir(const GoferHandle& dir, std::string_view name) {
  Call call(GoferOp::kRmdir, HandleRequest{dir.id()});
  return CallForNothing(call.String(name));
}

Result<void> GoferClient::Rename(const GoferHandle& old_dir, std::string_view old_name, const GoferHandle& new_dir,
                                 std::string_view new_name, uint32_t flags) {
  Call call(GoferOp::kRename, PairRequest{.first = old_dir.id(), .second = new_dir.id(), .flags = flags});
  return CallForNothing(call.String(old_name).String(new_name));
}

Result<void> GoferClient::Sync(const GoferHandle& file, bool data_only) {
  Call call(GoferOp::kSync, OpenRequest{.file = file.id(), .flags = data_only ? kSyncDataOnly : 0});
  return CallForNothing(call);
}

Result<void> GoferClient::Settle() {
  Call call(GoferOp::kSettle);
  return CallForNothing(call);
}

Result<std::string> GoferClient::Readlink(const GoferHandle& link) {
  Call call(GoferOp::kReadlink, HandleRequest{link.id()});
  return CallForString(call);
}

Result<struct statfs> GoferClient::Statfs(const GoferHandle& file) {
  Call call(GoferOp::kStatfs, HandleRequest{file.id()});
  Reply reply = TRY(Send(call));
  WireStatfs wire;
  if (!reply.Read(&wire)) return Errno(EIO);
  return ToStatfs(wire);
}

Result<GoferListing> GoferClient::ReadDir(const GoferHandle& dir, uint64_t cursor) {
  Call call(GoferOp::kReadDir, ReadDirRequest{.dir = dir.id(), .cursor = cursor});
  Reply reply = TRY(Send(call));
  ListingReply header;
  if (!reply.Read(&header)) return Errno(EIO);
  GoferListing listing{.entries = {}, .at_end = header.at_end != 0};
  for (uint32_t i = 0; i < header.count; i++) {
    WireDirEntry wire;
    std::string name;
    if (!reply.Read(&wire) || !reply.ReadString(&name)) return Errno(EIO);
    if (!IsPlainName(name)) return Errno(EIO);
    listing.entries.push_back({wire.ino, wire.cursor, wire.type, std::move(name)});
  }
  return listing;
}

Result<std::vector<GoferDirEntry>> GoferClient::ReadWholeDir(const GoferHandle& dir, size_t most) {
  std::vector<GoferDirEntry> all;
  for (;;) {
    GoferListing batch = TRY(ReadDir(dir, all.empty() ? 0 : all.back().cursor));
    if (batch.entries.size() > most - all.size()) return Errno(EOVERFLOW);
    std::move(batch.entries.begin(), batch.entries.end(), std::back_inserter(all));
    if (batch.at_end || batch.entries.empty()) return all;
  }
}

Result<std::string> GoferClient::GetXattr(const GoferHandle& file, std::string_view name) {
  Call call(GoferOp::kGetXattr, XattrRequest{.file = file.id()});
  return CallForString(call.String(name));
}

Result<void> GoferClient::SetXattr(const GoferHandle& file, std::string_view name, std::string_view value, int flags) {
  if (value.size() > kGoferMaxXattrValue) return Errno(ENOSPC);
  Call call(GoferOp::kSetXattr, XattrRequest{.file = file.id(), .flags = flags});
  return CallForNothing(call.String(name).String(value));
}

Result<std::vector<std::string>> GoferClient::ListXattr(const GoferHandle& file) {
  Call call(GoferOp::kListXattr, XattrRequest{.file = file.id()});
  Reply reply = TRY(Send(call));
  CountReply header;
  if (!reply.Read(&header)) return Errno(EIO);
  std::vector<std::string> names;
  for (uint32_t i = 0; i < header.count; i++) {
    if (!reply.ReadString(&names.emplace_back())) return Errno(EIO);
  }
  return names;
}

Result<void> GoferClient::RemoveXattr(const GoferHandle& file, std::string_view name) {
  Call call(GoferOp::kRemoveXattr, XattrRequest{.file = file.id()});
  return CallForNothing(call.String(name));
}

Result<UniqueFd> GoferClient::OpenTmp(uint32_t index) {
  Call call(GoferOp::kOpenTmp, AttachRequest{.index = index});
  return CallForFd(call);
}

}  // namespace runsc
