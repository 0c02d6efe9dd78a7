// The stub's assembler: the helper thread, the way in from rewritten call sites, the ways out to the
// guest, and the fault-safe copy loops. docs/platforms.md explains the protocol.
#include <asm/unistd.h>

#include "platform/stub/stub_layout.h"

.section .text.entry,"ax"

// ---- helper ---------------------------------------------------------------------------------
// Register use, for the whole life of the thread; it keeps nothing in memory the guest can write:
//   r12 command pages   r13 last sequence   r14 secret   rbp operations left
//   rbx operation       r15 result           rsp second key of the tags: there is no stack

// SipHash's, of the state in rax, rcx, rdx, rsi.
.macro SIP_ROUNDS count
  .rept \count
  add %rcx, %rax
  rol $13, %rcx
  xor %rax, %rcx
  rol $32, %rax
  add %rsi, %rdx
  rol $16, %rsi
  xor %rdx, %rsi
  add %rsi, %rax
  rol $21, %rsi
  xor %rax, %rsi
  add %rcx, %rdx
  rol $17, %rcx
  xor %rdx, %rcx
  rol $32, %rdx
  .endr
.endm

// rdi as a block of SipHash's message.
.macro SIP_BLOCK
  xor %rdi, %rsi
  SIP_ROUNDS 2
  xor %rdi, %rax
.endm

// rax = the tag of the batch (ack_tags.h). Leaves nothing of the state, which would give the keys away.
.macro ACK_TAG_OF_BATCH
  movabs $0x736f6d6570736575, %rax
  xor %r14, %rax
  movabs $0x646f72616e646f6d, %rcx
  xor %rsp, %rcx
  movabs $0x6c7967656e657261, %rdx
  xor %r14, %rdx
  movabs $0x7465646279746573, %rsi
  xor %rsp, %rsi
  mov COMMAND_NONCE(%r12), %rdi
  SIP_BLOCK
  movabs $0x0800000000000000, %rdi  // the message's length
  SIP_BLOCK
  xor $0xff, %rdx
  SIP_ROUNDS 4
  xor %rcx, %rax
  xor %rdx, %rax
  xor %rsi, %rax
  xor %ecx, %ecx
  xor %edx, %edx
  xor %esi, %esi
.endm

// An inaccessible mapping of rsi bytes at rdi.
.macro RESERVE
  xor %edx, %edx
  mov $0x4032, %r10d  // MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
  mov $-1, %r8
  mov %r14, %r9
  mov $__NR_mmap, %eax
  syscall
  cmp %rdi, %rax
  jne helper_die
.endm

.globl stub_helper_init
stub_helper_init:
  // Drop everything below the region, then reserve what the guest must not be given: all the rest but
  // [r15, rbx), which the host does not let go.
  mov $__NR_munmap, %eax
  xor %edi, %edi
  movabs $STUB_BASE, %rsi
  mov %r14, %r9
  syscall
  test %rax, %rax
  jnz helper_die
  movabs $STUB_END, %rdi
  mov %r15, %rsi
  sub %rdi, %rsi
  RESERVE
  mov %rbx, %rdi
  movabs $STUB_TOP, %rsi
  sub %rdi, %rsi
  jz 1f
  RESERVE
1:
  movabs $GUEST_MAX_ADDR, %rdi
  movabs $(STUB_BASE - GUEST_MAX_ADDR), %rsi
  RESERVE
  xor %r13d, %r13d

.globl helper_loop
helper_loop:
  mov (%r12), %eax
  cmp %eax, %r13d
  jne 1f
  mov %r12, %rdi
  xor %esi, %esi  // FUTEX_WAIT
  mov %r13d, %edx
  xor %r10d, %r10d
  xor %r8d, %r8d
  mov $__NR_futex, %eax
  syscall
  jmp helper_loop
1:
  mov %eax, %r13d
  mov 4(%r12), %ebp
  lea COMMAND_OPS(%r12), %rbx
  lea ACK_OFFSET+ACK_RESULTS(%r12), %r15
helper_next:
  test %ebp, %ebp
  jz helper_ack
  mov (%rbx), %rax
  mov 8(%rbx), %rdi
  mov 16(%rbx), %rsi
  mov 24(%rbx), %rdx
  mov 32(%rbx), %r10
  mov 40(%rbx), %r8
  mov 48(%rbx), %r9
  cmp $HELPER_FORK, %eax
  je helper_fork
  cmp $HELPER_THREAD, %eax
  je helper_thread
  cmp $HELPER_TRACEE, %eax
  je helper_tracee
  cmp $__NR_mmap, %eax
  jne 2f
  test $0x20, %r10d  // MAP_ANONYMOUS; a file mapping needs r9 for its offset and no secret
  jz 3f
2:
  mov %r14, %r9
3:
  syscall
helper_result:
  mov %rax, (%r15)
  add $8, %r15
  dec %ebp
  cmp $-4095, %rax
  jb 4f
  cmpq $0, 56(%rbx)
  jne helper_ack
4:
  add $64, %rbx
  jmp helper_next
helper_ack:
  mov 4(%r12), %eax
  sub %ebp, %eax
  mov %eax, ACK_OFFSET+4(%r12)
  ACK_TAG_OF_BATCH
  mov %rax, ACK_OFFSET+ACK_TAG(%r12)
  mov %r13d, %eax
  xchg %eax, ACK_OFFSET(%r12)
  cmpl $0, 8(%r12)
  je helper_loop
  lea ACK_OFFSET(%r12), %rdi
  mov $1, %esi  // FUTEX_WAKE
  mov $0x7fffffff, %edx
  mov $__NR_futex, %eax
  syscall
  jmp helper_loop

// rdi clone flags, rdx offset of the child's pages, r10 read-only fd, r8 writable fd. clone ignores
// the last three without the flags that use them.
helper_fork:
  xor %esi, %esi
  mov %r14, %r9
  mov $__NR_clone, %eax
  syscall
  test %eax, %eax
  jnz helper_result
  mov %rdx, %r13
  mov %r10, %r15
  mov %r8, %rbx
  mov $1, %edi  // PR_SET_PDEATHSIG
  mov $9, %esi
  mov %r14, %r9
  mov $__NR_prctl, %eax
  syscall
  mov %r12, %rdi
  mov $0x3000, %esi
  mov $1, %edx
  mov $0x8011, %r10d  // MAP_FIXED | MAP_SHARED | MAP_POPULATE
  mov %r15, %r8
  mov %r13, %r9
  mov $__NR_mmap, %eax
  syscall
  cmp %r12, %rax
  jne helper_die
  lea ACK_OFFSET(%r12), %rdi
  mov $0x1000, %esi
  mov $3, %edx
  mov $0x8011, %r10d
  mov %rbx, %r8
  lea ACK_OFFSET(%r13), %r9
  mov $__NR_mmap, %eax
  syscall
  cmp %rdi, %rax
  jne helper_die
  xor %r13d, %r13d
  jmp helper_loop
helper_die:
  mov $99, %edi
  mov $__NR_exit, %eax
  syscall
  ud2

// A new thread shares the sentry's fd table and knows the secret until both are dropped: registers only.
.macro DROP_DESCRIPTORS
  xor %edi, %edi
  mov $-1, %esi
  mov $2, %edx  // CLOSE_RANGE_UNSHARE
  mov %r14, %r9
  mov $__NR_close_range, %eax
  syscall
  test %rax, %rax
  jnz helper_die
.endm
.macro UNBLOCK_SIGNALS
  mov $2, %edi  // SIG_SETMASK
  lea empty_mask(%rip), %rsi
  xor %edx, %edx
  mov $8, %r10d
  mov %r14, %r9
  mov $__NR_rt_sigprocmask, %eax
  syscall
.endm

// rdi clone flags. The thread has nothing in memory, not even a stack: its tracer gives it all registers.
helper_tracee:
  xor %esi, %esi
  mov %r14, %r9
  mov $__NR_clone, %eax
  syscall
  test %eax, %eax
  jnz helper_result
  DROP_DESCRIPTORS
  UNBLOCK_SIGNALS
  xor %r14d, %r14d
  xor %r9d, %r9d
  xor %esp, %esp
.globl tracee_wait, tracee_wait_end
tracee_wait:
  lea empty_mask(%rip), %rdi
  mov $128, %esi  // FUTEX_WAIT, private
  xor %edx, %edx
  xor %r10d, %r10d
  mov $__NR_futex, %eax
  syscall
tracee_wait_end:
  jmp tracee_wait

// What a tracer has its thread execute.
.globl tracee_call, tracee_called
tracee_call:
  syscall
  int3
tracee_called:
.globl tracee_cmpxchg, tracee_cmpxchged
tracee_cmpxchg:  // rdi address, eax old, edx new
  lock cmpxchgl %edx, (%rdi)
  int3
tracee_cmpxchged:
  ud2

// rdi clone flags, rsi stack, r10 clear-tid address, r8 the thread's slot.
helper_thread:
  mov %r14, %r9
  mov $__NR_clone, %eax
  syscall
  test %eax, %eax
  jnz helper_result
  mov %r8, %r13
  DROP_DESCRIPTORS
  lea TP_ALT_STACK(%r13), %rdi
  xor %esi, %esi
  mov %r14, %r9
  mov $__NR_sigaltstack, %eax
  syscall
  test %rax, %rax
  jnz helper_die
  mov $0x1001, %edi  // ARCH_SET_GS
  mov %r13, %rsi
  mov %r14, %r9
  mov $__NR_arch_prctl, %eax
  syscall
  test %rax, %rax
  jnz helper_die
  UNBLOCK_SIGNALS
  mov %r13, %rdi
  xor %r14d, %r14d
  xor %r9d, %r9d
  xor %r12d, %r12d
  mov TP_STACK(%rdi), %rsp
  call thread_start
  ud2

// ---- from a rewritten call site: rcx = where to go on ---------------------------------------
.globl tramp_entry
tramp_entry:
  mov %rsp, %gs:TR_RSP
  mov %gs:TP_STACK, %rsp
  pushfq
  pop %r11
  mov %rcx, %gs:TR_RIP
  mov %r11, %gs:TR_RFLAGS
  mov %rcx, %gs:TR_RCX
  mov %r11, %gs:TR_R11
  mov %rax, %gs:TR_RAX
  mov %rdi, %gs:TR_RDI
  mov %rsi, %gs:TR_RSI
  mov %rdx, %gs:TR_RDX
  mov %r10, %gs:TR_R10
  mov %r8, %gs:TR_R8
  mov %r9, %gs:TR_R9
  mov %rbx, %gs:TR_RBX
  mov %rbp, %gs:TR_RBP
  mov %r12, %gs:TR_R12
  mov %r13, %gs:TR_R13
  mov %r14, %gs:TR_R14
  mov %r15, %gs:TR_R15
  mov %gs:TP_SELF, %rdi
  mov %rdi, %rbx
  cld
  call tramp_main
  mov %rbx, %rdi
  // Falls through.

// ---- exits: rdi = ThreadPage. Everything is loaded from it, so a signal that lands inside can start
// the sequence again. -------------------------------------------------------------------------
.macro LOAD_REGS
  mov TR_R15(%rdi), %r15
  mov TR_R14(%rdi), %r14
  mov TR_R13(%rdi), %r13
  mov TR_R12(%rdi), %r12
  mov TR_RBP(%rdi), %rbp
  mov TR_RBX(%rdi), %rbx
  mov TR_R11(%rdi), %r11
  mov TR_R10(%rdi), %r10
  mov TR_R9(%rdi), %r9
  mov TR_R8(%rdi), %r8
  mov TR_RAX(%rdi), %rax
  mov TR_RCX(%rdi), %rcx
  mov TR_RDX(%rdi), %rdx
  mov TR_RSI(%rdi), %rsi
.endm

// FP state is in the registers; leaves through %gs.
.globl exit_fast, exit_fast_end
exit_fast:
  cmpl $0, TP_KICK(%rdi)
  jne exit_kicked_live
  testl $0x500, TR_RFLAGS(%rdi)  // TF, DF: only popfq sets them, and takes as long as all the rest
  jne 1f
  mov TR_RFLAGS+1(%rdi), %al
  and $8, %al
  add $0x78, %al  // OF
  mov TR_RFLAGS(%rdi), %ah
  sahf
  LOAD_REGS
  mov TR_RSP(%rdi), %rsp
  mov TR_RDI(%rdi), %rdi
  jmp *%gs:TR_RIP
1:
  LOAD_REGS
  lea TR_RFLAGS(%rdi), %rsp
  popfq
  mov TR_RSP(%rdi), %rsp
  mov TR_RDI(%rdi), %rdi
  jmp *%gs:TR_RIP
exit_fast_end:

// FP state is at TP_FP.
.globl exit_mem
exit_mem:
  cmpl $0, TP_KICK(%rdi)
  jne exit_kicked_mem
  mov TP_XSAVE_MASK(%rdi), %eax
  mov TP_XSAVE_MASK+4(%rdi), %edx
  mov TP_FP(%rdi), %rcx
  xrstor64 (%rcx)
  // Falls through.

// FP state is in the registers.
.globl exit_live, exit_live_end
exit_live:
  cmpl $0, TP_KICK(%rdi)
  jne exit_kicked_live
  LOAD_REGS
  lea TP_IRET(%rdi), %rsp
  mov TR_RDI(%rdi), %rdi
  iretq
exit_live_end:
  ud2

exit_kicked_live:
  mov TP_STACK(%rdi), %rsp
  movq $0, TP_FP(%rdi)
  call kicked
  ud2
exit_kicked_mem:
  mov TP_HANDLER_SP(%rdi), %rsp
  and $-64, %rsp
  call kicked
  ud2

// rdi = MachineContext whose words 16..20 were turned into an interrupt frame, rsi = FP image, rdx = mask.
.globl resume_frame
resume_frame:
  mov %edx, %eax
  shr $32, %rdx
  xrstor64 (%rsi)
  mov 0*8(%rdi), %r8
  mov 1*8(%rdi), %r9
  mov 2*8(%rdi), %r10
  mov 3*8(%rdi), %r11
  mov 4*8(%rdi), %r12
  mov 5*8(%rdi), %r13
  mov 6*8(%rdi), %r14
  mov 7*8(%rdi), %r15
  mov 9*8(%rdi), %rsi
  mov 10*8(%rdi), %rbp
  mov 11*8(%rdi), %rbx
  mov 12*8(%rdi), %rdx
  mov 13*8(%rdi), %rax
  mov 14*8(%rdi), %rcx
  lea 16*8(%rdi), %rsp
  mov 8*8(%rdi), %rdi
  iretq

// ---- calls of the stub itself ----------------------------------------------------------------
// int64_t native_call(ThreadPage*, number, const args[6]): -512 when an interruption came first.
.globl native_call, native_check, native_after, native_interrupted
native_call:
  mov %rdi, %r11
  mov %rsi, %rax
  mov 0(%rdx), %rdi
  mov 8(%rdx), %rsi
  mov 24(%rdx), %r10
  mov 32(%rdx), %r8
  mov 40(%rdx), %r9
  mov 16(%rdx), %rdx
native_check:
  cmpl $0, TP_KICK(%r11)
  jne native_interrupted
  syscall
native_after:
  ret
native_interrupted:
  mov $-512, %rax
  ret

// Becomes a thread that waits for its first Run again, on an empty stack. rdi = ThreadPage.
.globl thread_park
thread_park:
  mov TP_STACK(%rdi), %rsp
  movl $1, TP_STATE(%rdi)  // kRequest
  call thread_restart
  ud2

.globl thread_exit
thread_exit:
  xor %edi, %edi
  mov $__NR_exit, %eax
  syscall
  ud2

.globl signal_restorer  // the kernel wants one; no handler ever returns
signal_restorer:
  ud2

// ---- copies that survive faults --------------------------------------------------------------
.globl safe_copy, safe_copy_end, safe_fault
safe_copy:  // (dst, src, n) -> 0 or -EFAULT
  mov %rdx, %rcx
  rep movsb
safe_copy_end:
  xor %eax, %eax
  ret
safe_fault:
  mov $-14, %rax
  ret
.globl safe_string, safe_string_end
safe_string:  // (dst, src, max) -> bytes copied with the NUL, max if there is none, or -EFAULT
  xor %eax, %eax
1:
  movb (%rsi,%rax), %cl
safe_string_end:
  movb %cl, (%rdi,%rax)
  inc %rax
  test %cl, %cl
  jz 2f
  cmp %rdx, %rax
  jb 1b
2:
  ret
.globl safe_probe_write, safe_probe_write_end
safe_probe_write:  // (address): 0 if the byte there can be written
  lock orb $0, (%rdi)
safe_probe_write_end:
  xor %eax, %eax
  ret

.globl safe_cmpxchg, safe_cmpxchg_end
safe_cmpxchg:  // (address, old, new): 0 exchanged, 1 not
  mov %esi, %eax
  lock cmpxchgl %edx, (%rdi)
safe_cmpxchg_end:
  setne %al
  movzbl %al, %eax
  ret

.globl safe_cmpxchg8, safe_cmpxchg8_end
safe_cmpxchg8:  // (address, old, new): 0 exchanged, 1 not
  mov %rsi, %rax
  lock cmpxchgq %rdx, (%rdi)
safe_cmpxchg8_end:
  setne %al
  movzbl %al, %eax
  ret

.balign 8
empty_mask: .quad 0

.section .note.GNU-stack,"",@progbits
