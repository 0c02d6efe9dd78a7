// What the stub and the engine agree on: addresses in a guest address space and the shared records.
// Included by C++ on both sides and by the stub's assembler (which sees only the macros).
#pragma once

// The stub's region starts here: above every address a guest can map.
#define STUB_BASE 0x7e0000000000
#define STUB_END 0x7e1000000000
#define STUB_TEXT_SIZE 0x10000
#define STUB_COMMAND 0x7e0000100000  // commands for the helper, read-only in the stub
#define STUB_INFO 0x7e0000102000     // constants of the address space, read-only in the stub
#define STUB_ACK 0x7e0000103000      // the helper's results
#define STUB_LOCAL 0x7e0000110000    // private to the address space: call-site bookkeeping
#define STUB_LOCAL_SIZE 0x3000
#define STUB_VDSO 0x7e0000180000  // in the 2 MiB of the above: one page table for all
#define STUB_SLOTS 0x7e0010000000
#define STUB_SLOT_SIZE 0x40000
#define STUB_TOP 0x7ffffffff000  // end of user addresses

// Guests may map [min_addr, max_addr). The gap up to the region stays reserved.
#define GUEST_MIN_ADDR 0x10000
#define GUEST_MAX_ADDR 0x7dfc00000000

// Offsets in a slot. The FP state of most CPUs ends in the first page: a thread at rest has that and one of its stack.
#define SLOT_FP 0x400
#define SLOT_FP_SIZE 0x3c00
#define SLOT_ALT_STACK 0x4000
#define SLOT_STACK_TOP 0x10000
#define SLOT_STAGING 0x10000
#define SLOT_STAGING_SIZE 0x14000
#define SLOT_QUEUE 0x24000

// Offsets in the ThreadPage, used by the assembler.
#define TP_SELF 0x00
#define TP_ENTRY 0x08
#define TP_STACK 0x10
#define TP_KICK 0x18
#define TP_FP 0x20
#define TP_HANDLER_SP 0x28
#define TP_ALT_STACK 0x30
#define TP_XSAVE_MASK 0x48
#define TP_FS_BASE 0x50
#define TP_IRET 0xa0
#define TP_REGS 0x100
#define TP_STATE 0x1c0
#define TR_R15 0x100
#define TR_R14 0x108
#define TR_R13 0x110
#define TR_R12 0x118
#define TR_RBP 0x120
#define TR_RBX 0x128
#define TR_R11 0x130
#define TR_R10 0x138
#define TR_R9 0x140
#define TR_R8 0x148
#define TR_RAX 0x150
#define TR_RCX 0x158
#define TR_RDX 0x160
#define TR_RSI 0x168
#define TR_RDI 0x170
#define TR_RIP 0x178
#define TR_RFLAGS 0x180
#define TR_RSP 0x188

// Helper commands that are no plain system calls.
#define HELPER_FORK 0x10000
#define HELPER_THREAD 0x10001
#define HELPER_TRACEE 0x10002

#define COMMAND_NONCE 0x10
#define COMMAND_OPS 0x40  // offset of the operations in the command page
#define ACK_TAG 8
#define ACK_RESULTS 0x40
#define ACK_OFFSET 0x3000  // STUB_ACK - STUB_COMMAND
#define PROC_PAGES_SIZE 0x4000

#ifndef __ASSEMBLER__

#include <linux/prctl.h>
#include <stddef.h>
#include <stdint.h>

namespace runsc::stub {

// Who owns the request line. The two *_ASLEEP states say that the waiting side sleeps on the word.
enum State : uint32_t {
  kRequest = 1,
  kRequestGuestAsleep = 2,
  kRequestDeferred = 3,  // the answer will take long: nothing to spin for
  kReply = 4,
  kReplySentryAsleep = 5,
  kDead = 8,  // written by the engine when the host thread is gone
};

inline bool IsRequest(uint32_t state) { return state >= kRequest && state <= kRequestDeferred; }

enum EventKind : uint32_t {
  kEventSyscall = 1,
  kEventFault = 2,
  kEventInterrupted = 3,
  kEventSaved = 4,       // the answer to kActionSave
  kEventPatchQuery = 5,  // args[0] is a call site: may it be rewritten?
};

// RequestLine::meta.
inline constexpr uint32_t kMetaCpuMask = 0xfff;
inline constexpr int kMetaKindShift = 12;
inline constexpr uint32_t kMetaInterrupted = 1u << 16;
inline constexpr uint32_t kMetaTrapped = 1u << 17;   // came by SIGSYS, not through a thunk
inline constexpr uint32_t kMetaFpSaved = 1u << 18;   // FP state is in memory (signal frame)
inline constexpr uint32_t kMetaFpCopied = 1u << 19;  // SLOT_FP holds a copy of it
inline constexpr int kMetaStagedShift = 20;          // one bit per row entry of the marshal table

enum Action : uint64_t {
  kActionReturn = 1,        // rax = args[0]; copy out args[1..3] bytes of the staged outputs
  kActionNative = 2,        // execute number >> 8 with args
  kActionRestore = 3,       // load ThreadRegs as the engine wrote them; args[0]: FP state from SLOT_FP too
  kActionSave = 4,          // make registers and FP state complete, post kEventSaved
  kActionExit = 5,          // clear the tid word and end the host thread
  kActionPark = 6,          // clear the tid word and wait for the next guest thread
  kActionUnpatch = 7,       // put all call sites back, post kEventSaved
  kActionNativeReport = 8,  // as kActionNative; then post kEventInterrupted
};

struct RequestLine {
  uint32_t state;
  uint32_t meta;
  uint64_t number;  // call number; in a reply the Action
  uint64_t args[6];
};

struct ThreadRegs {
  uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, rip, rflags, rsp;
};

// A guest thread's write-behind (platform/write_queue.h), at SLOT_QUEUE. One word says whether it is open and where the
// next write goes, so that a write comes either before it is closed or not at all.
inline constexpr uint32_t kQueueOpen = 1u << 31;
inline constexpr uint32_t kQueuePage = 4096, kQueuePages = 16;
struct QueueWords {
  uint32_t state;
  int32_t fd;
  uint32_t limit;
  uint32_t calls;
};

struct IretFrame {
  uint64_t rip, cs, rflags, rsp, ss;
};

struct Identity {
  int32_t tid, tgid, ppid;
  uint32_t uid, euid, gid, egid;
};

// The start of a slot: everything about one guest thread. Writable by the guest: the engine trusts
// nothing in it and reads each word once.
struct ThreadPage {
  uint64_t self;
  uint64_t entry;  // thunks jump through %gs:8
  uint64_t stack_top;
  uint32_t kick;  // an interruption is due before the next guest instruction
  uint32_t stepping;
  uint64_t fp;          // where the guest's FP state is: 0 = in the registers
  uint64_t handler_sp;  // stack to use when the exit sequence is abandoned
  uint64_t alt_stack[3];
  uint64_t xsave_mask;
  uint64_t fs_base;
  uint64_t signal_mask;
  uint64_t pending_signals;
  uint64_t clear_tid;
  uint64_t set_tid;
  Identity identity;
  uint32_t sentry_cpu;
  uint32_t pad0;
  uint32_t new_process;  // first thread after a fork
  IretFrame iret;
  uint64_t gs_base;      // the guest's
  uint32_t gs_taken;     // %gs is not the engine's now
  uint64_t cpu_base_ns;  // CPU time of the host thread when this guest thread started
  uint64_t robust_list;
  uint64_t posted;  // when (cycles) the last request was posted to a sentry thread that slept
  QueueWords queue;
  alignas(64) ThreadRegs regs;
  alignas(64) RequestLine line;
  uint16_t queue_ends[kQueuePages];  // how far pages of the queue are filled
};
static_assert(offsetof(ThreadPage, entry) == TP_ENTRY);
static_assert(offsetof(ThreadPage, stack_top) == TP_STACK);
static_assert(offsetof(ThreadPage, kick) == TP_KICK);
static_assert(offsetof(ThreadPage, fp) == TP_FP);
static_assert(offsetof(ThreadPage, handler_sp) == TP_HANDLER_SP);
static_assert(offsetof(ThreadPage, alt_stack) == TP_ALT_STACK);
static_assert(offsetof(ThreadPage, xsave_mask) == TP_XSAVE_MASK);
static_assert(offsetof(ThreadPage, fs_base) == TP_FS_BASE);
static_assert(offsetof(ThreadPage, iret) == TP_IRET);
static_assert(offsetof(ThreadPage, regs) == TP_REGS);
static_assert(offsetof(ThreadPage, regs.rsp) == TR_RSP);
static_assert(offsetof(ThreadPage, line.state) == TP_STATE);
static_assert(offsetof(ThreadPage, regs.rax) == TR_RAX);
static_assert(sizeof(ThreadPage) <= SLOT_FP);
static_assert(SLOT_STAGING + SLOT_STAGING_SIZE <= SLOT_QUEUE);
static_assert(SLOT_QUEUE + kQueuePages * kQueuePage <= STUB_SLOT_SIZE);

struct HelperOp {
  uint64_t number;
  uint64_t args[6];
  uint64_t stop_on_error;
};

inline constexpr int kMaxHelperOps = 112;

// Written by the engine only; the stub's mapping is read-only.
struct CommandPages {
  uint32_t sequence;
  uint32_t count;
  uint32_t want_wake;
  uint32_t pad0;
  uint64_t nonce;  // of the batch: ack_tags.h
  uint64_t pad[5];
  HelperOp ops[kMaxHelperOps];
  // The tail of the second page is free for data the operations point to (iovecs).
  uint8_t data[0x2000 - 0x40 - kMaxHelperOps * 64];
};
static_assert(sizeof(CommandPages) == 0x2000 && offsetof(CommandPages, ops) == COMMAND_OPS);
static_assert(offsetof(CommandPages, nonce) == COMMAND_NONCE);

struct AckPage {
  uint32_t sequence;
  uint32_t done;  // operations executed
  uint64_t tag;   // ack_tags.h
  uint64_t pad[6];
  int64_t results[kMaxHelperOps];
};
static_assert(sizeof(AckPage) <= 0x1000 && offsetof(AckPage, results) == ACK_RESULTS);
static_assert(offsetof(AckPage, tag) == ACK_TAG);

struct GuestRange {
  uint64_t start, end;  // end 0: unused
};
inline constexpr int kMaxFileRanges = 128;

using ForwardedWord = uint64_t;
inline constexpr uint64_t kForwardedBits = 64, kMaxForwarded = 512;

// Constants of one address space.
struct InfoPage {
  uint64_t spin_cycles;   // how long a guest thread may spin for its answer; 0 = never
  uint32_t patching;      // rewrite call sites
  uint32_t patch_after;   // traps of one site before it is rewritten
  uint32_t has_fsgsbase;  // rdfsbase and friends are enabled
  uint32_t xsave_size;
  uint64_t max_addr;
  uint64_t reserved_from;                                   // MapOp::kReserve; max_addr: nothing is reserved
  uint32_t show_original;                                   // rewrite no call site: somebody reads the code
  ForwardedWord forwarded[kMaxForwarded / kForwardedBits];  // calls the sentry wants to see, of some thread; a bit each
  uint64_t break_start, break_limit;                        // brk is answered in the stub; start 0: it is not
  // Where files may be mapped: the sentry must hear of what unmaps them. Kept by FileRanges.
  uint32_t file_range_count;
  GuestRange file_ranges[kMaxFileRanges];
  char name[16];            // of the program, for the host's list of processes
  prctl_mm_map memory_map;  // where its arguments are, for the same
};
static_assert(sizeof(InfoPage) <= 0x1000);

// Call-site bookkeeping of one address space; private memory, inherited by fork, dropped by exec.
inline constexpr int kMaxArenas = 32;
inline constexpr uint64_t kArenaSize = 0x10000;
struct LocalPages {
  uint8_t hits[4096];
  uint64_t arenas[kMaxArenas];
  uint32_t used[kMaxArenas][kArenaSize / 64 / 32];
  uint64_t guest_break;  // 0: where it started
  uint32_t break_lock;
  uint32_t uses_gs;  // guest threads have a %gs of their own: nothing is rewritten
};
static_assert(sizeof(LocalPages) <= STUB_LOCAL_SIZE);

// A rewritten call site jumps to one of these.
struct Thunk {
  uint8_t code[40];
  uint64_t site;
  uint64_t moved;  // length of the instruction moved behind the call
  uint64_t magic;
};
static_assert(sizeof(Thunk) == 64);
inline constexpr uint64_t kThunkMagic = 0x6b6e756874637379;
inline constexpr int kThunkReturn = 15;  // offset of the moved instruction

}  // namespace runsc::stub

#endif  // __ASSEMBLER__
