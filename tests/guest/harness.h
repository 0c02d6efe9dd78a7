// A small test harness for programs that run as guests: no dependencies, every test in its own process.
#pragma once

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <type_traits>

namespace guest {

using TestFunction = void (*)();
using HelperFunction = int (*)(int argc, char** argv);

// Registration happens in constructors of the globals that the macros below define.
struct TestEntry {
  TestEntry(const char* name, TestFunction function);
  const char* name;
  TestFunction function;
  TestEntry* next;
};

struct HelperEntry {
  HelperEntry(const char* name, HelperFunction function);
  const char* name;
  HelperFunction function;
  HelperEntry* next;
};

// Records a failure of the running test; the test's process exits with 1 at its end.
void Fail(const char* file, int line, const std::string& message);
bool Failed();
// Ends the running test at once: as failed if anything failed, else as skipped.
[[noreturn]] void Skip(const char* why);
[[noreturn]] void Stop();

// True inside a sandbox of ours (the runner says so in the environment).
bool InSandbox();
// The path by which this program can be executed again; its helpers run by `--helper NAME ...`.
const char* SelfPath();
// Runs `body` in a child process and returns its wait status.
int RunInChild(const std::function<int()>& body);
// Waits for a child, retrying EINTR; returns the wait status or -1.
int WaitStatus(int pid);
void SleepMs(int milliseconds);
double NowSeconds();
// Polls `ready` until it is true or the time is over.
bool Eventually(const std::function<bool()>& ready, int milliseconds = 30000);
// The letter that /proc/PID/stat gives for a process or thread; '?' when there is none.
char StateOf(int tid);
// Waits until a process or thread sleeps in a call.
bool FallsAsleep(int tid);
// A fresh directory, the working directory of the test, and removed by nobody: roots are throw-away.
std::string TempDir();
std::string ReadAll(const char* path);

template <typename T>
std::string Show(const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_enum_v<T>) {
    return std::to_string(static_cast<long>(value));
  } else if constexpr (std::is_arithmetic_v<T>) {
    return std::to_string(value);
  } else if constexpr (std::is_pointer_v<T> && !std::is_convertible_v<T, const char*>) {
    char text[32];
    snprintf(text, sizeof(text), "%p", reinterpret_cast<const void*>(value));
    return text;
  } else {
    return "\"" + std::string(value) + "\"";
  }
}

template <typename A, typename B>
bool ExpectEq(const char* file, int line, const char* what, const A& a, const B& b) {
  if (a == static_cast<A>(b)) return true;
  Fail(file, line, std::string(what) + ": got " + Show(a) + ", want " + Show(static_cast<A>(b)));
  return false;
}

inline bool ExpectErrno(const char* file, int line, const char* what, long result, int error, int want) {
  if (result == -1 && error == want) return true;
  Fail(file, line,
       std::string(what) + ": got " + std::to_string(result) + " errno " +
           (result == -1 ? strerrorname_np(error) ?: "?" : "none") + ", want " + (strerrorname_np(want) ?: "?"));
  return false;
}

inline bool ExpectOk(const char* file, int line, const char* what, long result, int error) {
  if (result != -1) return true;
  Fail(file, line, std::string(what) + ": " + (strerrorname_np(error) ?: "?"));
  return false;
}

}  // namespace guest

#define TEST(name)                                         \
  static void Test##name();                                \
  static guest::TestEntry entry_##name(#name, Test##name); \
  static void Test##name()

#define HELPER(name)                                            \
  static int Helper##name(int argc, char** argv);               \
  static guest::HelperEntry helper_##name(#name, Helper##name); \
  static int Helper##name([[maybe_unused]] int argc, [[maybe_unused]] char** argv)

#define EXPECT(condition)                                                       \
  do {                                                                          \
    if (!(condition)) guest::Fail(__FILE__, __LINE__, "not true: " #condition); \
  } while (0)
// C++ orders neither argument before the other: the result is taken first, then errno.
#define EXPECT_EQ(value, want) guest::ExpectEq(__FILE__, __LINE__, #value, value, want)
#define EXPECT_OK(call)                                                 \
  ({                                                                    \
    const auto ok_result = (call);                                      \
    guest::ExpectOk(__FILE__, __LINE__, #call, (long)ok_result, errno); \
    ok_result;                                                          \
  })
#define EXPECT_ERRNO(call, want)                                              \
  do {                                                                        \
    const long errno_result = (long)(call);                                   \
    guest::ExpectErrno(__FILE__, __LINE__, #call, errno_result, errno, want); \
  } while (0)
#define ASSERT(condition)                                       \
  do {                                                          \
    if (!(condition)) {                                         \
      guest::Fail(__FILE__, __LINE__, "not true: " #condition); \
      guest::Stop();                                            \
    }                                                           \
  } while (0)
#define ASSERT_OK(call)                                                                     \
  ({                                                                                        \
    const auto ok_result = (call);                                                          \
    if (!guest::ExpectOk(__FILE__, __LINE__, #call, (long)ok_result, errno)) guest::Stop(); \
    ok_result;                                                                              \
  })
