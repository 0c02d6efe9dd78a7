// The two allow-lists, by running the compiled programs.
#include "platform/host/seccomp_filter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/ptrace.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <optional>
#include <random>
#include <set>
#include <span>

#include "platform/base/bpf_program.h"
#include "platform/base/map_query.h"
#include "platform/host/gofer_filter.h"
#include "platform/host/sentry_filter.h"

namespace runsc {
namespace {

constexpr int kProc = 77;

// What the program answers, or nothing if the kernel would not accept it.
std::optional<uint32_t> RunFilter(std::span<const sock_filter> code, const seccomp_data& data) {
  const Result<BpfProgram> program = BpfProgram::Check({code.begin(), code.end()});
  return program.ok() ? std::optional<uint32_t>(program->Run(data)) : std::nullopt;
}

struct Filter {
  explicit Filter(std::vector<AllowedCall> list) : calls(std::move(list)) {
    auto compiled = CompileFilter(calls);
    EXPECT_TRUE(compiled.ok()) << compiled.status();
    if (compiled.ok()) program = *compiled;
  }
  uint32_t Run(int nr, std::vector<uint64_t> args = {}, uint32_t arch = AUDIT_ARCH_X86_64) const {
    seccomp_data data{.nr = nr, .arch = arch};
    for (size_t i = 0; i < args.size(); i++) data.args[i] = args[i];
    return RunFilter(program, data).value_or(0xdead);
  }
  bool Allows(int nr, std::vector<uint64_t> args = {}) const { return Run(nr, args) == SECCOMP_RET_ALLOW; }
  bool Kills(int nr, std::vector<uint64_t> args = {}) const { return Run(nr, args) == SECCOMP_RET_KILL_PROCESS; }
  std::vector<AllowedCall> calls;
  SeccompProgram program;
};

const Filter& Sentry() {
  static const Filter filter(SentryFilter(kProc, false));
  return filter;
}
const Filter& Gofer() {
  static const Filter filter(GoferFilter());
  return filter;
}

// Arguments that meet the conditions of a row.
std::vector<uint64_t> Satisfying(const AllowedCall& call) {
  std::vector<uint64_t> args(6, 0);
  for (const ArgRule& rule : call.args) args[rule.index] = rule.value;
  return args;
}

class FilterTest : public testing::TestWithParam<const Filter* (*)()> {};

TEST_P(FilterTest, EveryRowHasAReasonAndIsNeeded) {
  EXPECT_EQ(ReviewFilter(GetParam()()->calls), std::vector<std::string>{});
}

TEST_P(FilterTest, EveryRowAnswersAsWritten) {
  const Filter& filter = *GetParam()();
  for (const AllowedCall& call : filter.calls) {
    uint32_t expected =
        call.answer_errno != 0 ? SECCOMP_RET_ERRNO | static_cast<uint32_t>(call.answer_errno) : SECCOMP_RET_ALLOW;
    EXPECT_EQ(filter.Run(call.number, Satisfying(call)), expected) << call.number;
  }
}

TEST_P(FilterTest, EveryOtherNumberKills) {
  const Filter& filter = *GetParam()();
  std::set<int> listed;
  for (const AllowedCall& call : filter.calls) listed.insert(call.number);
  for (int nr = -2; nr < 4096; nr++) {
    EXPECT_TRUE(listed.count(nr) != 0 || filter.Kills(nr)) << nr;
  }
}

TEST_P(FilterTest, OtherArchitecturesAndX32Kill) {
  const Filter& filter = *GetParam()();
  for (const AllowedCall& call : filter.calls) {
    std::vector<uint64_t> args = Satisfying(call);
    EXPECT_EQ(filter.Run(call.number, args, AUDIT_ARCH_I386), SECCOMP_RET_KILL_PROCESS);
    EXPECT_EQ(filter.Run(call.number | 0x40000000, args), SECCOMP_RET_KILL_PROCESS);
  }
}

TEST_P(FilterTest, NoneOfTheDangerousCalls) {
  const Filter& filter = *GetParam()();
  for (int nr : {SYS_execve,
                 SYS_execveat,
                 SYS_fork,
                 SYS_vfork,
                 SYS_ptrace,
                 SYS_mount,
                 SYS_umount2,
                 SYS_pivot_root,
                 SYS_setns,
                 SYS_unshare,
                 SYS_bpf,
                 SYS_socket,
                 SYS_connect,
                 SYS_bind,
                 SYS_io_uring_setup,
                 SYS_userfaultfd,
                 SYS_perf_event_open,
                 SYS_keyctl,
                 SYS_open,
                 SYS_creat,
                 SYS_init_module,
                 SYS_finit_module,
                 SYS_kexec_load,
                 SYS_setuid,
                 SYS_setresuid,
                 SYS_capset,
                 SYS_chroot,
                 SYS_open_by_handle_at,
                 SYS_pidfd_getfd,
                 SYS_move_mount,
                 SYS_open_tree,
                 SYS_fsopen,
                 SYS_seccomp,
                 SYS_mknod,
                 SYS_iopl}) {
    EXPECT_TRUE(filter.Kills(nr)) << nr;
  }
}

TEST_P(FilterTest, NoExecutableMemoryAndNoNewProcesses) {
  const Filter& filter = *GetParam()();
  EXPECT_TRUE(filter.Allows(SYS_mmap, {0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE}));
  EXPECT_TRUE(filter.Kills(SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE}));
  EXPECT_TRUE(filter.Kills(SYS_mprotect, {0, 4096, PROT_EXEC}));
  constexpr uint64_t kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                               CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
  EXPECT_TRUE(filter.Allows(SYS_clone, {kThread}));
  EXPECT_TRUE(filter.Kills(SYS_clone, {SIGCHLD}));
  EXPECT_TRUE(filter.Kills(SYS_clone, {CLONE_VM | CLONE_VFORK | SIGCHLD}));
  EXPECT_TRUE(filter.Kills(SYS_clone, {kThread | CLONE_NEWUSER}));
  EXPECT_EQ(filter.Run(SYS_clone3), SECCOMP_RET_ERRNO | uint32_t{ENOSYS});
}

// The same list compiled by libseccomp.
SeccompProgram CompileWithLibseccomp(const std::vector<AllowedCall>& calls) {
  scmp_filter_ctx context = seccomp_init(SCMP_ACT_KILL_PROCESS);
  seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  for (const AllowedCall& call : calls) {
    std::vector<scmp_arg_cmp> compares;
    for (const ArgRule& rule : call.args) {
      compares.push_back({rule.index, SCMP_CMP_MASKED_EQ, rule.mask, rule.value});
    }
    uint32_t errno_action = SCMP_ACT_ERRNO(static_cast<uint16_t>(call.answer_errno));
    EXPECT_EQ(seccomp_rule_add_array(context, call.answer_errno == 0 ? SCMP_ACT_ALLOW : errno_action, call.number,
                                     static_cast<unsigned>(compares.size()), compares.data()),
              0);
  }
  int fd = memfd_create("filter", MFD_CLOEXEC);
  EXPECT_EQ(seccomp_export_bpf(context, fd), 0);
  seccomp_release(context);
  SeccompProgram program(static_cast<size_t>(lseek(fd, 0, SEEK_END)) / sizeof(sock_filter));
  EXPECT_GT(pread(fd, program.data(), program.size() * sizeof(sock_filter), 0), 0);
  close(fd);
  return program;
}

TEST_P(FilterTest, AgreesWithLibseccomp) {
  const Filter& filter = *GetParam()();
  SeccompProgram oracle = CompileWithLibseccomp(filter.calls);
  std::mt19937_64 random(7);
  for (int i = 0; i < 200'000; i++) {
    const AllowedCall& near = filter.calls[random() % filter.calls.size()];
    seccomp_data data{.nr = near.number, .arch = AUDIT_ARCH_X86_64};
    if (i % 5 == 0) data.nr = static_cast<int>(random() % 500);
    for (auto& arg : data.args) arg = random() % 4 == 0 ? random() : 0;
    for (const ArgRule& rule : near.args) {  // close to a match, and sometimes one
      data.args[rule.index] = rule.value ^ (random() % 2 == 0 ? uint64_t{1} << random() % 64 : 0);
    }
    ASSERT_EQ(RunFilter(filter.program, data), RunFilter(oracle, data)) << data.nr;
  }
}

INSTANTIATE_TEST_SUITE_P(Both, FilterTest,
                         testing::Values(
                             +[]() { return &Sentry(); }, +[]() { return &Gofer(); }),
                         [](const auto& info) { return info.index == 0 ? "Sentry" : "Gofer"; });

TEST(SentryFilterTest, StaysSmall) { EXPECT_LE(CountCalls(Sentry().calls), kMaxSentryCalls); }
TEST(GoferFilterTest, StaysSmall) { EXPECT_LE(CountCalls(Gofer().calls), kMaxGoferCalls); }

TEST(SentryFilterTest, OpensOnlyItsOwnProcfsForReading) {
  EXPECT_TRUE(Sentry().Allows(SYS_openat, {kProc, 0, O_RDONLY | O_CLOEXEC}));
  EXPECT_TRUE(Sentry().Allows(SYS_openat, {kProc, 0, O_RDONLY | O_DIRECTORY}));
  for (uint64_t flags : {O_RDWR, O_WRONLY, O_RDONLY | O_CREAT, O_TMPFILE | O_RDWR, O_TRUNC}) {
    EXPECT_TRUE(Sentry().Kills(SYS_openat, {kProc, 0, flags})) << flags;
  }
  EXPECT_TRUE(Sentry().Kills(SYS_openat, {kProc + 1, 0, O_RDONLY}));
  EXPECT_EQ(Sentry().Run(SYS_openat, {static_cast<uint64_t>(AT_FDCWD), 0, O_RDONLY}),
            SECCOMP_RET_ERRNO | uint32_t{ENOENT});
  EXPECT_TRUE(Filter(SentryFilter(-1, false)).Kills(SYS_openat, {~0ull, 0, O_RDONLY}));
}

TEST(SentryFilterTest, PtraceOnlyForTheEngineThatNeedsIt) {
  const Filter tracing(SentryFilter(kProc, true));
  EXPECT_TRUE(Sentry().Kills(SYS_ptrace, {PTRACE_SEIZE}));
  EXPECT_TRUE(tracing.Allows(SYS_ptrace, {PTRACE_SEIZE}));
  for (uint64_t request : {PTRACE_TRACEME, PTRACE_ATTACH, PTRACE_POKETEXT, PTRACE_DETACH, PTRACE_SETOPTIONS}) {
    EXPECT_TRUE(tracing.Kills(SYS_ptrace, {request})) << request;
  }
  EXPECT_TRUE(ReviewFilter(tracing.calls).empty());
  EXPECT_EQ(CountCalls(tracing.calls), CountCalls(Sentry().calls) + 1);
}

TEST(SentryFilterTest, FewIoctls) {
  EXPECT_TRUE(Sentry().Allows(SYS_ioctl, {0, TIOCGWINSZ}));
  EXPECT_TRUE(Sentry().Allows(SYS_ioctl, {0, kMapQueryRequest}));
  EXPECT_TRUE(Sentry().Kills(SYS_ioctl, {0, TIOCSTI}));
  EXPECT_TRUE(Sentry().Kills(SYS_ioctl, {0, TIOCLINUX}));
  EXPECT_TRUE(Sentry().Kills(SYS_fcntl, {0, F_SETOWN}));
  EXPECT_TRUE(Sentry().Kills(SYS_newfstatat, {0, 0, 0, 0}));
}

TEST(GoferFilterTest, NoDeviceNodesAndNoCreationByOpenat) {
  EXPECT_TRUE(Gofer().Allows(SYS_mknodat, {3, 0, S_IFIFO | 0600}));
  EXPECT_TRUE(Gofer().Allows(SYS_mknodat, {3, 0, S_IFREG | 0600}));
  EXPECT_TRUE(Gofer().Kills(SYS_mknodat, {3, 0, S_IFCHR | 0600}));
  EXPECT_TRUE(Gofer().Kills(SYS_mknodat, {3, 0, S_IFBLK | 0600}));
  EXPECT_TRUE(Gofer().Kills(SYS_mknodat, {3, 0, 0600}));
  EXPECT_TRUE(Gofer().Allows(SYS_openat, {3, 0, O_TMPFILE | O_RDWR}));
  EXPECT_TRUE(Gofer().Kills(SYS_openat, {3, 0, O_CREAT | O_RDWR}));
}

TEST(ReviewFilterTest, FindsRowsWithoutReason) {
  EXPECT_EQ(ReviewFilter(std::vector<AllowedCall>{{SYS_read, "because it must"}}).size(), 0u);
  EXPECT_EQ(ReviewFilter(std::vector<AllowedCall>{{SYS_read, ""}}).size(), 1u);
  EXPECT_EQ(ReviewFilter(std::vector<AllowedCall>{{SYS_read, nullptr}}).size(), 1u);
  EXPECT_EQ(ReviewFilter(std::vector<AllowedCall>{{SYS_read, "long enough"}, {SYS_read, "long enough", {ArgIs(0, 1)}}})
                .size(),
            1u);
}

TEST(CompileFilterTest, RefusesRowsThatCannotBeMeant) {
  EXPECT_FALSE(CompileFilter(std::vector<AllowedCall>{{-1, "negative number"}}).ok());
  EXPECT_FALSE(CompileFilter(std::vector<AllowedCall>{{0x40000001, "x32 number"}}).ok());
  EXPECT_FALSE(CompileFilter(std::vector<AllowedCall>{{1, "no such argument", {{6, 1, 1}}}}).ok());
  EXPECT_FALSE(CompileFilter(std::vector<AllowedCall>{{1, "never true", {{0, 1, 2}}}}).ok());
  auto nothing = CompileFilter({});
  ASSERT_TRUE(nothing.ok());
  EXPECT_EQ(RunFilter(*nothing, seccomp_data{.nr = 1, .arch = AUDIT_ARCH_X86_64}), SECCOMP_RET_KILL_PROCESS);
}

TEST(CompileFilterTest, AllSixtyFourBitsCount) {
  auto program = CompileFilter(
      std::vector<AllowedCall>{{1, "whole argument", {{0, ~0ull, 0x1'0000'0002}}}, {1, "or this", {{5, 3, 1}}}});
  auto run = [&](uint64_t a, uint64_t f) {
    return RunFilter(*program, {.nr = 1, .arch = AUDIT_ARCH_X86_64, .args = {a, 0, 0, 0, 0, f}});
  };
  EXPECT_EQ(run(0x1'0000'0002, 0), SECCOMP_RET_ALLOW);
  EXPECT_EQ(run(0x2, 0), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(run(0x2, 0xfd), SECCOMP_RET_ALLOW);
}

TEST(BpfProgramTest, RejectsWhatTheKernelWould) {
  seccomp_data data{};
  sock_filter outside[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, sizeof(seccomp_data)), BPF_STMT(BPF_RET | BPF_A, 0)};
  EXPECT_FALSE(RunFilter(outside, data).has_value());
  sock_filter endless[] = {BPF_STMT(BPF_LD | BPF_IMM, 7)};
  EXPECT_FALSE(RunFilter(endless, data).has_value());
  sock_filter scratch[] = {BPF_STMT(BPF_LD | BPF_IMM, 7), BPF_STMT(BPF_ST, 3), BPF_STMT(BPF_LD | BPF_IMM, 0),
                           BPF_STMT(BPF_LD | BPF_MEM, 3), BPF_STMT(BPF_RET | BPF_A, 0)};
  EXPECT_EQ(RunFilter(scratch, data), 7u);
}

}  // namespace
}  // namespace runsc
