// Limits, credentials, capabilities, /proc, devices, terminals, identity.

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

#include <vector>

#include "tests/guest/harness.h"
#include "tests/guest/read_some.h"

using namespace guest;

namespace {

std::string Field(const std::string& text, const std::string& name) {
  const size_t at = text.find("\n" + name + ":");
  if (at == std::string::npos) return "";
  const size_t start = text.find_first_not_of(" \t", at + name.size() + 2);
  return text.substr(start, text.find('\n', start) - start);
}

std::string LinkOf(const std::string& path) {
  char target[4096];
  const ssize_t n = readlink(path.c_str(), target, sizeof(target));
  return n < 0 ? "" : std::string(target, n);
}

struct Terminal {
  Terminal() {
    master = ASSERT_OK(posix_openpt(O_RDWR | O_NOCTTY));
    ASSERT_OK(grantpt(master));
    ASSERT_OK(unlockpt(master));
    char name[64];
    ASSERT(ptsname_r(master, name, sizeof(name)) == 0);
    slave = ASSERT_OK(open(name, O_RDWR | O_NOCTTY));
    path = name;
  }
  int master, slave;
  std::string path;
};

}  // namespace

TEST(Rlimits) {
  rlimit limit;
  EXPECT_OK(getrlimit(RLIMIT_NOFILE, &limit));
  const rlimit old = limit;
  limit.rlim_cur = 20;
  EXPECT_OK(setrlimit(RLIMIT_NOFILE, &limit));
  EXPECT_ERRNO(fcntl(0, F_DUPFD, 20), EINVAL);
  std::vector<int> fds;
  for (int fd; (fd = dup(0)) >= 0;) fds.push_back(fd);
  EXPECT_EQ(errno, EMFILE);
  EXPECT(fds.back() == 19);
  int pair[2];
  EXPECT_ERRNO(pipe(pair), EMFILE);
  limit.rlim_cur = old.rlim_max + 1;
  EXPECT_ERRNO(setrlimit(RLIMIT_NOFILE, &limit), EINVAL);
  EXPECT_ERRNO(getrlimit((__rlimit_resource)99, &limit), EINVAL);
  EXPECT_OK(prlimit(0, RLIMIT_STACK, nullptr, &limit));
  EXPECT(limit.rlim_cur >= 1 << 20);
}

TEST(FileSizeLimit) {
  const int status = RunInChild([] {
    rlimit limit = {1000, 1000};
    EXPECT_OK(setrlimit(RLIMIT_FSIZE, &limit));
    const int fd = open("f", O_RDWR | O_CREAT, 0600);
    char block[1500] = {};
    signal(SIGXFSZ, SIG_IGN);
    EXPECT_EQ(write(fd, block, 1500), 1000);
    EXPECT_ERRNO(write(fd, block, 1), EFBIG);
    EXPECT_ERRNO(ftruncate(fd, 2000), EFBIG);
    signal(SIGXFSZ, SIG_DFL);
    if (Failed()) return 1;
    return (int)write(fd, block, 1);
  });
  EXPECT_EQ(WTERMSIG(status), SIGXFSZ);
}

void UseBeyondTheLimit(int memory, int other) {
  char block[1500] = {};
  EXPECT_EQ(pwrite(memory, block, 1500, 0), 1000);
  EXPECT_ERRNO(pwrite(memory, block, 1, 1 << 20), EFBIG);
  EXPECT_ERRNO(fallocate(memory, 0, 0, 2000), EFBIG);
  EXPECT_ERRNO(fallocate(memory, FALLOC_FL_COLLAPSE_RANGE, 4096, 1 << 20), EOPNOTSUPP);
  EXPECT_ERRNO(truncate("d", 2000), EISDIR);
  off_t from = 0, to = 1 << 20;
  EXPECT_ERRNO(copy_file_range(other, &from, other, &to, 10, 0), EFBIG);
  from = 3000;  // where nothing is left to copy
  EXPECT_ERRNO(copy_file_range(other, &from, other, &to, 10, 0), EFBIG);
  EXPECT_OK(ftruncate(other, 2000));  // a file that is too long may become shorter
  EXPECT_ERRNO(ftruncate(other, 2001), EFBIG);
}

TEST(FileSizeLimitIsOfGrowth) {
  TempDir();
  ASSERT_OK(mkdir("d", 0700));
  const int memory = ASSERT_OK(memfd_create("m", 0)), other = ASSERT_OK(open("other", O_RDWR | O_CREAT, 0600));
  ASSERT_OK(ftruncate(other, 3000));
  EXPECT_EQ(RunInChild([&] {
              rlimit limit = {1000, 1000};
              EXPECT_OK(setrlimit(RLIMIT_FSIZE, &limit));
              signal(SIGXFSZ, SIG_IGN);
              UseBeyondTheLimit(memory, other);
              return Failed();
            }),
            0);
}

TEST(CpuLimit) {
  const int status = RunInChild([] {
    rlimit limit = {1, 2};
    setrlimit(RLIMIT_CPU, &limit);
    for (;;) {
    }
    return 0;
  });
  EXPECT_EQ(WTERMSIG(status), SIGXCPU);
}

TEST(Credentials) {
  const int status = RunInChild([] {
    gid_t groups[] = {5, 6, 7}, now[10];
    EXPECT_OK(setgroups(3, groups));
    EXPECT_EQ(getgroups(10, now), 3);
    EXPECT_ERRNO(getgroups(2, now), EINVAL);
    EXPECT_OK(setresgid(10, 11, 12));
    EXPECT_OK(setresuid(20, 21, 22));
    uid_t r, e, s;
    EXPECT_OK(getresuid(&r, &e, &s));
    EXPECT(r == 20 && e == 21 && s == 22);
    EXPECT_OK(seteuid(22));
    EXPECT_ERRNO(setuid(0), EPERM);
    EXPECT_ERRNO(setgroups(0, nullptr), EPERM);
    EXPECT_ERRNO(setresuid(0, -1, -1), EPERM);
    const int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    struct stat st;
    if (fd >= 0 && fstat(fd, &st) == 0) EXPECT_EQ(st.st_uid, 22u);
    return (int)Failed();
  });
  EXPECT_EQ(status, 0);
}

TEST(CapabilitiesFollowIds) {
  const int status = RunInChild([] {
    EXPECT_OK(setuid(1000));
    __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2];
    EXPECT_OK(syscall(SYS_capget, &header, data));
    EXPECT_EQ(data[0].effective, 0u);
    EXPECT_EQ(data[0].permitted, 0u);
    data[0].effective = data[0].permitted = 1;
    EXPECT_ERRNO(syscall(SYS_capset, &header, data), EPERM);
    header.version = 0;
    EXPECT_ERRNO(syscall(SYS_capget, &header, data), EINVAL);
    EXPECT_EQ(header.version, (unsigned)_LINUX_CAPABILITY_VERSION_3);
    return (int)Failed();
  });
  EXPECT_EQ(status, 0);
}

TEST(NoNewPrivs) {
  EXPECT_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
  EXPECT_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  EXPECT_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
  EXPECT_ERRNO(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
  EXPECT_ERRNO(prctl(99999, 0, 0, 0, 0), EINVAL);
}

TEST(PrivilegedCallsAreRefused) {
  if (!InSandbox()) Skip("natively this may be real root");
  EXPECT_ERRNO(mount("x", "/tmp", "tmpfs", 0, nullptr), EPERM);
  EXPECT_ERRNO(sethostname("x", 1), EPERM);
  EXPECT_ERRNO(syscall(SYS_init_module, nullptr, 0, ""), EPERM);
  EXPECT_ERRNO(syscall(SYS_reboot, 0, 0, 0, nullptr), EPERM);
  EXPECT_ERRNO(syscall(SYS_swapon, "/tmp", 0), EPERM);
  EXPECT_ERRNO(syscall(SYS_iopl, 3), EPERM);
}

TEST(Identity) {
  utsname name;
  EXPECT_OK(uname(&name));
  EXPECT_EQ(std::string(name.sysname), "Linux");
  EXPECT_EQ(std::string(name.machine), "x86_64");
  EXPECT(atoi(name.release) >= 5);
  struct sysinfo info;
  EXPECT_OK(sysinfo(&info));
  EXPECT(info.totalram > 1 << 20 && info.procs >= 1 && info.mem_unit >= 1);
  char random[32] = {}, zero[32] = {};
  EXPECT_EQ(getrandom(random, sizeof(random), 0), 32);
  EXPECT(memcmp(random, zero, 32) != 0);
  EXPECT_ERRNO(getrandom(random, 1, 0x100), EINVAL);
  EXPECT_ERRNO(getrandom((void*)8, 16, 0), EFAULT);
}

TEST(UnknownCalls) {
  for (long number : {600L, 1000L, 5000L, 0x40000000L | 600, -1L, 1L << 31, 1L << 40 | 600}) {
    EXPECT_ERRNO(syscall(number, 0, 0, 0), ENOSYS);
  }
}

TEST(ProcStatus) {
  const std::string status = "\n" + ReadAll("/proc/self/status");
  EXPECT_EQ(Field(status, "Pid"), std::to_string(getpid()));
  EXPECT_EQ(Field(status, "PPid"), std::to_string(getppid()));
  EXPECT_EQ(Field(status, "Threads"), "1");
  EXPECT_EQ(Field(status, "Uid"), "0\t0\t0\t0");
  EXPECT(Field(status, "State").starts_with("R"));
  EXPECT(Field(status, "VmRSS") != "");
}

TEST(ProcStat) {
  const std::string stat = ReadAll("/proc/self/stat");
  EXPECT(stat.starts_with(std::to_string(getpid()) + " (g") || stat.find(") R ") != std::string::npos);
  int fields = 1;
  for (char c : stat) fields += c == ' ';
  EXPECT_EQ(fields, 52);
}

TEST(ProcMapsShowMappings) {
  char* m = (char*)mmap(nullptr, 3 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(m + 4096, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
  char want[64];
  snprintf(want, sizeof(want), "%lx-%lx rwxp", (long)m + 4096, (long)m + 8192);
  const std::string maps = ReadAll("/proc/self/maps");
  EXPECT(maps.find(want) != std::string::npos);
  EXPECT(maps.find("[stack]") != std::string::npos);
  EXPECT(maps.find(LinkOf("/proc/self/exe")) != std::string::npos);
}

TEST(ProcMapsShowNothingOfTheSandbox) {
  const std::string maps = ReadAll("/proc/self/maps");
  unsigned long last = 0;
  for (size_t at = 0; at < maps.size(); at = maps.find('\n', at) + 1) {
    const unsigned long start = strtoul(&maps[at], nullptr, 16);
    EXPECT(start >= last);
    EXPECT(start < 0x7fffffffffff || start == 0xffffffffff600000);
    last = start;
  }
  EXPECT(maps.find("memfd:") == std::string::npos);
}

TEST(ProcCmdlineAndEnviron) {
  const std::string line = ReadAll("/proc/self/cmdline");
  EXPECT(line.starts_with(SelfPath()));
  EXPECT_EQ(line.back(), '\0');
  EXPECT_EQ(LinkOf("/proc/self"), std::to_string(getpid()));
  EXPECT_EQ(LinkOf("/proc/thread-self"), std::to_string(getpid()) + "/task/" + std::to_string(gettid()));
  char directory[4096];
  EXPECT(getcwd(directory, sizeof(directory)) != nullptr);
  EXPECT_EQ(LinkOf("/proc/self/cwd"), directory);
}

TEST(ProcOfOthers) {
  const pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  const std::string dir = "/proc/" + std::to_string(child);
  EXPECT(Eventually([&] { return ReadAll((dir + "/stat").c_str()).find(") S ") != std::string::npos; }));
  kill(child, SIGKILL);
  EXPECT(Eventually([&] { return ReadAll((dir + "/stat").c_str()).find(") Z ") != std::string::npos; }));
  EXPECT_EQ(ReadAll((dir + "/cmdline").c_str()), "");
  const int fd = open((dir + "/stat").c_str(), O_RDONLY);
  EXPECT_EQ(WTERMSIG(WaitStatus(child)), SIGKILL);
  char buffer[10];
  EXPECT_ERRNO(read(fd, buffer, 10), ESRCH);
  EXPECT_ERRNO(access(dir.c_str(), F_OK), ENOENT);
}

TEST(ProcFds) {
  const int fd = ASSERT_OK(open("/dev/null", O_RDWR | O_APPEND));
  const std::string number = std::to_string(fd);
  EXPECT_EQ(LinkOf("/proc/self/fd/" + number), "/dev/null");
  EXPECT(ReadAll(("/proc/self/fdinfo/" + number).c_str()).find("pos:\t0") != std::string::npos);
  int fds[2];
  EXPECT_OK(pipe(fds));
  EXPECT(LinkOf("/proc/self/fd/" + std::to_string(fds[0])).starts_with("pipe:["));
  EXPECT_ERRNO(access("/proc/self/fd/987", F_OK), ENOENT);
}

TEST(ProcIsReadOnlyWhereItMust) {
  EXPECT_ERRNO(mkdir("/proc/x", 0700), ENOENT);
  EXPECT_ERRNO(unlink("/proc/self/status"), EPERM);
  EXPECT(ReadAll("/proc/version").starts_with("Linux version"));
  EXPECT(ReadAll("/proc/meminfo").starts_with("MemTotal:"));
  EXPECT(ReadAll("/proc/stat").starts_with("cpu "));
  EXPECT(ReadAll("/proc/mounts").find(" / ") != std::string::npos);
  EXPECT(ReadAll("/proc/filesystems").find("tmpfs") != std::string::npos);
}

TEST(NullZeroFull) {
  char buffer[10];
  memset(buffer, 'x', sizeof(buffer));
  const int null = ASSERT_OK(open("/dev/null", O_RDWR)), zero = ASSERT_OK(open("/dev/zero", O_RDWR));
  const int full = ASSERT_OK(open("/dev/full", O_RDWR));
  EXPECT_EQ(read(null, buffer, 10), 0);
  EXPECT_EQ(write(null, buffer, 10), 10);
  EXPECT_EQ(read(zero, buffer, 10), 10);
  EXPECT_EQ(buffer[9], 0);
  EXPECT_EQ(write(zero, buffer, 10), 10);
  EXPECT_ERRNO(write(full, buffer, 1), ENOSPC);
  EXPECT_EQ(read(full, buffer, 10), 10);
  EXPECT_ERRNO(read(zero, (void*)8, 10), EFAULT);
  struct stat st;
  EXPECT_OK(fstat(zero, &st));
  EXPECT(S_ISCHR(st.st_mode));
  EXPECT_EQ(st.st_rdev, makedev(1, 5));
  char* m = (char*)mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
  ASSERT(m != MAP_FAILED);
  EXPECT_EQ(m[5], 0);
  m[5] = 1;
  // At any offset it is the same.
  constexpr off_t kFar = off_t{1} << 61;
  EXPECT_EQ(pread(null, buffer, 8, kFar), 0);
  EXPECT_EQ(pread(zero, buffer, 8, kFar), 8);
  EXPECT_EQ(pread(full, buffer, 8, kFar), 8);
  EXPECT_EQ(pwrite(null, buffer, 8, kFar), 8);
  EXPECT_ERRNO(pwrite(full, buffer, 8, kFar), ENOSPC);
  EXPECT_EQ(pread(ASSERT_OK(open("/dev/urandom", O_RDONLY)), buffer, 8, kFar), 8);
}

TEST(RandomDevices) {
  char a[64], b[64];
  EXPECT_EQ(read(ASSERT_OK(open("/dev/urandom", O_RDONLY)), a, 64), 64);
  EXPECT_EQ(read(ASSERT_OK(open("/dev/random", O_RDONLY)), b, 64), 64);
  EXPECT(memcmp(a, b, 64) != 0);
}

TEST(DeviceLinks) {
  EXPECT_EQ(LinkOf("/dev/fd"), "/proc/self/fd");
  EXPECT_EQ(LinkOf("/dev/stdin"), "/proc/self/fd/0");
  EXPECT_EQ(LinkOf("/dev/stdout"), "/proc/self/fd/1");
  EXPECT_EQ(LinkOf("/dev/stderr"), "/proc/self/fd/2");
  const int fd = ASSERT_OK(open("/dev/shm/guest-test", O_RDWR | O_CREAT, 0600));
  EXPECT_EQ(write(fd, "x", 1), 1);
  EXPECT_OK(unlink("/dev/shm/guest-test"));
}

TEST(NoControllingTerminal) {
  EXPECT_EQ(RunInChild([] {
              setsid();
              EXPECT_ERRNO(open("/dev/tty", O_RDWR), ENXIO);
              return (int)Failed();
            }),
            0);
}

TEST(TerminalLineDiscipline) {
  Terminal terminal;
  EXPECT(isatty(terminal.slave));
  EXPECT(!isatty(0) || true);
  EXPECT_EQ(write(terminal.master,
                  "abc\x7f"
                  "d\n",
                  6),
            6);  // one character is erased
  EXPECT_EQ(ReadSome(terminal.slave), "abd\n");
  EXPECT_EQ(ReadSome(terminal.master), "abc\b \bd\r\n");
  EXPECT_EQ(write(terminal.slave, "out\n", 4), 4);
  EXPECT_EQ(ReadSome(terminal.master), "out\r\n");
  EXPECT_EQ(write(terminal.master, "end\x04", 4), 4);
  EXPECT_EQ(ReadSome(terminal.slave), "end");
}

TEST(TerminalRawMode) {
  Terminal terminal;
  termios settings;
  EXPECT_OK(tcgetattr(terminal.slave, &settings));
  cfmakeraw(&settings);
  EXPECT_OK(tcsetattr(terminal.slave, TCSANOW, &settings));
  EXPECT_EQ(write(terminal.master, "\x03\x04z", 3), 3);
  EXPECT_EQ(ReadSome(terminal.slave), "\x03\x04z");
  winsize size = {30, 100, 0, 0}, now = {};
  EXPECT_OK(ioctl(terminal.master, TIOCSWINSZ, &size));
  EXPECT_OK(ioctl(terminal.slave, TIOCGWINSZ, &now));
  EXPECT_EQ(now.ws_col, 100);
}

TEST(TerminalSignals) {
  Terminal terminal;
  const pid_t child = fork();
  if (child == 0) {
    setsid();
    if (ioctl(terminal.slave, TIOCSCTTY, 0) != 0) _exit(9);
    if (write(terminal.slave, "r", 1) != 1) _exit(9);
    for (;;) pause();
  }
  EXPECT_EQ(ReadSome(terminal.master), "r");
  EXPECT_EQ(write(terminal.master, "\x03", 1), 1);
  const int status = WaitStatus(child);
  EXPECT(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGINT);
}

TEST(TerminalHangup) {
  Terminal terminal;
  close(terminal.slave);
  char c;
  EXPECT_ERRNO(read(terminal.master, &c, 1), EIO);
  pollfd poller = {terminal.master, POLLIN, 0};
  EXPECT_EQ(poll(&poller, 1, 0), 1);
  EXPECT_EQ(poller.revents & POLLHUP, POLLHUP);
}

TEST(IoctlErrors) {
  const int fd = open("f", O_RDWR | O_CREAT, 0600);
  termios settings;
  EXPECT_ERRNO(ioctl(fd, TCGETS, &settings), ENOTTY);
  EXPECT_ERRNO(ioctl(fd, 0xdeadbeef, 0), ENOTTY);
  EXPECT_ERRNO(ioctl(555, TCGETS, &settings), EBADF);
  int on = 1;
  EXPECT_OK(ioctl(fd, FIONBIO, &on));
  EXPECT_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  EXPECT_OK(ioctl(fd, FIOCLEX));
  EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

TEST(PriorityAndNice) {
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 0);
  EXPECT_OK(setpriority(PRIO_PROCESS, 0, 5));
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 5);
  EXPECT_EQ(nice(3), 8);
  EXPECT_EQ(RunInChild([] { return getpriority(PRIO_PROCESS, 0); }) >> 8, 8);
  errno = 0;
  EXPECT_ERRNO(getpriority(99, 0), EINVAL);
}

TEST(LoadComesFromWhatRuns) {
  auto used = [] {
    timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
  };
  while (used() < 3) {
  }
  double minute = 0, minutes5 = -1, minutes15 = -1;
  int running = 0, threads = 0, last = 0;
  const std::string text = ReadAll("/proc/loadavg");
  EXPECT_EQ(sscanf(text.c_str(), "%lf %lf %lf %d/%d %d\n", &minute, &minutes5, &minutes15, &running, &threads, &last),
            6);
  EXPECT(minute > 0 && minutes5 >= 0 && minutes15 >= 0 && running >= 1 && threads >= running && last > 0);
  struct sysinfo info;
  ASSERT_OK(sysinfo(&info));
  EXPECT(info.loads[0] > 0);
}
