// tmpfs and overlay: the instance, its tables of nodes and its space.
#include "sentry/fs/layered_fs.h"

#include <linux/magic.h>
#include <sys/sysinfo.h>

#include <vector>

#include "sentry/fs/layered_dir.h"
#include "sentry/fs/overlay_fs.h"
#include "sentry/fs/tmpfs.h"
#include "sentry/vfs/vfs.h"

namespace runsc {
namespace {

constexpr uint64_t kPage = 4096;
// Numbers of nodes made here, when those of the lower filesystem are shown as well.
constexpr uint64_t kFirstUpperIno = uint64_t{1} << 40;
constexpr long kOverlayMagic = 0x794c7630;

uint64_t HalfOfMemory() {
  struct sysinfo info;
  if (sysinfo(&info) != 0) return uint64_t{1} << 30;
  return info.totalram * info.mem_unit / 2;
}

}  // namespace

timespec CoarseNow() {
  timespec now;
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now;
}

LayeredFs::LayeredFs(Options options)
    : FileSystem(Vfs::NewDev()),
      options_(std::move(options)),
      limit_pages_((options_.size_limit + kPage - 1) / kPage),
      limit_inodes_(options_.inode_limit),
      next_ino_(options_.lower ? kFirstUpperIno : 1) {}

// Nodes refer to their filesystem: they go first.
LayeredFs::~LayeredFs() {
  root_.reset();
  std::vector<RefPtr<LayeredNode>> released;
  {
    MutexLock l(tree_mu_);
    for (auto& [key, node] : pinned_) released.push_back(std::move(node));
    pinned_.clear();
  }
  released.clear();
}

void LayeredFs::set_root(RefPtr<LayeredNode> root) { root_ = std::move(root); }
RefPtr<Inode> LayeredFs::root() { return root_; }

RefPtr<LayeredNode> LayeredFs::NodeFor(RefPtr<Inode> lower, const Attr& attr) {
  const LowerKey key{attr.dev, attr.ino};
  MutexLock l(tree_mu_);
  LayeredNode*& slot = by_lower_[key];
  if (slot != nullptr && slot->TryIncRef()) return RefPtr<LayeredNode>::Adopt(slot);
  RefPtr<LayeredNode> node = LayeredNode::Make(*this, attr, std::move(lower));
  slot = node.get();
  return node;
}

void LayeredFs::PinLocked(LayeredNode& node) { pinned_[node.lower_key()] = RefPtr<LayeredNode>(&node); }

RefPtr<LayeredNode> LayeredFs::UnpinLocked(LayeredNode& node) {
  const auto it = pinned_.find(node.lower_key());
  if (it == pinned_.end() || it->second.get() != &node) return nullptr;
  RefPtr<LayeredNode> pin = std::move(it->second);
  pinned_.erase(it);
  return pin;
}

void LayeredFs::Forget(LayeredNode& node) {
  MutexLock l(tree_mu_);
  const auto it = by_lower_.find(node.lower_key());
  if (it != by_lower_.end() && it->second == &node) by_lower_.erase(it);
}

uint64_t LayeredFs::PagesAvailable() const {
  const int64_t used = used_pages_.load(std::memory_order_relaxed);
  const auto limit = static_cast<int64_t>(limit_pages_);
  return used >= limit ? 0 : static_cast<uint64_t>(limit - used);
}

Result<void> LayeredFs::CheckInodes() const {
  const uint64_t limit = limit_inodes_.load(std::memory_order_relaxed);
  const bool full = limit != 0 && used_inodes_.load(std::memory_order_relaxed) >= static_cast<int64_t>(limit);
  return full ? Errno(ENOSPC) : Result<void>();
}

Result<void> LayeredFs::SetLimits(uint64_t bytes, uint64_t inodes) {
  const uint64_t pages = (bytes + kPage - 1) / kPage;
  if (bytes != 0 && static_cast<int64_t>(pages) < used_pages_) return Errno(EINVAL);
  if (inodes != 0 && static_cast<int64_t>(inodes) < used_inodes_) return Errno(EINVAL);
  if (bytes != 0) limit_pages_ = pages;
  if (inodes != 0) limit_inodes_ = inodes;
  return {};
}

Result<struct statfs> LayeredFs::Statfs() {
  struct statfs info = {};
  if (!limited() && options_.lower) {
    info = TRY(options_.lower->Statfs());
  } else {
    info.f_bsize = info.f_frsize = kPage;
    info.f_blocks = limit_pages_;
    info.f_bfree = info.f_bavail = PagesAvailable();
    info.f_files = limit_inodes_;
    info.f_ffree = limit_inodes_ - std::min<uint64_t>(limit_inodes_, used_inodes_);
  }
  info.f_type = options_.lower ? kOverlayMagic : TMPFS_MAGIC;
  info.f_namelen = 255;
  info.f_fsid = {};
  info.f_fsid.__val[0] = static_cast<int>(dev());
  return info;
}

std::string LayeredFs::options() const {
  if (options_.lower || !limited()) return "";
  return ",size=" + std::to_string(limit_pages_ * 4) + "k";
}

RefPtr<FileSystem> NewTmpfs(BackingStore& backing, const TmpfsOptions& options) {
  const uint64_t size = options.size != 0 ? options.size : HalfOfMemory();
  const uint64_t inodes = options.inodes != 0 ? options.inodes : HalfOfMemory() / kPage;
  auto fs = MakeRef<LayeredFs>(
      LayeredFs::Options{.type = options.type, .backing = backing, .size_limit = size, .inode_limit = inodes});
  Attr attr =
      LayeredNode::NewAttr(*fs, {.mode = S_IFDIR | (options.mode & 07777), .uid = options.uid, .gid = options.gid});
  fs->set_root(LayeredNode::Make(*fs, attr, nullptr));
  return fs;
}

Result<void> RemountTmpfs(FileSystem& fs, std::string_view data) {
  if (fs.type() != "tmpfs") return Errno(EINVAL);
  TmpfsOptions options;
  TRY(ParseTmpfsOptions(data, &options));
  return static_cast<LayeredFs&>(fs).SetLimits(options.size, options.inodes);
}

Result<RefPtr<FileSystem>> NewOverlay(BackingStore& backing, RefPtr<FileSystem> lower, const OverlayOptions& options) {
  RefPtr<Inode> lower_root = lower->root();
  const Attr attr = TRY(lower_root->GetAttr());
  if (!attr.IsDir()) return Errno(ENOTDIR);
  auto fs = MakeRef<LayeredFs>(
      LayeredFs::Options{.type = "overlay", .backing = backing, .lower = std::move(lower), .size_limit = options.size});
  fs->set_root(fs->NodeFor(std::move(lower_root), attr));
  return RefPtr<FileSystem>(fs);
}

}  // namespace runsc
