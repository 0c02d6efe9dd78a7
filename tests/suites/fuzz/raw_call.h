// System calls without the C library: no errno, no cancellation, no cache of process numbers.
#pragma once

#include <stdint.h>
#include <sys/syscall.h>

namespace fuzz {

inline long RawCall(long number, const uint64_t (&a)[6]) {
  long result = number;
  register uint64_t r10 asm("r10") = a[3];
  register uint64_t r8 asm("r8") = a[4];
  register uint64_t r9 asm("r9") = a[5];
  asm volatile("syscall"
               : "+a"(result)
               : "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

inline long RawCall(long number) { return RawCall(number, {0, 0, 0, 0, 0, 0}); }

}  // namespace fuzz
