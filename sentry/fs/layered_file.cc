// The data of regular files on tmpfs and overlay.
#include "sentry/fs/layered_file.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "sentry/vfs/permission.h"

namespace runsc {
namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kCopyChunk = 256 * 1024;

uint64_t Pages(uint64_t bytes) { return bytes / kPage + (bytes % kPage != 0); }

bool Before(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

// relatime: only when it would tell something new.
bool AtimeIsStale(const Attr& attr, const timespec& now) {
  return !Before(attr.mtime, attr.atime) || !Before(attr.ctime, attr.atime) ||
         now.tv_sec - attr.atime.tv_sec >= 24 * 3600;
}

Result<void> CopyHostFile(int from, int to) {
  const auto buffer = std::make_unique<std::byte[]>(kCopyChunk);
  for (off_t at = 0;;) {
    const ssize_t n = TRY(FromHost(pread(from, buffer.get(), kCopyChunk, at)));
    if (n == 0) return {};
    for (ssize_t done = 0; done < n;) {
      done += TRY(FromHost(pwrite(to, buffer.get() + done, n - done, at + done)));
    }
    at += n;
  }
}

}  // namespace

LayeredFile::LayeredFile(LayeredFs& fs, const Attr& attr, RefPtr<Inode> lower)
    : LayeredNode(fs, attr, std::move(lower), ""),
      where_(LayeredNode::lower() != nullptr ? Where::kLower : Where::kInline) {}

LayeredFile::~LayeredFile() { layered().Account(-static_cast<int64_t>(charged_pages_.load())); }

LayeredFile::View LayeredFile::CurrentView() const {
  MutexLock l(mu_);
  return {where_, where_ == Where::kHost ? host_.get() : lower_fd_.load(), attr_.size};
}

Result<Attr> LayeredFile::GetAttr() {
  MutexLock l(mu_);
  Attr attr = attr_;
  if (where_ != Where::kLower) attr.blocks = charged_pages_.load(std::memory_order_relaxed) * (kPage / 512);
  return attr;
}

Result<int> LayeredFile::HostFile() {
  const View view = CurrentView();
  if (view.where == Where::kHost) return view.fd;
  if (view.where == Where::kLower) {
    if (view.fd >= 0) return view.fd;
    const int fd = TRY(lower()->HostFile());
    lower_fd_ = fd;
    return fd;
  }
  std::lock_guard<std::mutex> l(write_mu_);
  TRY(ToHost());
  return CurrentView().fd;
}

Result<size_t> LayeredFile::ReadAt(IoSink& dst, int64_t offset, AtimeRule rule) {
  std::byte buffer[kMaxInline];
  size_t size = 0;
  int fd = -1;
  {
    MutexLock l(mu_);
    if (offset < 0 || static_cast<uint64_t>(offset) >= attr_.size) return size_t{0};
    size = std::min<uint64_t>(dst.remaining(), attr_.size - offset);
    if (where_ == Where::kInline) {
      std::copy_n(inline_.begin() + offset, size, buffer);
    } else {
      fd = where_ == Where::kHost ? host_.get() : lower_fd_.load(std::memory_order_relaxed);
    }
    if (rule != AtimeRule::kNever && where_ != Where::kLower) {
      const timespec now = CoarseNow();
      if (rule == AtimeRule::kAlways || AtimeIsStale(attr_, now)) attr_.atime = now;
    }
  }
  if (fd < 0 && CurrentView().where == Where::kLower) fd = TRY(HostFile());
  if (fd >= 0) return dst.FillFromHost(fd, offset, size);
  return dst.Write({buffer, size});
}

// Space for a write of `size` bytes: as many of them as fit. ENOSPC when none does.
Result<size_t> LayeredFile::FitToSpace(uint64_t offset, size_t size) const {
  if (!layered().limited() || size == 0) return size;
  const uint64_t room = (charged_pages_ + layered().PagesAvailable()) * kPage;
  const bool leaves_hole = sparse_ || offset > CurrentView().size;
  const uint64_t needed = leaves_hole ? charged_pages_ * kPage + size : offset + size;
  if (needed <= room) return size;
  const uint64_t excess = needed - room;
  if (excess >= size) return Errno(ENOSPC);
  return size - static_cast<size_t>(excess);
}

Result<uint64_t> LayeredFile::HostPages() const {
  struct stat st;
  TRY(FromHost(fstat(CurrentView().fd, &st)));
  return static_cast<uint64_t>(st.st_blocks) / (kPage / 512);
}

void LayeredFile::AccountPages() {
  const View view = CurrentView();
  uint64_t pages = view.where == Where::kLower ? 0 : Pages(view.size);
  if (view.where == Where::kHost && sparse_) pages = HostPages().value_or(uint64_t{pages});
  layered().Account(static_cast<int64_t>(pages) - static_cast<int64_t>(charged_pages_.load()));
  charged_pages_ = pages;
}

Result<void> LayeredFile::CopyUp(uint64_t bytes_wanted) {
  const View view = CurrentView();
  if (view.where != Where::kLower) return {};
  const int fd = TRY(HostFile());
  TRY(FitToSpace(0, view.size));
  Dirty();
  if (view.size <= kMaxInline && bytes_wanted <= kMaxInline) {
    std::vector<std::byte> bytes(view.size);
    const ssize_t n = TRY(FromHost(pread(fd, bytes.data(), bytes.size(), 0)));
    MutexLock l(mu_);
    bytes.resize(view.size);
    if (static_cast<size_t>(n) < view.size) std::fill(bytes.begin() + n, bytes.end(), std::byte{0});
    inline_ = std::move(bytes);
    where_ = Where::kInline;
    return {};
  }
  UniqueFd copy = TRY(layered().backing().CreateFile("overlay"));
  TRY(CopyHostFile(fd, copy.get()));
  TRY(FromHost(ftruncate(copy.get(), static_cast<off_t>(view.size))));
  MutexLock l(mu_);
  host_ = std::move(copy);
  where_ = Where::kHost;
  return {};
}

// From memory to a host file.
Result<void> LayeredFile::ToHost() {
  if (CurrentView().where == Where::kHost) return {};
  UniqueFd file = TRY(layered().backing().CreateFile("tmpfs"));
  // inline_ changes only under write_mu_, which is held, so it may be read without mu_.
  const std::vector<std::byte>& bytes = inline_;
  if (!bytes.empty()) TRY(FromHost(pwrite(file.get(), bytes.data(), bytes.size(), 0)));
  std::vector<std::byte> old;
  MutexLock l(mu_);
  host_ = std::move(file);
  where_ = Where::kHost;
  old.swap(inline_);
  return {};
}

Result<size_t> LayeredFile::WriteInline(IoSource& src, uint64_t offset, size_t size) {
  std::byte buffer[kMaxInline];
  const size_t n = TRY(src.Read({buffer, size}));
  MutexLock l(mu_);
  if (inline_.size() < offset + n) inline_.resize(offset + n);
  std::copy_n(buffer, n, inline_.begin() + static_cast<ptrdiff_t>(offset));
  return n;
}

Result<size_t> LayeredFile::WriteHost(IoSource& src, uint64_t offset, size_t size) {
  const View view = CurrentView();
  if (offset > view.size) sparse_ = true;
  return src.DrainToHost(view.fd, static_cast<int64_t>(offset), size);
}

void LayeredFile::Written(uint64_t end, bool keep_set_ids) {
  MutexLock l(mu_);
  attr_.size = std::max(attr_.size, end);
  attr_.mtime = attr_.ctime = CoarseNow();
  if (!keep_set_ids && (attr_.mode & (S_ISUID | S_ISGID))) attr_.mode = WithoutSetIds(attr_.mode);
}

Result<size_t> LayeredFile::WriteAt(IoSource& src, int64_t offset, bool append, uint64_t limit, bool keep_set_ids,
                                    int64_t* end) {
  std::lock_guard<std::mutex> l(write_mu_);
  if (append) offset = static_cast<int64_t>(CurrentView().size);
  *end = offset;
  size_t size = src.remaining();
  if (size == 0) return size_t{0};
  const auto at = static_cast<uint64_t>(offset);
  if (at >= limit) return Errno(EFBIG);
  size = std::min<uint64_t>(size, limit - at);
  TRY(CopyUp(at + size));
  size = TRY(FitToSpace(at, size));
  if (at + size > kMaxInline) TRY(ToHost());
  const bool in_memory = CurrentView().where == Where::kInline;
  const size_t n = TRY(in_memory ? WriteInline(src, at, size) : WriteHost(src, at, size));
  if (n == 0) return n;
  *end = offset + static_cast<int64_t>(n);
  Written(static_cast<uint64_t>(*end), keep_set_ids);
  AccountPages();
  Dirty();
  return n;
}

Result<void> LayeredFile::Resize(uint64_t size) {
  if (size > static_cast<uint64_t>(INT64_MAX)) return Errno(EFBIG);
  if (size == 0 && CurrentView().where == Where::kLower) {
    MutexLock l(mu_);
    where_ = Where::kInline;
    attr_.size = 0;  // at once: readers take that many bytes from memory
  }
  TRY(CopyUp(size));
  if (size > kMaxInline) TRY(ToHost());
  const View view = CurrentView();
  if (view.where == Where::kHost) TRY(FromHost(ftruncate(view.fd, static_cast<off_t>(size))));
  if (size > view.size) sparse_ = true;
  if (size == 0) sparse_ = false;
  {
    MutexLock l(mu_);
    if (where_ == Where::kInline) inline_.resize(size);
    attr_.size = size;
    attr_.mtime = attr_.ctime = CoarseNow();
  }
  AccountPages();
  return {};
}

Result<void> LayeredFile::SetAttr(const AttrChange& change) {
  if (change.size) {
    std::lock_guard<std::mutex> l(write_mu_);
    TRY(Resize(*change.size));
  }
  {
    MutexLock l(mu_);
    ApplyLocked(change);
  }
  Dirty();
  return {};
}

Result<int64_t> LayeredFile::SeekData(int64_t offset, int whence) {
  View view = CurrentView();
  if (offset < 0 || static_cast<uint64_t>(offset) >= view.size) return Errno(ENXIO);
  if (view.where == Where::kInline) {
    return whence == SEEK_DATA ? offset : static_cast<int64_t>(view.size);
  }
  // The position of the host descriptor is used by nothing else.
  return FromHost(static_cast<int64_t>(lseek(TRY(HostFile()), offset, whence)));
}

Result<void> LayeredFile::Allocate(int mode, int64_t offset, int64_t length) {
  std::lock_guard<std::mutex> l(write_mu_);
  const auto end = static_cast<uint64_t>(offset) + static_cast<uint64_t>(length);
  const bool plain = (mode & ~FALLOC_FL_KEEP_SIZE) == 0;  // what else there is may be unknown to the host's file
  TRY(CopyUp(kMaxInline + 1));
  if (plain && TRY(FitToSpace(static_cast<uint64_t>(offset), length)) < static_cast<size_t>(length)) {
    return Errno(ENOSPC);
  }
  TRY(ToHost());
  TRY(FromHost(fallocate(CurrentView().fd, mode, offset, length)));
  sparse_ = true;
  if (mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) {
    struct stat st;
    TRY(FromHost(fstat(CurrentView().fd, &st)));
    MutexLock m(mu_);
    attr_.size = static_cast<uint64_t>(st.st_size);
  } else if (!(mode & FALLOC_FL_KEEP_SIZE)) {
    MutexLock m(mu_);
    attr_.size = std::max(attr_.size, end);
  }
  Written(0, false);
  AccountPages();
  Dirty();
  return {};
}

Result<int> LayeredFile::ReadOnlyFd(const View& view) {
  {
    MutexLock l(mu_);
    if (read_only_.valid()) return read_only_.get();
  }
  UniqueFd fd = TRY(ReopenReadOnly(view.fd));
  MutexLock l(mu_);
  if (!read_only_.valid()) std::swap(read_only_, fd);
  return read_only_.get();
}

Result<Mappable> LayeredFile::Map(uint64_t offset, bool shared, bool writable) {
  if ((shared && writable) || CurrentView().where != Where::kLower) {
    std::lock_guard<std::mutex> l(write_mu_);
    TRY(CopyUp(kMaxInline + 1));
    TRY(ToHost());
    AccountPages();
    Dirty();
  }
  Mappable map;
  map.host_fd = TRY(HostFile());
  map.offset = offset;
  const View view = CurrentView();
  map.writable = view.where == Where::kHost;
  map.read_only_fd = view.where == Where::kLower;
  if (shared && !writable && view.where == Where::kHost) {
    const Result<int> fd = ReadOnlyFd(view);
    map.read_only_fd = fd.ok();
    if (fd.ok()) map.host_fd = *fd;
  }
  map.owner = RefPtr<RefCounted>(this);
  return map;
}

}  // namespace runsc
