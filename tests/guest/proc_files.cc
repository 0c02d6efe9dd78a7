// Files of /proc about a process: io, coredump_filter, timerslack_ns, loginuid and sessionid, timers.

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include <atomic>
#include <thread>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

// By one read(2), so that what reading it counts is known.
std::string ReadOnce(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  EXPECT_OK(fd);
  char text[4096];
  const ssize_t n = read(fd, text, sizeof(text));
  EXPECT_OK(n);
  close(fd);
  return std::string(text, n > 0 ? n : 0);
}

// 0, or the errno of the write.
int WriteTo(const std::string& path, const std::string& text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  const int error = write(fd, text.data(), text.size()) < 0 ? errno : 0;
  close(fd);
  return error;
}

struct Io {
  long rchar = -1, wchar = -1, syscr = -1, syscw = -1;
  long size = 0;  // of the text itself
};

Io IoOf(const std::string& path) {
  const std::string text = ReadOnce(path);
  Io io;
  io.size = (long)text.size();
  EXPECT_EQ(sscanf(text.c_str(), "rchar: %ld\nwchar: %ld\nsyscr: %ld\nsyscw: %ld\nread_bytes: ", &io.rchar, &io.wchar,
                   &io.syscr, &io.syscw),
            4);
  return io;
}

std::string TaskFile(int tid, const char* name) { return "/proc/self/task/" + std::to_string(tid) + "/" + name; }

void DropCapability(int capability) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  EXPECT_OK(syscall(SYS_capget, &header, data));
  data[capability / 32].effective &= ~(1u << (capability % 32));
  EXPECT_OK(syscall(SYS_capset, &header, data));
}

bool ChildPasses(const std::function<void()>& body) {
  return RunInChild([&] {
           body();
           return (int)Failed();
         }) == 0;
}

}  // namespace

TEST(IoCountsCallsAndBytes) {
  int fds[2];
  EXPECT_OK(pipe(fds));
  char data[300] = {};
  const Io before = IoOf("/proc/self/io");
  EXPECT_EQ(write(fds[1], data, 100), 100);
  EXPECT_EQ(write(fds[1], data, 150), 150);
  EXPECT_EQ(read(fds[0], data, sizeof(data)), 250);
  const Io after = IoOf("/proc/self/io");
  EXPECT_EQ(after.wchar - before.wchar, 250);
  EXPECT_EQ(after.syscw - before.syscw, 2);
  EXPECT_EQ(after.rchar - before.rchar, 250 + before.size);
  EXPECT_EQ(after.syscr - before.syscr, 2);
}

TEST(IoCountsWhatFailsAsACallOnly) {
  int fds[2];
  EXPECT_OK(pipe2(fds, O_NONBLOCK));
  char data[8];
  const Io before = IoOf("/proc/self/io");
  EXPECT_ERRNO(read(fds[0], data, sizeof(data)), EAGAIN);
  EXPECT_ERRNO(read(fds[1], data, sizeof(data)), EBADF);  // does not get as far as the file
  const Io after = IoOf("/proc/self/io");
  EXPECT_EQ(after.rchar - before.rchar, before.size);
  EXPECT_EQ(after.syscr - before.syscr, 2);
}

TEST(IoOfAThreadIsItsOwn) {
  int fds[2];
  EXPECT_OK(pipe(fds));
  const int main_tid = (int)syscall(SYS_gettid);
  const Io process = IoOf("/proc/self/io"), main_before = IoOf(TaskFile(main_tid, "io"));
  std::thread([&] { EXPECT_EQ(write(fds[1], "12345", 5), 5); }).join();
  EXPECT_EQ(IoOf(TaskFile(main_tid, "io")).wchar - main_before.wchar, 0);
  EXPECT_EQ(IoOf("/proc/self/io").wchar - process.wchar, 5);  // although the thread is gone
}

TEST(IoOfAChildIsAddedWhenItWasWaitedFor) {
  int fds[2];
  EXPECT_OK(pipe(fds));
  const Io before = IoOf("/proc/self/io");
  const int child = fork();
  if (child == 0) _exit(write(fds[1], "1234567", 7) == 7 ? 0 : 1);
  siginfo_t info;
  EXPECT_OK(waitid(P_PID, child, &info, WEXITED | WNOWAIT));
  EXPECT_EQ(IoOf("/proc/self/io").wchar - before.wchar, 0);
  EXPECT_EQ(WaitStatus(child), 0);
  EXPECT_EQ(IoOf("/proc/self/io").wchar - before.wchar, 7);
}

// No directory of /proc is listed under the number of a thread, but one is there.
TEST(AProcessIsFoundByAnyOfItsThreads) {
  std::atomic<int> tid{0};
  int fds[2];
  ASSERT_OK(pipe(fds));
  std::thread thread([&] {
    prctl(PR_SET_NAME, "other");
    tid = gettid();
    char c;
    EXPECT_EQ(read(fds[0], &c, 1), 1);
  });
  EXPECT(Eventually([&] { return tid != 0; }));
  EXPECT(FallsAsleep(tid));
  const std::string dir = "/proc/" + std::to_string(tid);
  EXPECT_EQ(ReadOnce(dir + "/comm"), "other\n");
  EXPECT_EQ(ReadOnce(dir + "/stat").find(std::to_string(tid) + " (other) S "), 0u);
  const std::string status = ReadOnce(dir + "/status");
  EXPECT(status.find("\nTgid:\t" + std::to_string(getpid()) + "\n") != status.npos);
  EXPECT(status.find("\nPid:\t" + std::to_string(tid) + "\n") != status.npos);
  EXPECT_OK(access((dir + "/task/" + std::to_string(getpid())).c_str(), F_OK));
  EXPECT_EQ(write(fds[1], "x", 1), 1);
  thread.join();
  EXPECT(Eventually([&] { return access(dir.c_str(), F_OK) < 0; }));
}

TEST(IoIsForWhoMayTrace) {
  if (getuid() != 0) Skip("needs root");
  EXPECT(ChildPasses([] {
    const std::string parents = "/proc/" + std::to_string(getppid()) + "/io";
    EXPECT_OK(setgid(1000));
    EXPECT_OK(setuid(1000));
    EXPECT_ERRNO(open(parents.c_str(), O_RDONLY), EACCES);
  }));
}

TEST(CoreFilterIsKeptAndInherited) {
  const std::string path = "/proc/self/coredump_filter";
  EXPECT_EQ(ReadOnce(path), std::string("00000033\n"));
  EXPECT_EQ(WriteTo(path, "0x7f\n"), 0);
  EXPECT_EQ(ReadOnce(path), std::string("0000007f\n"));
  EXPECT(ChildPasses([&] {
    EXPECT_EQ(ReadOnce(path), std::string("0000007f\n"));
    EXPECT_EQ(WriteTo(path, "12"), 0);
    EXPECT_EQ(ReadOnce(path), std::string("0000000c\n"));
  }));
  EXPECT_EQ(ReadOnce(path), std::string("0000007f\n"));
  EXPECT_EQ(WriteTo(path, "017"), 0);
  EXPECT_EQ(ReadOnce(path), std::string("0000000f\n"));
  EXPECT_EQ(WriteTo(path, "0xffffffff"), 0);
  EXPECT_EQ(ReadOnce(path), std::string("000001ff\n"));
}

TEST(CoreFilterRefusesWhatIsNoNumber) {
  const std::string path = "/proc/self/coredump_filter";
  EXPECT_EQ(WriteTo(path, "x"), EINVAL);
  EXPECT_EQ(WriteTo(path, "1 2"), EINVAL);
  EXPECT_EQ(WriteTo(path, "-1"), EINVAL);
  EXPECT_EQ(WriteTo(path, "0x100000000"), ERANGE);
  EXPECT_EQ(ReadOnce(path), std::string("00000033\n"));
}

TEST(TimerSlackIsWhatPrctlSays) {
  const std::string path = "/proc/self/timerslack_ns";
  EXPECT_OK(prctl(PR_SET_TIMERSLACK, 70000));
  EXPECT_EQ(ReadOnce(path), std::string("70000\n"));
  EXPECT_EQ(WriteTo(path, "80000"), 0);
  EXPECT_EQ(prctl(PR_GET_TIMERSLACK), 80000);
  EXPECT_EQ(WriteTo(path, "abc"), EINVAL);
}

TEST(TimerSlackOfAChildFallsBackToItsParents) {
  EXPECT_OK(prctl(PR_SET_TIMERSLACK, 70000));
  EXPECT(ChildPasses([] {
    EXPECT_OK(prctl(PR_SET_TIMERSLACK, 90000));
    EXPECT_EQ(prctl(PR_GET_TIMERSLACK), 90000);
    EXPECT_EQ(WriteTo("/proc/self/timerslack_ns", "0"), 0);
    EXPECT_EQ(prctl(PR_GET_TIMERSLACK), 70000);
  }));
}

TEST(TimerSlackOfOthersTakesACapability) {
  if (getuid() != 0) Skip("needs root");
  EXPECT(ChildPasses([] {
    DropCapability(CAP_SYS_NICE);
    const std::string parents = "/proc/" + std::to_string(getppid()) + "/timerslack_ns";
    EXPECT_EQ(WriteTo(parents, "60000"), EPERM);
    const int fd = open(parents.c_str(), O_RDONLY);
    char text[32];
    EXPECT_ERRNO(read(fd, text, sizeof(text)), EPERM);
  }));
}

TEST(LoginIsSetOnceAndInherited) {
  const std::string uid = "/proc/self/loginuid", session = "/proc/self/sessionid";
  if (ReadOnce(uid) != "4294967295") Skip("whoever runs this is logged in");
  EXPECT_EQ(ReadOnce(session), std::string("4294967295"));
  EXPECT_EQ(WriteTo(uid, "me"), EINVAL);
  EXPECT_EQ(WriteTo(uid, "1000"), 0);
  EXPECT_EQ(ReadOnce(uid), std::string("1000"));
  const std::string number = ReadOnce(session);
  EXPECT(number != "4294967295");
  EXPECT(ChildPasses([&] {
    EXPECT_EQ(ReadOnce(uid), std::string("1000"));
    EXPECT_EQ(ReadOnce(session), number);
    DropCapability(CAP_AUDIT_CONTROL);
    EXPECT_EQ(WriteTo(uid, "1001"), EPERM);
    EXPECT_EQ(ReadOnce(uid), std::string("1000"));
  }));
}

TEST(LoginOfOthersCannotBeSet) {
  const std::string parents = "/proc/" + std::to_string(getpid()) + "/loginuid";
  EXPECT(ChildPasses([&] { EXPECT_EQ(WriteTo(parents, "1000"), EPERM); }));
}

TEST(TimersAreListed) {
  EXPECT_EQ(ReadOnce("/proc/self/timers"), std::string());
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGUSR1;
  event.sigev_value.sival_int = 0x12;
  timer_t timer;
  EXPECT_OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
  const std::string start = "ID: 0\nsignal: 10/0000000000000012\nnotify: signal/pid.";
  EXPECT_EQ(ReadOnce("/proc/self/timers"), start + std::to_string(getpid()) + "\nClockID: 1\n");
  EXPECT_OK(timer_delete(timer));
  EXPECT_EQ(ReadOnce("/proc/self/timers"), std::string());
}

TEST(ArchStatus) {
  if (access("/proc/self/arch_status", R_OK) != 0) Skip("a kernel before 5.3");
  const bool avx512 = ReadAll("/proc/cpuinfo").find(" avx512f") != std::string::npos;
  EXPECT_EQ(ReadAll("/proc/self/arch_status").starts_with("AVX512_elapsed_ms:\t"), avx512);
}
