// Spawned helpers, looked at from inside their jails.
#include "platform/host/jail_unsafe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/single_threaded.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "platform/host/child_process_unsafe.h"
#include "platform/host/forked_program_unsafe.h"

extern char** environ;

namespace runsc {
namespace {

// --- What runs in the child: this program again, told by argv[1] which role to play. It writes
// "name=value" lines to descriptor 3.

void Say(const char* name, const std::string& value) {
  std::string line = std::string(name) + "=" + value + "\n";
  (void)!write(3, line.data(), line.size());
}
void Say(const char* name, long value) { Say(name, std::to_string(value)); }

std::string StatusField(const char* field) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(field, 0) == 0) return line.substr(strlen(field) + 2);
  }
  return "?";
}

bool parent_was_here = false;  // a test sets it: only a fork can tell

// The owner that the C library writes into a lock of the calling thread.
bool ThreadNumberIsRight() {
  pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
  pthread_mutex_lock(&lock);
  return lock.__data.__owner == syscall(SYS_gettid);
}

void SayCommon() {
  Say("uid", getuid());
  Say("pid", getpid());
  Say("nnp", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  rlimit core{1, 1};
  getrlimit(RLIMIT_CORE, &core);
  Say("core", static_cast<long>(core.rlim_max));
  int env = 0;
  while (environ[env] != nullptr) env++;
  Say("env", env);
  int open_fds = 0;
  for (int fd = 4; fd < 1024; fd++) open_fds += fcntl(fd, F_GETFD) >= 0;
  Say("other_fds", open_fds);
  Say("forked", parent_was_here);
  Say("thread_number", ThreadNumberIsRight());
  std::string line;
  std::getline(std::ifstream("/proc/self/cmdline"), line);
  Say("name", line.c_str());
}

void SayJail() {
  for (const char* field : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    std::string value = StatusField(field);
    Say(field, value);
  }
  Say("write_root", open("/x", O_CREAT | O_WRONLY, 0644) < 0 ? errno : 0);
  Say("host_etc", access("/etc", F_OK) < 0 ? errno : 0);
}

[[noreturn]] void DieOf(const absl::Status& status) {
  Say("error", std::string(status.message()));
  _exit(9);
}

int CountDir(const char* path) {
  DIR* dir = opendir(path);
  int n = 0;
  while (dir != nullptr && readdir(dir) != nullptr) n++;
  if (dir != nullptr) closedir(dir);
  return n - 2;
}

int PlainRole() {
  SayCommon();
  return 7;
}

// What the host still shows of the environment: bytes that are not 0.
int EnvironmentRole() {
  SayCommon();
  std::ifstream file("/proc/self/environ");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  Say("environment_bytes", static_cast<long>(text.size() - std::count(text.begin(), text.end(), '\0')));
  return 0;
}

int SentryRole() {
  SayCommon();
  auto jail = EnterSentryJail();
  if (!jail.ok()) DieOf(jail.status());
  SayJail();
  Say("warning", jail->warning);
  Say("root_entries", CountDir("/"));
  Say("proc_entries_hidden", access("/proc/meminfo", F_OK) < 0 ? errno : 0);
  Say("socket_before", socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
  std::thread other([]() { std::this_thread::sleep_for(std::chrono::hours(1)); });
  absl::Status locked = LockDownSentry(jail->proc_root.get(), false);
  if (!locked.ok()) DieOf(locked);
  int maps = openat(jail->proc_root.get(), "self/status", O_RDONLY | O_CLOEXEC);
  Say("own_proc", maps >= 0);
  char text[4096] = {};
  (void)!read(maps, text, sizeof(text) - 1);
  const char* seccomp = strstr(text, "Seccomp:\t");
  Say("seccomp", seccomp != nullptr ? std::string(seccomp + 9, 1) : "?");
  std::thread([]() { Say("thread", 1); }).join();
  syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
  Say("survived", 1);
  _exit(0);
}

int GoferRole(const char* tree) {
  GoferJailOptions options;
  options.attaches.push_back({4, {}});
  options.attaches.push_back({-1, {tree, true, true}});
  auto jail = EnterGoferJail(options);
  if (!jail.ok()) DieOf(jail.status());
  Say("root_entries", CountDir("/"));
  Say("host_etc", access("/etc", F_OK) < 0 ? errno : 0);
  Say("warning", jail->warning);
  int rw = jail->attaches[0].get(), ro = jail->attaches[1].get();
  UniqueFd made(openat(rw, "made", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  Say("create_rw", made.valid() ? 0 : errno);
  Say("chown", fchown(made.get(), 1234, 4321) == 0 ? 0 : errno);
  Say("create_ro", openat(ro, "made2", O_CREAT | O_WRONLY, 0600) < 0 ? errno : 0);
  Say("secret", openat(rw, "secret", O_RDONLY) >= 0 ? 0 : errno);
  Say("device", openat(rw, "device", O_RDONLY) >= 0 ? 0 : errno);
  Say("up", faccessat(rw, "../..", F_OK, 0));
  struct stat up, top;
  Say("dotdot_stays", fstatat(rw, "..", &up, 0) == 0 && fstat(rw, &top) == 0 && up.st_ino == top.st_ino);
  int path = openat(rw, "secret", O_PATH);
  absl::Status locked = LockDownGofer();
  if (!locked.ok()) DieOf(locked);
  std::thread([]() { Say("thread", 1); }).join();
  UniqueFd again(openat(jail->proc_self_fd.get(), std::to_string(path).c_str(), O_RDONLY));
  Say("reopen", again.valid() ? 0 : errno);
  syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
  Say("survived", 1);
  _exit(0);
}

int PlayRole(std::span<const std::string_view> args) {
  if (args[0] == "role-plain") return PlainRole();
  if (args[0] == "role-environment") return EnvironmentRole();
  if (args[0] == "role-sentry") return SentryRole();
  if (args[0] == "role-gofer") return GoferRole(args[1].data());
  for (;;) pause();
}

__attribute__((constructor)) void BeProgram(int argc, char** argv, char**) {
  AllowForkedHelpers(argc, argv, PlayRole);
  const std::vector<std::string_view> args(argv + 1, argv + argc);
  if (!args.empty() && args[0].starts_with("role-")) _exit(PlayRole(args));
}

// --- The tests.

struct Outcome {
  absl::Status status;
  int wait_status = 0;
  std::map<std::string, std::string> said;
};

Outcome RunRole(SpawnOptions options) {
  Outcome outcome;
  int pipe_fds[2];
  EXPECT_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
  UniqueFd read_end(pipe_fds[0]), write_end(pipe_fds[1]);
  options.fds.push_back({write_end.get(), 3});
  auto process = SpawnSelf(options);
  write_end.reset();
  outcome.status = process.ok() ? AwaitExec(*process) : process.status();
  if (!outcome.status.ok()) return outcome;
  std::string text;
  char chunk[512];
  for (ssize_t n; (n = read(read_end.get(), chunk, sizeof(chunk))) > 0;) text.append(chunk, n);
  waitpid(process->pid, &outcome.wait_status, 0);
  for (size_t at = 0; at < text.size();) {
    size_t end = text.find('\n', at), equals = text.find('=', at);
    outcome.said[text.substr(at, equals - at)] = text.substr(equals + 1, end - equals - 1);
    at = end + 1;
  }
  return outcome;
}

SpawnOptions Role(const char* role, uint64_t namespaces) {
  SpawnOptions options;
  options.argv = {"test", role};
  options.namespaces = namespaces;
  options.uid_map = GoferUidMap();
  options.gid_map = GoferGidMap();
  return options;
}

bool CanMakeNamespaces() {
  Outcome outcome = RunRole(Role("role-plain", kHelperNamespaces));
  return outcome.status.ok();
}

void ExpectOnlyWhatIsListed(Outcome& outcome) {
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(WEXITSTATUS(outcome.wait_status), 7);
  EXPECT_EQ(outcome.said["other_fds"], "0");
  EXPECT_EQ(outcome.said["env"], "0");
  EXPECT_EQ(outcome.said["nnp"], "1");
  EXPECT_EQ(outcome.said["core"], "0");
  EXPECT_EQ(outcome.said["thread_number"], "1");
  EXPECT_EQ(outcome.said["name"], "test");
}

TEST(SpawnSelfTest, GivesOnlyWhatIsListed) {
  UniqueFd stray(open("/", O_RDONLY | O_DIRECTORY));  // without O_CLOEXEC, on purpose
  signal(SIGUSR1, SIG_IGN);
  parent_was_here = true;
  Outcome outcome = RunRole(Role("role-plain", 0));
  ExpectOnlyWhatIsListed(outcome);
  EXPECT_EQ(outcome.said["forked"], "0");
}

TEST(SpawnSelfTest, AForkKeepsNothingElse) {
  if (!__libc_single_threaded) GTEST_SKIP() << "another test of this process had threads";
  UniqueFd stray(open("/", O_RDONLY | O_DIRECTORY));
  parent_was_here = true;
  SpawnOptions options = Role("role-plain", 0);
  options.fork = true;
  Outcome outcome = RunRole(options);
  ExpectOnlyWhatIsListed(outcome);
  EXPECT_EQ(outcome.said["forked"], "1");
}

TEST(SpawnSelfTest, AForkHidesTheCallersEnvironment) {
  if (!__libc_single_threaded) GTEST_SKIP() << "another test of this process had threads";
  SpawnOptions options = Role("role-environment", 0);
  options.fork = true;
  Outcome outcome = RunRole(options);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.said["name"], "test");
  EXPECT_EQ(outcome.said["environment_bytes"], "0");
}

TEST(SpawnSelfTest, MakesNamespaces) {
  Outcome outcome = RunRole(Role("role-plain", kHelperNamespaces));
  if (!outcome.status.ok()) GTEST_SKIP() << outcome.status;
  EXPECT_EQ(outcome.said["pid"], "1");
  EXPECT_EQ(outcome.said["uid"], "0");
}

TEST(SpawnSelfTest, RefusesBadMappings) {
  SpawnOptions options = Role("role-plain", 0);
  options.fds = {{0, 5}, {1, 5}};
  EXPECT_FALSE(SpawnSelf(options).ok());
  options.fds = {{-1, 5}};
  EXPECT_FALSE(SpawnSelf(options).ok());
}

TEST(SpawnSelfTest, ReportsTheStepThatFailed) {
  SpawnOptions options = Role("role-plain", 0);
  options.fds = {{900, 5}};  // not an open descriptor
  Outcome outcome = RunRole(options);
  EXPECT_FALSE(outcome.status.ok());
  EXPECT_EQ(outcome.status.message(), "start child process: duplicate descriptors: Bad file descriptor");
}

TEST(SpawnSelfTest, UnmappedIdIsAnError) {
  if (!CanMakeNamespaces()) GTEST_SKIP();
  SpawnOptions options = Role("role-plain", kHelperNamespaces);
  options.uid_map = {{0, 0, 1}};
  options.uid = 55;
  Outcome outcome = RunRole(options);
  EXPECT_EQ(outcome.status.message(), "start child process: setresuid/setresgid: Invalid argument");
}

TEST(SpawnSelfTest, DiesWithItsParentThread) {
  SpawnOptions options = Role("role-sleep", 0);
  options.parent_death_signal = SIGKILL;
  SpawnedProcess process;
  std::thread([&]() {
    auto spawned = SpawnSelf(options);
    ASSERT_TRUE(spawned.ok());
    process = *std::move(spawned);
    ASSERT_TRUE(AwaitExec(process).ok());
  }).join();
  int status = 0;
  ASSERT_EQ(waitpid(process.pid, &status, 0), process.pid);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST(SpawnSelfTest, KillAndReap) {
  auto process = SpawnSelf(Role("role-sleep", 0));
  ASSERT_TRUE(process.ok());
  ASSERT_TRUE(AwaitExec(*process).ok());
  pid_t pid = process->pid;
  KillAndReap(*process);
  EXPECT_NE(kill(pid, 0), 0);
}

// A sanitizer's threads make host calls of their own, which the filters rightly kill.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define RUNSC_SANITIZED 1
#endif
#endif
#ifdef RUNSC_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

class SentryJailTest : public testing::TestWithParam<bool> {};  // whether it is a fork
INSTANTIATE_TEST_SUITE_P(, SentryJailTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Forked" : "Executed"; });

TEST_P(SentryJailTest, LeavesNothing) {
  if (kSanitized) GTEST_SKIP();
  if (!CanMakeNamespaces()) GTEST_SKIP();
  SpawnOptions options = Role("role-sentry", kHelperNamespaces);
  options.uid_map = SentryUidMap();
  options.gid_map = SentryGidMap();
  options.fork = GetParam();
  Outcome outcome = RunRole(options);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  auto& said = outcome.said;
  EXPECT_EQ(said["error"], "");
  EXPECT_EQ(said["warning"], "");
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    EXPECT_EQ(said[set], "0000000000000000") << set;
  }
  EXPECT_EQ(said["write_root"], std::to_string(EROFS));
  EXPECT_EQ(said["host_etc"], std::to_string(ENOENT));
  EXPECT_EQ(said["root_entries"], "1");
  EXPECT_EQ(said["proc_entries_hidden"], std::to_string(ENOENT));
  EXPECT_EQ(said["socket_before"], "1");
  EXPECT_EQ(said["own_proc"], "1");
  EXPECT_EQ(said["seccomp"], "2");
  EXPECT_EQ(said["thread"], "1");
  EXPECT_EQ(said.count("survived"), 0u);
  EXPECT_TRUE(WIFSIGNALED(outcome.wait_status) && WTERMSIG(outcome.wait_status) == SIGSYS);
}

TEST(GoferJailTest, SeesItsTreesOnly) {
  if (kSanitized) GTEST_SKIP();
  if (geteuid() != 0 || !CanMakeNamespaces()) GTEST_SKIP();
  char tree[] = "/tmp/jail-test-XXXXXX";
  ASSERT_NE(mkdtemp(tree), nullptr);
  std::string base = tree;
  close(open((base + "/secret").c_str(), O_CREAT | O_WRONLY, 0));
  ASSERT_EQ(chown((base + "/secret").c_str(), 77, 77), 0);
  mknod((base + "/device").c_str(), S_IFCHR | 0666, makedev(1, 5));
  auto attach = OpenAttachTree({base, false, false});
  ASSERT_TRUE(attach.ok()) << attach.status();
  SpawnOptions options = Role("role-gofer", kHelperNamespaces);
  options.argv.push_back(base);
  options.fds.push_back({attach->get(), 4});
  Outcome outcome = RunRole(options);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  auto& said = outcome.said;
  EXPECT_EQ(said["error"], "");
  EXPECT_EQ(said["warning"], "");
  EXPECT_EQ(said["root_entries"], "0");
  EXPECT_EQ(said["host_etc"], std::to_string(ENOENT));
  EXPECT_EQ(said["create_rw"], "0");
  EXPECT_EQ(said["chown"], "0");
  EXPECT_EQ(said["create_ro"], std::to_string(EROFS));
  EXPECT_EQ(said["secret"], "0");
  EXPECT_EQ(said["device"], std::to_string(EACCES));
  EXPECT_EQ(said["dotdot_stays"], "1");
  EXPECT_EQ(said["thread"], "1");
  EXPECT_EQ(said["reopen"], "0");
  EXPECT_EQ(said.count("survived"), 0u);
  EXPECT_TRUE(WIFSIGNALED(outcome.wait_status) && WTERMSIG(outcome.wait_status) == SIGSYS);
  struct stat st;
  ASSERT_EQ(stat((base + "/made").c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, 1234u);
  (void)!system(("rm -rf " + base).c_str());
}

}  // namespace
}  // namespace runsc
