// Scheduling attributes, kcmp and personality: what processes say of themselves and of each other.

#include <fcntl.h>
#include <linux/kcmp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include <cstdint>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

struct Attr {
  uint32_t size = 0, policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0, deadline = 0, period = 0;
  uint32_t util_min = 0, util_max = 0;
  uint64_t later = 0;  // no version has it yet
};
constexpr uint32_t kFirst = 48;
constexpr uint64_t kResetOnFork = 1, kKeepPolicy = 8, kKeepParams = 16;

long Set(int pid, Attr* attr, unsigned flags = 0) { return syscall(SYS_sched_setattr, pid, attr, flags); }
long Get(int pid, Attr* attr, unsigned size = kFirst, unsigned flags = 0) {
  return syscall(SYS_sched_getattr, pid, attr, size, flags);
}

long Kcmp(pid_t a, pid_t b, int type, long i = 0, long j = 0) { return syscall(SYS_kcmp, a, b, type, i, j); }

void BecomeNobody() {
  if (geteuid() == 0) ASSERT_OK(setresuid(1000, 1000, 1000));
}

}  // namespace

TEST(AttributesAreWhatWasSet) {
  Attr attr = {};
  EXPECT_OK(Get(0, &attr));
  EXPECT(attr.size == kFirst && attr.policy == SCHED_OTHER && attr.flags == 0 && attr.nice == 0 && attr.priority == 0);
  attr = {.size = kFirst, .policy = SCHED_BATCH, .nice = 5};
  EXPECT_OK(Set(0, &attr));
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 5);
  EXPECT_EQ(sched_getscheduler(0), SCHED_BATCH);
  attr = {};
  EXPECT_OK(Get(getpid(), &attr));
  EXPECT(attr.policy == SCHED_BATCH && attr.nice == 5);
  attr = {.size = 0, .policy = SCHED_OTHER, .flags = kKeepPolicy, .nice = 99};  // no size: the first version
  EXPECT_OK(Set(0, &attr));
  EXPECT_EQ(sched_getscheduler(0), SCHED_BATCH);
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 19);
  attr = {.size = kFirst, .policy = SCHED_OTHER, .flags = kKeepParams, .nice = 0};
  EXPECT_OK(Set(0, &attr));
  EXPECT_EQ(sched_getscheduler(0), SCHED_BATCH);  // one of the parameters
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 19);
}

TEST(BadAttributes) {
  Attr attr = {.size = kFirst};
  EXPECT_ERRNO(Get(0, nullptr), EINVAL);
  EXPECT_ERRNO(Get(0, &attr, kFirst - 1), EINVAL);
  EXPECT_ERRNO(Get(0, &attr, 4097), EINVAL);
  EXPECT_ERRNO(Get(0, &attr, kFirst, 1), EINVAL);
  EXPECT_ERRNO(Get(-1, &attr), EINVAL);
  EXPECT_ERRNO(Get(0x3ffffff, &attr), ESRCH);
  EXPECT_ERRNO(Get(0, (Attr*)8), EFAULT);
  EXPECT_ERRNO(Set(0, nullptr), EINVAL);
  EXPECT_ERRNO(Set(0, &attr, 1), EINVAL);
  EXPECT_ERRNO(Set(-1, &attr), EINVAL);
  EXPECT_ERRNO(Set(0x3ffffff, &attr), ESRCH);
  EXPECT_ERRNO(Set(0, (Attr*)8), EFAULT);
  attr = {.size = 8};
  EXPECT_ERRNO(Set(0, &attr), E2BIG);
  EXPECT(attr.size == 56);  // what would do
  attr = {.size = sizeof(Attr), .later = 1};
  EXPECT_ERRNO(Set(0, &attr), E2BIG);
  attr = {.size = sizeof(Attr), .later = 0};
  EXPECT_OK(Set(0, &attr));
  attr = {.size = kFirst, .policy = 77};
  EXPECT_ERRNO(Set(0, &attr), EINVAL);
  attr = {.size = kFirst, .flags = 1 << 20};
  EXPECT_ERRNO(Set(0, &attr), EINVAL);
  attr = {.size = kFirst, .policy = SCHED_OTHER, .priority = 1};
  EXPECT_ERRNO(Set(0, &attr), EINVAL);
  attr = {.size = kFirst, .policy = SCHED_FIFO};
  EXPECT_ERRNO(Set(0, &attr), EINVAL);
}

TEST(AttributesForTheUnprivileged) {
  BecomeNobody();
  Attr attr = {.size = kFirst, .policy = SCHED_FIFO, .priority = 1};
  EXPECT_ERRNO(Set(0, &attr), EPERM);
  attr = {.size = kFirst, .policy = SCHED_OTHER, .nice = -1};
  EXPECT_ERRNO(Set(0, &attr), EPERM);
  attr = {.size = kFirst, .policy = SCHED_OTHER, .nice = 3};
  EXPECT_OK(Set(0, &attr));
  attr.nice = 2;
  EXPECT_ERRNO(Set(0, &attr), EPERM);
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 3);
  attr = {.size = kFirst, .policy = SCHED_IDLE, .flags = kResetOnFork, .nice = 3};
  EXPECT_OK(Set(0, &attr));
  attr.flags = 0;
  EXPECT_ERRNO(Set(0, &attr), EPERM);  // the flag stays
  attr = {.size = kFirst, .policy = SCHED_OTHER, .flags = kResetOnFork, .nice = 3};
  EXPECT_ERRNO(Set(0, &attr), EPERM);  // as does idleness
}

TEST(ResetOnForkIsNotInherited) {
  Attr attr = {.size = kFirst, .policy = SCHED_BATCH, .flags = kResetOnFork, .nice = 4};
  EXPECT_OK(Set(0, &attr));
  EXPECT_EQ(sched_getscheduler(0), SCHED_BATCH | SCHED_RESET_ON_FORK);
  EXPECT_OK(Get(0, &attr));
  EXPECT(attr.flags == kResetOnFork);
  EXPECT_EQ(RunInChild([] {
              Attr mine = {};
              if (Get(0, &mine) != 0) return 1;
              return mine.flags == 0 && mine.policy == SCHED_BATCH && mine.nice == 4 ? 0 : 2;
            }),
            0);
}

TEST(KcmpOfFiles) {
  const int a = ASSERT_OK(open("/dev/null", O_RDONLY)), b = ASSERT_OK(open("/dev/null", O_RDONLY)), c = dup(a);
  const pid_t me = getpid();
  EXPECT_EQ(Kcmp(me, me, KCMP_FILE, a, c), 0);
  EXPECT_EQ(Kcmp(me, me, KCMP_FILE, a, a), 0);
  const long order = Kcmp(me, me, KCMP_FILE, a, b);
  EXPECT(order == 1 || order == 2);
  EXPECT_EQ(Kcmp(me, me, KCMP_FILE, b, a), 3 - order);
  EXPECT_ERRNO(Kcmp(me, me, KCMP_FILE, a, 999), EBADF);
  EXPECT_ERRNO(Kcmp(me, me, 99), EINVAL);
  EXPECT_ERRNO(Kcmp(me, 0x3ffffff, KCMP_VM), ESRCH);
  EXPECT_ERRNO(Kcmp(0, me, KCMP_VM), ESRCH);
  EXPECT_EQ(RunInChild([=] { return Kcmp(me, getpid(), KCMP_FILE, a, a) == 0 ? 0 : 1; }), 0);
}

TEST(KcmpOfProcessesAndThreads) {
  const pid_t me = getpid();
  static pid_t thread;
  static int pipe_fds[2];
  ASSERT_OK(pipe(pipe_fds));
  pthread_t handle;
  pthread_create(
      &handle, nullptr,
      [](void*) -> void* {
        thread = gettid();
        char c = 1;
        (void)!write(pipe_fds[1], &c, 1);
        for (;;) pause();
      },
      nullptr);
  char c;
  ASSERT(read(pipe_fds[0], &c, 1) == 1);
  for (const int type : {KCMP_VM, KCMP_FILES, KCMP_FS, KCMP_SIGHAND}) EXPECT_EQ(Kcmp(me, thread, type), 0);
  EXPECT_EQ(RunInChild([=] {
              for (const int type : {KCMP_VM, KCMP_FILES, KCMP_FS, KCMP_SIGHAND}) {
                const long order = Kcmp(me, getpid(), type);
                if (order != 1 && order != 2) return type + 1;
              }
              return 0;
            }),
            0);
}

TEST(KcmpOfEpollTargets) {
  const pid_t me = getpid();
  int fds[2];
  ASSERT_OK(pipe(fds));
  const int epoll = ASSERT_OK(epoll_create1(0));
  epoll_event event{.events = EPOLLIN, .data = {}};
  EXPECT_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[0], &event));
  kcmp_epoll_slot slot{.efd = (unsigned)epoll, .tfd = (unsigned)fds[0], .toff = 0};
  const auto compare = [&](int fd) { return Kcmp(me, me, KCMP_EPOLL_TFD, fd, (unsigned long)&slot); };
  EXPECT_EQ(compare(fds[0]), 0);
  EXPECT(compare(fds[1]) > 0);
  EXPECT_ERRNO(compare(999), EBADF);
  slot.toff = 1;
  EXPECT_ERRNO(compare(fds[0]), ENOENT);
  slot = {.efd = (unsigned)fds[0], .tfd = (unsigned)fds[0], .toff = 0};
  EXPECT_ERRNO(compare(fds[0]), EINVAL);
  EXPECT_ERRNO(Kcmp(me, me, KCMP_EPOLL_TFD, fds[0], 8), EFAULT);
}

TEST(KcmpOfUndoneSemaphores) {
  const pid_t me = getpid();
  EXPECT_EQ(Kcmp(me, me, KCMP_SYSVSEM), 0);
  EXPECT_EQ(Kcmp(me, me, KCMP_IO), 0);
  EXPECT_EQ(RunInChild([=] { return Kcmp(me, getpid(), KCMP_SYSVSEM) == 0 ? 0 : 1; }), 0);  // neither has any
  const int set = ASSERT_OK(semget(IPC_PRIVATE, 1, 0600));
  sembuf up{0, 1, SEM_UNDO};
  EXPECT_OK(semop(set, &up, 1));
  EXPECT_EQ(Kcmp(me, me, KCMP_SYSVSEM), 0);
  EXPECT_EQ(RunInChild([=] { return Kcmp(me, getpid(), KCMP_SYSVSEM) > 0 ? 0 : 1; }), 0);
  EXPECT_OK(semctl(set, 0, IPC_RMID));
}

TEST(KcmpNeedsRightsOverBoth) {
  if (geteuid() != 0) Skip("root only");
  const pid_t parent = getpid();
  EXPECT_EQ(RunInChild([=] {
              if (setresuid(1000, 1000, 1000) != 0) return 1;
              return Kcmp(parent, getpid(), KCMP_VM) == -1 && errno == EPERM ? 0 : 2;
            }),
            0);
}

TEST(PersonalityOfOtherSystemsIsTaken) {
  constexpr unsigned kOther = unsigned{PER_LINUX32} | STICKY_TIMEOUTS;
  EXPECT_EQ(personality(PER_BSD), 0);
  EXPECT_EQ(personality(kOther), PER_BSD);
  EXPECT_EQ(personality(0xffffffff), static_cast<int>(kOther));
}

TEST(PersonalityMayClaimAnOldRelease) {
  utsname now, old;
  EXPECT_OK(uname(&now));
  EXPECT_EQ(personality(unsigned{PER_LINUX} | UNAME26), 0);
  EXPECT_OK(uname(&old));
  unsigned minor = 0;
  EXPECT_EQ(sscanf(now.release, "%*u.%u", &minor), 1);
  const std::string rest = now.release + strspn(now.release, "0123456789.");
  EXPECT_EQ(std::string(old.release), "2.6." + std::to_string(minor + 60) + rest);
}

TEST(PersonalityIsShown) {
  EXPECT_EQ(ReadAll("/proc/self/personality"), "00000000\n");
  EXPECT_EQ(personality(ADDR_NO_RANDOMIZE), 0);
  EXPECT_EQ(ReadAll("/proc/self/personality"), "00040000\n");
  EXPECT_EQ(RunInChild([] { return ReadAll("/proc/self/personality") == "00040000\n" ? 0 : 1; }), 0);
}
