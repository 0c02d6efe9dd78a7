#include "platform/host/start_up_memory_unsafe.h"

#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>

extern "C" char __executable_start[], etext[];  // by the linker: the first byte of the program, the end of its code

namespace runsc {

void ReleaseStartUpMemory() {
  constexpr uintptr_t kPageMask = 4095;
  malloc_trim(0);
  // Never written, so the file has every byte. The last page may be shared with data: it stays.
  char* end = reinterpret_cast<char*>(reinterpret_cast<uintptr_t>(etext) & ~kPageMask);
  madvise(__executable_start, static_cast<size_t>(end - __executable_start), MADV_DONTNEED);
}

}  // namespace runsc
