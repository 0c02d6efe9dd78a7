#include "sentry/kernel/memory_manager.h"

#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cstdio>

#include "sentry/kernel/run_state.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/mount.h"

namespace runsc {
namespace {

constexpr uint64_t kPage = 4096;
// What of the guest's flags the host is asked for.
constexpr int kHostFlags = MAP_TYPE | MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_NORESERVE | MAP_POPULATE | MAP_STACK |
                           MAP_32BIT | MAP_GROWSDOWN | MAP_LOCKED;

GuestAddr PageUp(GuestAddr a) { return (a + kPage - 1) & ~(kPage - 1); }

bool IsFixed(int flags) { return flags & (MAP_FIXED | MAP_FIXED_NOREPLACE); }

Result<void> CheckRange(const Layout& layout, GuestAddr& addr, uint64_t length, int flags) {
  if (length == 0) return Errno(EINVAL);
  if (length > layout.max_addr) return Errno(ENOMEM);
  const bool inside = addr >= layout.min_addr && addr <= layout.max_addr - length;
  if (!IsFixed(flags)) {
    addr = inside ? addr & ~(kPage - 1) : 0;  // only a hint
    return {};
  }
  if (addr & (kPage - 1)) return Errno(EINVAL);
  if (addr > layout.max_addr - length) return Errno(ENOMEM);
  return inside ? Result<void>() : Errno(EPERM);
}

// What keeps the engine from placing mappings above the base exec chose; no mapping of the guest's.
bool IsReservation(const MemoryManager::Mapping& m) {
  static const struct stat reserved = [] {
    struct stat st {};
    fstat(ReservationFd(), &st);
    return st;
  }();
  return m.ino == reserved.st_ino && m.dev == reserved.st_dev && m.ino != 0;
}

bool OnNoexecMount(const File& file) { return file.path() && (file.path().mount->flags() & MS_NOEXEC); }

Result<void> CheckFileAccess(const File& file, int prot, int flags) {
  if (!file.readable()) return Errno((file.flags() & O_PATH) ? EBADF : EACCES);
  if ((flags & MAP_TYPE) != MAP_PRIVATE && (prot & PROT_WRITE) && !file.writable()) return Errno(EACCES);
  if ((prot & PROT_EXEC) && OnNoexecMount(file)) return Errno(EPERM);
  return {};
}

// What personality(2) adds.
int ImpliedProtection(const Task& task, const File* file, int prot) {
  const bool runs = task.run().read_implies_exec && (prot & PROT_READ) && (file == nullptr || !OnNoexecMount(*file));
  return runs ? prot | PROT_EXEC : prot;
}

}  // namespace

int ReservationFd() {
  static const int fd = memfd_create("reservation", MFD_CLOEXEC);
  return fd;
}

MemoryManager::MemoryManager(std::unique_ptr<AddressSpace> as, const Layout& layout)
    : as_(std::move(as)), layout_(layout) {}

Result<GuestAddr> MemoryManager::MapOne(const MapOp& op) {
  std::vector<uint64_t> results;
  TRY(as_->Apply({&op, 1}, &results));
  if (results.empty()) return Errno(ENOMEM);
  return results[0];
}

Result<GuestAddr> MemoryManager::MapAnonymous(Task& task, MapOp op, bool shared) {
  if (!shared) {
    op.flags |= MAP_ANONYMOUS;
    const GuestAddr addr = TRY(MapOne(op));
    ForgetFiles(addr, op.length);
    return addr;
  }
  UniqueFd fd = TRY(task.kernel().backing().CreateFile("shared-anonymous"));
  if (ftruncate(fd.get(), static_cast<off_t>(PageUp(op.length))) != 0) return Errno(ENOMEM);
  op.host_fd = fd.get();
  op.offset = 0;
  const GuestAddr addr = TRY(MapOne(op));
  ForgetFiles(addr, op.length);
  return addr;
}

Result<GuestAddr> MemoryManager::MapFile(Task& task, MapOp op, RefPtr<File> file) {
  const bool shared = (op.flags & MAP_TYPE) != MAP_PRIVATE;
  const auto mappable = TRY(file->Mmap(op.offset, op.length, op.prot, op.flags));
  if (mappable.host_fd < 0) return MapAnonymous(task, op, shared);
  if (shared && (op.prot & PROT_WRITE) && !mappable.writable) return Errno(EACCES);
  // Who may not write the file must not get there by mprotect later, and the stub does those by itself. A
  // read-only host descriptor makes the host refuse it; else a private mapping of the same pages shows
  // every change and has no way to make one.
  if (shared && !file->writable() && !mappable.read_only_fd) op.flags = (op.flags & ~MAP_TYPE) | MAP_PRIVATE;
  op.host_fd = mappable.host_fd;
  op.offset = mappable.offset;
  const GuestAddr addr = TRY(MapOne(op));
  NoteFile(addr, op.length, std::move(file));
  RecheckFiles();
  return addr;
}

Result<GuestAddr> MemoryManager::Mmap(Task& task, GuestAddr addr, uint64_t length, int prot, int flags,
                                      RefPtr<File> file, uint64_t offset) {
  const int type = flags & MAP_TYPE;
  if (length == 0) return Errno(EINVAL);
  length = PageUp(length);
  if (length == 0) return Errno(ENOMEM);  // so long that it wrapped
  if (type != MAP_SHARED && type != MAP_PRIVATE && type != MAP_SHARED_VALIDATE) return Errno(EINVAL);
  prot = ImpliedProtection(task, file.get(), prot);
  TRY(CheckRange(layout_, addr, length, flags));
  MapOp op{MapOp::kMap, addr, length, prot & (PROT_READ | PROT_WRITE | PROT_EXEC), flags & kHostFlags};
  op.flags = PlacementFlags(addr, length, op.flags);
  if (flags & MAP_LOCKED) ApplyLockLimit(task);
  op.offset = offset;
  if (!file) {
    if (flags & MAP_HUGETLB) return Errno(ENOMEM);  // the pool of huge pages is empty
    return MapAnonymous(task, op, type != MAP_PRIVATE);
  }
  if (offset + length < offset) return Errno(EOVERFLOW);
  if ((op.flags & MAP_FIXED_NOREPLACE) && ContentOf(addr, length).mapped) return Errno(EEXIST);
  TRY(CheckFileAccess(*file, prot, flags));
  return MapFile(task, op, std::move(file));
}

Result<void> MemoryManager::Munmap(GuestAddr addr, uint64_t length) {
  const MapOp op{MapOp::kUnmap, addr, length};
  TRY(as_->Apply({&op, 1}, nullptr));
  ForgetFiles(addr, length);
  return {};
}

Result<GuestAddr> MemoryManager::Mremap(const MapOp& op) {
  const GuestAddr to = TRY(MapOne(op));
  // Nothing to move: another mapping of what is shared at op.addr.
  const bool keep = op.length == 0 || (op.flags & MREMAP_DONTUNMAP);
  MappedFiles::Dropped dropped;
  MutexLock l(mu_);
  dropped = mapped_files_.Move({op.addr, op.addr + op.length}, {to, to + op.new_length}, keep);
  return to;
}

void MemoryManager::SetBreak(GuestAddr start) {
  const bool engine_has_brk = as_->ServeBreak(start, layout_.max_addr);
  MutexLock l(mu_);
  brk_start_ = brk_ = start;
  engine_has_brk_ = engine_has_brk;
}

void MemoryManager::LimitBreak(uint64_t data_limit) {
  MutexLock l(mu_);
  if (!engine_has_brk_) return;
  (void)as_->ServeBreak(brk_start_,
                        data_limit > layout_.max_addr - brk_start_ ? layout_.max_addr : brk_start_ + data_limit);
}

GuestAddr MemoryManager::Break() const {
  {
    MutexLock l(mu_);
    if (!engine_has_brk_) return brk_;
  }
  return as_->Break();
}

Result<void> MemoryManager::MoveBreak(GuestAddr from, GuestAddr to) {
  const GuestAddr old_end = PageUp(from), new_end = PageUp(to);
  if (new_end == old_end) return {};
  MapOp op;
  if (new_end > old_end) {
    op = {MapOp::kMap, old_end, new_end - old_end, PROT_READ | PROT_WRITE,
          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE};
  } else {
    op = {MapOp::kUnmap, new_end, old_end - new_end};
  }
  return as_->Apply({&op, 1}, nullptr);
}

std::optional<GuestAddr> MemoryManager::Brk(Task& task, GuestAddr addr) {
  std::lock_guard<std::mutex> serialised(brk_mu_);
  GuestAddr start, current;
  {
    MutexLock l(mu_);
    if (engine_has_brk_) return std::nullopt;
    start = brk_start_;
    current = brk_;
  }
  if (addr < start || addr > layout_.max_addr) return current;
  if (addr > current && addr - start > task.rlimit(RLIMIT_DATA)) return current;
  if (!MoveBreak(current, addr).ok()) return current;
  MutexLock l(mu_);
  brk_ = addr;
  return addr;
}

// The copy is not shared yet, so its own lock is not needed.
RefPtr<MemoryManager> MemoryManager::AdoptFork(std::unique_ptr<AddressSpace> as) const ABSL_NO_THREAD_SAFETY_ANALYSIS {
  auto copy = MakeRef<MemoryManager>(std::move(as), layout_);
  MutexLock l(mu_);
  copy->brk_start_ = brk_start_;
  copy->brk_ = brk_;
  copy->engine_has_brk_ = engine_has_brk_;
  copy->mapped_files_ = mapped_files_;
  copy->image_ = image_;
  copy->applied_.space = applied_.space;
  copy->applied_.data = applied_.data;
  copy->applied_.stack = applied_.stack;  // locks are not inherited
  return copy;
}

uint64_t MemoryManager::NextId() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

// Others take a reference first and then look at the id: either they are counted here or they see that it has changed.
bool MemoryManager::ClaimForExec() {
  if (ref_count() != 1) return false;
  id_.store(NextId());
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return ref_count() == 1;
}

void MemoryManager::ForgetMappings() {
  MappedFiles dropped;  // freed after the lock
  MutexLock l(mu_);
  std::swap(dropped, mapped_files_);
}

void MemoryManager::NoteFile(GuestAddr addr, uint64_t length, RefPtr<File> file) {
  MappedFiles::Dropped dropped;
  MutexLock l(mu_);
  dropped = mapped_files_.Add({addr, addr + length}, std::move(file));
}

void MemoryManager::ForgetFiles(GuestAddr addr, uint64_t length) {
  MappedFiles::Dropped dropped;
  MutexLock l(mu_);
  dropped = mapped_files_.Remove({addr, addr + length});
}

void MemoryManager::RecheckFiles() {
  {
    MutexLock l(mu_);
    if (!mapped_files_.Overgrown()) return;
  }
  const auto mappings = HostMappings();
  if (!mappings.ok()) return;
  std::vector<MappedFiles::Range> mapped;
  for (const Mapping& m : *mappings) {
    if (m.ino != 0) mapped.push_back({m.start, m.end});
  }
  MappedFiles::Dropped dropped;
  MutexLock l(mu_);
  dropped = mapped_files_.KeepOnly(mapped);
}

MemoryManager::Image MemoryManager::image() const {
  MutexLock l(mu_);
  return image_;
}

void MemoryManager::set_image(Image image) {
  MutexLock l(mu_);
  std::swap(image_, image);
}

std::optional<MemoryManager::Mapping> MemoryManager::ParseMapsLine(const std::string& line) const {
  Mapping m{0, 0, "", 0, 0, 0, "", nullptr};
  char perms[8] = {};
  unsigned major = 0, minor = 0;
  int name_at = 0;
  if (std::sscanf(line.c_str(), "%lx-%lx %7s %lx %x:%x %lu %n", &m.start, &m.end, perms, &m.offset, &major, &minor,
                  &m.ino, &name_at) < 7) {
    return std::nullopt;
  }
  m.perms = perms;
  m.dev = makedev(major, minor);
  if (m.ino == 0 && name_at > 0) m.name = line.substr(name_at);
  return m;
}

// Host names never reach the guest: files get the guest's name, device and inode.
void MemoryManager::NameMapping(Mapping& m, GuestAddr brk) const {
  if (m.ino != 0) {
    RefPtr<File> file;
    {
      MutexLock l(mu_);
      file = mapped_files_.Find(m.start);
    }
    m.dev = m.ino = 0;
    if (!file) {
      m.name = m.perms.find('s') != std::string::npos ? "/dev/zero (deleted)" : "";
      return;
    }
    m.file = file;
    m.name = file->Describe();
    if (const auto attr = file->GetAttr(); attr.ok()) {
      m.dev = attr->dev;
      m.ino = attr->ino;
    }
    return;
  }
  MutexLock l(mu_);
  if (m.start < brk && m.end > brk_start_ && brk > brk_start_) m.name = "[heap]";
  if (m.start <= image_.start_stack && image_.start_stack < m.end) m.name = "[stack]";
}

MemoryManager::Content MemoryManager::ContentOf(GuestAddr addr, uint64_t length) const {
  Content content;
  const auto mappings = HostMappings(true);
  if (!mappings.ok()) return content;
  for (const Mapping& m : *mappings) {
    if (m.start < addr + length && m.end > addr) (IsReservation(m) ? content.reserved : content.mapped) = true;
  }
  return content;
}

bool MemoryManager::IsAboveBase(GuestAddr addr, uint64_t length) const {
  MutexLock l(mu_);
  return image_.mmap_base != 0 && addr + length > image_.mmap_base;
}

bool MemoryManager::TouchesReservation(GuestAddr addr, uint64_t length) const {
  return IsAboveBase(addr, length) && ContentOf(addr, length).reserved;
}

// The reservation is in the way of nobody who names an address.
int MemoryManager::PlacementFlags(GuestAddr addr, uint64_t length, int flags) const {
  if (!(flags & MAP_FIXED_NOREPLACE) || !IsAboveBase(addr, length)) return flags;
  const Content content = ContentOf(addr, length);
  return content.reserved && !content.mapped ? (flags & ~MAP_FIXED_NOREPLACE) | MAP_FIXED : flags;
}

Result<std::vector<MemoryManager::Mapping>> MemoryManager::HostMappings(bool with_reservation) const {
  const std::string text = TRY(as_->ReadHostProc("maps"));
  std::vector<Mapping> mappings;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    auto mapping = ParseMapsLine(text.substr(at, end - at));
    if (mapping && (with_reservation || !IsReservation(*mapping))) mappings.push_back(std::move(*mapping));
    at = end + 1;
  }
  return mappings;
}

Result<std::vector<MemoryManager::Mapping>> MemoryManager::Mappings() {
  std::vector<Mapping> mappings = TRY(HostMappings());
  const GuestAddr brk = Break();
  for (Mapping& m : mappings) NameMapping(m, brk);
  return mappings;
}

}  // namespace runsc
