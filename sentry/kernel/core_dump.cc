#include "sentry/kernel/core_dump.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/procfs.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "sentry/kernel/core_pattern.h"
#include "sentry/kernel/pids.h"
#include "sentry/vfs/io.h"

namespace runsc {
namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kChunk = 64 << 10;
constexpr size_t kMaxSegments = 0xfffe - 1;  // e_phnum is 16 bits wide, one is for the notes
constexpr uint32_t kSiginfoNote = 0x53494749, kFileNote = 0x46494c45, kXstateNote = 0x202;
constexpr size_t kFxsaveSize = 512;

using Mapping = MemoryManager::Mapping;

uint64_t RoundUp(uint64_t n, uint64_t to) { return (n + to - 1) / to * to; }

void Append(std::string& out, const void* data, size_t size) { out.append(static_cast<const char*>(data), size); }

void AddNote(std::string& out, const char* owner, uint32_t type, const void* data, size_t size) {
  const Elf64_Nhdr header{static_cast<uint32_t>(std::strlen(owner) + 1), static_cast<uint32_t>(size), type};
  Append(out, &header, sizeof(header));
  Append(out, owner, header.n_namesz);
  out.resize(RoundUp(out.size(), 4));
  Append(out, data, size);
  out.resize(RoundUp(out.size(), 4));
}

// Who the process is, for both notes that say so.
struct Ids {
  int pid, ppid, pgid, sid, nice;
};

// In the numbers of its own pid namespace.
Ids IdsOf(Task& task) {
  MutexLock l(task.kernel().task_set_mu());
  const ThreadGroup& group = task.thread_group();
  const auto number = [&task](int id) ABSL_NO_THREAD_SAFETY_ANALYSIS { return PidToGuestLocked(task, id); };
  return {number(group.pid()), group.parent != nullptr ? number(group.parent->pid()) : 0, number(group.pgid),
          number(group.sid), task.nice};
}

void AddStatus(std::string& out, Task& task, const siginfo_t& info, const Ids& ids) {
  elf_prstatus status{};
  status.pr_info.si_signo = info.si_signo;
  status.pr_info.si_code = info.si_code;
  status.pr_cursig = static_cast<short>(info.si_signo);
  status.pr_sigpend = task.PendingSignals();
  status.pr_sighold = task.signal_mask();
  status.pr_pid = PidToGuest(task, task.tid());
  status.pr_ppid = ids.ppid;
  status.pr_pgrp = ids.pgid;
  status.pr_sid = ids.sid;
  status.pr_fpvalid = 1;
  const Registers& regs = task.context().ReadRegisters();
  static_assert(sizeof(regs) == sizeof(status.pr_reg));
  std::memcpy(&status.pr_reg, &regs, sizeof(regs));
  AddNote(out, "CORE", NT_PRSTATUS, &status, sizeof(status));
}

void AddProcess(std::string& out, Task& task, const Ids& ids) {
  elf_prpsinfo process{};
  process.pr_sname = 'R';
  process.pr_nice = static_cast<char>(ids.nice);
  process.pr_uid = task.creds()->ruid;
  process.pr_gid = task.creds()->rgid;
  process.pr_pid = ids.pid;
  process.pr_ppid = ids.ppid;
  process.pr_pgrp = ids.pgid;
  process.pr_sid = ids.sid;
  task.name().copy(process.pr_fname, sizeof(process.pr_fname) - 1);
  const auto image = task.mm().image();
  const size_t size = std::min<uint64_t>(image.arg_end - image.arg_start, sizeof(process.pr_psargs) - 1);
  const size_t got = task.mm().address_space().CopyIn(image.arg_start, process.pr_psargs, size);
  for (size_t i = 0; i + 1 < got; ++i) {
    if (process.pr_psargs[i] == '\0') process.pr_psargs[i] = ' ';
  }
  AddNote(out, "CORE", NT_PRPSINFO, &process, sizeof(process));
}

void AddFiles(std::string& out, const std::vector<Mapping>& mappings) {
  std::vector<uint64_t> table{0, kPage};
  std::string names;
  for (const Mapping& m : mappings) {
    if (!m.file) continue;
    table.insert(table.end(), {m.start, m.end, m.offset / kPage});
    names += m.name + '\0';
    ++table[0];
  }
  std::string note;
  Append(note, table.data(), table.size() * sizeof(uint64_t));
  note += names;
  AddNote(out, "CORE", kFileNote, note.data(), note.size());
}

std::string Notes(Task& task, const siginfo_t& info, const std::vector<Mapping>& mappings) {
  std::string notes;
  const Ids ids = IdsOf(task);
  AddStatus(notes, task, info, ids);
  AddProcess(notes, task, ids);
  AddNote(notes, "CORE", kSiginfoNote, &info, sizeof(info));
  const std::string auxv = task.mm().image().auxv;
  AddNote(notes, "CORE", NT_AUXV, auxv.data(), auxv.size());
  AddFiles(notes, mappings);
  const auto fp = task.context().ReadFpState();
  if (fp.size() >= kFxsaveSize) AddNote(notes, "CORE", NT_FPREGSET, fp.data(), kFxsaveSize);
  AddNote(notes, "LINUX", kXstateNote, fp.data(), fp.size());
  return notes;
}

// Bits of /proc/PID/coredump_filter.
enum CoreFilter : uint32_t {
  kAnonymousPrivate = 1,
  kAnonymousShared = 2,
  kFilePrivate = 4,
  kFileShared = 8,
  kElfHeaders = 16,
};

// The bits that take the whole mapping. A private file mapping that can be written has pages of its own.
uint32_t KindsOf(const Mapping& m) {
  if (m.perms[3] == 's') return m.file ? kFileShared : kAnonymousShared;
  if (!m.file) return kAnonymousPrivate;
  return m.perms[1] == 'w' ? kFilePrivate | kAnonymousPrivate : kFilePrivate;
}

bool IsElfHeader(Task& task, const Mapping& m) {
  char magic[SELFMAG];
  return m.file && m.perms[3] == 'p' && m.offset == 0 &&
         task.mm().address_space().CopyIn(m.start, magic, SELFMAG) == SELFMAG &&
         std::memcmp(magic, ELFMAG, SELFMAG) == 0;
}

uint64_t DumpedSize(Task& task, const Mapping& m, uint32_t filter) {
  if (m.perms.size() < 4 || m.perms[0] != 'r' || m.name == "[vvar]" || m.name == "[vvar_vclock]") return 0;
  if (m.name == "[vdso]" || (filter & KindsOf(m))) return m.end - m.start;
  return (filter & kElfHeaders) && IsElfHeader(task, m) ? kPage : 0;
}

Elf64_Phdr SegmentOf(Task& task, const Mapping& m, uint32_t filter, uint64_t offset) {
  Elf64_Phdr segment{};
  segment.p_type = PT_LOAD;
  segment.p_flags = (m.perms[0] == 'r' ? PF_R : 0) | (m.perms[1] == 'w' ? PF_W : 0) | (m.perms[2] == 'x' ? PF_X : 0);
  segment.p_offset = offset;
  segment.p_vaddr = m.start;
  segment.p_filesz = DumpedSize(task, m, filter);
  segment.p_memsz = m.end - m.start;
  segment.p_align = kPage;
  return segment;
}

Elf64_Ehdr HeaderFor(size_t segments) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_CORE;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_phoff = sizeof(Elf64_Ehdr);
  header.e_ehsize = sizeof(Elf64_Ehdr);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = static_cast<uint16_t>(segments);
  return header;
}

uint32_t CoreFilterOf(Task& task) {
  MutexLock l(task.kernel().task_set_mu());
  return task.thread_group().core_filter;
}

// Everything before the memory itself.
std::string Head(Task& task, const siginfo_t& info, const std::vector<Mapping>& mappings,
                 std::vector<Elf64_Phdr>* segments) {
  const std::string notes = Notes(task, info, mappings);
  const size_t count = std::min(mappings.size(), kMaxSegments);
  Elf64_Phdr note{};
  note.p_type = PT_NOTE;
  note.p_offset = sizeof(Elf64_Ehdr) + (count + 1) * sizeof(Elf64_Phdr);
  note.p_filesz = notes.size();
  note.p_align = 4;
  uint64_t offset = RoundUp(note.p_offset + notes.size(), kPage);
  const uint32_t filter = CoreFilterOf(task);
  for (size_t i = 0; i < count; ++i) {
    segments->push_back(SegmentOf(task, mappings[i], filter, offset));
    offset += segments->back().p_filesz;
  }
  std::string head;
  const Elf64_Ehdr header = HeaderFor(count + 1);
  Append(head, &header, sizeof(header));
  Append(head, &note, sizeof(note));
  Append(head, segments->data(), segments->size() * sizeof(Elf64_Phdr));
  return head + notes;
}

// The file, up to the limit.
class CoreWriter {
 public:
  CoreWriter(Task& task, File& file, uint64_t limit) : task_(task), file_(file), limit_(limit) {}
  bool Write(uint64_t offset, std::span<const std::byte> data);
  bool WriteMemory(const Elf64_Phdr& segment);

 private:
  bool IsKilled() const;

  Task& task_;
  File& file_;
  const uint64_t limit_;
};

bool CoreWriter::Write(uint64_t offset, std::span<const std::byte> data) {
  if (offset >= limit_) return false;
  data = data.first(std::min<uint64_t>(data.size(), limit_ - offset));
  BufferSource source(data);
  while (source.remaining() > 0) {
    const int64_t at = static_cast<int64_t>(offset + data.size() - source.remaining());
    const auto n = file_.Write(task_, source, &at);
    if (!n.ok() || *n == 0) return false;
  }
  return true;
}

// By SIGKILL. Memory may be of any size.
bool CoreWriter::IsKilled() const {
  MutexLock l(task_.kernel().task_set_mu());
  return task_.thread_group().killed;
}

// Pages of zeros, and those that are not there, become holes.
bool CoreWriter::WriteMemory(const Elf64_Phdr& segment) {
  std::vector<std::byte> chunk(kChunk);
  for (uint64_t done = 0; done < segment.p_filesz; done += kPage) {
    const size_t within = done % kChunk;
    if (within == 0) {
      if (segment.p_offset + done >= limit_ || IsKilled()) return false;
      const size_t want = std::min<uint64_t>(kChunk, segment.p_filesz - done);
      const size_t got = task_.mm().address_space().CopyIn(segment.p_vaddr + done, chunk.data(), want);
      std::fill(chunk.begin() + static_cast<ptrdiff_t>(got), chunk.end(), std::byte{0});
    }
    const auto page = std::span(chunk).subspan(within, kPage);
    const bool empty = std::all_of(page.begin(), page.end(), [](std::byte b) { return b == std::byte{0}; });
    const bool last = done + kPage >= segment.p_filesz;  // so that the file is as long as it says
    if ((!empty || last) && !Write(segment.p_offset + done, page)) return false;
  }
  return true;
}

// A regular file of the process' own, with one name.
Result<RefPtr<File>> CreateCoreFile(Task& task, const std::string& name) {
  const OpenHow how{O_CREAT | O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0600, 0};
  RefPtr<File> file = TRY(task.vfs().Open(task.resolver(), task.fs().cwd(), name, how));
  const Attr attr = TRY(file->GetAttr());
  if (!attr.IsRegular() || attr.nlink != 1 || attr.uid != task.creds()->fsuid) return Errno(EPERM);
  TRY(task.vfs().Truncate(task.resolver(), file->path(), 0));
  return file;
}

}  // namespace

bool IsCoreSignal(int signo) {
  switch (signo) {
    case SIGQUIT:
    case SIGILL:
    case SIGTRAP:
    case SIGABRT:
    case SIGBUS:
    case SIGFPE:
    case SIGSEGV:
    case SIGXCPU:
    case SIGXFSZ:
    case SIGSYS:
      return true;
    default:
      return false;
  }
}

bool DumpCore(Task& task, const siginfo_t& info) {
  const uint64_t limit = task.rlimit(RLIMIT_CORE);
  if (limit < kPage) return false;
  {
    MutexLock l(task.kernel().task_set_mu());
    if (!task.thread_group().dumpable) return false;
  }
  const auto mappings = task.mm().Mappings();
  if (!mappings.ok()) return false;
  const auto name = CoreFileName(task, info);
  if (!name.ok()) return false;
  const auto file = CreateCoreFile(task, *name);
  if (!file.ok()) return false;
  std::vector<Elf64_Phdr> segments;
  const std::string head = Head(task, info, *mappings, &segments);
  CoreWriter writer(task, **file, limit);
  bool room = writer.Write(0, std::as_bytes(std::span(head)));
  for (size_t i = 0; room && i < segments.size(); ++i) room = writer.WriteMemory(segments[i]);
  (*file)->OnClose(&task);
  return true;
}

}  // namespace runsc
