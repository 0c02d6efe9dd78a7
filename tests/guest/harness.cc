// The harness's main: runs each registered test in a forked child and counts.

#include "tests/guest/harness.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include <filesystem>

namespace guest {
namespace {

constexpr int kSkipStatus = 77;
constexpr int kTimeoutSeconds = 60;
constexpr int kKnownTimeoutSeconds = 10;  // a known hang need not be waited for as long

TestEntry* tests = nullptr;
HelperEntry* helpers = nullptr;
bool failed = false;
const char* self_path = nullptr;

struct Counts {
  int passed = 0, failed = 0, skipped = 0, known = 0;
};

// Tests that are known to fail here, from the environment (see run.py): " Name Name? ", with a
// question mark for those that fail only at times.
enum class Expectation { kPass, kFail, kEither };

Expectation ExpectationOf(const char* name) {
  const char* known = getenv("GUEST_KNOWN_FAILURES");
  const std::string list = known ? known : "";
  if (list.find(std::string(" ") + name + "? ") != std::string::npos) return Expectation::kEither;
  return list.find(std::string(" ") + name + " ") != std::string::npos ? Expectation::kFail : Expectation::kPass;
}

[[noreturn]] void RunTest(const TestEntry& test) {
  alarm(ExpectationOf(test.name) == Expectation::kPass ? kTimeoutSeconds : kKnownTimeoutSeconds);
  const std::string dir = TempDir();
  if (chdir(dir.c_str()) != 0) Fail(__FILE__, __LINE__, "chdir");
  test.function();
  fflush(stdout);
  _exit(failed ? 1 : 0);
}

std::string HowItFailed(int status) {
  if (!WIFSIGNALED(status)) return "";
  const int signal = WTERMSIG(status);
  return std::string(" (killed by ") + (sigabbrev_np(signal) ?: "?") + (signal == SIGALRM ? ": timeout)" : ")");
}

// What the child's end means; prints the test's line.
void Judge(const char* name, int status, Counts* counts) {
  const Expectation expected = ExpectationOf(name);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kSkipStatus) {
    ++counts->skipped;
    printf("skip  %s\n", name);
  } else if (status != 0 && expected != Expectation::kPass) {
    ++counts->known;
    printf("known %s%s\n", name, HowItFailed(status).c_str());
  } else if (status != 0) {
    ++counts->failed;
    printf("FAIL  %s%s\n", name, HowItFailed(status).c_str());
  } else if (expected == Expectation::kFail) {
    ++counts->failed;
    printf("FAIL  %s (passes: take it off the list of known failures)\n", name);
  } else {
    ++counts->passed;
    printf("ok    %s\n", name);
  }
  fflush(stdout);
}

void RunOne(const TestEntry& test, Counts* counts) {
  printf("run   %s\n", test.name);
  fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    RunTest(test);
  }
  const int status = pid < 0 ? 1 << 8 : WaitStatus(pid);
  if (pid > 0) kill(-pid, SIGKILL);  // whatever the test left behind
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
  Judge(test.name, status, counts);
}

TestEntry* InSourceOrder() {
  TestEntry* reversed = nullptr;
  while (tests != nullptr) {
    TestEntry* const next = tests->next;
    tests->next = reversed;
    reversed = tests;
    tests = next;
  }
  return reversed;
}

// Where TempDir makes directories, so that a native run leaves nothing behind. Others than root may pass through.
class ScratchSpace {
 public:
  ScratchSpace() : path_(TempDir()) {
    chmod(path_.c_str(), 0755);
    setenv("GUEST_TEST_DIR", path_.c_str(), 1);
  }
  ~ScratchSpace() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

 private:
  const std::string path_;
};

int RunHelper(int argc, char** argv) {
  for (HelperEntry* helper = helpers; helper != nullptr; helper = helper->next) {
    if (strcmp(helper->name, argv[0]) == 0) return helper->function(argc, argv);
  }
  fprintf(stderr, "no helper %s\n", argv[0]);
  return 96;
}

}  // namespace

TestEntry::TestEntry(const char* n, TestFunction f) : name(n), function(f), next(tests) { tests = this; }
HelperEntry::HelperEntry(const char* n, HelperFunction f) : name(n), function(f), next(helpers) { helpers = this; }

void Fail(const char* file, int line, const std::string& message) {
  const int saved = errno;
  failed = true;
  const char* base = strrchr(file, '/');
  printf("      %s:%d: %s\n", base ? base + 1 : file, line, message.c_str());
  fflush(stdout);
  errno = saved;
}

bool Failed() { return failed; }

void Stop() { _exit(failed ? 1 : 0); }

void Skip(const char* why) {
  printf("      skipped: %s\n", why);
  fflush(stdout);
  _exit(failed ? 1 : kSkipStatus);
}

bool InSandbox() { return getenv("RUNSC_GUEST_TEST") != nullptr; }

const char* SelfPath() { return self_path; }

int RunInChild(const std::function<int()>& body) {
  fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    const int result = body();
    fflush(stdout);
    _exit(result);
  }
  return pid < 0 ? -1 : WaitStatus(pid);
}

int WaitStatus(int pid) {
  int status;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return status;
}

void SleepMs(int milliseconds) {
  timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
  while (nanosleep(&left, &left) < 0 && errno == EINTR) {
  }
}

double NowSeconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec * 1e-9;
}

bool Eventually(const std::function<bool()>& ready, int milliseconds) {
  for (const double end = NowSeconds() + milliseconds * 1e-3; NowSeconds() < end; SleepMs(1)) {
    if (ready()) return true;
  }
  return ready();
}

char StateOf(int tid) {
  const std::string stat = ReadAll(("/proc/" + std::to_string(tid) + "/stat").c_str());
  const size_t at = stat.rfind(") ");
  return at == std::string::npos ? '?' : stat[at + 2];
}

bool FallsAsleep(int tid) {
  return Eventually([tid] { return StateOf(tid) == 'S'; });
}

std::string TempDir() {
  const char* base = getenv("GUEST_TEST_DIR");
  std::string pattern = std::string(base ? base : "/tmp") + "/guest-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) Fail(__FILE__, __LINE__, "mkdtemp " + pattern);
  return pattern;
}

std::string ReadAll(const char* path) {
  std::string all;
  char buffer[4096];
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  for (ssize_t n; fd >= 0 && (n = read(fd, buffer, sizeof(buffer))) > 0;) all.append(buffer, n);
  if (fd >= 0) close(fd);
  return all;
}

int Main(int argc, char** argv) {
  self_path = argv[0];
  if (argc > 2 && strcmp(argv[1], "--helper") == 0) return RunHelper(argc - 2, argv + 2);
  const ScratchSpace scratch;
  const char* pattern = argc > 1 ? argv[1] : "";
  Counts counts;
  for (TestEntry* test = InSourceOrder(); test != nullptr; test = test->next) {
    if (strstr(test->name, pattern) != nullptr) RunOne(*test, &counts);
  }
  if (counts.known > 0) printf("%d known failures\n", counts.known);
  printf("%d passed, %d failed, %d skipped\n", counts.passed, counts.failed, counts.skipped);
  return counts.failed == 0 && counts.passed > 0 ? 0 : 1;
}

}  // namespace guest

int main(int argc, char** argv) { return guest::Main(argc, argv); }
