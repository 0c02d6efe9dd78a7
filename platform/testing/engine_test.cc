// Each engine end to end: small programs under a small kernel.
#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "platform/base/unique_fd.h"
#include "platform/ptrace/ptrace_platform.h"
#include "platform/stub/stub_symbols.h"
#include "platform/systrap/systrap_platform.h"
#include "platform/testing/mini_kernel.h"

namespace runsc {
namespace {

enum class EngineKind { kSystrap, kSystrapWithoutPatching, kPtrace };

std::unique_ptr<Platform> NewEngine(EngineKind kind, int proc_fd) {
  absl::StatusOr<std::unique_ptr<Platform>> made;
  constexpr auto kLog = [](const char* line) { fprintf(stderr, "%s\n", line); };
  if (kind == EngineKind::kPtrace) {
    made = NewPtracePlatform({.proc_fd = proc_fd, .log = kLog});
  } else {
    made = NewSystrapPlatform({.patching = kind == EngineKind::kSystrap, .proc_fd = proc_fd, .log = kLog});
  }
  EXPECT_TRUE(made.ok()) << made.status();
  return made.ok() ? *std::move(made) : nullptr;
}

class EngineTest : public testing::TestWithParam<EngineKind> {
 protected:
  void SetUp() override {
    platform_ = NewEngine(GetParam(), proc_.get());
    ASSERT_NE(platform_, nullptr);
  }
  void ExpectOk(const std::string& what, const std::string& argument = "") {
    MiniKernel kernel(*platform_);
    const auto outcome = kernel.Run(GUEST_PROGRAM, {GUEST_PROGRAM, what, argument});
    EXPECT_EQ(outcome.output, "ok\n");
    EXPECT_EQ(outcome.status, 0);
  }
  const UniqueFd proc_{open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  std::unique_ptr<Platform> platform_;
};

TEST_P(EngineTest, Hello) { ExpectOk("hello"); }
TEST_P(EngineTest, Threads) { ExpectOk("threads"); }
TEST_P(EngineTest, Forks) { ExpectOk("forks"); }
TEST_P(EngineTest, Execs) { ExpectOk("execs"); }
TEST_P(EngineTest, FpState) { ExpectOk("fp"); }
TEST_P(EngineTest, Faults) { ExpectOk("faults"); }
TEST_P(EngineTest, Memory) { ExpectOk("memory"); }
TEST_P(EngineTest, OddEntries) { ExpectOk("odd_entries"); }
TEST_P(EngineTest, Futexes) { ExpectOk("futexes"); }

// Where the program has code.
bool IsProgramText(uint64_t addr) {
  static const std::vector<Elf64_Phdr> segments = [] {
    Elf64_Ehdr header{};
    const UniqueFd fd(open(GUEST_PROGRAM, O_RDONLY | O_CLOEXEC));
    if (pread(fd.get(), &header, sizeof header, 0) != sizeof header) return std::vector<Elf64_Phdr>{};
    std::vector<Elf64_Phdr> all(header.e_phnum);
    const size_t size = all.size() * sizeof(Elf64_Phdr);
    if (pread(fd.get(), all.data(), size, static_cast<off_t>(header.e_phoff)) != static_cast<ssize_t>(size))
      all.clear();
    return all;
  }();
  return std::any_of(segments.begin(), segments.end(), [addr](const Elf64_Phdr& p) {
    return p.p_type == PT_LOAD && p.p_flags & PF_X && addr - p.p_vaddr < p.p_memsz;
  });
}

// Runs the program under a rain of kicks; how many hit it.
uint64_t RunInterrupted(Platform& platform, const std::string& calm, std::set<uint64_t>* where) {
  MiniKernel kernel(platform);
  std::atomic<bool> stop{false};
  std::thread kicker([&] {
    for (unsigned wait = 1; !stop; wait = wait * 1103515245 + 12345) {
      kernel.InterruptAll(1);
      for (unsigned i = 0; i < wait >> 22; i++) __builtin_ia32_pause();
    }
  });
  const auto outcome = kernel.Run(GUEST_PROGRAM, {GUEST_PROGRAM, "spin"});
  stop = true;
  kicker.join();
  EXPECT_EQ(outcome.output, calm);
  EXPECT_EQ(outcome.status, 0);
  where->insert(kernel.interrupted_at().begin(), kernel.interrupted_at().end());
  return kernel.interrupts();
}

// A kick at every instruction sooner or later: registers, FP state and calls stay right, and what is
// reported is an address of the program, never one of ours.
TEST_P(EngineTest, InterruptedAnywhere) {
  constexpr uint64_t kEnough = 1000;
  const std::string calm = MiniKernel(*platform_).Run(GUEST_PROGRAM, {GUEST_PROGRAM, "spin"}).output;
  std::set<uint64_t> where;
  uint64_t interrupts = 0;
  // How many hit depends on what else the machine does; that none does at all is a fault.
  for (int in_vain = 0; interrupts < kEnough && in_vain < 100; ++in_vain) {
    const uint64_t hits = RunInterrupted(*platform_, calm, &where);
    if (hits > 0) in_vain = 0;
    interrupts += hits;
  }
  EXPECT_GE(interrupts, kEnough);
  EXPECT_GE(where.size(), 5u);
  for (uint64_t rip : where) EXPECT_TRUE(IsProgramText(rip)) << std::hex << rip;
}

// Descriptors for processes are not without number.
TEST_P(EngineTest, ForksToTheLimit) {
  ExpectOk("hello");
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const UniqueFd next(dup(proc_.get()));
  const rlimit few = {static_cast<rlim_t>(next.get()) + 40, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  ExpectOk("forks_to_the_limit");
  setrlimit(RLIMIT_NOFILE, &before);
  ExpectOk("hello");
}

// Attacks from guest code. Enough positions for every run; ATTACK_STEP=1 tries every byte.
TEST_P(EngineTest, JumpsIntoTheStub) {
  const char* step = getenv("ATTACK_STEP");
  ExpectOk("jumps", step ? step : "23");
}
TEST_P(EngineTest, ScribblesOverItsSlot) { ExpectOk("scribbles"); }
// Of any thread of this process.
size_t CountChildren() {
  size_t count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream list(task.path() / "children");
    for (pid_t pid; list >> pid;) ++count;
  }
  return count;
}

// They fork as fast as they can, and have the engine believe what it likes of it.
TEST_P(EngineTest, LiesAboutForks) {
  ExpectOk("hello");
  const size_t usual = CountChildren();
  ExpectOk("lies");
  constexpr size_t kReady = 4;  // made ahead, and those of the last processes, on their way out
  for (int i = 0; i < 3000 && CountChildren() > usual + kReady; ++i) usleep(10'000);
  EXPECT_LE(CountChildren(), usual + kReady);
  ExpectOk("forks");
}

// The engine binds threads to CPUs by the number it was given.
TEST_P(EngineTest, LiesAboutThreads) {
  if (GetParam() == EngineKind::kPtrace) GTEST_SKIP() << "a tracer looks at the thread itself";
  ExpectOk("lies_about_threads");
}
// The sentry closes the descriptors of what is done, and notes what is mapped where.
TEST_P(EngineTest, LiesAboutAnswers) { ExpectOk("lies_about_answers"); }
// Only what fits the slot is looked at.
TEST_P(EngineTest, OverstatesItsInput) {
  if (GetParam() == EngineKind::kPtrace) GTEST_SKIP() << "nothing is staged";
  ExpectOk("overstates");
}
// The helper's code with a guest's registers. To a tracer its calls are the guest's like any other, so that the one
// that kills process 1 does.
TEST_P(EngineTest, RogueHelper) {
  char address[32];
  snprintf(address, sizeof address, "%lx", stub_symbol::helper_loop);
  if (GetParam() != EngineKind::kPtrace) return ExpectOk("rogue_helper", address);
  EXPECT_EQ(MiniKernel(*platform_).Run(GUEST_PROGRAM, {GUEST_PROGRAM, "rogue_helper", address}).status, SIGKILL);
}

// Of a guest process that will come, once it has run for a while.
pid_t AwaitHostPid(MiniKernel& kernel, int tgid) {
  while (kernel.HostPid(tgid) <= 0) usleep(1000);
  usleep(100'000);
  return kernel.HostPid(tgid);
}

TEST_P(EngineTest, KilledStub) {
  MiniKernel kernel(*platform_);
  std::thread killer([&] { kill(AwaitHostPid(kernel, 1), SIGKILL); });
  const auto outcome = kernel.Run(GUEST_PROGRAM, {GUEST_PROGRAM, "hang"});
  killer.join();
  EXPECT_EQ(outcome.status, SIGKILL);
}

TEST_P(EngineTest, Bench) {
  const char* what = getenv("ENGINE_BENCH");  // "all", or the name of one
  if (!what) GTEST_SKIP() << "a measurement, run by hand";
  MiniKernel kernel(*platform_);
  std::vector<std::string> args{GUEST_PROGRAM, "bench"};
  if (std::string(what) != "all") args.push_back(what);
  fprintf(stderr, "%s", kernel.Run(GUEST_PROGRAM, args).output.c_str());
}

// SIGKILL to the process that runs the engine takes every stub along, forked ones included.
TEST_P(EngineTest, StubsDieWithTheEngine) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  const pid_t child = fork();
  if (child == 0) {
    const UniqueFd proc(open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    auto platform = NewEngine(GetParam(), proc.get());
    if (platform == nullptr) _exit(1);
    MiniKernel kernel(*platform);
    std::thread reporter([&] {
      const pid_t pids[2] = {AwaitHostPid(kernel, 1), AwaitHostPid(kernel, 2)};
      if (write(fds[1], pids, sizeof pids) != sizeof pids) _exit(2);
    });
    kernel.Run(GUEST_PROGRAM, {GUEST_PROGRAM, "fork_and_hang"});
    _exit(3);
  }
  pid_t pids[2] = {};
  ASSERT_EQ(read(fds[0], pids, sizeof pids), static_cast<ssize_t>(sizeof pids));
  ASSERT_GT(pids[0], 0);
  ASSERT_GT(pids[1], 0);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  for (pid_t pid : pids) {
    for (int i = 0; i < 3000 && kill(pid, 0) == 0; i++) usleep(10000);
    EXPECT_NE(kill(pid, 0), 0) << pid;
  }
}

// for (;;) getpid();
constexpr uint8_t kGetpidLoop[] = {0xb8, 0x27, 0, 0, 0, 0x0f, 0x05, 0x48, 0x83, 0xf8, 0x00, 0xeb, 0xf3};

constexpr GuestAddr kLoopCode = 0x10000000;

Result<std::unique_ptr<Context>> NewLoop(AddressSpace& space) {
  const MapOp map{MapOp::kMap, kLoopCode, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED};
  const MapOp protect{MapOp::kProtect, kLoopCode, 4096, PROT_READ | PROT_EXEC};
  TRY(space.Replace({&map, 1}, {"loop"}));
  space.CopyOut(kLoopCode, kGetpidLoop, sizeof kGetpidLoop);
  TRY(space.Apply({&protect, 1}, nullptr));
  ThreadStart start;
  start.regs = {};
  start.regs.rip = kLoopCode;
  start.regs.eflags = 0x202;
  return space.NewContext(start);
}

std::string ReadHostFile(pid_t pid, const std::string& name) {
  std::string text;
  std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/" + name), text);
  return text;
}

TEST_P(EngineTest, ShowsTheHostItsProgram) {
  auto space = platform_->NewAddressSpace();
  ASSERT_TRUE(space.ok());
  constexpr char kArguments[] = "loop\0twice";
  const MapOp map{MapOp::kMap, kLoopCode, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED};
  ASSERT_TRUE((*space)->Replace({&map, 1}, {"loop", kLoopCode, sizeof kArguments}).ok());
  ASSERT_EQ((*space)->CopyOut(kLoopCode, kArguments, sizeof kArguments), sizeof kArguments);
  EXPECT_EQ(ReadHostFile((*space)->host_pid(), "comm"), "loop");
  EXPECT_EQ(ReadHostFile((*space)->host_pid(), "cmdline"), std::string(kArguments, sizeof kArguments));
}

// What the stub answers by itself it forwards while asked to, and not longer.
TEST_P(EngineTest, ForwardsEverythingOnRequest) {
  if (GetParam() == EngineKind::kPtrace) GTEST_SKIP() << "every call is forwarded always";
  auto space = platform_->NewAddressSpace();
  ASSERT_TRUE(space.ok());
  auto context = NewLoop(**space);
  ASSERT_TRUE(context.ok());
  (*context)->SetForwarded(CallSet().set(SYS_getpid));
  for (int i = 0; i < 10; i++) {
    const Event event = (*context)->Run();
    ASSERT_EQ(event.kind, Event::kSyscall);
    EXPECT_EQ(event.syscall.number, static_cast<uint64_t>(SYS_getpid));
    (*context)->SetSyscallResult(1);
  }
  (*context)->SetForwarded(CallSet().set(SYS_gettid));
  std::thread interrupter([&] {
    usleep(20000);
    (*context)->Interrupt();
  });
  EXPECT_EQ((*context)->Run().kind, Event::kInterrupted);
  interrupter.join();
  context->reset();
}

// In a process of its own: sealing is for good.
TEST_P(EngineTest, StartsWithASealedVdso) {
  constexpr int kMseal = 462;
  FILE* maps = fopen("/proc/self/maps", "r");
  ASSERT_NE(maps, nullptr);
  unsigned long from = 0, to = 0;
  char line[512];
  while (fgets(line, sizeof line, maps)) {
    if (strstr(line, "[vdso]") && sscanf(line, "%lx-%lx", &from, &to) != 2) from = 0;
  }
  fclose(maps);
  if (from == 0) GTEST_SKIP() << "no vDSO here";
  const pid_t child = fork();
  if (child == 0) {
    if (syscall(kMseal, from, to - from, 0) != 0) _exit(77);
    const UniqueFd proc(open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    auto platform = NewEngine(GetParam(), proc.get());
    if (platform == nullptr || platform->layout().vdso_addr != 0) _exit(1);
    MiniKernel kernel(*platform);
    _exit(kernel.Run(GUEST_PROGRAM, {GUEST_PROGRAM, "hello", ""}).output == "ok\n" ? 0 : 2);
  }
  int status = -1;
  waitpid(child, &status, 0);
  if (status == 77 << 8) GTEST_SKIP() << "the host has no mseal";
  EXPECT_EQ(status, 0);
}

// A directory like /proc whose self/maps has nothing of the vDSO.
std::filesystem::path ProcWithoutVdso() {
  std::string made = testing::TempDir() + "proc-XXXXXX";
  if (mkdtemp(made.data()) == nullptr) return {};
  const std::filesystem::path self = std::filesystem::path(made) / "self";
  std::filesystem::create_directory(self);
  std::filesystem::create_symlink("/proc/self/fd", self / "fd");
  std::ifstream maps("/proc/self/maps");
  std::ofstream shown(self / "maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("[v") == line.npos) shown << line << '\n';
  }
  return made;
}

// As on a host that was started with vdso=0.
TEST_P(EngineTest, StartsWithoutAVdso) {
  ExpectOk("clocks");
  const std::filesystem::path made = ProcWithoutVdso();
  const UniqueFd proc(open(made.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_TRUE(proc.valid());
  platform_ = NewEngine(GetParam(), proc.get());
  std::filesystem::remove_all(made);
  ASSERT_NE(platform_, nullptr);
  EXPECT_EQ(platform_->layout().vdso_addr, 0u);
  ExpectOk("clocks");
  ExpectOk("forks");
}

std::string NameOf(const testing::TestParamInfo<EngineKind>& info) {
  switch (info.param) {
    case EngineKind::kSystrap:
      return "Systrap";
    case EngineKind::kSystrapWithoutPatching:
      return "SystrapWithoutPatching";
    case EngineKind::kPtrace:
      return "Ptrace";
  }
  return "";
}

INSTANTIATE_TEST_SUITE_P(All, EngineTest,
                         testing::Values(EngineKind::kSystrap, EngineKind::kSystrapWithoutPatching,
                                         EngineKind::kPtrace),
                         NameOf);

}  // namespace
}  // namespace runsc
