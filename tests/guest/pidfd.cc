// Process descriptors: pidfd_open, pidfd_send_signal, pidfd_getfd, CLONE_PIDFD, waitid(P_PIDFD), set_tid.

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <thread>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

constexpr idtype_t kPidfd = static_cast<idtype_t>(3);

int PidfdOpen(pid_t pid, unsigned flags = 0) { return static_cast<int>(syscall(SYS_pidfd_open, pid, flags)); }
int PidfdSendSignal(int fd, int signo, siginfo_t* info = nullptr) {
  return static_cast<int>(syscall(SYS_pidfd_send_signal, fd, signo, info, 0));
}
int PidfdGetfd(int fd, int target) { return static_cast<int>(syscall(SYS_pidfd_getfd, fd, target, 0)); }

short Poll(int fd, int timeout) {
  pollfd p{fd, POLLIN, 0};
  return poll(&p, 1, timeout) == 1 ? p.revents : 0;
}

pid_t Sleeper() {
  const pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  return child;
}

}  // namespace

TEST(OpenRefusesWhatIsNoProcess) {
  EXPECT_ERRNO(PidfdOpen(0), EINVAL);
  EXPECT_ERRNO(PidfdOpen(-1), EINVAL);
  EXPECT_ERRNO(PidfdOpen(getpid(), 1), EINVAL);
  EXPECT_ERRNO(PidfdOpen(4194303), ESRCH);
  pid_t tid = 0;
  std::thread thread([&] {
    tid = gettid();
    const int result = PidfdOpen(tid);
    EXPECT(result == -1);
  });
  thread.join();
}

TEST(IsClosedOnExec) {
  const int fd = ASSERT_OK(PidfdOpen(getpid()));
  EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

TEST(BecomesReadableWhenTheProcessEnds) {
  const pid_t child = Sleeper();
  const int fd = ASSERT_OK(PidfdOpen(child));
  EXPECT_EQ(Poll(fd, 0), 0);
  EXPECT_OK(PidfdSendSignal(fd, 0));
  EXPECT_OK(PidfdSendSignal(fd, SIGTERM));
  EXPECT_EQ(Poll(fd, 5000), POLLIN);
  EXPECT_EQ(WaitStatus(child), SIGTERM);
  EXPECT(Poll(fd, 0) & POLLIN);
  EXPECT_ERRNO(PidfdSendSignal(fd, 0), ESRCH);
}

TEST(PollWakesASleeper) {
  const pid_t child = fork();
  if (child == 0) {
    usleep(100000);
    _exit(0);
  }
  const int fd = ASSERT_OK(PidfdOpen(child));
  EXPECT_EQ(Poll(fd, 10000), POLLIN);
  WaitStatus(child);
}

TEST(SendingChecksTheSiginfo) {
  const pid_t child = Sleeper();
  const int fd = ASSERT_OK(PidfdOpen(child));
  siginfo_t info{};
  info.si_signo = SIGUSR1;
  info.si_code = SI_QUEUE;
  EXPECT_ERRNO(PidfdSendSignal(fd, SIGUSR2, &info), EINVAL);
  info.si_signo = SIGUSR2;
  info.si_code = SI_USER;
  EXPECT_ERRNO(PidfdSendSignal(fd, SIGUSR2, &info), EPERM);
  info.si_code = SI_QUEUE;
  EXPECT_OK(PidfdSendSignal(fd, SIGUSR2, &info));
  EXPECT_EQ(WaitStatus(child), SIGUSR2);
  EXPECT_ERRNO(PidfdSendSignal(0, 0), EBADF);
}

TEST(WaitidByDescriptor) {
  const pid_t child = fork();
  if (child == 0) _exit(7);
  const int fd = ASSERT_OK(PidfdOpen(child));
  siginfo_t info{};
  EXPECT_OK(waitid(kPidfd, fd, &info, WEXITED));
  EXPECT_EQ(info.si_pid, child);
  EXPECT_EQ(info.si_code, CLD_EXITED);
  EXPECT_EQ(info.si_status, 7);
  EXPECT_ERRNO(waitid(kPidfd, fd, &info, WEXITED), ECHILD);
  EXPECT_ERRNO(waitid(kPidfd, 999, &info, WEXITED), EBADF);
}

TEST(NonblockingDescriptorDoesNotWait) {
  const pid_t child = Sleeper();
  const int fd = ASSERT_OK(PidfdOpen(child, O_NONBLOCK));
  siginfo_t info{};
  EXPECT_ERRNO(waitid(kPidfd, fd, &info, WEXITED), EAGAIN);
  kill(child, SIGKILL);
  EXPECT(Poll(fd, 5000) & POLLIN);
  EXPECT_OK(waitid(kPidfd, fd, &info, WEXITED));
  EXPECT_EQ(info.si_code, CLD_KILLED);
}

TEST(CloneGivesADescriptor) {
  int fd = -1;
  clone_args args{};
  args.flags = CLONE_PIDFD;
  args.pidfd = reinterpret_cast<uint64_t>(&fd);
  args.exit_signal = SIGCHLD;
  const pid_t child = static_cast<pid_t>(syscall(SYS_clone3, &args, sizeof(args)));
  if (child == 0) _exit(3);
  ASSERT(child > 0);
  EXPECT(fd >= 0);
  EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
  siginfo_t info{};
  EXPECT_OK(waitid(kPidfd, fd, &info, WEXITED));
  EXPECT_EQ(info.si_pid, child);
  EXPECT_EQ(info.si_status, 3);
}

TEST(OldCloneGivesADescriptorToo) {
  int fd = -1;
  const long child = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &fd, 0, 0);
  if (child == 0) _exit(0);
  ASSERT(child > 0);
  EXPECT(fd >= 0);
  EXPECT(Poll(fd, 5000) & POLLIN);
  WaitStatus(static_cast<int>(child));
  EXPECT_ERRNO(syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, &fd, 0, 0), EINVAL);
}

TEST(GetfdTakesADescriptorOfAnother) {
  int to_child[2], from_child[2];
  ASSERT_OK(pipe(to_child));
  ASSERT_OK(pipe(from_child));
  const pid_t child = fork();
  if (child == 0) {
    const int event = eventfd(41, 0);
    if (write(from_child[1], &event, sizeof(event)) != sizeof(event)) _exit(1);
    char c;
    _exit(read(to_child[0], &c, 1) == 1 ? 0 : 1);
  }
  int number = -1;
  ASSERT(read(from_child[0], &number, sizeof(number)) == sizeof(number));
  const int pidfd = ASSERT_OK(PidfdOpen(child));
  const int taken = EXPECT_OK(PidfdGetfd(pidfd, number));
  uint64_t value = 0;
  EXPECT_EQ(read(taken, &value, sizeof(value)), 8);
  EXPECT_EQ(value, 41u);
  EXPECT_ERRNO(PidfdGetfd(pidfd, 999), EBADF);
  EXPECT_OK(write(to_child[1], "x", 1));
  EXPECT_EQ(WaitStatus(child), 0);
  EXPECT_ERRNO(PidfdGetfd(pidfd, number), ESRCH);
}

TEST(FdinfoNamesTheProcess) {
  const pid_t child = Sleeper();
  const int fd = ASSERT_OK(PidfdOpen(child));
  const std::string path = "/proc/self/fdinfo/" + std::to_string(fd);
  EXPECT(ReadAll(path.c_str()).find("Pid:\t" + std::to_string(child) + "\n") != std::string::npos);
  kill(child, SIGKILL);
  WaitStatus(child);
  EXPECT(ReadAll(path.c_str()).find("Pid:\t-1\n") != std::string::npos);
}

TEST(SetTidChoosesTheNumber) {
  const pid_t probe = fork();
  if (probe == 0) _exit(0);
  WaitStatus(probe);
  pid_t wanted[1] = {probe + 1000};
  clone_args args{};
  args.exit_signal = SIGCHLD;
  args.set_tid = reinterpret_cast<uint64_t>(wanted);
  args.set_tid_size = 1;
  const pid_t child = static_cast<pid_t>(syscall(SYS_clone3, &args, sizeof(args)));
  if (child == 0) _exit(getpid() == wanted[0] ? 0 : 1);
  if (child == -1 && errno == EPERM) Skip("not root");
  ASSERT(child > 0);
  EXPECT_EQ(child, wanted[0]);
  // Taken as long as it was not waited for.
  EXPECT_ERRNO(syscall(SYS_clone3, &args, sizeof(args)), EEXIST);
  EXPECT_EQ(WaitStatus(child), 0);
  wanted[0] = 0;
  EXPECT_ERRNO(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
}

TEST(ParentsEndChangesGetppid) {
  int fds[2];
  ASSERT_OK(pipe(fds));
  const pid_t middle = fork();
  if (middle == 0) {
    const pid_t before = getpid();
    if (fork() == 0) {
      while (getppid() == before) usleep(1000);
      const pid_t after = getppid();
      _exit(write(fds[1], &after, sizeof(after)) == sizeof(after) ? 0 : 1);
    }
    usleep(50000);
    _exit(0);
  }
  WaitStatus(middle);
  pid_t after = 0;
  EXPECT_EQ(Poll(fds[0], 10000), POLLIN);
  EXPECT_EQ(read(fds[0], &after, sizeof(after)), (ssize_t)sizeof(after));
  EXPECT(after != middle);
}
