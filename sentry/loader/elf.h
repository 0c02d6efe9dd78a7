// ELF files as execve(2) sees them: headers read and checked, turned into mappings.
#pragma once

#include <elf.h>

#include <string>
#include <vector>

#include "platform/platform.h"
#include "sentry/vfs/file.h"

namespace runsc {

// One program header's memory, page aligned, relative to the load bias.
struct ElfSegment {
  GuestAddr start = 0;       // page aligned
  uint64_t file_offset = 0;  // page aligned
  uint64_t file_size = 0;    // bytes mapped from the file, from start
  uint64_t memory_size = 0;  // including zero pages after it
  int prot = 0;
};

struct ElfImage {
  RefPtr<File> file;
  bool position_independent = false;
  GuestAddr entry = 0;          // unbiased
  GuestAddr low = 0, high = 0;  // span of all segments, page aligned
  uint64_t alignment = 4096;    // largest p_align
  GuestAddr phdr_addr = 0;      // of the program headers in memory, 0 if not loaded
  uint16_t phdr_count = 0;
  bool executable_stack = false;
  std::string interpreter;  // PT_INTERP
  std::vector<ElfSegment> segments;
  GuestAddr end_code = 0, start_code = 0, start_data = 0, end_data = 0, brk = 0;
};

// Reads and validates the headers. ENOEXEC for what is no x86-64 ELF executable, and Linux' errnos for the
// absurd ones.
Result<ElfImage> ParseElf(Task& task, RefPtr<File> file);

// The mappings of `image` at `bias`, appended to *ops. host fds stay valid while *owners lives.
Result<void> PlanElf(const ElfImage& image, GuestAddr bias, std::vector<MapOp>* ops,
                     std::vector<RefPtr<RefCounted>>* owners);
// Bytes that must be cleared after mapping: the part of a segment's last file page that is bss.
struct ZeroRange {
  GuestAddr addr;
  uint64_t size;
};
std::vector<ZeroRange> BssTails(const ElfImage& image, GuestAddr bias);

// Reads up to `size` bytes at `offset`; the count is short only at the end of the file.
Result<size_t> ReadFileAt(Task& task, File& file, int64_t offset, void* dst, size_t size);

}  // namespace runsc
