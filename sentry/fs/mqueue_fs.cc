// The names of POSIX message queues: one sticky directory, and the limits of what may be made in it.
#include <algorithm>

#include "sentry/fs/dir_file.h"
#include "sentry/fs/mqueue.h"
#include "sentry/ipc/ipc_namespace.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/permission.h"

namespace runsc {
namespace {

constexpr long kMqueueMagic = 0x19800202;
constexpr uint64_t kDirEntrySize = 20;
// What Linux charges beside the bytes: a header per message and a tree node per priority in use.
constexpr uint64_t kMessageHeader = 48, kTreeNode = 48;

class MqueueDir : public SimpleDir {
 public:
  explicit MqueueDir(MqueueFs& fs) : SimpleDir(fs, 01777, 1), queues_(fs) {}

  Result<Attr> GetAttr() override {
    Attr attr = TRY(SimpleDir::GetAttr());
    attr.size = kDirEntrySize * TRY(queues_.List()).size();
    return attr;
  }
  Result<RefPtr<Inode>> Lookup(std::string_view name) override { return RefPtr<Inode>(TRY(queues_.Find(name))); }
  Result<std::vector<DirEntry>> Entries() override { return queues_.List(); }
  Result<void> Unlink(std::string_view name, Inode&) override { return queues_.Remove(name); }
  // mq_open and mq_unlink change names too.
  bool CachesChildren() const override { return false; }

 private:
  MqueueFs& queues_;
};

uint64_t ChargeOf(const MqueueInode::Shape& shape) {
  const auto messages = static_cast<uint64_t>(shape.max_messages);
  const uint64_t tree = messages * kMessageHeader + std::min<uint64_t>(messages, kMqPriorities) * kTreeNode;
  return tree + messages * static_cast<uint64_t>(shape.max_size);
}

}  // namespace

MqueueFs::MqueueFs() : SimpleFs({"mqueue", kMqueueMagic, EACCES}) { set_root(MakeRef<MqueueDir>(*this)); }

Result<void> MqueueFs::CheckLimitsLocked(Task& task, const mq_attr* attr, MqueueInode::Shape& shape) {
  using L = MqueueLimits;
  const bool privileged = task.creds()->Has(CAP_SYS_RESOURCE);
  if (static_cast<int>(queues_.size()) >= L::kQueues && !privileged) return Errno(ENOSPC);
  shape = {L::kDefaultMessages, L::kDefaultSize};
  if (attr == nullptr) return {};
  shape = {attr->mq_maxmsg, attr->mq_msgsize};
  if (shape.max_messages <= 0 || shape.max_size <= 0) return Errno(EINVAL);
  const long messages = privileged ? L::kMostMessages : L::kMessages;
  const long size = privileged ? L::kMostSize : L::kSize;
  return shape.max_messages > messages || shape.max_size > size ? Errno(EINVAL) : Result<void>();
}

Result<RefPtr<MqueueInode>> MqueueFs::Create(Task& task, std::string_view name, const NewFile& file,
                                             const mq_attr* attr) {
  const uint64_t limit = task.rlimit(RLIMIT_MSGQUEUE);
  const uid_t user = task.creds()->ruid;
  MutexLock l(mu_);
  if (queues_.count(name) != 0) return Errno(EEXIST);
  MqueueInode::Shape shape;
  TRY(CheckLimitsLocked(task, attr, shape));
  const uint64_t charge = ChargeOf(shape);
  uint64_t& charged = charged_[user];
  if (charge > limit || charged > limit - charge) return Errno(EMFILE);
  charged += charge;
  auto queue = MakeRef<MqueueInode>(*this, std::string(name), file, shape, user, charge);
  queues_.emplace(name, queue);
  return queue;
}

Result<RefPtr<MqueueInode>> MqueueFs::Find(std::string_view name) {
  MutexLock l(mu_);
  const auto it = queues_.find(name);
  return it != queues_.end() ? Result<RefPtr<MqueueInode>>(it->second) : Errno(ENOENT);
}

Result<void> MqueueFs::Remove(std::string_view name) {
  RefPtr<MqueueInode> last;  // freed after the lock
  MutexLock l(mu_);
  const auto it = queues_.find(name);
  if (it == queues_.end()) return Errno(ENOENT);
  last = std::move(it->second);
  queues_.erase(it);
  return {};
}

Result<void> MqueueFs::Unlink(Task& task, std::string_view name) {
  const RefPtr<MqueueInode> queue = TRY(Find(name));
  const Credentials& creds = *task.creds();
  const Attr dir = TRY(root()->GetAttr());
  TRY(CheckMode(creds, dir, W_OK | X_OK));
  const bool owner = creds.fsuid == dir.uid || OwnsOrCapable(creds, TRY(queue->GetAttr()));
  if ((dir.mode & S_ISVTX) && !owner) return Errno(EPERM);
  return Remove(name);
}

Result<std::vector<DirEntry>> MqueueFs::List() {
  std::vector<DirEntry> entries;
  MutexLock l(mu_);
  for (const auto& [name, queue] : queues_) entries.push_back({queue->ino(), 0, DirType(S_IFREG), name});
  return entries;
}

void MqueueFs::Uncharge(uid_t user, uint64_t bytes) {
  MutexLock l(mu_);
  const auto it = charged_.find(user);
  if (it == charged_.end()) return;
  it->second -= std::min(it->second, bytes);
  if (it->second == 0) charged_.erase(it);
}

RefPtr<MqueueFs> MqueuesOf(Task& task) {
  IpcNamespace& ipc = IpcOf(task);
  RefPtr<RefCounted> kept = ipc.mqueues();
  if (!kept) kept = ipc.KeepMqueues(MakeRef<MqueueFs>());
  return RefPtr<MqueueFs>(static_cast<MqueueFs*>(kept.get()));
}

}  // namespace runsc
