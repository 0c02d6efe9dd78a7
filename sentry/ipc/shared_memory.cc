#include "sentry/ipc/shared_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <set>

#include "sentry/kernel/task.h"

namespace runsc {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint32_t kReadBits = 0444, kWriteBits = 0222;

uint64_t PageUp(uint64_t n) { return (n + kPage - 1) & ~(kPage - 1); }

std::vector<RefPtr<MemoryManager>> AllMemory(Kernel& kernel) {
  std::set<MemoryManager*> seen;
  std::vector<RefPtr<MemoryManager>> all;
  std::vector<RefPtr<Task>> leaders;
  {
    MutexLock l(kernel.task_set_mu());
    for (ThreadGroup* group : kernel.ThreadGroupsLocked()) {
      for (Task* task : group->tasks) leaders.push_back(RefPtr<Task>(task));
    }
  }
  for (const auto& task : leaders) {
    RefPtr<MemoryManager> mm = task->MmSnapshot();
    if (mm && seen.insert(mm.get()).second) all.push_back(std::move(mm));
  }
  return all;
}

bool MapsSegment(const MemoryManager::Mapping& mapping, const SharedSegment& segment) {
  if (!mapping.file) return false;
  auto* file = FileAs<SharedSegmentFile>(*mapping.file);
  return file != nullptr && &file->segment() == &segment;
}

// The range shmat(2) asked for: MAP_FIXED only with SHM_REMAP, never over something without it.
Result<int> PlacementFlags(GuestAddr& addr, int flags) {
  if (addr == 0) return flags & SHM_REMAP ? Result<int>(Errno(EINVAL)) : Result<int>(0);
  if (addr & (SHMLBA - 1)) {
    if (!(flags & SHM_RND)) return Errno(EINVAL);
    addr &= ~static_cast<GuestAddr>(SHMLBA - 1);
    if (addr == 0 && (flags & SHM_REMAP)) return Errno(EINVAL);
  }
  return flags & SHM_REMAP ? MAP_FIXED : MAP_FIXED_NOREPLACE;
}

}  // namespace

const char SharedSegmentFile::kKind = 0;

SharedSegment::SharedSegment(const Credentials& creds, key_t key, uint32_t mode, UniqueFd memory, uint64_t size,
                             int pid)
    : IpcObject(creds, key, mode), memory_(std::move(memory)), size_(size), creator_(pid), changed_(Now()) {}

void SharedSegment::FreeMemory() const { (void)ftruncate(memory_.get(), 0); }

void SharedSegment::NoteAttachLocked(int pid) {
  last_ = pid;
  attached_ = Now();
}

void SharedSegment::NoteDetach(int pid) {
  MutexLock l(mu_);
  last_ = pid;
  detached_ = Now();
}

struct shmid_ds SharedSegment::StatLocked() const {
  struct shmid_ds stat {};
  FillLocked(stat.shm_perm);
  stat.shm_segsz = size_;
  stat.shm_atime = attached_, stat.shm_dtime = detached_, stat.shm_ctime = changed_;
  stat.shm_cpid = creator_;
  stat.shm_lpid = last_;
  return stat;
}

void SharedSegment::MarkForDestructionLocked() {
  owner_locked().mode |= SHM_DEST;
  owner_locked().key = IPC_PRIVATE;
}

bool SharedSegment::IsDoomedLocked() { return owner_locked().mode & SHM_DEST; }

Result<Mappable> SharedSegmentFile::Mmap(uint64_t offset, uint64_t length, int prot, int flags) {
  Mappable mappable;
  mappable.host_fd = segment_->host_fd();
  mappable.offset = offset;
  mappable.writable = writable();
  mappable.owner = segment_;
  return mappable;
}

std::string SharedSegmentFile::Describe() const {
  char name[32];
  std::snprintf(name, sizeof(name), "/SYSV%08x (deleted)", static_cast<unsigned>(segment_->key()));
  return name;
}

Result<Attr> SharedSegmentFile::GetAttr() {
  Attr attr;
  attr.dev = 1;  // Linux' internal tmpfs
  attr.ino = static_cast<uint64_t>(segment_->id());
  attr.size = segment_->size();
  attr.mode = S_IFREG | 0600;
  return attr;
}

// Under the table's lock.
Result<RefPtr<SharedSegment>> SharedMemory::Make(Task& task, key_t key, uint64_t size, int flags) {
  if (size < 1 || size > limits_.shm_max.load()) return Errno(EINVAL);
  const uint64_t pages = PageUp(size) / kPage;
  if (pages_.load() + pages > limits_.shm_all.load()) return Errno(ENOSPC);
  if (size > task.mm().layout().max_addr) return Errno(ENOMEM);
  if (flags & SHM_HUGETLB) return Errno(ENOMEM);  // the pool of huge pages is empty
  UniqueFd memory = TRY(kernel_.backing().CreateFile("sysv-shared-memory"));
  if (ftruncate(memory.get(), static_cast<off_t>(PageUp(size))) != 0) return Errno(ENOMEM);
  pages_ += pages;
  return MakeRef<SharedSegment>(*task.creds(), key, flags, std::move(memory), size, task.pid());
}

Result<int> SharedMemory::Get(Task& task, key_t key, uint64_t size, int flags) {
  const auto check = [&](SharedSegment& segment) -> Result<void> {
    if (segment.size() < size) return Errno(EINVAL);
    MutexLock l(segment.mu());
    return segment.CheckAccessLocked(*task.creds(), flags & 0777);
  };
  return table_.Get(key, flags, check, [&] { return Make(task, key, size, flags); });
}

Result<GuestAddr> SharedMemory::Attach(Task& task, int id, GuestAddr addr, int flags) {
  const int placement = TRY(PlacementFlags(addr, flags));
  const RefPtr<SharedSegment> segment = TRY(table_.Find(id));
  const bool read_only = flags & SHM_RDONLY;
  uint32_t wanted = read_only ? kReadBits : kReadBits | kWriteBits;
  if (flags & SHM_EXEC) wanted |= 0111;
  {
    MutexLock l(segment->mu());
    TRY(segment->CheckLiveLocked());
    TRY(segment->CheckAccessLocked(*task.creds(), wanted));
  }
  const int prot = PROT_READ | (read_only ? 0 : PROT_WRITE) | (flags & SHM_EXEC ? PROT_EXEC : 0);
  RefPtr<File> file = MakeRef<SharedSegmentFile>(segment, read_only ? O_RDONLY : O_RDWR);
  auto mapped = task.mm().Mmap(task, addr, PageUp(segment->size()), prot, MAP_SHARED | placement, std::move(file), 0);
  if (!mapped.ok()) return mapped.error() == Errno(EEXIST) ? Errno(EINVAL) : mapped.error();
  {
    MutexLock l(segment->mu());
    if (segment->CheckLiveLocked().ok()) return segment->NoteAttachLocked(task.pid()), mapped;
  }
  TRY(task.mm().Munmap(*mapped, PageUp(segment->size())));
  return Errno(EIDRM);
}

// Every piece of the attachment that starts at `addr`, wherever its first page is now.
Result<void> SharedMemory::Detach(Task& task, GuestAddr addr) {
  if (addr & (kPage - 1)) return Errno(EINVAL);
  RefPtr<SharedSegment> segment;
  std::vector<MappedFiles::Range> pieces;
  for (const auto& mapping : TRY(task.mm().Mappings())) {
    if (!segment && mapping.file && mapping.start - addr == mapping.offset) {
      auto* file = FileAs<SharedSegmentFile>(*mapping.file);
      if (file != nullptr) segment = RefPtr<SharedSegment>(&file->segment());
    }
    if (!segment || !MapsSegment(mapping, *segment) || mapping.start - addr != mapping.offset) continue;
    pieces.push_back({mapping.start, mapping.end});
  }
  if (!segment) return Errno(EINVAL);
  for (const auto& piece : pieces) TRY(task.mm().Munmap(piece.start, piece.end - piece.start));
  segment->NoteDetach(task.pid());
  DropIfUnused(*segment);
  return {};
}

uint64_t SharedMemory::CountAttached(const SharedSegment& segment) {
  uint64_t count = 0;
  for (const auto& mm : AllMemory(kernel_)) {
    const auto mappings = mm->Mappings();
    if (!mappings.ok()) continue;  // it just died
    for (const auto& mapping : *mappings) count += MapsSegment(mapping, segment);
  }
  return count;
}

void SharedMemory::DropIfUnused(SharedSegment& segment) {
  {
    MutexLock l(segment.mu());
    if (!segment.IsDoomedLocked() || !segment.CheckLiveLocked().ok()) return;
  }
  if (CountAttached(segment) > 0) return;
  {
    MutexLock l(segment.mu());
    if (!segment.CheckLiveLocked().ok()) return;
    segment.SetRemovedLocked();
  }
  doomed_.fetch_sub(1);
  table_.Remove(segment);
  pages_ -= PageUp(segment.size()) / kPage;
  segment.FreeMemory();
}

void SharedMemory::DropUnused() {
  if (doomed_.load() == 0) return;
  for (const auto& segment : table_.All()) DropIfUnused(*segment);
}

Result<void> SharedMemory::Remove(Task& task, int id) {
  const RefPtr<SharedSegment> segment = TRY(table_.Find(id));
  {
    MutexLock l(segment->mu());
    TRY(segment->CheckLiveLocked());
    TRY(segment->CheckOwnerLocked(*task.creds()));
    if (!segment->IsDoomedLocked()) doomed_.fetch_add(1);
    segment->MarkForDestructionLocked();
  }
  table_.ForgetKey(*segment);
  DropIfUnused(*segment);
  return {};
}

}  // namespace runsc
