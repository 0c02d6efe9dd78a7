// The program's entry: puts the pages that relocation and start-up are about to write into the page
// table with one call, instead of one page fault each, then starts the C library. Everything but the
// stack pointer and rdx is still free.
#include <asm/unistd.h>

.text
.globl runsc_start
.type runsc_start, @function
runsc_start:
  mov %rdx, %r12
  lea __init_array_start(%rip), %rdi
  and $-4096, %rdi
  lea _end(%rip), %rsi
  sub %rdi, %rsi
  mov $23, %edx  // MADV_POPULATE_WRITE; a host without it faults page by page
  mov $__NR_madvise, %eax
  syscall
  mov %r12, %rdx
  xor %r12d, %r12d
  jmp _start

.section .note.GNU-stack,"",@progbits
