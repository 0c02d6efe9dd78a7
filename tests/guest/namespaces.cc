// Namespaces and credentials: unshare, clone flags, setns, uid maps, pivot_root, propagation, pid numbers.

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include <algorithm>
#include <functional>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

bool Write(const char* path, const std::string& text) {
  const int fd = open(path, O_WRONLY);
  if (fd < 0) return false;
  const bool ok = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  return ok;
}

std::string Link(const std::string& path) {
  char text[256] = {};
  return readlink(path.c_str(), text, sizeof(text) - 1) > 0 ? text : "";
}

bool MapOneself() {
  return Write("/proc/self/setgroups", "deny") && Write("/proc/self/uid_map", "0 0 1") &&
         Write("/proc/self/gid_map", "0 0 1");
}

// May new namespaces be made without one of users?
bool IsAdmin() {
  const std::string status = ReadAll("/proc/self/status");
  const size_t at = status.find("CapEff:");
  return at != std::string::npos && (strtoull(status.c_str() + at + 7, nullptr, 16) >> CAP_SYS_ADMIN & 1);
}

// As an administrator, in a user namespace of one's own if need be.
bool BecomeAdmin() { return IsAdmin() || (unshare(CLONE_NEWUSER) == 0 && MapOneself()); }

long CloneInto(int flags) {
  const bool admin = IsAdmin();
  const long child = syscall(SYS_clone, flags | (admin ? 0 : CLONE_NEWUSER) | SIGCHLD, 0, 0, 0, 0);
  if (child == 0 && !admin && !MapOneself()) _exit(99);
  return child;
}

// In a child with CLONE_NEW* flags; its exit status.
int InNew(int flags, const std::function<int()>& body) {
  const long child = CloneInto(flags);
  if (child == 0) _exit(body());
  if (child < 0) return -1;
  const int status = WaitStatus(static_cast<int>(child));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

#define CHECK(condition)                                                        \
  do {                                                                          \
    if (!(condition)) {                                                         \
      fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #condition, errno); \
      return __LINE__ % 250 + 1;                                                \
    }                                                                           \
  } while (0)

// Dumpable again, so that its files in /proc are its own.
bool BecomeUser(unsigned id) {
  return setgroups(0, nullptr) == 0 && setgid(id) == 0 && setuid(id) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0;
}

int BecomeRootOfUserNamespace() {
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  CHECK(unshare(CLONE_NEWUSER) == 0);
  CHECK(Write("/proc/self/setgroups", "deny"));
  CHECK(Write("/proc/self/uid_map", "0 " + std::to_string(uid) + " 1"));
  CHECK(Write("/proc/self/gid_map", "0 " + std::to_string(gid) + " 1"));
  return 0;
}

}  // namespace

TEST(UtsIsSeparate) {
  utsname before{}, after{};
  uname(&before);
  EXPECT_EQ(InNew(CLONE_NEWUTS,
                  [] {
                    CHECK(sethostname("inside", 6) == 0);
                    utsname now{};
                    uname(&now);
                    CHECK(std::string(now.nodename) == "inside");
                    CHECK(ReadAll("/proc/sys/kernel/hostname") == "inside\n");
                    return 0;
                  }),
            0);
  uname(&after);
  EXPECT_EQ(std::string(before.nodename), std::string(after.nodename));
}

TEST(LinksTellThemApart) {
  const std::string uts = Link("/proc/self/ns/uts"), ipc = Link("/proc/self/ns/ipc");
  EXPECT(uts.rfind("uts:[", 0) == 0);
  EXPECT_EQ(RunInChild([&] {
              CHECK(BecomeAdmin());
              CHECK(unshare(CLONE_NEWUTS) == 0);
              CHECK(Link("/proc/self/ns/uts") != uts);
              CHECK(Link("/proc/self/ns/ipc") == ipc);
              const pid_t child = fork();
              if (child == 0) _exit(Link("/proc/self/ns/uts") != uts ? 0 : 1);
              CHECK(WaitStatus(child) == 0);
              return 0;
            }),
            0);
}

TEST(TheirFilesHaveNothingToRead) {
  const int fd = ASSERT_OK(open("/proc/self/ns/net", O_RDONLY));
  char byte;
  EXPECT_ERRNO(read(fd, &byte, 1), EINVAL);
  EXPECT_ERRNO(pread(fd, &byte, 1, 0), EINVAL);
  EXPECT_ERRNO(lseek(fd, 0, SEEK_SET), ESPIPE);
}

TEST(SetnsReturns) {
  EXPECT_EQ(RunInChild([] {
              utsname before{}, now{};
              uname(&before);
              CHECK(BecomeAdmin() && unshare(CLONE_NEWUTS) == 0);
              const int fd = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
              CHECK(fd >= 0);
              CHECK(unshare(CLONE_NEWUTS) == 0);
              CHECK(sethostname("other", 5) == 0);
              CHECK(setns(fd, CLONE_NEWIPC) == -1 && errno == EINVAL);
              CHECK(setns(fd, CLONE_NEWUTS) == 0);
              uname(&now);
              CHECK(std::string(now.nodename) == before.nodename);
              CHECK(setns(0, 0) == -1 && errno == EINVAL);
              return 0;
            }),
            0);
}

TEST(UserNamespaceMapsProjects) {
  EXPECT_EQ(ReadAll("/proc/self/projid_map"), "         0          0 4294967295\n");
  EXPECT_EQ(RunInChild([] {
              CHECK(BecomeUser(1234));
              CHECK(unshare(CLONE_NEWUSER) == 0);
              CHECK(ReadAll("/proc/self/projid_map").empty());
              CHECK(!Write("/proc/self/projid_map", "0 0 0") && errno == EINVAL);
              CHECK(Write("/proc/self/projid_map", "0 100 10"));
              CHECK(ReadAll("/proc/self/projid_map") == "         0        100         10\n");
              CHECK(!Write("/proc/self/projid_map", "0 100 10") && errno == EPERM);
              return 0;
            }),
            0);
}

TEST(UserNamespaceMapsIds) {
  EXPECT_EQ(RunInChild([] {
              CHECK(BecomeUser(1234));
              CHECK(unshare(CLONE_NEWUSER) == 0);
              CHECK(getuid() == 65534 && getgid() == 65534);
              CHECK(Write("/proc/self/uid_map", "0 1234 1"));
              CHECK(!Write("/proc/self/gid_map", "0 1234 1") && errno == EPERM);
              CHECK(Write("/proc/self/setgroups", "deny"));
              CHECK(Write("/proc/self/gid_map", "0 1234 1"));
              CHECK(getuid() == 0 && geteuid() == 0 && getgid() == 0);
              CHECK(!Write("/proc/self/uid_map", "0 1234 1") && errno == EPERM);
              CHECK(setuid(5) == -1 && errno == EINVAL);
              gid_t none;
              CHECK(setgroups(0, &none) == -1 && errno == EPERM);
              struct stat st {};
              CHECK(stat("/", &st) == 0 && st.st_uid == 65534);
              return 0;
            }),
            0);
}

TEST(UserNamespaceGivesCapabilitiesInside) {
  EXPECT_EQ(RunInChild([] {
              CHECK(BecomeUser(1234));
              CHECK(unshare(CLONE_NEWUTS) == -1 && errno == EPERM);
              const int failed = BecomeRootOfUserNamespace();
              if (failed) return failed;
              CHECK(sethostname("x", 1) == -1 && errno == EPERM);  // the outer one's
              CHECK(unshare(CLONE_NEWUTS) == 0);
              CHECK(sethostname("x", 1) == 0);
              CHECK(ReadAll("/proc/self/uid_map").find("1234") != std::string::npos);
              CHECK(mknod("/tmp/a-device", S_IFCHR | 0600, 0x103) == -1 && errno == EPERM);
              return 0;
            }),
            0);
}

TEST(ParentSetsTheMap) {
  if (!IsAdmin() && !InSandbox()) Skip("not root");
  int ready[2], go[2];
  ASSERT_OK(pipe(ready));
  ASSERT_OK(pipe(go));
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWUSER) != 0) _exit(1);
    char c = 0;
    if (write(ready[1], "x", 1) != 1 || read(go[0], &c, 1) != 1) _exit(2);
    if (getuid() != 7) _exit(3);
    if (setuid(8) != 0 || getuid() != 8) _exit(4);
    _exit(0);
  }
  char c;
  ASSERT(read(ready[0], &c, 1) == 1);
  const std::string proc = "/proc/" + std::to_string(child);
  EXPECT(Write((proc + "/uid_map").c_str(), "7 0 1\n8 100000 1000\n"));
  EXPECT(Write((proc + "/gid_map").c_str(), "0 0 1"));
  EXPECT_EQ(write(go[1], "x", 1), 1);
  EXPECT_EQ(WaitStatus(child), 0);
}

TEST(BadMapsAreRefused) {
  EXPECT_EQ(RunInChild([] {
              CHECK(unshare(CLONE_NEWUSER) == 0);
              for (const char* bad : {"", "0 0", "0 0 0", "a b c", "0 0 1 2", "0 0 2\n1 5 1", "0 4294967295 2"}) {
                CHECK(!Write("/proc/self/uid_map", bad) || *bad == '\0');
              }
              return 0;
            }),
            0);
}

TEST(PidNamespaceCountsFromOne) {
  EXPECT_EQ(InNew(CLONE_NEWPID,
                  [] {
                    CHECK(getpid() == 1 && getppid() == 0 && gettid() == 1);
                    const pid_t child = fork();
                    if (child == 0) _exit(getpid() == 2 && getppid() == 1 ? 0 : 1);
                    CHECK(child == 2);
                    CHECK(WaitStatus(child) == 0);
                    CHECK(kill(3, 0) == -1 && errno == ESRCH);
                    CHECK(setsid() == 1 && getpgrp() == 1 && getsid(0) == 1);
                    return 0;
                  }),
            0);
}

// What sockets, locks and System V IPC say about processes is in the reader's numbers.
int SendOwnCredentials(int socket) {
  char byte = 'x';
  iovec io{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))] = {};
  msghdr message = {};
  message.msg_iov = &io, message.msg_iovlen = 1;
  message.msg_control = control, message.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_CREDENTIALS, header->cmsg_len = CMSG_LEN(sizeof(ucred));
  const ucred own{getpid(), getuid(), getgid()};
  memcpy(CMSG_DATA(header), &own, sizeof(own));
  return sendmsg(socket, &message, 0) == 1 ? 0 : -1;
}

int ReceivedPid(int socket) {
  char byte;
  iovec io{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))] = {};
  msghdr message = {};
  message.msg_iov = &io, message.msg_iovlen = 1;
  message.msg_control = control, message.msg_controllen = sizeof(control);
  if (recvmsg(socket, &message, 0) != 1 || CMSG_FIRSTHDR(&message) == nullptr) return -1;
  ucred theirs{};
  memcpy(&theirs, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(theirs));
  return theirs.pid;
}

TEST(CredentialsOfSocketsAreInTheReadersNumbers) {
  int outer[2];
  ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, outer));
  const int on = 1;
  EXPECT_OK(setsockopt(outer[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
  const long child = CloneInto(CLONE_NEWPID);
  if (child == 0) {
    int inner[2];
    ucred peer{};
    socklen_t size = sizeof(peer);
    bool ok = socketpair(AF_UNIX, SOCK_STREAM, 0, inner) == 0;
    ok =
        ok && getsockopt(inner[0], SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid == 1 && peer.uid == getuid();
    ok = ok && getsockopt(outer[0], SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid == 0;
    _exit(ok && SendOwnCredentials(outer[1]) == 0 ? 0 : 1);
  }
  ASSERT(child > 0);
  EXPECT_EQ(ReceivedPid(outer[0]), static_cast<int>(child));
  EXPECT_EQ(WaitStatus(static_cast<int>(child)), 0);
}

TEST(PidsOfLocksAndSemaphoresAreInTheReadersNumbers) {
  TempDir();
  EXPECT_EQ(InNew(CLONE_NEWPID,
                  [] {
                    const int fd = open("file", O_RDWR | O_CREAT, 0600);
                    struct flock lock = {};
                    lock.l_type = F_WRLCK;
                    CHECK(fcntl(fd, F_SETLK, &lock) == 0);
                    const int set = semget(IPC_PRIVATE, 1, 0600);
                    CHECK(semctl(set, 0, SETVAL, 1) == 0);
                    CHECK(semctl(set, 0, GETPID) == 1);
                    CHECK(semctl(set, 0, IPC_RMID) == 0);
                    const int segment = shmget(IPC_PRIVATE, 4096, 0600);
                    struct shmid_ds info;
                    CHECK(shmctl(segment, IPC_STAT, &info) == 0 && info.shm_cpid == 1);
                    CHECK(shmctl(segment, IPC_RMID, nullptr) == 0);
                    const pid_t child = fork();
                    if (child == 0) {
                      struct flock found = {};
                      found.l_type = F_WRLCK;
                      _exit(fcntl(fd, F_GETLK, &found) == 0 && found.l_pid == 1 ? 0 : 1);
                    }
                    CHECK(WaitStatus(child) == 0);
                    return 0;
                  }),
            0);
}

TEST(PidNamespaceAdoptsOrphans) {
  EXPECT_EQ(InNew(CLONE_NEWPID,
                  [] {
                    const pid_t middle = fork();
                    if (middle == 0) {
                      if (fork() == 0) {
                        while (getppid() != 1) usleep(1000);
                        _exit(9);
                      }
                      _exit(0);
                    }
                    CHECK(WaitStatus(middle) == 0);
                    int status = 0;
                    const pid_t orphan = wait(&status);
                    CHECK(orphan == 3 && WEXITSTATUS(status) == 9);
                    return 0;
                  }),
            0);
}

TEST(InitOfAPidNamespaceTakesAllAlong) {
  int fds[2];
  ASSERT_OK(pipe(fds));
  EXPECT_EQ(InNew(CLONE_NEWPID,
                  [] {
                    for (int i = 0; i < 5; i++) {
                      if (fork() == 0) {
                        for (;;) pause();
                      }
                    }
                    usleep(20000);
                    return 6;
                  }),
            6);
  close(fds[1]);
  char c;
  EXPECT_EQ(read(fds[0], &c, 1), 0);  // nobody is left who holds the other end
}

TEST(InitAlsoTakesTheChildrenOfOthers) {
  EXPECT_EQ(RunInChild([] {
              CHECK(BecomeAdmin());
              CHECK(unshare(CLONE_NEWPID) == 0);
              int fds[2];
              CHECK(pipe(fds) == 0);
              const pid_t init = fork();
              char c;
              if (init == 0) _exit(static_cast<int>(read(fds[0], &c, 1)));
              const pid_t member = fork();  // in the namespace, and no child of its init
              if (member == 0) {
                for (;;) pause();
              }
              CHECK(write(fds[1], "x", 1) == 1);
              CHECK(WTERMSIG(WaitStatus(member)) == SIGKILL);  // first: init waits until it is reaped
              CHECK(WEXITSTATUS(WaitStatus(init)) == 1);
              return 0;
            }),
            0);
}

TEST(MessageQueuesNameTheSenderAsTheReceiverKnowsHim) {
  EXPECT_EQ(InNew(CLONE_NEWPID | CLONE_NEWIPC,
                  [] {
                    mq_attr attr = {};
                    attr.mq_maxmsg = 1, attr.mq_msgsize = 8;
                    const mqd_t queue = mq_open("/told", O_CREAT | O_RDWR, 0600, &attr);
                    CHECK(queue >= 0);
                    sigset_t set;
                    sigemptyset(&set);
                    sigaddset(&set, SIGUSR1);
                    CHECK(sigprocmask(SIG_BLOCK, &set, nullptr) == 0);
                    sigevent event = {};
                    event.sigev_notify = SIGEV_SIGNAL;
                    event.sigev_signo = SIGUSR1;
                    CHECK(mq_notify(queue, &event) == 0);
                    char status[100] = {};
                    CHECK(read(queue, status, sizeof(status) - 1) > 0);
                    CHECK(std::string(status).find("NOTIFY_PID:1 ") != std::string::npos);
                    const pid_t child = fork();
                    if (child == 0) _exit(mq_send(queue, "x", 1, 0) == 0 ? 0 : 1);
                    siginfo_t info = {};
                    CHECK(sigwaitinfo(&set, &info) == SIGUSR1);
                    CHECK(info.si_code == SI_MESGQ && info.si_pid == child && child == 2);
                    CHECK(WaitStatus(child) == 0);
                    return 0;
                  }),
            0);
}

// An init that waits for a member whose parent, outside of its namespace, reaps nothing; the end of the namespace
// around both frees it.
TEST(TwoInitsEndTogether) {
  int fds[2];
  ASSERT_OK(pipe(fds));
  EXPECT_EQ(InNew(CLONE_NEWPID,
                  [&] {
                    const pid_t middle = fork();
                    if (middle == 0) {
                      if (unshare(CLONE_NEWPID) != 0) _exit(1);
                      const pid_t inner = fork();
                      if (inner == 0) {
                        usleep(20000);
                        _exit(4);
                      }
                      if (fork() == 0) {
                        for (;;) pause();  // killed by the inner init's end, and nobody's to reap
                      }
                      char c = 'm';
                      if (write(fds[1], &c, 1) != 1) _exit(1);
                      for (;;) pause();
                    }
                    pollfd has_forked{fds[0], POLLIN, 0};
                    CHECK(poll(&has_forked, 1, -1) == 1);
                    usleep(40000);
                    CHECK(kill(middle, 0) == 0);
                    return 8;
                  }),
            8);
  close(fds[1]);
  char c;
  EXPECT_EQ(read(fds[0], &c, 1), 1);
  EXPECT_EQ(read(fds[0], &c, 1), 0);
}

// Each init has children and grandchildren, and all of the inits are killed at the same time.
TEST(NestedInitsKilledAtOnceAllEnd) {
  int fds[2];
  ASSERT_OK(pipe(fds));
  for (int round = 0; round < 5; ++round) {
    int ready[2];
    ASSERT_OK(pipe(ready));
    const long outer = CloneInto(CLONE_NEWPID);
    if (outer == 0) {
      for (int i = 0; i < 2; ++i) {
        if (fork() == 0) {
          for (;;) pause();
        }
      }
      if (syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0) == 0) {
        for (int i = 0; i < 2; ++i) {
          if (fork() == 0) {
            for (;;) pause();
          }
        }
        if (syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0) == 0) _exit(write(ready[1], "x", 1) == 1 ? 0 : 1);
        for (;;) pause();
      }
      for (;;) pause();
    }
    char c;
    EXPECT_EQ(read(ready[0], &c, 1), 1);
    close(ready[0]);
    close(ready[1]);
    EXPECT_OK(kill(static_cast<int>(outer), SIGKILL));
    EXPECT_EQ(WTERMSIG(WaitStatus(static_cast<int>(outer))), SIGKILL);
  }
  close(fds[1]);
  char c;
  EXPECT_EQ(read(fds[0], &c, 1), 0);  // nobody is left who holds the other end
}

TEST(InitIsNotKilledFromInside) {
  EXPECT_EQ(InNew(CLONE_NEWPID,
                  [] {
                    const pid_t child = fork();
                    if (child == 0) {
                      kill(1, SIGKILL);
                      kill(1, SIGTERM);
                      _exit(0);
                    }
                    CHECK(WaitStatus(child) == 0);
                    usleep(20000);
                    return 5;
                  }),
            5);
  const long child = CloneInto(CLONE_NEWPID);
  if (child == 0) {
    for (;;) pause();
  }
  usleep(20000);
  EXPECT_OK(kill(static_cast<int>(child), SIGKILL));
  EXPECT_EQ(WTERMSIG(WaitStatus(static_cast<int>(child))), SIGKILL);
}

TEST(UnsharedPidNamespaceIsForChildren) {
  EXPECT_EQ(RunInChild([] {
              CHECK(BecomeAdmin());
              CHECK(unshare(CLONE_NEWPID) == 0);
              CHECK(getpid() != 1);
              CHECK(syscall(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, 0, 0, 0, 0) == -1 && errno == EINVAL);
              const pid_t first = fork();
              if (first == 0) _exit(getpid() == 1 ? 0 : 1);
              CHECK(first > 1);
              CHECK(WaitStatus(first) == 0);
              CHECK(fork() == -1 && errno == ENOMEM);
              return 0;
            }),
            0);
}

TEST(ProcfsOfAPidNamespace) {
  EXPECT_EQ(InNew(CLONE_NEWPID | CLONE_NEWNS,
                  [] {
                    CHECK(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
                    CHECK(mount("proc", "/proc", "proc", 0, nullptr) == 0);
                    CHECK(Link("/proc/self") == "1");
                    CHECK(ReadAll("/proc/1/stat").rfind("1 (", 0) == 0);
                    CHECK(ReadAll("/proc/self/status").find("\nPid:\t1\n") != std::string::npos);
                    CHECK(access("/proc/2", F_OK) == -1);
                    CHECK(access("/proc/1/task/1", F_OK) == 0);
                    return 0;
                  }),
            0);
}

TEST(MountsAreSeparate) {
  ASSERT_OK(mkdir("where", 0700));
  EXPECT_EQ(InNew(CLONE_NEWNS,
                  [] {
                    CHECK(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
                    CHECK(mount("none", "where", "tmpfs", 0, nullptr) == 0);
                    CHECK(close(open("where/file", O_CREAT | O_RDWR, 0600)) == 0);
                    CHECK(ReadAll("/proc/self/mountinfo").find("/where ") != std::string::npos);
                    return 0;
                  }),
            0);
  EXPECT_ERRNO(access("where/file", F_OK), ENOENT);
  EXPECT(ReadAll("/proc/self/mountinfo").find("/where ") == std::string::npos);
}

TEST(MountsAreLimited) {
  if (!InSandbox()) Skip("would limit the whole machine");
  const char* const limit = "/proc/sys/fs/mount-max";
  const auto set = [limit](const std::string& value) {
    const int fd = open(limit, O_WRONLY);
    return write(fd, value.data(), value.size()) == (ssize_t)value.size() && close(fd) == 0;
  };
  const std::string before = ReadAll(limit);
  EXPECT_EQ(InNew(CLONE_NEWNS,
                  [&] {
                    CHECK(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
                    const std::string mounts = ReadAll("/proc/self/mountinfo");
                    const auto count = std::count(mounts.begin(), mounts.end(), '\n');
                    CHECK(set(std::to_string(count + 1)));
                    CHECK(mkdir("m", 0755) == 0 && mount("none", "m", "tmpfs", 0, nullptr) == 0);
                    CHECK(mount("none", "m", "tmpfs", 0, nullptr) == -1 && errno == ENOSPC);
                    CHECK(umount("m") == 0 && mount("none", "m", "tmpfs", 0, nullptr) == 0);
                    return 0;
                  }),
            0);
  EXPECT(set(before));
  EXPECT(!set("0"));
}

TEST(SharedMountsPropagate) {
  EXPECT_EQ(InNew(CLONE_NEWNS,
                  [] {
                    CHECK(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
                    CHECK(mkdir("a", 0700) == 0 && mkdir("b", 0700) == 0 && mkdir("c", 0700) == 0);
                    CHECK(mount("none", "a", "tmpfs", 0, nullptr) == 0);
                    CHECK(mount(nullptr, "a", nullptr, MS_SHARED, nullptr) == 0);
                    CHECK(mount("a", "b", nullptr, MS_BIND, nullptr) == 0);
                    CHECK(mount("a", "c", nullptr, MS_BIND, nullptr) == 0);
                    CHECK(mount(nullptr, "c", nullptr, MS_SLAVE, nullptr) == 0);
                    CHECK(mkdir("a/sub", 0700) == 0);
                    CHECK(mount("none", "a/sub", "tmpfs", 0, nullptr) == 0);
                    CHECK(close(open("a/sub/file", O_CREAT | O_RDWR, 0600)) == 0);
                    CHECK(access("b/sub/file", F_OK) == 0);
                    CHECK(access("c/sub/file", F_OK) == 0);
                    CHECK(umount("b/sub") == 0);
                    CHECK(access("a/sub/file", F_OK) == -1 && access("c/sub/file", F_OK) == -1);
                    CHECK(mkdir("c/sub2", 0700) == 0);
                    CHECK(mount("none", "c/sub2", "tmpfs", 0, nullptr) == 0);
                    CHECK(close(open("c/sub2/file", O_CREAT | O_RDWR, 0600)) == 0);
                    CHECK(access("a/sub2/file", F_OK) == -1);
                    const std::string info = ReadAll("/proc/self/mountinfo");
                    CHECK(info.find(" shared:") != std::string::npos && info.find(" master:") != std::string::npos);
                    CHECK(mount(nullptr, "a", nullptr, MS_SHARED | MS_PRIVATE, nullptr) == -1 && errno == EINVAL);
                    return 0;
                  }),
            0);
}

TEST(MountsMove) {
  EXPECT_EQ(InNew(CLONE_NEWNS,
                  [] {
                    CHECK(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
                    CHECK(mkdir("from", 0700) == 0 && mkdir("to", 0700) == 0);
                    CHECK(mount("none", "from", "tmpfs", 0, nullptr) == 0);
                    CHECK(close(open("from/file", O_CREAT | O_RDWR, 0600)) == 0);
                    CHECK(mkdir("from/under", 0700) == 0);
                    CHECK(mount("from", "from/under", nullptr, MS_MOVE, nullptr) == -1 && errno == ELOOP);
                    CHECK(mount("from", "to", nullptr, MS_MOVE, nullptr) == 0);
                    CHECK(access("to/file", F_OK) == 0 && access("from/file", F_OK) == -1);
                    return 0;
                  }),
            0);
}

TEST(PivotRootChangesTheRoot) {
  EXPECT_EQ(InNew(CLONE_NEWNS,
                  [] {
                    CHECK(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
                    CHECK(mkdir("new", 0700) == 0);
                    CHECK(syscall(SYS_pivot_root, "new", "new") == -1);
                    CHECK(mount("none", "new", "tmpfs", 0, nullptr) == 0);
                    CHECK(mkdir("new/old", 0700) == 0);
                    CHECK(close(open("new/marker", O_CREAT | O_RDWR, 0600)) == 0);
                    CHECK(syscall(SYS_pivot_root, "new", "new/old") == 0);
                    CHECK(chdir("/") == 0);
                    CHECK(access("/marker", F_OK) == 0 && access("/old/proc/self", F_OK) == 0);
                    CHECK(umount2("/old", MNT_DETACH) == 0);
                    CHECK(access("/old/proc", F_OK) == -1);
                    return 0;
                  }),
            0);
}

TEST(PivotRootOntoItself) {
  EXPECT_EQ(InNew(CLONE_NEWNS,
                  [] {
                    CHECK(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
                    CHECK(mkdir("new", 0700) == 0 && mount("none", "new", "tmpfs", 0, nullptr) == 0);
                    CHECK(close(open("new/marker", O_CREAT | O_RDWR, 0600)) == 0);
                    CHECK(chdir("new") == 0);
                    CHECK(syscall(SYS_pivot_root, ".", ".") == 0);
                    CHECK(umount2(".", MNT_DETACH) == 0);
                    CHECK(chdir("/") == 0);
                    CHECK(access("/marker", F_OK) == 0 && access("/proc", F_OK) == -1);
                    return 0;
                  }),
            0);
}

TEST(UserAndMountNamespaceTogether) {
  EXPECT_EQ(RunInChild([] {
              CHECK(BecomeUser(1234));
              CHECK(chdir("/") == 0);
              const int failed = BecomeRootOfUserNamespace();
              if (failed) return failed;
              CHECK(unshare(CLONE_NEWNS) == 0);
              CHECK(mount("none", "/tmp", "tmpfs", 0, nullptr) == 0);
              CHECK(mkdir("/tmp/x", 0700) == 0 && chown("/tmp/x", 0, 0) == 0);
              struct stat st {};
              CHECK(stat("/tmp/x", &st) == 0 && st.st_uid == 0);
              CHECK(umount("/proc") == -1 && errno == EINVAL);  // locked
              CHECK(umount("/tmp") == 0);
              return 0;
            }),
            0);
}

TEST(ThreadsCannotLeaveUserNamespaces) {
  EXPECT_ERRNO(syscall(SYS_clone, CLONE_NEWUSER | CLONE_FS | SIGCHLD, 0, 0, 0, 0), EINVAL);
  EXPECT_ERRNO(syscall(SYS_clone, CLONE_NEWNS | CLONE_FS | SIGCHLD, 0, 0, 0, 0), EINVAL);
  EXPECT_ERRNO(unshare(0x1000), EINVAL);
}

TEST(ParentDeathSignalReachesInit) {
  int fds[2];
  ASSERT_OK(pipe(fds));
  const pid_t parent = fork();
  if (parent == 0) {
    const long child = CloneInto(CLONE_NEWPID);
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (write(fds[1], "x", 1) != 1) _exit(1);
      for (;;) pause();
    }
    char c;
    _exit(read(fds[0], &c, 1) == 1 ? 0 : 1);
  }
  close(fds[1]);
  EXPECT_EQ(WaitStatus(parent), 0);
  char c;
  EXPECT_EQ(read(fds[0], &c, 1), 0);  // the child is gone too
}

// It is the same filesystem, seen from both sides.
TEST(FilesystemsOfOthersAreNotReconfigured) {
  if (!IsAdmin()) Skip("not root");
  TempDir();
  EXPECT_EQ(RunInChild([] {
              CHECK(unshare(CLONE_NEWNS) == 0 && mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
              CHECK(mkdir("shared", 0755) == 0 && mount("shared", "shared", "tmpfs", 0, "size=64m") == 0);
              CHECK(RunInChild([] {
                      CHECK(BecomeRootOfUserNamespace() == 0 && unshare(CLONE_NEWNS) == 0);
                      CHECK(mount("", "shared", nullptr, MS_REMOUNT, "size=4k") == -1 && errno == EPERM);
                      return 0;
                    }) == 0);
              struct statfs info {};
              CHECK(statfs("shared", &info) == 0 && info.f_blocks * info.f_bsize == 64 << 20);
              return 0;
            }),
            0);
}
