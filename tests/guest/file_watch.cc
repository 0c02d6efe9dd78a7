// Files: locks of all three kinds, /proc/locks, leases, SIGIO, inotify.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <map>
#include <vector>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

int Put(const char* path, const std::string& data) {
  const int fd = ASSERT_OK(open(path, O_RDWR | O_CREAT | O_TRUNC, 0644));
  EXPECT_EQ(write(fd, data.data(), data.size()), (ssize_t)data.size());
  return fd;
}

struct flock Range(short type, off_t start, off_t length) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = start;
  lock.l_len = length;
  return lock;
}

int SetLock(int fd, int command, short type, off_t start, off_t length) {
  struct flock lock = Range(type, start, length);
  return fcntl(fd, command, &lock);
}

struct flock GetLock(int fd, int command, short type, off_t start, off_t length) {
  struct flock lock = Range(type, start, length);
  EXPECT_OK(fcntl(fd, command, &lock));
  return lock;
}

// What a child process sees.
int InOther(const std::function<int()>& body) { return WEXITSTATUS(RunInChild(body)); }

struct Event {
  int wd;
  uint32_t mask, cookie;
  std::string name;
};

std::vector<Event> Events(int fd) {
  std::vector<Event> events;
  alignas(inotify_event) char buffer[65536];
  for (ssize_t n; (n = read(fd, buffer, sizeof(buffer))) > 0;) {
    for (char* at = buffer; at < buffer + n;) {
      auto* e = (inotify_event*)at;
      events.push_back({e->wd, e->mask, e->cookie, e->len ? e->name : ""});
      at += sizeof(inotify_event) + e->len;
    }
  }
  EXPECT_EQ(errno, EAGAIN);
  return events;
}

std::string Text(const std::vector<Event>& events) {
  static const std::map<uint32_t, const char*> kNames = {
      {IN_ACCESS, "access"},           {IN_MODIFY, "modify"},
      {IN_ATTRIB, "attrib"},           {IN_CLOSE_WRITE, "close_write"},
      {IN_CLOSE_NOWRITE, "close"},     {IN_OPEN, "open"},
      {IN_MOVED_FROM, "from"},         {IN_MOVED_TO, "to"},
      {IN_CREATE, "create"},           {IN_DELETE, "delete"},
      {IN_DELETE_SELF, "delete_self"}, {IN_MOVE_SELF, "move_self"},
      {IN_IGNORED, "ignored"},         {IN_Q_OVERFLOW, "overflow"}};
  std::string text;
  for (const Event& e : events) {
    if (!text.empty()) text += " ";
    const auto it = kNames.find(e.mask & ~IN_ISDIR);
    text += it != kNames.end() ? it->second : "?";
    if (e.mask & IN_ISDIR) text += "/";
    if (!e.name.empty()) text += ":" + e.name;
  }
  return text;
}

volatile sig_atomic_t signals_seen = 0;
volatile int last_fd = -1, last_code = 0;
void OnSignal(int, siginfo_t* info, void*) {
  signals_seen = signals_seen + 1;
  last_fd = info->si_fd;
  last_code = info->si_code;
}

void Catch(int signo) {
  struct sigaction action = {};
  action.sa_sigaction = OnSignal;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigaction(signo, &action, nullptr);
}

}  // namespace

TEST(PosixLocks) {
  const int fd = Put("f", "0123456789");
  EXPECT_OK(SetLock(fd, F_SETLK, F_WRLCK, 2, 4));
  EXPECT_EQ(GetLock(fd, F_GETLK, F_WRLCK, 0, 0).l_type, F_UNLCK);  // one's own do not count
  const int me = getpid();
  EXPECT_EQ(InOther([&] {
              struct flock got = GetLock(fd, F_GETLK, F_RDLCK, 0, 0);
              if (got.l_type != F_WRLCK || got.l_start != 2 || got.l_len != 4 || got.l_pid != me) return 1;
              if (SetLock(fd, F_SETLK, F_RDLCK, 5, 1) != -1 || errno != EAGAIN) return 2;
              if (SetLock(fd, F_SETLK, F_WRLCK, 6, 10) != 0) return 3;
              return 0;
            }),
            0);
  EXPECT_OK(SetLock(fd, F_SETLK, F_RDLCK, 3, 1));  // splits and downgrades
  EXPECT_EQ(InOther([&] {
              if (SetLock(fd, F_SETLK, F_RDLCK, 3, 1) != 0) return 1;
              if (SetLock(fd, F_SETLK, F_RDLCK, 2, 1) != -1) return 2;
              if (SetLock(fd, F_SETLK, F_RDLCK, 4, 1) != -1) return 3;
              return 0;
            }),
            0);
  close(open("f", O_RDONLY));  // the famous rule: any close drops them all
  EXPECT_EQ(InOther([&] { return SetLock(fd, F_SETLK, F_WRLCK, 0, 0); }), 0);
  struct flock bad = Range(F_WRLCK, -1, 1);
  EXPECT_ERRNO(fcntl(fd, F_SETLK, &bad), EINVAL);
  bad = Range(7, 0, 1);
  EXPECT_ERRNO(fcntl(fd, F_SETLK, &bad), EINVAL);
  EXPECT_ERRNO(SetLock(open("f", O_RDONLY), F_SETLK, F_WRLCK, 0, 1), EBADF);
}

TEST(PosixLocksWait) {
  const int fd = Put("f", "x");
  EXPECT_OK(SetLock(fd, F_SETLK, F_WRLCK, 0, 1));
  const int pid = fork();
  if (pid == 0) _exit(SetLock(fd, F_SETLKW, F_WRLCK, 0, 1) == 0 ? 0 : 1);
  SleepMs(50);
  EXPECT_EQ(waitpid(pid, nullptr, WNOHANG), 0);
  EXPECT_OK(SetLock(fd, F_SETLK, F_UNLCK, 0, 0));
  EXPECT_EQ(WaitStatus(pid), 0);
}

TEST(PosixLocksDeadlock) {
  const int fd = Put("f", "xy");
  EXPECT_OK(SetLock(fd, F_SETLK, F_WRLCK, 0, 1));
  int ready[2];
  ASSERT_OK(pipe(ready));
  const int pid = fork();
  if (pid == 0) {
    SetLock(fd, F_SETLK, F_WRLCK, 1, 1);
    (void)!write(ready[1], "r", 1);
    _exit(SetLock(fd, F_SETLKW, F_WRLCK, 0, 1) == 0 ? 0 : 1);
  }
  char c;
  EXPECT_EQ(read(ready[0], &c, 1), 1);
  EXPECT(FallsAsleep(pid));
  EXPECT_ERRNO(SetLock(fd, F_SETLKW, F_WRLCK, 1, 1), EDEADLK);
  EXPECT_OK(SetLock(fd, F_SETLK, F_UNLCK, 0, 0));
  EXPECT_EQ(WaitStatus(pid), 0);
}

TEST(DescriptionLocks) {
  const int a = Put("f", "0123456789"), b = open("f", O_RDWR);
  EXPECT_OK(SetLock(a, F_OFD_SETLK, F_WRLCK, 0, 5));
  EXPECT_ERRNO(SetLock(b, F_OFD_SETLK, F_RDLCK, 4, 1), EAGAIN);
  EXPECT_ERRNO(SetLock(a, F_SETLK, F_WRLCK, 0, 1), EAGAIN);  // the other kind of owner
  const struct flock got = GetLock(b, F_OFD_GETLK, F_WRLCK, 0, 0);
  EXPECT_EQ(got.l_type, F_WRLCK);
  EXPECT_EQ(got.l_pid, -1);
  const int same = dup(a);
  close(a);
  EXPECT_ERRNO(SetLock(b, F_OFD_SETLK, F_RDLCK, 0, 1), EAGAIN);
  close(same);
  EXPECT_OK(SetLock(b, F_OFD_SETLK, F_RDLCK, 0, 1));
  struct flock pid = Range(F_RDLCK, 0, 1);
  pid.l_pid = 1;
  EXPECT_ERRNO(fcntl(b, F_OFD_SETLK, &pid), EINVAL);
}

TEST(WholeFileLocks) {
  const int a = Put("f", ""), b = open("f", O_RDONLY);
  EXPECT_OK(flock(a, LOCK_SH));
  EXPECT_OK(flock(b, LOCK_SH | LOCK_NB));
  EXPECT_ERRNO(flock(a, LOCK_EX | LOCK_NB), EWOULDBLOCK);
  EXPECT_OK(flock(b, LOCK_UN));
  EXPECT_OK(flock(a, LOCK_EX | LOCK_NB));
  EXPECT_ERRNO(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
  EXPECT_OK(SetLock(b, F_SETLK, F_RDLCK, 0, 0));                       // another kind of lock
  EXPECT_EQ(InOther([&] { return flock(a, LOCK_EX | LOCK_NB); }), 0);  // inherited
  close(a);
  EXPECT_OK(flock(b, LOCK_EX | LOCK_NB));
  EXPECT_ERRNO(flock(b, 0), EINVAL);
}

TEST(ProcLocks) {
  const int a = Put("f", "0123456789"), b = open("f", O_RDWR);
  EXPECT_OK(SetLock(a, F_SETLK, F_WRLCK, 2, 3));
  EXPECT_OK(SetLock(b, F_OFD_SETLK, F_RDLCK, 8, 0));
  EXPECT_OK(flock(a, LOCK_EX));
  struct stat st;
  fstat(a, &st);
  const std::string locks = ReadAll("/proc/locks"), ino = ":" + std::to_string(st.st_ino);
  const std::string pid = std::to_string(getpid());
  EXPECT(locks.find("POSIX  ADVISORY  WRITE " + pid) != std::string::npos);
  EXPECT(locks.find(ino + " 2 4") != std::string::npos);
  EXPECT(locks.find("OFDLCK ADVISORY  READ -1") != std::string::npos);
  EXPECT(locks.find(ino + " 8 EOF") != std::string::npos);
  EXPECT(locks.find("FLOCK  ADVISORY  WRITE " + pid) != std::string::npos);
  EXPECT(locks.find(ino + " 0 EOF") != std::string::npos);
  char info[64];
  snprintf(info, sizeof(info), "/proc/self/fdinfo/%d", b);
  EXPECT(ReadAll(info).find("lock:\t1: OFDLCK") != std::string::npos);
}

TEST(LeaseIsBrokenByAnOpen) {
  Catch(SIGIO);
  close(Put("f", "data"));
  const int fd = ASSERT_OK(open("f", O_RDONLY));
  EXPECT_EQ(fcntl(fd, F_GETLEASE), F_UNLCK);
  EXPECT_OK(fcntl(fd, F_SETLEASE, F_RDLCK));
  EXPECT_EQ(fcntl(fd, F_GETLEASE), F_RDLCK);
  EXPECT_OK(close(open("f", O_RDONLY)));  // readers do not disturb readers
  EXPECT_EQ(signals_seen, 0);
  EXPECT_ERRNO(open("f", O_WRONLY | O_NONBLOCK), EWOULDBLOCK);
  EXPECT(Eventually([] { return signals_seen > 0; }));
  const int pid = fork();
  if (pid == 0) _exit(open("f", O_WRONLY) >= 0 ? 0 : 1);
  SleepMs(100);
  EXPECT_EQ(waitpid(pid, nullptr, WNOHANG), 0);
  EXPECT_OK(fcntl(fd, F_SETLEASE, F_UNLCK));
  EXPECT_EQ(WaitStatus(pid), 0);
}

// What `child` does has to wait for the holder of the lease on `fd`.
void ExpectToWaitForLease(int fd, const std::function<int()>& child) {
  signals_seen = 0;
  const int pid = fork();
  if (pid == 0) _exit(child());
  EXPECT(Eventually([] { return signals_seen > 0; }, 30'000));
  EXPECT_EQ(waitpid(pid, nullptr, WNOHANG), 0);
  EXPECT_OK(fcntl(fd, F_SETLEASE, F_UNLCK));
  EXPECT_EQ(WaitStatus(pid), 0);
}

TEST(LeaseIsBrokenByTruncateAndExec) {
  Catch(SIGIO);
  close(Put("f", "#!/bin/true\n"));
  ASSERT_OK(chmod("f", 0755));
  const int fd = ASSERT_OK(open("f", O_RDONLY));
  EXPECT_OK(fcntl(fd, F_SETLEASE, F_WRLCK));
  ExpectToWaitForLease(fd, [] { return execl("./f", "f", nullptr), 1; });
  EXPECT_OK(fcntl(fd, F_SETLEASE, F_RDLCK));
  ExpectToWaitForLease(fd, [] { return truncate("f", 0) == 0 ? 0 : 1; });
}

TEST(LeaseRules) {
  close(Put("f", "data"));
  const int writer = ASSERT_OK(open("f", O_RDWR));
  EXPECT_ERRNO(fcntl(writer, F_SETLEASE, F_RDLCK), EAGAIN);
  EXPECT_OK(fcntl(writer, F_SETLEASE, F_WRLCK));
  EXPECT_EQ(fcntl(writer, F_GETLEASE), F_WRLCK);
  signal(SIGIO, SIG_IGN);
  EXPECT_ERRNO(open("f", O_RDONLY | O_NONBLOCK), EWOULDBLOCK);
  EXPECT_OK(fcntl(writer, F_SETLEASE, F_UNLCK));
  const int reader = ASSERT_OK(open("f", O_RDONLY));
  EXPECT_ERRNO(fcntl(writer, F_SETLEASE, F_WRLCK), EAGAIN);  // somebody else has it open
  EXPECT_ERRNO(fcntl(reader, F_SETLEASE, F_RDLCK), EAGAIN);  // open for writing
  EXPECT_ERRNO(fcntl(reader, F_SETLEASE, 9), EINVAL);
  EXPECT_ERRNO(fcntl(open(".", O_RDONLY), F_SETLEASE, F_RDLCK), EINVAL);
}

TEST(SignalsOnInput) {
  Catch(SIGIO);
  Catch(SIGRTMIN + 3);
  int p[2];
  ASSERT_OK(pipe(p));
  EXPECT_EQ(fcntl(p[0], F_GETOWN), 0);
  EXPECT_OK(fcntl(p[0], F_SETOWN, getpid()));
  EXPECT_EQ(fcntl(p[0], F_GETOWN), getpid());
  EXPECT_OK(fcntl(p[0], F_SETFL, O_ASYNC | O_NONBLOCK));
  EXPECT(fcntl(p[0], F_GETFL) & O_ASYNC);
  EXPECT_EQ(write(p[1], "x", 1), 1);
  EXPECT(Eventually([] { return signals_seen == 1; }));
  EXPECT_OK(fcntl(p[0], F_SETSIG, SIGRTMIN + 3));
  EXPECT_EQ(fcntl(p[0], F_GETSIG), SIGRTMIN + 3);
  char c;
  EXPECT_EQ(read(p[0], &c, 1), 1);
  EXPECT_EQ(write(p[1], "x", 1), 1);
  EXPECT(Eventually([] { return signals_seen == 2; }));
  EXPECT_EQ(last_fd, p[0]);
  EXPECT_EQ(last_code, POLL_IN);
  EXPECT_OK(fcntl(p[0], F_SETFL, 0));
  EXPECT_EQ(write(p[1], "x", 1), 1);
  SleepMs(50);
  EXPECT_EQ(signals_seen, 2);
  struct f_owner_ex owner = {F_OWNER_PGRP, getpgrp()};
  EXPECT_OK(fcntl(p[0], F_SETOWN_EX, &owner));
  EXPECT_EQ(fcntl(p[0], F_GETOWN), -getpgrp());
  owner = {F_OWNER_TID, gettid()};
  EXPECT_OK(fcntl(p[0], F_SETOWN_EX, &owner));
  owner = {};
  EXPECT_OK(fcntl(p[0], F_GETOWN_EX, &owner));
  EXPECT_EQ(owner.type, F_OWNER_TID);
  EXPECT_EQ(owner.pid, gettid());
  EXPECT_ERRNO(fcntl(p[0], F_SETSIG, 200), EINVAL);
  EXPECT_ERRNO(fcntl(p[0], F_SETOWN, 999999), ESRCH);
}

// As if kill(2) were called by the one who named the owner.
TEST(OwnersAreSignalledByWhoMay) {
  Catch(SIGIO);
  int p[2];
  ASSERT_OK(pipe(p));
  const int target = getpid();
  EXPECT_OK(fcntl(p[0], F_SETFL, O_ASYNC | O_NONBLOCK));
  const int status = RunInChild([&] {
    if (setresuid(1234, 1234, 1234) != 0) return 1;
    return fcntl(p[0], F_SETOWN, target) == 0 && write(p[1], "x", 1) == 1 ? 0 : 2;
  });
  EXPECT_EQ(status, 0);
  SleepMs(50);
  EXPECT_EQ(signals_seen, 0);
  EXPECT_OK(fcntl(p[0], F_SETOWN, target));
  char c;
  EXPECT_EQ(read(p[0], &c, 1), 1);
  EXPECT_EQ(write(p[1], "x", 1), 1);
  EXPECT(Eventually([] { return signals_seen == 1; }, 30'000));
}

TEST(InotifyNames) {
  const int in = ASSERT_OK(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  mkdir("d", 0755);
  const int wd = ASSERT_OK(inotify_add_watch(in, "d", IN_ALL_EVENTS));
  EXPECT_EQ(wd, 1);
  const int fd = open("d/f", O_CREAT | O_RDWR, 0600);
  EXPECT_EQ(Text(Events(in)), "create:f open:f");
  EXPECT_EQ(write(fd, "x", 1), 1);
  char c;
  EXPECT_EQ(pread(fd, &c, 1, 0), 1);
  EXPECT_OK(ftruncate(fd, 5));
  EXPECT_OK(fchmod(fd, 0644));
  EXPECT_EQ(Text(Events(in)), "modify:f access:f modify:f attrib:f");
  close(fd);
  close(open("d/f", O_RDONLY));
  EXPECT_EQ(Text(Events(in)), "close_write:f open:f close:f");
  mkdir("d/sub", 0755);
  symlink("x", "d/l");
  link("d/f", "d/g");
  EXPECT_EQ(Text(Events(in)), "create/:sub create:l create:g");
  EXPECT_OK(unlink("d/g"));
  EXPECT_OK(rmdir("d/sub"));
  EXPECT_EQ(Text(Events(in)), "delete:g delete/:sub");
}

TEST(InotifyRename) {
  const int in = ASSERT_OK(inotify_init1(IN_NONBLOCK));
  mkdir("a", 0755);
  mkdir("b", 0755);
  close(Put("a/f", "x"));
  const int wa = inotify_add_watch(in, "a", IN_MOVE | IN_CREATE | IN_DELETE);
  const int wb = inotify_add_watch(in, "b", IN_MOVE | IN_CREATE | IN_DELETE);
  const int wf = inotify_add_watch(in, "a/f", IN_MOVE_SELF | IN_DELETE_SELF | IN_ATTRIB);
  EXPECT_OK(rename("a/f", "b/g"));
  const std::vector<Event> events = Events(in);
  EXPECT_EQ(Text(events), "from:f to:g move_self");
  ASSERT(events.size() == 3);
  EXPECT_EQ(events[0].wd, wa);
  EXPECT_EQ(events[1].wd, wb);
  EXPECT_EQ(events[2].wd, wf);
  EXPECT(events[0].cookie != 0);
  EXPECT_EQ(events[0].cookie, events[1].cookie);
  EXPECT_OK(unlink("b/g"));
  EXPECT_EQ(Text(Events(in)), "attrib delete_self ignored delete:g");
  EXPECT_ERRNO(inotify_rm_watch(in, wf), EINVAL);
}

TEST(InotifySelf) {
  const int in = ASSERT_OK(inotify_init1(IN_NONBLOCK));
  const int fd = Put("f", "x");
  const int wd = ASSERT_OK(inotify_add_watch(in, "f", IN_ALL_EVENTS));
  EXPECT_OK(unlink("f"));
  EXPECT_EQ(Text(Events(in)), "attrib");  // still open
  close(fd);
  EXPECT_EQ(Text(Events(in)), "close_write delete_self ignored");
  EXPECT_ERRNO(inotify_rm_watch(in, wd), EINVAL);
  mkdir("d", 0755);
  ASSERT_OK(inotify_add_watch(in, "d", IN_ALL_EVENTS));
  EXPECT_OK(rmdir("d"));
  EXPECT_EQ(Text(Events(in)), "delete_self ignored");
}

TEST(InotifyFlags) {
  const int in = ASSERT_OK(inotify_init1(IN_NONBLOCK));
  mkdir("d", 0755);
  close(Put("f", "x"));
  symlink("f", "l");
  EXPECT_ERRNO(inotify_add_watch(in, "f", IN_ONLYDIR | IN_OPEN), ENOTDIR);
  EXPECT_ERRNO(inotify_add_watch(in, "f", 0), EINVAL);
  EXPECT_ERRNO(inotify_add_watch(in, "none", IN_OPEN), ENOENT);
  EXPECT_ERRNO(inotify_add_watch(0, "f", IN_OPEN), EINVAL);
  EXPECT_ERRNO(inotify_add_watch(999, "f", IN_OPEN), EBADF);
  EXPECT_ERRNO(inotify_init1(0x1), EINVAL);
  EXPECT_ERRNO(inotify_rm_watch(in, 5), EINVAL);
  const int a = ASSERT_OK(inotify_add_watch(in, "f", IN_OPEN));
  EXPECT_EQ(inotify_add_watch(in, "l", IN_MODIFY), a);  // the same inode: replaced
  close(open("f", O_RDONLY));
  EXPECT_EQ(Text(Events(in)), "");
  EXPECT_EQ(inotify_add_watch(in, "f", IN_OPEN | IN_MASK_ADD), a);
  close(open("f", O_WRONLY | O_TRUNC));
  EXPECT_EQ(Text(Events(in)), "open modify");
  EXPECT_ERRNO(inotify_add_watch(in, "f", IN_OPEN | IN_MASK_CREATE), EEXIST);
  EXPECT_OK(inotify_rm_watch(in, a));
  EXPECT_EQ(Text(Events(in)), "ignored");
  const int b = ASSERT_OK(inotify_add_watch(in, "f", IN_OPEN | IN_ONESHOT));
  EXPECT(b > a);
  close(open("f", O_RDONLY));
  close(open("f", O_RDONLY));
  EXPECT_EQ(Text(Events(in)), "open ignored");
  const int l = ASSERT_OK(inotify_add_watch(in, "l", IN_ALL_EVENTS | IN_DONT_FOLLOW));
  close(open("f", O_RDONLY));
  EXPECT_EQ(Text(Events(in)), "");
  EXPECT_OK(inotify_rm_watch(in, l));
}

TEST(InotifyReading) {
  const int in = ASSERT_OK(inotify_init1(IN_NONBLOCK));
  mkdir("d", 0755);
  ASSERT_OK(inotify_add_watch(in, "d", IN_CREATE | IN_MODIFY));
  const int fd = open("d/a-name", O_CREAT | O_WRONLY, 0600);
  int pending = 0;
  EXPECT_OK(ioctl(in, FIONREAD, &pending));
  EXPECT_EQ(pending, 32);
  char small[16];
  EXPECT_ERRNO(read(in, small, sizeof(small)), EINVAL);
  pollfd p = {in, POLLIN, 0};
  EXPECT_EQ(poll(&p, 1, 0), 1);
  EXPECT_EQ(Events(in).size(), 1u);
  EXPECT_EQ(poll(&p, 1, 0), 0);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(write(fd, "x", 1), 1);
  EXPECT_EQ(Text(Events(in)), "modify:a-name");  // equal ones in a row are one
  EXPECT_ERRNO(write(in, "x", 1), EBADF);
  const int pid = fork();
  if (pid == 0) {
    SleepMs(50);
    close(open("d/other", O_CREAT | O_WRONLY, 0600));
    _exit(0);
  }
  EXPECT_EQ(poll(&p, 1, 5000), 1);
  EXPECT_EQ(Text(Events(in)), "create:other");
  WaitStatus(pid);
  char info[64];
  snprintf(info, sizeof(info), "/proc/self/fdinfo/%d", in);
  EXPECT(ReadAll(info).find("inotify wd:1 ino:") != std::string::npos);
}

TEST(OfdLocksOfOnesOwn) {
  const int fd = Put("f", "");
  EXPECT_OK(SetLock(fd, F_OFD_SETLK, F_WRLCK, 10, 5));
  struct flock lock = Range(F_UNLCK, 0, 100);
  if (fcntl(fd, F_OFD_GETLK, &lock) != 0 && errno == EINVAL && !InSandbox()) Skip("not before Linux 6.5");
  EXPECT_EQ(lock.l_type, F_WRLCK);
  EXPECT_EQ(lock.l_start, 10);
  EXPECT_EQ(lock.l_len, 5);
  EXPECT_EQ(GetLock(fd, F_OFD_GETLK, F_UNLCK, 20, 5).l_type, F_UNLCK);
  const int other = ASSERT_OK(open("f", O_RDWR));
  EXPECT_EQ(GetLock(other, F_OFD_GETLK, F_UNLCK, 0, 100).l_type, F_UNLCK);
  EXPECT_ERRNO(fcntl(fd, F_GETLK, &(lock = Range(F_UNLCK, 0, 100))), EINVAL);
}

namespace {

// A blocked real-time signal, taken by who waits for it: `si_fd` of the next one, or -1 if none comes.
constexpr int kNotice = 40;

int TakeNotice(int milliseconds) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, kNotice);
  const timespec timeout = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
  siginfo_t info = {};
  if (sigtimedwait(&set, &info, &timeout) != kNotice) return -1;
  EXPECT_EQ(info.si_code, POLL_MSG);
  EXPECT_EQ(info.si_band, POLLIN | POLLRDNORM | POLLMSG);
  return info.si_fd;
}

constexpr int kLong = 30000;  // for what comes

// For what does not come: something that does must overtake it.
bool NothingPending() {
  sigset_t pending;
  EXPECT_OK(sigpending(&pending));
  return !sigismember(&pending, kNotice);
}

int OpenWatchedDirectory(const char* path, unsigned events) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, kNotice);
  EXPECT_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
  mkdir(path, 0755);
  const int fd = ASSERT_OK(open(path, O_RDONLY | O_DIRECTORY));
  EXPECT_OK(fcntl(fd, F_SETSIG, kNotice));
  EXPECT_OK(fcntl(fd, F_NOTIFY, events));
  return fd;
}

}  // namespace

TEST(DnotifyTellsOnce) {
  const int fd = OpenWatchedDirectory("d", DN_CREATE);
  close(Put("d/a", ""));
  EXPECT_EQ(TakeNotice(kLong), fd);
  close(Put("d/b", ""));
  EXPECT_OK(fcntl(fd, F_NOTIFY, DN_CREATE));  // again: d/b was before
  close(Put("d/c", ""));
  EXPECT_EQ(TakeNotice(kLong), fd);
  EXPECT(NothingPending());
}

TEST(DnotifyTellsOfEach) {
  const int fd = OpenWatchedDirectory("d", DN_MULTISHOT | DN_CREATE | DN_DELETE | DN_RENAME | DN_MODIFY | DN_ATTRIB);
  const int file = Put("d/a", "");
  EXPECT_EQ(TakeNotice(kLong), fd);
  EXPECT_EQ(write(file, "x", 1), 1);
  EXPECT_EQ(TakeNotice(kLong), fd);
  EXPECT_OK(fchmod(file, 0600));
  EXPECT_EQ(TakeNotice(kLong), fd);
  EXPECT_OK(rename("d/a", "d/b"));
  EXPECT_EQ(TakeNotice(kLong), fd);
  while (TakeNotice(200) == fd) {  // a name that came and one that went may be two
  }
  EXPECT_OK(unlink("d/b"));
  EXPECT_EQ(TakeNotice(kLong), fd);
}

TEST(DnotifyTellsOnlyWhatWasAskedFor) {
  const int fd = OpenWatchedDirectory("d", DN_MULTISHOT | DN_DELETE);
  close(Put("d/a", "x"));
  EXPECT_OK(chmod("d/a", 0600));
  EXPECT_OK(unlink("d/a"));
  EXPECT_EQ(TakeNotice(kLong), fd);
  EXPECT_EQ(TakeNotice(0), -1);
}

TEST(DnotifyEndsWithNothingAskedFor) {
  const int fd = OpenWatchedDirectory("d", DN_MULTISHOT | DN_CREATE);
  EXPECT_OK(fcntl(fd, F_NOTIFY, 0));
  const int second = OpenWatchedDirectory("e", DN_CREATE);
  close(Put("d/a", ""));
  close(Put("e/a", ""));
  EXPECT_EQ(TakeNotice(kLong), second);
  EXPECT_EQ(TakeNotice(0), -1);
}

TEST(DnotifyEndsWithAnyClose) {
  const int fd = OpenWatchedDirectory("d", DN_MULTISHOT | DN_CREATE);
  EXPECT_OK(close(dup(fd)));
  const int second = OpenWatchedDirectory("e", DN_CREATE);
  close(Put("d/a", ""));
  close(Put("e/a", ""));
  EXPECT_EQ(TakeNotice(kLong), second);
  EXPECT_EQ(TakeNotice(0), -1);
}

TEST(DnotifyOfAChildsCloseChangesNothing) {
  const int fd = OpenWatchedDirectory("d", DN_MULTISHOT | DN_CREATE);
  EXPECT_EQ(InOther([&] { return close(fd); }), 0);
  close(Put("d/a", ""));
  EXPECT_EQ(TakeNotice(kLong), fd);
}

TEST(DnotifyMakesTheCallerTheOwner) {
  const int fd = OpenWatchedDirectory("d", DN_CREATE);
  EXPECT_EQ(fcntl(fd, F_GETOWN), getpid());
}

TEST(DnotifyOfADirectoryOnly) {
  const int fd = Put("f", "");
  EXPECT_ERRNO(fcntl(fd, F_NOTIFY, DN_CREATE), ENOTDIR);
  EXPECT_OK(fcntl(fd, F_NOTIFY, 0));
  EXPECT_OK(mkdir("d", 0755));
  const int path = ASSERT_OK(open("d", O_PATH));
  EXPECT_ERRNO(fcntl(path, F_NOTIFY, DN_CREATE), EBADF);
}

TEST(InotifyInstancesAreCountedByUser) {
  const int limits = ASSERT_OK(open("/proc/sys/fs/inotify/max_user_instances", O_RDONLY));
  char text[32] = {};
  ASSERT(read(limits, text, sizeof(text) - 1) > 0);
  const size_t limit = strtoul(text, nullptr, 10);
  if (limit > 800) Skip("more of them are allowed here than there are descriptors");
  std::vector<int> instances;
  int fd;
  while ((fd = inotify_init1(0)) >= 0 && instances.size() <= limit) instances.push_back(fd);
  EXPECT_EQ(errno, EMFILE);
  EXPECT(instances.size() <= limit && !instances.empty());
  for (int instance : instances) close(instance);
  EXPECT_OK(inotify_init1(0));
}
