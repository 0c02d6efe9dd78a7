// What /proc/PID shows of a process' memory: cmdline, environ, auxv, maps, smaps, mem.
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>

#include "sentry/fs/chunked_read.h"
#include "sentry/fs/proc_entries.h"
#include "sentry/fs/proc_magic.h"
#include "sentry/fs/simple_fs_text.h"
#include "sentry/kernel/forced_access.h"
#include "sentry/vfs/file.h"

namespace runsc {
namespace {

// More than the kernel lets exec pass.
constexpr uint64_t kMaxArguments = 8 << 20;

// Guest bytes from `start` to `end`, as far as they are there, at most so many.
std::string CopyRange(MemoryManager& mm, GuestAddr start, GuestAddr end, uint64_t most = kMaxArguments) {
  if (end <= start) return {};
  std::string text(std::min(end - start, most), '\0');
  text.resize(mm.address_space().CopyIn(start, text.data(), text.size()));
  return text;
}

// What `reader` calls the mapped file; memory without one has a name of its own, or none.
std::string NameOf(const MemoryManager::Mapping& m, Task& reader) {
  return m.file ? NameOfFile(*m.file, reader) : m.name;
}

std::string MapsLine(const MemoryManager::Mapping& m, Task& reader) {
  std::string line = Format("%08lx-%08lx %s %08lx %02x:%02x %lu ", m.start, m.end, m.perms.c_str(), m.offset,
                            major(m.dev), minor(m.dev), m.ino);
  constexpr size_t kNameColumn = 73;
  const std::string name = NameOf(m, reader);
  if (!name.empty()) {
    if (line.size() < kNameColumn) line.resize(kNameColumn, ' ');
    line += InOctal(name, "\n");
  }
  return line + "\n";
}

// The host's smaps with the guest's names: lines that start a mapping are replaced.
std::string RenameMappings(const std::string& host, const std::vector<MemoryManager::Mapping>& mappings, Task& reader) {
  std::map<GuestAddr, const MemoryManager::Mapping*> by_start;
  for (const auto& m : mappings) by_start[m.start] = &m;
  std::string out;
  bool known = false;
  for (size_t at = 0; at < host.size();) {
    const size_t end = std::min(host.find('\n', at), host.size() - 1);
    const std::string line = host.substr(at, end + 1 - at);
    at = end + 1;
    uint64_t from, to;
    if (sscanf(line.c_str(), "%lx-%lx ", &from, &to) != 2) {
      if (known) out += line;
      continue;
    }
    const auto it = by_start.find(from);
    known = it != by_start.end();
    if (known) out += MapsLine(*it->second, reader);
  }
  return out;
}

// Calls f(line with its newline) for each line.
template <typename F>
void ForEachLine(const std::string& text, F f) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size() - 1);
    f(text.substr(at, end + 1 - at));
    at = end + 1;
  }
}

// "Rss:   12 kB" as its name and number; false for other lines.
bool ParseSize(const std::string& line, std::string* name, uint64_t* kb) {
  char text[32];
  if (sscanf(line.c_str(), "%31[^: ]: %lu kB", text, kb) != 2) return false;
  *name = text;
  return true;
}

// What a line of numa_maps calls the mapping.
std::string NumaNameOf(const MemoryManager::Mapping& m, Task& reader) {
  if (m.file) return " file=" + InOctal(NameOfFile(*m.file, reader), "\n\t= ");
  if (m.name == "[heap]") return " heap";
  return m.name == "[stack]" ? " stack" : "";
}

// Likewise its numa_maps: lines of an address, a policy, perhaps a name, and numbers of pages.
std::string RenameNumaMaps(const std::string& host, const std::map<GuestAddr, std::string>& names) {
  std::string out;
  ForEachLine(host, [&](const std::string& line) {
    uint64_t start;
    int policy_end = 0;
    if (sscanf(line.c_str(), "%lx %*s%n", &start, &policy_end) != 1 || policy_end == 0) return;
    const auto name = names.find(start);
    if (name == names.end()) return;
    std::string numbers = line.substr(static_cast<size_t>(policy_end));
    for (const char* word : {" file=", " heap", " stack"}) {
      if (numbers.starts_with(word)) numbers.erase(0, numbers.find_first_of(" \n", 1));
    }
    out += line.substr(0, static_cast<size_t>(policy_end)) + name->second + numbers;
  });
  return out;
}

// The host's lines with the sums of the guest's mappings: the engine has memory of its own there.
std::string SumUp(const std::string& host, const std::string& smaps, const std::string& heading) {
  std::map<std::string, uint64_t> sums;
  std::string name;
  uint64_t kb;
  ForEachLine(smaps, [&](const std::string& line) {
    if (ParseSize(line, &name, &kb)) sums[name] += kb;
  });
  std::string out = heading;
  ForEachLine(host, [&](const std::string& line) {
    if (!ParseSize(line, &name, &kb)) return;
    if (const auto it = sums.find(name); it != sums.end()) kb = it->second;
    AppendFormat(&out, "%-16s%8lu kB\n", (name + ":").c_str(), kb);
  });
  return out;
}

Result<RefPtr<MemoryManager>> InspectMemory(const ProcTarget& target, Task& reader) {
  TRY(target.CheckMayInspect(reader));
  return target.mm();
}

// /proc/PID/mem: the address space as a file. Once its program is gone there is nothing to read or write in it,
// and nothing is kept for it.
class MemFile : public SeekableFile {
 public:
  MemFile(Path path, int flags, const ProcTarget& target, uint64_t memory_id)
      : SeekableFile(std::move(path), flags), target_(target), memory_id_(memory_id) {}
  Result<int64_t> Seek(Task& task, int64_t offset, int whence) override {
    return whence == SEEK_SET || whence == SEEK_CUR ? SeekableFile::Seek(task, offset, whence) : Errno(EINVAL);
  }

 protected:
  Result<size_t> ReadAt(Task&, IoSink& dst, int64_t offset) override;
  Result<size_t> WriteAt(Task&, IoSource& src, int64_t offset, int64_t* end_offset) override;

 private:
  static constexpr size_t kChunk = 16 << 10;
  RefPtr<MemoryManager> Memory() const;
  const ProcTarget target_;
  const uint64_t memory_id_;
};

// Null when the program is gone. As long as it is held, exec does not put another one there.
RefPtr<MemoryManager> MemFile::Memory() const {
  auto mm = target_.mm();
  return mm.ok() && *mm && (*mm)->id() == memory_id_ ? *mm : nullptr;
}

Result<size_t> MemFile::ReadAt(Task&, IoSink& dst, int64_t offset) {
  const RefPtr<MemoryManager> mm = Memory();
  if (!mm) return size_t{0};
  return ReadInChunks(dst, [&](std::span<std::byte> chunk, size_t done) -> Result<size_t> {
    const size_t got = ForceCopyIn(*mm, offset + done, chunk.data(), chunk.size());
    return got > 0 ? Result<size_t>(got) : Errno(EIO);
  });
}

Result<size_t> MemFile::WriteAt(Task&, IoSource& src, int64_t offset, int64_t* end_offset) {
  const RefPtr<MemoryManager> mm = Memory();
  if (!mm) return size_t{0};
  std::array<std::byte, kChunk> chunk;
  size_t done = 0;
  while (src.remaining() > 0) {
    const auto n = src.Read(std::span(chunk).first(std::min(src.remaining(), chunk.size())));
    if (!n.ok()) return done > 0 ? Result<size_t>(done) : n;
    const size_t put = ForceCopyOut(*mm, offset + done, chunk.data(), *n);
    if (put == 0 && *n > 0) return done > 0 ? Result<size_t>(done) : Errno(EIO);
    done += put;
    *end_offset = offset + static_cast<int64_t>(done);
    if (put < *n) break;
  }
  return done;
}

class MemNode : public ProcNode<SimpleNode> {
 public:
  MemNode(SimpleFs& fs, const ProcTarget& target, uint64_t ino) : ProcNode(target, fs, S_IFREG | 0600, ino) {}
  Result<RefPtr<File>> Open(Task& task, const Path& path, int flags) override {
    RefPtr<MemoryManager> mm = TRY(InspectMemory(target_, task));
    if (!mm) return Errno(ESRCH);
    return RefPtr<File>(MakeRef<MemFile>(path, flags, target_, mm->id()));
  }
};

}  // namespace

// A process that overwrote its arguments with something longer (setproctitle) has taken the environment's
// place too: then the text ends at the first NUL.
std::string ArgumentsOf(MemoryManager& mm, uint64_t most) {
  const MemoryManager::Image image = mm.image();
  std::string text = CopyRange(mm, image.arg_start, image.arg_end, most);
  if (text.size() == most || text.empty() || text.back() == '\0' || image.env_start != image.arg_end) return text;
  text += CopyRange(mm, image.env_start, image.env_end, most - text.size());
  return std::string(text.c_str());
}

Result<std::string> ProcCmdline(const ProcTarget& target, Task&) {
  RefPtr<MemoryManager> mm = TRY(target.mm());
  return mm ? ArgumentsOf(*mm, kMaxArguments) : std::string();
}

Result<std::string> ProcEnviron(const ProcTarget& target, Task& reader) {
  RefPtr<MemoryManager> mm = TRY(InspectMemory(target, reader));
  if (!mm) return std::string();
  const MemoryManager::Image image = mm->image();
  return CopyRange(*mm, image.env_start, image.env_end);
}

Result<std::string> ProcAuxv(const ProcTarget& target, Task& reader) {
  RefPtr<MemoryManager> mm = TRY(InspectMemory(target, reader));
  return mm ? mm->image().auxv : std::string();
}

Result<std::string> ProcMaps(const ProcTarget& target, Task& reader) {
  RefPtr<MemoryManager> mm = TRY(InspectMemory(target, reader));
  std::string out;
  if (!mm) return out;
  for (const MemoryManager::Mapping& m : TRY(mm->Mappings())) out += MapsLine(m, reader);
  return out;
}

Result<std::string> ProcSmaps(const ProcTarget& target, Task& reader) {
  RefPtr<MemoryManager> mm = TRY(InspectMemory(target, reader));
  if (!mm) return std::string();
  const std::string host = TRY(mm->address_space().ReadHostProc("smaps"));
  return RenameMappings(host, TRY(mm->Mappings()), reader);
}

Result<std::string> ProcSmapsRollup(const ProcTarget& target, Task& reader) {
  RefPtr<MemoryManager> mm = TRY(InspectMemory(target, reader));
  if (!mm) return Errno(ESRCH);
  const auto mappings = TRY(mm->Mappings());
  if (mappings.empty()) return std::string();
  const std::string smaps = RenameMappings(TRY(mm->address_space().ReadHostProc("smaps")), mappings, reader);
  MemoryManager::Mapping whole{mappings.front().start, mappings.back().end, "---p", 0, 0, 0, "[rollup]", nullptr};
  return SumUp(TRY(mm->address_space().ReadHostProc("smaps_rollup")), smaps, MapsLine(whole, reader));
}

Result<std::string> ProcArchStatus(const ProcTarget& target, Task&) {
  RefPtr<MemoryManager> mm = TRY(target.mm());
  return mm ? mm->address_space().ReadHostProc("arch_status") : std::string();
}

Result<std::string> ProcNumaMaps(const ProcTarget& target, Task& reader) {
  RefPtr<MemoryManager> mm = TRY(InspectMemory(target, reader));
  if (!mm) return std::string();
  const std::string host = TRY(mm->address_space().ReadHostProc("numa_maps"));
  std::map<GuestAddr, std::string> names;
  for (const MemoryManager::Mapping& m : TRY(mm->Mappings())) names[m.start] = NumaNameOf(m, reader);
  return RenameNumaMaps(host, names);
}

RefPtr<SimpleNode> NewProcMem(SimpleFs& fs, const ProcTarget& target, uint64_t ino) {
  return MakeRef<MemNode>(fs, target, ino);
}

}  // namespace runsc
