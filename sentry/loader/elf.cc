#include "sentry/loader/elf.h"

#include <limits.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>

namespace runsc {
namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kMaxProgramHeaders = 65536 / sizeof(Elf64_Phdr);
constexpr GuestAddr kAddressLimit = uint64_t{1} << 47;

GuestAddr PageUp(GuestAddr a) { return (a + kPage - 1) & ~(kPage - 1); }

Result<void> CheckHeader(const Elf64_Ehdr& header) {
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return Errno(ENOEXEC);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB) return Errno(ENOEXEC);
  if (header.e_machine != EM_X86_64) return Errno(ENOEXEC);
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN) return Errno(ENOEXEC);
  if (header.e_phentsize != sizeof(Elf64_Phdr)) return Errno(ENOEXEC);
  if (header.e_phnum == 0 || header.e_phnum > kMaxProgramHeaders) return Errno(ENOEXEC);
  return {};
}

// `head` is what has been read of the file's start: nearly always it has the program headers too.
Result<std::vector<Elf64_Phdr>> ReadProgramHeaders(Task& task, File& file, const Elf64_Ehdr& header,
                                                   std::string_view head) {
  std::vector<Elf64_Phdr> headers(header.e_phnum);
  const size_t size = headers.size() * sizeof(Elf64_Phdr);
  if (header.e_phoff <= head.size() && size <= head.size() - header.e_phoff) {
    std::memcpy(headers.data(), head.data() + header.e_phoff, size);
    return headers;
  }
  if (static_cast<int64_t>(header.e_phoff) < 0) return Errno(ENOEXEC);
  const size_t n = TRY(ReadFileAt(task, file, static_cast<int64_t>(header.e_phoff), headers.data(), size));
  if (n != size) return Errno(ENOEXEC);
  return headers;
}

int ProtOf(uint32_t flags) {
  return ((flags & PF_R) ? PROT_READ : 0) | ((flags & PF_W) ? PROT_WRITE : 0) | ((flags & PF_X) ? PROT_EXEC : 0);
}

Result<ElfSegment> MakeSegment(const Elf64_Phdr& ph) {
  if (ph.p_filesz > ph.p_memsz) return Errno(EINVAL);
  if (ph.p_vaddr >= kAddressLimit || ph.p_memsz > kAddressLimit || ph.p_vaddr + ph.p_memsz > kAddressLimit) {
    return Errno(ENOMEM);
  }
  const uint64_t within = ph.p_vaddr & (kPage - 1);
  if ((ph.p_offset & (kPage - 1)) != within) return Errno(EINVAL);
  if (ph.p_offset > uint64_t{1} << 62) return Errno(EINVAL);
  ElfSegment segment;
  segment.start = ph.p_vaddr - within;
  segment.file_offset = ph.p_offset - within;
  segment.file_size = ph.p_filesz == 0 ? 0 : ph.p_filesz + within;
  segment.memory_size = ph.p_memsz + within;
  segment.prot = ProtOf(ph.p_flags);
  return segment;
}

void NoteSegment(const Elf64_Phdr& ph, ElfImage& image) {
  const bool first = image.segments.empty();
  if (ph.p_flags & PF_X) image.end_code = std::max(image.end_code, ph.p_vaddr + ph.p_filesz);
  if (first || ph.p_vaddr < image.start_code) image.start_code = ph.p_vaddr;
  image.start_data = std::max(image.start_data, ph.p_vaddr);
  image.end_data = std::max(image.end_data, ph.p_vaddr + ph.p_filesz);
  image.brk = std::max(image.brk, ph.p_vaddr + ph.p_memsz);
  if (ph.p_align > image.alignment && ph.p_align <= (uint64_t{1} << 30) && (ph.p_align & (ph.p_align - 1)) == 0) {
    image.alignment = ph.p_align;
  }
}

Result<void> AddLoad(const Elf64_Phdr& ph, const Elf64_Ehdr& header, ElfImage& image) {
  if (ph.p_memsz == 0) return {};
  const ElfSegment segment = TRY(MakeSegment(ph));
  NoteSegment(ph, image);
  if (header.e_phoff >= ph.p_offset && header.e_phoff < ph.p_offset + ph.p_filesz) {
    image.phdr_addr = header.e_phoff - ph.p_offset + ph.p_vaddr;
  }
  image.low = image.segments.empty() ? segment.start : std::min(image.low, segment.start);
  image.high = std::max(image.high, PageUp(segment.start + segment.memory_size));
  image.segments.push_back(segment);
  return {};
}

Result<std::string> ReadInterpreter(Task& task, File& file, const Elf64_Phdr& ph) {
  if (ph.p_filesz < 2 || ph.p_filesz > PATH_MAX) return Errno(ENOEXEC);
  if (static_cast<int64_t>(ph.p_offset) < 0) return Errno(EINVAL);
  std::string path(ph.p_filesz, '\0');
  const size_t n = TRY(ReadFileAt(task, file, static_cast<int64_t>(ph.p_offset), path.data(), path.size()));
  if (n != path.size()) return Errno(EIO);
  if (path.back() != '\0') return Errno(ENOEXEC);
  return std::string(path.c_str());
}

}  // namespace

Result<size_t> ReadFileAt(Task& task, File& file, int64_t offset, void* dst, size_t size) {
  BufferSink sink({static_cast<std::byte*>(dst), size});
  while (sink.remaining() > 0) {
    const int64_t at = offset + static_cast<int64_t>(sink.used());
    if (TRY(file.Read(task, sink, &at)) == 0) break;
  }
  return sink.used();
}

Result<ElfImage> ParseElf(Task& task, RefPtr<File> file) {
  char head[1024];
  const size_t head_size = TRY(ReadFileAt(task, *file, 0, head, sizeof(head)));
  Elf64_Ehdr header;
  if (head_size < sizeof(header)) return Errno(ENOEXEC);
  std::memcpy(&header, head, sizeof(header));
  TRY(CheckHeader(header));
  const auto headers = TRY(ReadProgramHeaders(task, *file, header, {head, head_size}));
  ElfImage image;
  image.position_independent = header.e_type == ET_DYN;
  image.entry = header.e_entry;
  image.phdr_count = header.e_phnum;
  for (const Elf64_Phdr& ph : headers) {
    if (ph.p_type == PT_LOAD) {
      TRY(AddLoad(ph, header, image));
    } else if (ph.p_type == PT_INTERP && image.interpreter.empty()) {
      image.interpreter = TRY(ReadInterpreter(task, *file, ph));
    } else if (ph.p_type == PT_GNU_STACK) {
      image.executable_stack = ph.p_flags & PF_X;
    }
  }
  if (image.segments.empty()) return Errno(ENOEXEC);
  image.file = std::move(file);
  return image;
}

Result<void> PlanElf(const ElfImage& image, GuestAddr bias, std::vector<MapOp>* ops,
                     std::vector<RefPtr<RefCounted>>* owners) {
  for (const ElfSegment& segment : image.segments) {
    const uint64_t file_pages = PageUp(segment.file_size);
    const uint64_t total = PageUp(segment.memory_size);
    if (file_pages > 0) {
      auto mappable = TRY(image.file->Mmap(segment.file_offset, file_pages, segment.prot, MAP_PRIVATE));
      owners->push_back(std::move(mappable.owner));
      MapOp op{MapOp::kMap, segment.start + bias, file_pages, segment.prot, MAP_PRIVATE | MAP_FIXED};
      op.host_fd = mappable.host_fd;
      op.offset = mappable.offset;
      ops->push_back(op);
    }
    if (total > file_pages) {
      ops->push_back({MapOp::kMap, segment.start + bias + file_pages, total - file_pages, segment.prot,
                      MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS});
    }
  }
  return {};
}

// Read-only segments keep what the file has there, as on Linux.
std::vector<ZeroRange> BssTails(const ElfImage& image, GuestAddr bias) {
  std::vector<ZeroRange> ranges;
  for (const ElfSegment& segment : image.segments) {
    const uint64_t file_end = segment.file_size;
    const uint64_t page_end = PageUp(file_end);
    if (segment.memory_size <= file_end || file_end == page_end || !(segment.prot & PROT_WRITE)) continue;
    ranges.push_back({segment.start + bias + file_end, page_end - file_end});
  }
  return ranges;
}

}  // namespace runsc
