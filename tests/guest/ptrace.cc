// ptrace(2): taking hold of a process, its stops, its memory and its registers.
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <vector>

#include "tests/guest/ptrace_util.h"

using namespace guest;

namespace {

volatile long shared_word = 0x1122334455667788;

__attribute__((noinline)) int Add(int a, int b) {
  asm volatile("");
  return a + b;
}

int CallAdd() { return Add(2, 3); }

// A few bare system calls, which a tracer can count.
int ThreeCalls() {
  syscall(SYS_getppid);
  syscall(SYS_getpgid, 0);
  return static_cast<int>(syscall(SYS_umask, 022)) & 0;
}

long RawPeek(int request, int pid, void* addr, long* word) { return syscall(SYS_ptrace, request, pid, addr, word); }

}  // namespace

TEST(TraceMeStopsAtSignals) {
  const int pid = StartTracee([] {
    raise(SIGUSR1);
    return 7;
  });
  EXPECT_EQ(StateOf(pid), 't');
  EXPECT_EQ(TracerOf(pid), getpid());
  const int status = Resume(PTRACE_CONT, pid);
  EXPECT(StoppedBy(status, SIGUSR1));
  EXPECT(Exited(Resume(PTRACE_CONT, pid, 0), 7));  // the signal was suppressed
}

TEST(TraceMeTwiceIsRefused) {
  const int pid = StartTracee([] { return ptrace(PTRACE_TRACEME, 0, 0, 0) == -1 && errno == EPERM ? 0 : 1; });
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 0));
}

TEST(SignalsCanBePassedOn) {
  const int pid = StartTracee([] {
    raise(SIGUSR1);
    return 7;
  });
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid), SIGUSR1));
  EXPECT(KilledBy(Resume(PTRACE_CONT, pid, SIGUSR1), SIGUSR1));
}

TEST(SignalsCanBeExchanged) {
  const int pid = StartTracee([] {
    raise(SIGUSR1);
    return 7;
  });
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid), SIGUSR1));
  EXPECT(KilledBy(Resume(PTRACE_CONT, pid, SIGTERM), SIGTERM));
}

TEST(IgnoredSignalsStopToo) {
  const int pid = StartTracee([] {
    signal(SIGUSR1, SIG_IGN);
    raise(SIGUSR1);
    raise(SIGWINCH);
    return 3;
  });
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid), SIGUSR1));
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid, SIGUSR1), SIGWINCH));
  EXPECT(Exited(Resume(PTRACE_CONT, pid, SIGWINCH), 3));
}

TEST(BadSignalNumberIsRefused) {
  const int pid = StartTracee([] { return 0; });
  EXPECT_ERRNO(ptrace(PTRACE_CONT, pid, 0, 65), EIO);
  EXPECT_ERRNO(ptrace(PTRACE_CONT, pid, 0, -1), EIO);
  KillAndReap(pid);
}

TEST(ExecStopsTheTracee) {
  const int pid = fork();
  if (pid == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    execl(SelfPath(), SelfPath(), "--helper", "Quit", nullptr);
    _exit(99);
  }
  EXPECT(StoppedBy(WaitFor(pid), SIGTRAP));
  const user_regs_struct regs = Regs(pid);
  EXPECT_EQ(regs.rax, 0u);
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 42));
}

HELPER(Quit) { return 42; }

TEST(AttachAndDetach) {
  const int pid = StartChild([] {
    SleepForever();
    return 0;
  });
  ASSERT_OK(ptrace(PTRACE_ATTACH, pid, 0, 0));
  EXPECT(StoppedBy(WaitFor(pid), SIGSTOP));
  EXPECT_EQ(TracerOf(pid), getpid());
  EXPECT_ERRNO(ptrace(PTRACE_ATTACH, pid, 0, 0), EPERM);
  ASSERT_OK(ptrace(PTRACE_DETACH, pid, 0, 0));
  EXPECT_EQ(TracerOf(pid), 0);
  EXPECT_ERRNO(ptrace(PTRACE_CONT, pid, 0, 0), ESRCH);
  EXPECT(FallsAsleep(pid));
  KillAndReap(pid);
}

TEST(DetachWithSignal) {
  const int pid = StartChild([] {
    SleepForever();
    return 0;
  });
  ASSERT_OK(ptrace(PTRACE_ATTACH, pid, 0, 0));
  EXPECT(StoppedBy(WaitFor(pid), SIGSTOP));
  ASSERT_OK(ptrace(PTRACE_DETACH, pid, 0, SIGTERM));
  EXPECT(KilledBy(WaitFor(pid), SIGTERM));
}

TEST(WhoCannotBeAttached) {
  EXPECT_ERRNO(ptrace(PTRACE_ATTACH, getpid(), 0, 0), EPERM);
  EXPECT_ERRNO(ptrace(PTRACE_ATTACH, 0x3ffffff, 0, 0), ESRCH);
  const int pid = StartChild([] { return 0; });
  siginfo_t info;
  ASSERT_OK(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
  EXPECT_ERRNO(ptrace(PTRACE_ATTACH, pid, 0, 0), EPERM);  // a zombie
  WaitFor(pid);
  EXPECT_ERRNO(ptrace(PTRACE_SEIZE, getppid(), 1, 0), EIO);
  EXPECT_ERRNO(ptrace(PTRACE_SEIZE, getppid(), 0, 0x80000000), EIO);
}

TEST(OthersCannotBeAttached) {
  const int pid = StartChild(SleepForever);
  const int status = RunInChild([&] {
    if (setgid(12345) != 0 || setuid(12345) != 0) return 9;
    if (ptrace(PTRACE_ATTACH, pid, 0, 0) != -1 || errno != EPERM) return 1;
    char byte;
    iovec local{&byte, 1}, remote{const_cast<long*>(&shared_word), 1};
    return process_vm_readv(pid, &local, 1, &remote, 1, 0) == -1 && errno == EPERM ? 0 : 2;
  });
  EXPECT(Exited(status, 0));
  KillAndReap(pid);
}

TEST(UndumpableIsNotTraced) {
  const int status = RunInChild([] {
    if (setgid(12345) != 0 || setuid(12345) != 0) return 9;
    int ready[2];
    if (pipe(ready) != 0) return 8;
    const int pid = StartChild([&] {
      prctl(PR_SET_DUMPABLE, 0);
      close(ready[1]);
      return SleepForever();
    });
    close(ready[1]);
    char byte;
    if (read(ready[0], &byte, 1) != 0) return 7;
    const bool refused = ptrace(PTRACE_ATTACH, pid, 0, 0) == -1 && errno == EPERM;
    KillAndReap(pid);
    return refused ? 0 : 1;
  });
  EXPECT(Exited(status, 0));
}

TEST(RunningTraceesAreNotServed) {
  const int pid = StartTracee(SleepForever);
  ASSERT_OK(ptrace(PTRACE_CONT, pid, 0, 0));
  user_regs_struct regs;
  EXPECT_ERRNO(ptrace(PTRACE_GETREGS, pid, 0, &regs), ESRCH);
  EXPECT_ERRNO(ptrace(PTRACE_CONT, pid, 0, 0), ESRCH);
  EXPECT_ERRNO(ptrace(PTRACE_DETACH, pid, 0, 0), ESRCH);
  EXPECT_ERRNO(ptrace(PTRACE_CONT, getppid(), 0, 0), ESRCH);  // not ours at all
  KillAndReap(pid);
}

TEST(UnknownRequest) {
  const int pid = StartTracee([] { return 0; });
  EXPECT_ERRNO(syscall(SYS_ptrace, 0x1234, pid, 0, 0), EIO);
  KillAndReap(pid);
}

TEST(PeekAndPoke) {
  static long on_stack = 5;
  const int pid = StartTracee([] { return shared_word == 9 && on_stack == 6 ? 0 : 1; });
  void* const word = const_cast<long*>(&shared_word);
  errno = 0;
  EXPECT_EQ(ptrace(PTRACE_PEEKDATA, pid, word, 0), 0x1122334455667788);
  EXPECT_EQ(ptrace(PTRACE_PEEKTEXT, pid, static_cast<char*>(word) + 1, 0) & 0xffffff, 0x556677);
  long value = 0;
  EXPECT_EQ(RawPeek(PTRACE_PEEKDATA, pid, word, &value), 0);
  EXPECT_EQ(value, 0x1122334455667788l);
  EXPECT_OK(ptrace(PTRACE_POKEDATA, pid, word, 9));
  EXPECT_OK(ptrace(PTRACE_POKETEXT, pid, &on_stack, 6));
  EXPECT_ERRNO(RawPeek(PTRACE_PEEKDATA, pid, nullptr, &value), EIO);
  EXPECT_ERRNO(ptrace(PTRACE_POKEDATA, pid, nullptr, 0), EIO);
  EXPECT_ERRNO(RawPeek(PTRACE_PEEKDATA, pid, word, nullptr), EFAULT);
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 0));
}

TEST(PokeIntoReadOnlyCode) {
  const int pid = StartTracee(CallAdd);
  void* const code = reinterpret_cast<void*>(&Add);
  errno = 0;
  const long original = ptrace(PTRACE_PEEKTEXT, pid, code, 0);
  EXPECT_EQ(errno, 0);
  ASSERT_OK(ptrace(PTRACE_POKETEXT, pid, code, (original & ~0xffl) | 0xcc));
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid), SIGTRAP));
  siginfo_t info{};
  EXPECT_OK(ptrace(PTRACE_GETSIGINFO, pid, 0, &info));
  EXPECT_EQ(info.si_code, SI_KERNEL);
  user_regs_struct regs = Regs(pid);
  EXPECT_EQ(regs.rip, reinterpret_cast<uint64_t>(code) + 1);
  EXPECT_EQ(regs.rdi, 2u);
  ASSERT_OK(ptrace(PTRACE_POKETEXT, pid, code, original));
  regs.rip -= 1;
  regs.rdi = 40;
  ASSERT_OK(ptrace(PTRACE_SETREGS, pid, 0, &regs));
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 43));
  EXPECT_EQ(Add(1, 1), 2);  // our own copy is as it was
}

TEST(PokeThroughProcMem) {
  const int pid = StartTracee(CallAdd);
  const int fd = ASSERT_OK(open(("/proc/" + std::to_string(pid) + "/mem").c_str(), O_RDWR));
  const off_t code = reinterpret_cast<off_t>(&Add);
  unsigned char byte = 0, breakpoint = 0xcc;
  EXPECT_EQ(pread(fd, &byte, 1, code), 1);
  EXPECT_EQ(pwrite(fd, &breakpoint, 1, code), 1);
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid), SIGTRAP));
  KillAndReap(pid);
}

TEST(ProcMemEndsWithTheProgram) {
  const int pid = StartTracee([] { return execl(SelfPath(), SelfPath(), "--helper", "Quit", nullptr); });
  const std::string path = "/proc/" + std::to_string(pid) + "/mem";
  const int fd = ASSERT_OK(open(path.c_str(), O_RDWR));
  const off_t where = reinterpret_cast<off_t>(&shared_word);
  long word = 0;
  EXPECT_EQ(pread(fd, &word, sizeof(word), where), 8);
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid), SIGTRAP));  // another program
  EXPECT_EQ(pread(fd, &word, sizeof(word), where), 0);
  EXPECT_EQ(pwrite(fd, &word, sizeof(word), where), 0);
  const int fresh = ASSERT_OK(open(path.c_str(), O_RDWR));
  EXPECT_EQ(pread(fresh, &word, sizeof(word), where), 8);
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 42));
  EXPECT_EQ(pread(fresh, &word, sizeof(word), where), 0);
}

TEST(PokeKeepsProtection) {
  static char* page = static_cast<char*>(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  const int pid = StartTracee([] { return page[0] = 1; });
  EXPECT_OK(ptrace(PTRACE_POKEDATA, pid, page, 5));
  EXPECT_EQ(ptrace(PTRACE_PEEKDATA, pid, page, 0), 5);
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid), SIGSEGV));
  KillAndReap(pid);
}

TEST(PokeSharedReadOnly) {
  const int fd = memfd_create("shared", 0);
  ASSERT_OK(ftruncate(fd, 4096));
  void* const page = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
  const int pid = StartTracee([] { return 0; });
  EXPECT_ERRNO(ptrace(PTRACE_POKEDATA, pid, page, 5), EIO);
  KillAndReap(pid);
}

TEST(PeekInaccessible) {
  char* const page =
      static_cast<char*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  page[0] = 77;
  ASSERT_OK(mprotect(page, 4096, PROT_NONE));
  const int pid = StartTracee([] { return 0; });
  long value = 0;
  EXPECT_OK(RawPeek(PTRACE_PEEKDATA, pid, page, &value));
  EXPECT_EQ(value, 77);
  KillAndReap(pid);
}

TEST(PeekAndPokeUser) {
  const int pid = StartTracee([] { return 0; });
  const user_regs_struct regs = Regs(pid);
  const auto at = [](size_t offset) { return reinterpret_cast<void*>(offset); };
  errno = 0;
  EXPECT_EQ(ptrace(PTRACE_PEEKUSER, pid, at(offsetof(user, regs.rip)), 0), static_cast<long>(regs.rip));
  EXPECT_EQ(ptrace(PTRACE_PEEKUSER, pid, at(offsetof(user, regs.rsp)), 0), static_cast<long>(regs.rsp));
  EXPECT_EQ(ptrace(PTRACE_PEEKUSER, pid, at(offsetof(user, u_debugreg[6])), 0) & ~0xffff0ff0l, 0);
  EXPECT_EQ(errno, 0);
  EXPECT_OK(ptrace(PTRACE_POKEUSER, pid, at(offsetof(user, regs.r12)), 0x77));
  EXPECT_EQ(Regs(pid).r12, 0x77u);
  long value;
  EXPECT_ERRNO(RawPeek(PTRACE_PEEKUSER, pid, at(3), &value), EIO);
  EXPECT_ERRNO(RawPeek(PTRACE_PEEKUSER, pid, at(8192), &value), EIO);
  EXPECT_ERRNO(ptrace(PTRACE_POKEUSER, pid, at(8192), 0), EIO);
  EXPECT_ERRNO(ptrace(PTRACE_POKEUSER, pid, at(offsetof(user, regs.cs)), 0), EIO);
  KillAndReap(pid);
}

TEST(SetRegisters) {
  const int pid = StartTracee([] {
    register long r12 asm("r12") = 1;
    long call = SYS_getpid;
    // A breakpoint at which the tracer changes what the code finds.
    asm volatile("int3" : "+r"(r12), "+a"(call) : : "memory");
    return r12 == 55 && call == 66 ? 0 : 1;
  });
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid), SIGTRAP));
  user_regs_struct regs = Regs(pid);
  EXPECT_EQ(regs.r12, 1u);
  EXPECT_EQ(regs.orig_rax, ~0ull);
  EXPECT_EQ(regs.cs, 0x33u);
  EXPECT_EQ(regs.ss, 0x2bu);
  EXPECT(regs.fs_base != 0);
  regs.r12 = 55;
  regs.rax = 66;
  ASSERT_OK(ptrace(PTRACE_SETREGS, pid, 0, &regs));
  EXPECT_EQ(Regs(pid).r12, 55u);
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 0));
}

TEST(SystemFlagsStay) {
  const int pid = StartTracee([] { return 0; });
  user_regs_struct regs = Regs(pid);
  const auto flags = regs.eflags;
  regs.eflags |= 0x3000 | 0x20000;  // IOPL, VM
  EXPECT_OK(ptrace(PTRACE_SETREGS, pid, 0, &regs));
  EXPECT_EQ(Regs(pid).eflags, flags);
  regs.fs_base = ~0ull;
  EXPECT_ERRNO(ptrace(PTRACE_SETREGS, pid, 0, &regs), EIO);
  KillAndReap(pid);
}

TEST(RegisterSets) {
  const int pid = StartTracee([] { return 0; });
  user_regs_struct regs{};
  iovec iov{&regs, sizeof(regs)};
  EXPECT_OK(ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov));
  EXPECT_EQ(iov.iov_len, sizeof(regs));
  EXPECT_EQ(regs.rip, Regs(pid).rip);
  regs.r13 = 1234;
  EXPECT_OK(ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &iov));
  EXPECT_EQ(Regs(pid).r13, 1234u);
  // Part of it.
  iov = {&regs, 16};
  EXPECT_OK(ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov));
  EXPECT_EQ(iov.iov_len, 16u);
  // More room than there is.
  char big[1000];
  iov = {big, sizeof(big)};
  EXPECT_OK(ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov));
  EXPECT_EQ(iov.iov_len, sizeof(regs));
  iov = {&regs, 13};
  EXPECT_ERRNO(ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov), EINVAL);
  iov = {&regs, 16};
  EXPECT_ERRNO(ptrace(PTRACE_GETREGSET, pid, 0x7777, &iov), EINVAL);
  EXPECT_ERRNO(ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, nullptr), EFAULT);
  KillAndReap(pid);
}

TEST(FloatingPoint) {
  const int pid = StartTracee([] {
    double value = 1.5;
    asm volatile("movsd %0, %%xmm7; int3; movsd %%xmm7, %0" : "+m"(value) : : "xmm7");
    return static_cast<int>(value);
  });
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid), SIGTRAP));
  user_fpregs_struct fp{};
  ASSERT_OK(ptrace(PTRACE_GETFPREGS, pid, 0, &fp));
  double value;
  memcpy(&value, &fp.xmm_space[7 * 4], sizeof(value));
  EXPECT(value == 1.5);
  value = 33;
  memcpy(&fp.xmm_space[7 * 4], &value, sizeof(value));
  ASSERT_OK(ptrace(PTRACE_SETFPREGS, pid, 0, &fp));
  user_fpregs_struct again{};
  iovec iov{&again, sizeof(again)};
  EXPECT_OK(ptrace(PTRACE_GETREGSET, pid, NT_PRFPREG, &iov));
  EXPECT_EQ(iov.iov_len, sizeof(again));
  EXPECT(memcmp(&again.xmm_space[7 * 4], &value, sizeof(value)) == 0);
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 33));
}

TEST(ExtendedState) {
  const int pid = StartTracee([] {
    double value = 1.5;
    asm volatile("movsd %0, %%xmm3; int3; movsd %%xmm3, %0" : "+m"(value) : : "xmm3");
    return static_cast<int>(value);
  });
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid), SIGTRAP));
  std::vector<char> image(64 << 10);
  iovec iov{image.data(), image.size()};
  ASSERT_OK(ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &iov));
  EXPECT(iov.iov_len >= 576 && iov.iov_len < image.size());
  uint64_t features;
  memcpy(&features, &image[464], 8);
  EXPECT_EQ(features & 3, 3u);
  const double value = 12;
  memcpy(&image[160 + 3 * 16], &value, sizeof(value));
  image[512] |= 2;
  EXPECT_OK(ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &iov));
  iovec half{image.data(), 512};
  EXPECT_ERRNO(ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &half), EFAULT);
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 12));
}

TEST(SyscallStops) {
  const int pid = StartTracee(ThreeCalls);
  ASSERT_OK(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
  std::vector<long> entered;
  for (;;) {
    int status = Resume(PTRACE_SYSCALL, pid);
    if (WIFEXITED(status)) break;
    ASSERT(StoppedBy(status, SIGTRAP | 0x80));
    user_regs_struct regs = Regs(pid);
    EXPECT_EQ(static_cast<long>(regs.rax), -ENOSYS);
    entered.push_back(static_cast<long>(regs.orig_rax));
    if (entered.back() == SYS_exit_group) continue;
    status = Resume(PTRACE_SYSCALL, pid);
    ASSERT(StoppedBy(status, SIGTRAP | 0x80));
    regs = Regs(pid);
    EXPECT_EQ(static_cast<long>(regs.orig_rax), entered.back());
    if (entered.back() == SYS_getppid) EXPECT_EQ(regs.rax, static_cast<unsigned>(getpid()));
  }
  std::string seen;
  for (long nr : entered) seen += std::to_string(nr) + " ";
  EXPECT_EQ(seen, std::to_string(SYS_getppid) + " " + std::to_string(SYS_getpgid) + " " + std::to_string(SYS_umask) +
                      " " + std::to_string(SYS_exit_group) + " ");
}

// Calls on memory and on futexes may be made where the guest runs: their results are seen all the same.
TEST(SyscallStopsOfMemoryCalls) {
  const int pid = StartTracee([] {
    void* page = mmap(nullptr, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(page, 4096, PROT_NONE);
    munmap(page, 8192);
    int word = 0;
    syscall(SYS_futex, &word, 0, 1, nullptr);
    return 0;
  });
  ASSERT_OK(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
  unsigned long page = 0;
  std::string seen;
  for (;;) {
    if (!StoppedBy(Resume(PTRACE_SYSCALL, pid), SIGTRAP | 0x80)) break;
    if (Regs(pid).orig_rax == SYS_exit_group) break;
    ASSERT(StoppedBy(Resume(PTRACE_SYSCALL, pid), SIGTRAP | 0x80));
    const user_regs_struct regs = Regs(pid);
    if (regs.orig_rax == SYS_mmap) page = regs.rax;
    if (regs.orig_rax == SYS_mprotect || regs.orig_rax == SYS_munmap) {
      EXPECT_EQ(regs.rdi, page);
      EXPECT_EQ(regs.rax, 0u);
    }
    if (regs.orig_rax == SYS_futex) EXPECT_EQ(static_cast<long>(regs.rax), -EAGAIN);
    seen += std::to_string(regs.orig_rax) + " ";
  }
  EXPECT(page != 0 && page < 0x800000000000);
  EXPECT_EQ(seen, std::string("9 10 11 202 "));
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 0));
}

TEST(SyscallStopsWithoutTheOption) {
  const int pid = StartTracee(ThreeCalls);
  EXPECT(StoppedBy(Resume(PTRACE_SYSCALL, pid), SIGTRAP));
  siginfo_t info{};
  EXPECT_OK(ptrace(PTRACE_GETSIGINFO, pid, 0, &info));
  EXPECT_EQ(info.si_code, SIGTRAP);
  EXPECT_EQ(info.si_pid, pid);
  KillAndReap(pid);
}

TEST(SyscallsCanBeExchanged) {
  const int pid = StartTracee([] { return syscall(SYS_getpgid, 0) == getpid() ? 0 : 1; });
  EXPECT(StoppedBy(Resume(PTRACE_SYSCALL, pid), SIGTRAP));
  user_regs_struct regs = Regs(pid);
  EXPECT_EQ(regs.orig_rax, static_cast<unsigned long>(SYS_getpgid));
  regs.orig_rax = SYS_getpid;
  ASSERT_OK(ptrace(PTRACE_SETREGS, pid, 0, &regs));
  EXPECT(StoppedBy(Resume(PTRACE_SYSCALL, pid), SIGTRAP));
  EXPECT_EQ(Regs(pid).rax, static_cast<unsigned>(pid));
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 0));
}

TEST(SyscallsCanBeSkipped) {
  const int pid = StartTracee([] { return static_cast<int>(syscall(SYS_getpgid, 0)); });
  EXPECT(StoppedBy(Resume(PTRACE_SYSCALL, pid), SIGTRAP));
  ASSERT_OK(ptrace(PTRACE_POKEUSER, pid, offsetof(user, regs.orig_rax), -1));
  EXPECT(StoppedBy(Resume(PTRACE_SYSCALL, pid), SIGTRAP));
  EXPECT_EQ(static_cast<long>(Regs(pid).rax), -ENOSYS);
  ASSERT_OK(ptrace(PTRACE_POKEUSER, pid, offsetof(user, regs.rax), 21));
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 21));
}

// What the call reads is what is there after the stop, in the registers and in memory.
TEST(SyscallArgumentsAreReadAfterTheStop) {
  static char path[] = "/nowhere/at/all";
  static char other[] = "/proc/self/maps";
  const int pid = StartTracee([] { return open(path, O_RDONLY) >= 0 && open("/nowhere", O_RDONLY) >= 0 ? 0 : 1; });
  EXPECT(StoppedBy(Resume(PTRACE_SYSCALL, pid), SIGTRAP));
  for (size_t i = 0; i < sizeof(other); i += 8) {
    long word;
    memcpy(&word, other + i, 8);
    EXPECT_OK(ptrace(PTRACE_POKEDATA, pid, path + i, word));
  }
  EXPECT(StoppedBy(Resume(PTRACE_SYSCALL, pid), SIGTRAP));
  EXPECT(static_cast<long>(Regs(pid).rax) >= 0);
  EXPECT(StoppedBy(Resume(PTRACE_SYSCALL, pid), SIGTRAP));
  ASSERT_OK(ptrace(PTRACE_POKEUSER, pid, offsetof(user, regs.rsi), other));
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 0));
}

TEST(SyscallInfo) {
  const int pid = StartTracee([] { return static_cast<int>(syscall(SYS_getpgid, 0, 1, 2, 3, 4, 5)) & 0; });
  ASSERT_OK(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
  __ptrace_syscall_info info{};
  const auto size = reinterpret_cast<void*>(sizeof(info));
  EXPECT(ptrace(static_cast<__ptrace_request>(PTRACE_GET_SYSCALL_INFO), pid, size, &info) > 0);
  EXPECT_EQ(info.op, PTRACE_SYSCALL_INFO_NONE);
  EXPECT(StoppedBy(Resume(PTRACE_SYSCALL, pid), SIGTRAP | 0x80));
  EXPECT_EQ(ptrace(static_cast<__ptrace_request>(PTRACE_GET_SYSCALL_INFO), pid, size, &info),
            static_cast<long>(offsetof(__ptrace_syscall_info, entry.args) + 48));
  EXPECT_EQ(info.op, PTRACE_SYSCALL_INFO_ENTRY);
  EXPECT_EQ(info.arch, 0xc000003eu);
  EXPECT_EQ(info.entry.nr, static_cast<uint64_t>(SYS_getpgid));
  EXPECT_EQ(info.entry.args[5], 5u);
  EXPECT_EQ(info.instruction_pointer, Regs(pid).rip);
  EXPECT_EQ(info.stack_pointer, Regs(pid).rsp);
  unsigned long message = 0;
  EXPECT_OK(ptrace(PTRACE_GETEVENTMSG, pid, 0, &message));
  EXPECT_EQ(message, 1u);
  EXPECT(StoppedBy(Resume(PTRACE_SYSCALL, pid), SIGTRAP | 0x80));
  EXPECT(ptrace(static_cast<__ptrace_request>(PTRACE_GET_SYSCALL_INFO), pid, size, &info) > 0);
  EXPECT_EQ(info.op, PTRACE_SYSCALL_INFO_EXIT);
  EXPECT_EQ(info.exit.is_error, 0);
  EXPECT_EQ(info.exit.rval, static_cast<int64_t>(Regs(pid).rax));
  KillAndReap(pid);
}

TEST(Sysemu) {
  const int pid = StartTracee([] { return static_cast<int>(syscall(SYS_getpgid, 0)); });
  EXPECT(StoppedBy(Resume(static_cast<__ptrace_request>(PTRACE_SYSEMU), pid), SIGTRAP));
  user_regs_struct regs = Regs(pid);
  EXPECT_EQ(regs.orig_rax, static_cast<unsigned long>(SYS_getpgid));
  EXPECT_EQ(static_cast<long>(regs.rax), -ENOSYS);
  regs.rax = 17;
  ASSERT_OK(ptrace(PTRACE_SETREGS, pid, 0, &regs));
  EXPECT(StoppedBy(Resume(static_cast<__ptrace_request>(PTRACE_SYSEMU), pid), SIGTRAP));  // exit_group
  EXPECT_EQ(Regs(pid).orig_rax, static_cast<unsigned long>(SYS_exit_group));
  EXPECT_EQ(Regs(pid).rdi, 17u);
  KillAndReap(pid);
}

TEST(SingleStep) {
  const int pid = StartTracee([] {
    asm volatile("int3; nop; nop; nop" ::: "memory");
    return 5;
  });
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid), SIGTRAP));
  const auto rip = Regs(pid).rip;
  for (int i = 1; i <= 3; ++i) {
    EXPECT(StoppedBy(Resume(PTRACE_SINGLESTEP, pid), SIGTRAP));
    EXPECT_EQ(Regs(pid).rip, rip + i);
    EXPECT_EQ(Regs(pid).eflags & 0x100, 0u);
  }
  siginfo_t info{};
  EXPECT_OK(ptrace(PTRACE_GETSIGINFO, pid, 0, &info));
  EXPECT_EQ(info.si_code, TRAP_TRACE);
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 5));
}

TEST(SingleStepOverSyscalls) {
  const int pid = StartTracee([] {
    long result = SYS_getpid;
    asm volatile("int3; syscall; nop; nop" : "+a"(result) : : "rcx", "r11", "memory");
    return result == getpid() ? 0 : 1;
  });
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid), SIGTRAP));
  const auto rip = Regs(pid).rip;
  EXPECT(StoppedBy(Resume(PTRACE_SINGLESTEP, pid), SIGTRAP));
  EXPECT_EQ(Regs(pid).rip, rip + 2);
  EXPECT_EQ(Regs(pid).rax, static_cast<unsigned>(pid));
  EXPECT(StoppedBy(Resume(PTRACE_SINGLESTEP, pid), SIGTRAP));
  EXPECT_EQ(Regs(pid).rip, rip + 3);
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 0));
}

TEST(SingleStepOverMemoryCall) {
  const int pid = StartTracee([] {
    long result = SYS_munmap;
    asm volatile("int3; syscall; nop; nop" : "+a"(result) : "D"(0x100000), "S"(4096) : "rcx", "r11", "memory");
    return result == 0 ? 0 : 1;
  });
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid), SIGTRAP));
  const auto rip = Regs(pid).rip;
  EXPECT(StoppedBy(Resume(PTRACE_SINGLESTEP, pid), SIGTRAP));
  EXPECT_EQ(Regs(pid).rip, rip + 2);
  EXPECT_EQ(Regs(pid).rax, 0u);
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 0));
}

TEST(SingleStepIntoHandler) {
  static volatile int ran = 0;
  const int pid = StartTracee([] {
    signal(SIGUSR1, [](int) { ran = 1; });
    raise(SIGUSR1);
    return ran;
  });
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid), SIGUSR1));
  EXPECT(StoppedBy(Resume(PTRACE_SINGLESTEP, pid, SIGUSR1), SIGTRAP));
  EXPECT_EQ(Regs(pid).rdi, static_cast<unsigned>(SIGUSR1));
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 1));
}

// A site that became hot before the tracer came has the program's own bytes.
TEST(AttachedCodeIsOriginal) {
  static int go[2];
  ASSERT_OK(pipe(go));
  int ready[2];
  ASSERT_OK(pipe(ready));
  const int pid = StartChild([&] {
    for (int i = 0; i < 1000; ++i) syscall(SYS_getppid);
    if (write(ready[1], "x", 1) != 1) return 1;
    for (;;) syscall(SYS_getppid);
  });
  char byte;
  EXPECT_EQ(read(ready[0], &byte, 1), 1);
  ASSERT_OK(ptrace(PTRACE_ATTACH, pid, 0, 0));
  EXPECT(StoppedBy(WaitFor(pid), SIGSTOP));
  // Wherever it is: at a call it comes out behind a syscall instruction.
  for (int i = 0; i < 20; ++i) {
    EXPECT(StoppedBy(Resume(PTRACE_SYSCALL, pid), SIGTRAP));
    const auto rip = Regs(pid).rip;
    errno = 0;
    const long code = ptrace(PTRACE_PEEKTEXT, pid, rip - 2, 0);
    EXPECT_EQ(errno, 0);
    EXPECT_EQ(code & 0xffff, 0x050f);
  }
  KillAndReap(pid);
}

TEST(DetachedGoesOn) {
  static volatile long* counter =
      static_cast<long*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const int pid = StartChild([] {
    for (;;) {
      syscall(SYS_getppid);
      *counter = *counter + 1;
    }
    return 0;
  });
  for (int round = 0; round < 3; ++round) {
    ASSERT_OK(ptrace(PTRACE_ATTACH, pid, 0, 0));
    EXPECT(StoppedBy(WaitFor(pid), SIGSTOP));
    for (int i = 0; i < 10; ++i) EXPECT(StoppedBy(Resume(PTRACE_SYSCALL, pid), SIGTRAP));
    ASSERT_OK(ptrace(PTRACE_DETACH, pid, 0, 0));
    const long seen = *counter;
    EXPECT(Eventually([&] { return *counter > seen + 1000; }));
  }
  KillAndReap(pid);
}

// A debugger calls a function in a program that sits in a call, and puts everything back.
TEST(CallInterruptedByTheTracerGoesOn) {
  int fds[2];
  ASSERT_OK(pipe(fds));
  const int pid = StartChild([&] {
    char byte = 0;
    return read(fds[0], &byte, 1) == 1 && byte == 'x' ? 0 : 1;
  });
  EXPECT(FallsAsleep(pid));
  ASSERT_OK(ptrace(PTRACE_ATTACH, pid, 0, 0));
  EXPECT(StoppedBy(WaitFor(pid), SIGSTOP));
  const user_regs_struct saved = Regs(pid);
  EXPECT_EQ(saved.orig_rax, static_cast<unsigned long>(SYS_read));
  EXPECT_EQ(static_cast<long>(saved.rax), -512);
  user_regs_struct call = saved;
  call.rip = reinterpret_cast<uint64_t>(&Add);
  call.rdi = 20;
  call.rsi = 3;
  call.orig_rax = ~0ull;
  call.rsp = ((saved.rsp - 1024) & ~15ull) - 8;
  ASSERT_OK(ptrace(PTRACE_POKEDATA, pid, call.rsp, 0));
  ASSERT_OK(ptrace(PTRACE_SETREGS, pid, 0, &call));
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid), SIGSEGV));  // it returned to nowhere
  EXPECT_EQ(Regs(pid).rax, 23u);
  EXPECT_EQ(Regs(pid).rip, 0u);
  ASSERT_OK(ptrace(PTRACE_SETREGS, pid, 0, &saved));
  ASSERT_OK(ptrace(PTRACE_CONT, pid, 0, 0));
  EXPECT(FallsAsleep(pid));
  EXPECT_EQ(write(fds[1], "x", 1), 1);
  EXPECT(Exited(WaitFor(pid), 0));
}

TEST(SleepInterruptedByTheTracerGoesOn) {
  const int pid = StartChild([] { return usleep(300000) == 0 ? 0 : 1; });
  EXPECT(FallsAsleep(pid));
  ASSERT_OK(ptrace(PTRACE_ATTACH, pid, 0, 0));
  EXPECT(StoppedBy(WaitFor(pid), SIGSTOP));
  EXPECT_EQ(static_cast<long>(Regs(pid).rax), -516);
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 0));
}

// The exit of an interrupted call is seen before the signal, and the call once more after it.
TEST(RestartIsSeen) {
  int fds[2];
  ASSERT_OK(pipe(fds));
  const int pid = StartTracee([&] {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &action, nullptr);
    char byte = 0;
    return read(fds[0], &byte, 1) == 1 ? 0 : 1;
  });
  ASSERT_OK(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
  do {
    ASSERT(StoppedBy(Resume(PTRACE_SYSCALL, pid), SIGTRAP | 0x80));
  } while (Regs(pid).orig_rax != SYS_read);
  ASSERT_OK(ptrace(PTRACE_SYSCALL, pid, 0, 0));
  EXPECT(FallsAsleep(pid));
  kill(pid, SIGUSR1);
  EXPECT(StoppedBy(WaitFor(pid), SIGTRAP | 0x80));
  EXPECT_EQ(static_cast<long>(Regs(pid).rax), -512);
  EXPECT(StoppedBy(Resume(PTRACE_SYSCALL, pid), SIGUSR1));
  EXPECT(StoppedBy(Resume(PTRACE_SYSCALL, pid, SIGUSR1), SIGTRAP | 0x80));
  EXPECT_EQ(Regs(pid).orig_rax, static_cast<unsigned long>(SYS_rt_sigreturn));
  EXPECT(StoppedBy(Resume(PTRACE_SYSCALL, pid), SIGTRAP | 0x80));
  EXPECT(StoppedBy(Resume(PTRACE_SYSCALL, pid), SIGTRAP | 0x80));
  EXPECT_EQ(Regs(pid).orig_rax, static_cast<unsigned long>(SYS_read));
  EXPECT_EQ(write(fds[1], "x", 1), 1);
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 0));
}

TEST(ArchPrctlOfTracee) {
  const int pid = StartTracee([] { return 0; });
  unsigned long base = 0;
  EXPECT_OK(syscall(SYS_ptrace, 30, pid, &base, 0x1003));
  EXPECT_EQ(base, Regs(pid).fs_base);
  KillAndReap(pid);
}

TEST(SetPtracer) {
  const int status = RunInChild([] {
    if (prctl(PR_SET_PTRACER, getppid(), 0, 0, 0) == 0) {
      return prctl(PR_SET_PTRACER, 0, 0, 0, 0) == 0 && prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0) == 0 &&
                     prctl(PR_SET_PTRACER, 0x3ffffff, 0, 0, 0) == -1 && errno == EINVAL
                 ? 0
                 : 1;
    }
    return errno == EINVAL ? 0 : 2;  // a kernel without Yama
  });
  EXPECT(Exited(status, 0));
}
