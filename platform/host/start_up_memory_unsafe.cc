#include "platform/host/start_up_memory_unsafe.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>

#include <span>

extern "C" const ElfW(Ehdr) __ehdr_start;  // by the linker: where the program's file is mapped

namespace runsc {

void ReleaseStartUpMemory() {
  constexpr uintptr_t kPageMask = 4095;
  malloc_trim(0);
  const auto base = reinterpret_cast<uintptr_t>(&__ehdr_start);
  const auto* headers = reinterpret_cast<const ElfW(Phdr)*>(base + __ehdr_start.e_phoff);
  for (const ElfW(Phdr) & segment : std::span(headers, __ehdr_start.e_phnum)) {
    // Never written, so the file has every byte.
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const uintptr_t begin = (base + segment.p_vaddr) & ~kPageMask, end = base + segment.p_vaddr + segment.p_memsz;
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
}

}  // namespace runsc
