// The engine alone, from the sentry's side: what a trap, a hand-off, a mapping change, a copy, a thread and a fork
// cost without the kernel above it, beside what the host takes for the like. bench/run.py prints a table.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "platform/base/unique_fd.h"
#include "platform/ptrace/ptrace_platform.h"
#include "platform/systrap/systrap_platform.h"

namespace runsc {
namespace {

constexpr GuestAddr kCode = 0x10000000, kData = 0x20000000;
constexpr size_t kDataSize = 1 << 20;

// for (;;) syscall(1000): a call no stub answers.
constexpr uint8_t kLoop[] = {0xb8, 0xe8, 0x03, 0x00, 0x00,  // mov $1000, %eax
                             0x0f, 0x05,                    // syscall
                             0x48, 0x83, 0xf8, 0x00,        // cmp $0, %rax
                             0xeb, 0xf3};                   // jmp to the start

[[noreturn]] void Die(const char* what) {
  fprintf(stderr, "engine_bench: %s failed\n", what);
  exit(1);
}

MapOp Map(GuestAddr addr, uint64_t length) {
  return {MapOp::kMap, addr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED};
}

ThreadStart Start() {
  ThreadStart start;
  start.regs = {};
  start.regs.rip = kCode;
  start.regs.rsp = kData + kDataSize;
  start.regs.eflags = 0x202;
  start.tid = start.tgid = 1;
  return start;
}

enum class Engine { kSystrap, kSystrapWithoutPatching, kPtrace };

absl::StatusOr<std::unique_ptr<Platform>> NewEngine(Engine engine, int proc_fd) {
  if (engine == Engine::kPtrace) return NewPtracePlatform({.proc_fd = proc_fd});
  return NewSystrapPlatform({.patching = engine == Engine::kSystrap, .proc_fd = proc_fd});
}

// An address space with the loop and some memory, and a thread in it that has made its first call.
class Guest {
 public:
  explicit Guest(Engine engine = Engine::kSystrap) {
    auto platform = NewEngine(engine, proc_.get());
    if (!platform.ok()) Die("starting the engine");
    platform_ = *std::move(platform);
    auto space = platform_->NewAddressSpace();
    if (!space.ok()) Die("making an address space");
    space_ = *std::move(space);
    const MapOp ops[] = {Map(kCode, 4096), Map(kData, kDataSize)};
    const std::vector<std::byte> bytes(kDataSize, std::byte{1});
    if (!space_->Replace(ops, {"bench"}).ok() || space_->CopyOut(kData, bytes.data(), kDataSize) != kDataSize)
      Die("mapping");
    const MapOp protect{MapOp::kProtect, kCode, 4096, PROT_READ | PROT_EXEC};
    if (space_->CopyOut(kCode, kLoop, sizeof kLoop) != sizeof kLoop || !space_->Apply({&protect, 1}, nullptr).ok()) {
      Die("loading");
    }
    auto context = space_->NewContext(Start());
    if (!context.ok()) Die("making a thread");
    context_ = std::move(*context);
    Call(*context_);
  }
  ~Guest() {
    context_.reset();
    space_.reset();
  }
  static void Call(Context& context) {
    if (context.Run().kind != Event::kSyscall) Die("a guest call");
    context.SetSyscallResult(0);
  }
  Context& context() { return *context_; }
  AddressSpace& space() { return *space_; }

 private:
  const UniqueFd proc_{open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  std::unique_ptr<Platform> platform_;
  std::unique_ptr<AddressSpace> space_;
  std::unique_ptr<Context> context_;
};

void NativeCall(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(syscall(SYS_getppid));
}
BENCHMARK(NativeCall);

// A rewritten call site: to the sentry and back.
void HandOff(benchmark::State& state) {
  Guest guest;
  for (int i = 0; i < 1000; i++) Guest::Call(guest.context());
  for (auto _ : state) Guest::Call(guest.context());
}
BENCHMARK(HandOff)->UseRealTime();

// The same with SIGSYS at each call.
void Trap(benchmark::State& state) {
  Guest guest(Engine::kSystrapWithoutPatching);
  for (auto _ : state) Guest::Call(guest.context());
}
BENCHMARK(Trap)->UseRealTime();

// By the ptrace engine.
void PtraceStop(benchmark::State& state) {
  Guest guest(Engine::kPtrace);
  for (auto _ : state) Guest::Call(guest.context());
}
BENCHMARK(PtraceStop)->UseRealTime();

void NativeMapUnmap(benchmark::State& state) {
  for (auto _ : state) {
    void* at = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || munmap(at, 4096) != 0) Die("mmap");
  }
}
BENCHMARK(NativeMapUnmap);

// By the helper, as for file mappings; the guest maps anonymous memory without the sentry.
void MapUnmap(benchmark::State& state) {
  Guest guest;
  const MapOp ops[] = {Map(0x30000000, 4096), {MapOp::kUnmap, 0x30000000, 4096}};
  for (auto _ : state) {
    if (!guest.space().Apply(ops, nullptr).ok()) Die("a mapping change");
  }
}
BENCHMARK(MapUnmap)->UseRealTime();

void NativeCopy(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  std::vector<char> from(size, 1), to(size);
  for (auto _ : state) {
    memcpy(to.data(), from.data(), size);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(NativeCopy)->Arg(8)->Arg(4096)->Arg(65536);

void CopyIn(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  Guest guest;
  std::vector<char> to(size);
  for (auto _ : state) {
    if (guest.space().CopyIn(kData, to.data(), size) != size) Die("a copy");
  }
}
BENCHMARK(CopyIn)->Arg(8)->Arg(4096)->Arg(65536);

void NativeThread(benchmark::State& state) {
  for (auto _ : state) std::thread([] {}).join();
}
BENCHMARK(NativeThread)->UseRealTime();

// From its start to its first call, and its end. The host thread may be one that waited.
void RunThread(benchmark::State& state, Engine engine) {
  Guest guest(engine);
  for (auto _ : state) {
    auto context = guest.space().NewContext(Start());
    if (!context.ok()) Die("making a thread");
    Guest::Call(**context);
  }
}
void Thread(benchmark::State& state) { RunThread(state, Engine::kSystrap); }
void PtraceThread(benchmark::State& state) { RunThread(state, Engine::kPtrace); }
BENCHMARK(Thread)->UseRealTime();
BENCHMARK(PtraceThread)->UseRealTime();

void NativeFork(benchmark::State& state) {
  for (auto _ : state) {
    const pid_t pid = fork();
    if (pid == 0) _exit(0);
    if (waitpid(pid, nullptr, 0) != pid) Die("fork");
  }
}
BENCHMARK(NativeFork)->UseRealTime();

// A fork of 1 MiB, to the child's first call, and its end.
void RunFork(benchmark::State& state, Engine engine) {
  Guest guest(engine);
  for (auto _ : state) {
    auto child = guest.space().Fork(guest.context(), Start());
    if (!child.ok()) Die("a fork");
    Guest::Call(*child->context);
    child->context.reset();
  }
}
void Fork(benchmark::State& state) { RunFork(state, Engine::kSystrap); }
void PtraceFork(benchmark::State& state) { RunFork(state, Engine::kPtrace); }
BENCHMARK(Fork)->UseRealTime();
BENCHMARK(PtraceFork)->UseRealTime();

}  // namespace
}  // namespace runsc

BENCHMARK_MAIN();
