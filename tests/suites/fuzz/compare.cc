// Compare mode: sequences of calls whose results depend on nothing but the calls before, one line each. The
// same seed must print the same lines on Linux.
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include <string>

#include "tests/suites/fuzz/fuzz.h"
#include "tests/suites/fuzz/random.h"
#include "tests/suites/fuzz/raw_call.h"

namespace fuzz {
namespace {

// --- what an argument is. Memory arguments have an area each, so that none overlap.
enum Kind : char {
  kFd,   // a small number
  kDir,  // AT_FDCWD or a small number
  kPath,
  kBytes,  // read by the call
  kRoom,   // written by it: as many bytes as the result says are shown
  kInts,   // written by it: two ints are shown
  kStat,   // struct stat: what does not depend on the place is shown
  kQuiet,  // written by it, not shown
  kIovecs,
  kName,   // struct sockaddr_un
  kTimes,  // two struct timespec
  kLock,   // struct flock
  kEvent,  // struct epoll_event
  kPolls,  // struct pollfd[4], shown
  kSize,
  kOffset,
  kOffsetAt,  // where an offset is, shown
  kMode,
  kAddress,  // of the pages for mappings
  kOneOf,
};

struct Arg {
  Kind kind;
  uint64_t values[16] = {};
  int count = 0;
};

template <typename... T>
constexpr Arg Of(T... values) {
  return {kOneOf, {static_cast<uint64_t>(values)...}, sizeof...(values)};
}

constexpr Arg kFd_{kFd}, kDir_{kDir}, kPath_{kPath}, kBytes_{kBytes}, kRoom_{kRoom}, kInts_{kInts}, kStat_{kStat},
    kQuiet_{kQuiet}, kIovecs_{kIovecs}, kName_{kName}, kTimes_{kTimes}, kLock_{kLock}, kEvent_{kEvent}, kPolls_{kPolls},
    kSize_{kSize}, kOffset_{kOffset}, kOffsetAt_{kOffsetAt}, kMode_{kMode}, kAddress_{kAddress};
constexpr Arg kOpenFlags =
    Of(O_RDONLY, O_RDWR, O_RDWR | O_CREAT, O_WRONLY | O_CREAT | O_EXCL, O_RDWR | O_TRUNC, O_WRONLY | O_APPEND | O_CREAT,
       O_DIRECTORY, O_NOFOLLOW, O_PATH, O_PATH | O_NOFOLLOW, O_RDWR | O_TMPFILE, O_RDONLY | O_NONBLOCK,
       O_RDWR | O_NONBLOCK | O_CREAT, O_WRONLY | O_NONBLOCK, O_CREAT | O_DIRECTORY, 3);
constexpr Arg kIds = Of(0, 1000, 1001, -1);
constexpr Arg kResources = Of(0, 1, 3, 4, 6, 7, 8, 13, 15, 16, -1);
constexpr Arg kSignals = Of(0, 1, 2, 9, 10, 17, 19, 32, 64, 65, -1);
constexpr Arg kProtections = Of(0, 1, 2, 3, 4, 7, 8, 0x01000000, -1);

struct CallSpec {
  long number;
  const char* name;
  Arg args[6];
  int count;
};

template <typename... T>
constexpr CallSpec Call(long number, const char* name, T... args) {
  return {number, name, {args...}, sizeof...(args)};
}
#define CALL(name, ...) Call(SYS_##name, #name __VA_OPT__(, ) __VA_ARGS__)

constexpr CallSpec kCalls[] = {
    CALL(open, kPath_, kOpenFlags, kMode_),
    CALL(open, kPath_, kOpenFlags, kMode_),
    CALL(openat, kDir_, kPath_, kOpenFlags, kMode_),
    CALL(creat, kPath_, kMode_),
    CALL(close, kFd_),
    CALL(read, kFd_, kRoom_, kSize_),
    CALL(write, kFd_, kBytes_, kSize_),
    CALL(pread64, kFd_, kRoom_, kSize_, kOffset_),
    CALL(pwrite64, kFd_, kBytes_, kSize_, kOffset_),
    CALL(readv, kFd_, kIovecs_, Of(0, 1, 2, 3, 1024, 1025, -1)),
    CALL(writev, kFd_, kIovecs_, Of(0, 1, 2, 3, 1024, 1025, -1)),
    CALL(preadv2, kFd_, kIovecs_, Of(0, 1, 2), kOffset_, Of(0), Of(0, 2, 8, 16, 64, 1 << 20)),
    CALL(pwritev2, kFd_, kIovecs_, Of(0, 1, 2), kOffset_, Of(0), Of(0, 2, 4, 16, 64, 1 << 20)),
    CALL(lseek, kFd_, kOffset_, Of(0, 1, 2, 3, 4, 5, -1)),
    CALL(truncate, kPath_, kOffset_),
    CALL(ftruncate, kFd_, kOffset_),
    CALL(fallocate, kFd_, Of(0, 1, 2, 3, 8, 16, 64, 128), kOffset_, kOffset_),
    CALL(fsync, kFd_),
    CALL(fdatasync, kFd_),
    CALL(sync_file_range, kFd_, kOffset_, kOffset_, Of(0, 1, 7, 8)),
    CALL(fadvise64, kFd_, kOffset_, kOffset_, Of(0, 4, 5, 6)),
    CALL(readahead, kFd_, kOffset_, kSize_),
    CALL(stat, kPath_, kStat_),
    CALL(lstat, kPath_, kStat_),
    CALL(fstat, kFd_, kStat_),
    CALL(newfstatat, kDir_, kPath_, kStat_, Of(0, 0x100, 0x1000, 0x200, 0x1100, 0x800)),
    CALL(statx, kDir_, kPath_, Of(0, 0x100, 0x1000, 0x2000, 0x6000, 1), Of(0x7ff, 0, 0x80000000), kQuiet_),
    CALL(access, kPath_, Of(0, 1, 2, 4, 7, 8)),
    CALL(faccessat2, kDir_, kPath_, Of(0, 1, 2, 4, 7, 8), Of(0, 0x100, 0x200, 0x1000, 1)),
    CALL(mkdir, kPath_, kMode_),
    CALL(mkdirat, kDir_, kPath_, kMode_),
    CALL(rmdir, kPath_),
    CALL(unlink, kPath_),
    CALL(unlinkat, kDir_, kPath_, Of(0, 0x200, 1)),
    CALL(rename, kPath_, kPath_),
    CALL(renameat2, kDir_, kPath_, kDir_, kPath_, Of(0, 1, 2, 3, 4, 6, 8)),
    CALL(link, kPath_, kPath_),
    CALL(linkat, kDir_, kPath_, kDir_, kPath_, Of(0, 0x400, 0x1000, 1)),
    CALL(symlink, kPath_, kPath_),
    CALL(symlinkat, kPath_, kDir_, kPath_),
    CALL(readlink, kPath_, kRoom_, kSize_),
    CALL(readlinkat, kDir_, kPath_, kRoom_, kSize_),
    CALL(mknodat, kDir_, kPath_, Of(S_IFIFO | 0600, S_IFREG | 0644, S_IFSOCK | 0600, S_IFDIR | 0700, 0600, S_IFLNK),
         Of(0)),
    CALL(chmod, kPath_, kMode_),
    CALL(fchmod, kFd_, kMode_),
    CALL(fchmodat, kDir_, kPath_, kMode_),
    CALL(chown, kPath_, kIds, kIds),
    CALL(lchown, kPath_, kIds, kIds),
    CALL(fchown, kFd_, kIds, kIds),
    CALL(fchownat, kDir_, kPath_, kIds, kIds, Of(0, 0x100, 0x1000, 1)),
    CALL(umask, Of(0, 022, 077, 0777, 01777)),
    CALL(chdir, kPath_),
    CALL(fchdir, kFd_),
    CALL(getcwd, kRoom_, kSize_),
    CALL(utimensat, kDir_, kPath_, kTimes_, Of(0, 0x100, 0x1000, 1)),
    CALL(getdents64, kFd_, kQuiet_, Of(65536, 0, 1, 16)),
    CALL(statfs, kPath_, kQuiet_),
    CALL(fstatfs, kFd_, kQuiet_),
    CALL(setxattr, kPath_, kPath_, kBytes_, Of(0, 1, 10, 65536, 65537), Of(0, 1, 2, 3, 4)),
    CALL(lsetxattr, kPath_, kPath_, kBytes_, Of(0, 1, 10, 65537), Of(0, 1, 2, 3)),
    CALL(fsetxattr, kFd_, kPath_, kBytes_, Of(0, 1, 10, 65537), Of(0, 1, 2, 3)),
    CALL(getxattr, kPath_, kPath_, kRoom_, kSize_),
    CALL(fgetxattr, kFd_, kPath_, kRoom_, kSize_),
    CALL(listxattr, kPath_, kRoom_, kSize_),
    CALL(removexattr, kPath_, kPath_),
    CALL(dup, kFd_),
    CALL(dup2, kFd_, kFd_),
    CALL(dup3, kFd_, kFd_, Of(0, O_CLOEXEC, O_NONBLOCK)),
    CALL(close_range, kFd_, kFd_, Of(0, 2, 4, 1)),
    CALL(fcntl, kFd_, Of(F_GETFD, F_GETFL, F_GET_SEALS, F_GETPIPE_SZ, F_GETLEASE, F_GETSIG, F_GETOWN, 99), Of(0)),
    CALL(fcntl, kFd_, Of(F_DUPFD, F_DUPFD_CLOEXEC), Of(0, 5, 20, 1023, 1024, 1 << 20, -1)),
    CALL(fcntl, kFd_, Of(F_SETFD, F_SETFL, F_ADD_SEALS, F_SETPIPE_SZ, F_SETSIG, F_SETLEASE),
         Of(0, 1, 2, 4, 8, 16, O_APPEND, O_NONBLOCK, 4096, 65536, 1 << 20, -1)),
    CALL(fcntl, kFd_, Of(F_SETLK, F_GETLK, F_OFD_SETLK, F_OFD_GETLK), kLock_),
    CALL(flock, kFd_, Of(LOCK_SH | LOCK_NB, LOCK_EX | LOCK_NB, LOCK_UN, 3, 0, 15)),
    CALL(pipe2, kInts_, Of(0, O_NONBLOCK, O_CLOEXEC, O_DIRECT, O_APPEND)),
    CALL(pipe2, kInts_, Of(O_NONBLOCK)),
    CALL(socketpair, Of(AF_UNIX, AF_INET, 0, 99),
         Of(SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM | SOCK_NONBLOCK, SOCK_RAW, 99), Of(0, 1, 99), kInts_),
    CALL(socket, Of(AF_UNIX, AF_INET, AF_INET6, 0, 46, -1), Of(SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET, 0, 99),
         Of(0, 6, 17, 99, -1)),
    CALL(bind, kFd_, kName_, Of(2, 3, 6, 110, 111, 0, -1)),
    CALL(connect, kFd_, kName_, Of(2, 3, 6, 110, 111, 0, -1)),
    CALL(listen, kFd_, Of(0, 1, 10, -1)),
    CALL(accept4, kFd_, Of(0), Of(0), Of(SOCK_NONBLOCK, SOCK_CLOEXEC, 1)),
    CALL(shutdown, kFd_, Of(0, 1, 2, 3, -1)),
    CALL(sendto, kFd_, kBytes_, kSize_, Of(MSG_DONTWAIT | MSG_NOSIGNAL, MSG_DONTWAIT | MSG_OOB, MSG_DONTWAIT | MSG_EOR),
         Of(0), Of(0)),
    CALL(sendto, kFd_, kBytes_, kSize_, Of(MSG_DONTWAIT | MSG_NOSIGNAL), kName_, Of(3, 6, 110, 0)),
    CALL(recvfrom, kFd_, kRoom_, kSize_,
         Of(MSG_DONTWAIT, MSG_DONTWAIT | MSG_PEEK, MSG_DONTWAIT | MSG_TRUNC, MSG_DONTWAIT | MSG_OOB), Of(0), Of(0)),
    CALL(getsockopt, kFd_, Of(SOL_SOCKET),
         Of(SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ERROR, SO_ACCEPTCONN, SO_REUSEADDR, SO_PASSCRED, SO_LINGER, SO_RCVLOWAT,
            9999),
         kQuiet_, Of(0)),
    CALL(setsockopt, kFd_, Of(SOL_SOCKET, 6, 0, 9999),
         Of(SO_REUSEADDR, SO_PASSCRED, SO_LINGER, SO_RCVLOWAT, SO_BROADCAST, 9999), kBytes_, Of(0, 1, 4, 8, -1)),
    CALL(eventfd2, Of(0, 1, 7), Of(0, EFD_NONBLOCK, EFD_SEMAPHORE, 99)),
    CALL(epoll_create1, Of(0, EPOLL_CLOEXEC, 1)),
    CALL(epoll_ctl, kFd_, Of(1, 2, 3, 4, 0), kFd_, kEvent_),
    CALL(epoll_wait, kFd_, kQuiet_, Of(1, 8, 0, -1), Of(0)),
    CALL(poll, kPolls_, Of(0, 1, 2, 4), Of(0)),
    CALL(timerfd_create, Of(0, 1, 7, 2, 99), Of(0, TFD_NONBLOCK, 99)),
    CALL(timerfd_settime, kFd_, Of(0, 1, 2, 8), kTimes_, kQuiet_),
    CALL(memfd_create, kPath_, Of(0, 1, 2, 3, 8, 16, 99)),
    CALL(inotify_init1, Of(IN_NONBLOCK, IN_CLOEXEC | IN_NONBLOCK, 99)),
    CALL(inotify_add_watch, kFd_, kPath_,
         Of(IN_CREATE, IN_DELETE | IN_MODIFY, 0, IN_OPEN | IN_ONLYDIR, IN_MASK_ADD | IN_MASK_CREATE)),
    CALL(inotify_rm_watch, kFd_, Of(1, 2, -1)),
    CALL(copy_file_range, kFd_, kOffsetAt_, kFd_, kOffsetAt_, kSize_, Of(0, 1)),
    CALL(copy_file_range, kFd_, Of(0), kFd_, Of(0), kSize_, Of(0)),
    CALL(sendfile, kFd_, kFd_, kOffsetAt_, kSize_),
    CALL(splice, kFd_, kOffsetAt_, kFd_, Of(0), kSize_, Of(2, 2, 99)),
    CALL(splice, kFd_, Of(0), kFd_, kOffsetAt_, kSize_, Of(2)),
    CALL(tee, kFd_, kFd_, kSize_, Of(2, 99)),
    CALL(vmsplice, kFd_, kIovecs_, Of(0, 1, 2, 1025), Of(2, 99)),
    CALL(mmap, kAddress_, kSize_, kProtections, Of(0x12, 0x11, 0x32, 0x31, 0x22, 0x10, 0x100012, 0x100032, 0x8013),
         kFd_, Of(0, 4096, 1, 1ull << 62)),
    CALL(munmap, kAddress_, kSize_),
    CALL(mprotect, kAddress_, kSize_, kProtections),
    CALL(madvise, kAddress_, kSize_, Of(0, 3, 4, 8, 9, 10, 16, 18, 22, 99)),
    CALL(msync, kAddress_, kSize_, Of(0, 1, 2, 4, 5, 8)),
    CALL(mincore, kAddress_, kSize_, kQuiet_),
    CALL(mremap, kAddress_, kSize_, kSize_, Of(0, 1, 3, 5, 7, 8), kAddress_),
    CALL(mlock, kAddress_, kSize_),
    CALL(munlock, kAddress_, kSize_),
    CALL(rt_sigprocmask, Of(0, 1, 2, 3), kBytes_, kRoom_, Of(8, 0, 4, 16)),
    CALL(rt_sigpending, kQuiet_, Of(8, 0, 4, 16)),
    CALL(rt_sigaction, kSignals, Of(0), kQuiet_, Of(8, 4, 16)),
    CALL(sigaltstack, Of(0), kQuiet_),
    CALL(setresuid, kIds, kIds, kIds),
    CALL(setresgid, kIds, kIds, kIds),
    CALL(setreuid, kIds, kIds),
    CALL(setuid, kIds),
    CALL(setgid, kIds),
    CALL(setfsuid, kIds),
    CALL(getgroups, Of(0, 1, 10, -1), kQuiet_),
    CALL(prctl, Of(3, 4, 7, 8, 15, 16, 21, 23, 24, 27, 28, 29, 30, 36, 37, 39), Of(0, 1, 2, 3, 10, 40, -1), Of(0),
         Of(0), Of(0)),
    CALL(getrlimit, kResources, kQuiet_),
    CALL(getpriority, Of(0, 1, 2, 3, -1), Of(0)),
    CALL(setpriority, Of(0, 3), Of(0), Of(0, 5, 19, 20, 1, -1)),
    CALL(sched_getscheduler, Of(0, -1)),
    CALL(sched_get_priority_max, Of(0, 1, 2, 3, 5, 6, 99, -1)),
    CALL(clock_getres, Of(0, 1, 2, 3, 7, 11, 12, 99, -1), kQuiet_),
    CALL(getitimer, Of(1, 2, 3, -1), kQuiet_),
    CALL(personality, Of(-1, 0)),
    CALL(pidfd_open, Of(0, -1), Of(0, 1)),
    CALL(membarrier, Of(-1, 99), Of(0, 1)),
    CALL(getrandom, kQuiet_, Of(0, 1, 16), Of(0, 1, 2, 4, 6, 8)),
    CALL(getcpu, kQuiet_, kQuiet_),
};

constexpr const char* kPaths[] = {"a",      "b",         "d",         "d/a",  "d/b",       "d/e", "l",
                                  "l/a",    "loop",      "d/../a",    "./d/", "a/",        "",    "gone/x",
                                  "user.x", "user.long", "trusted.x", "d/.",  "//tmp/none"};

// --- memory
constexpr uint64_t kArea = 0x10000000, kAreaSize = 0x20000, kPages = 0x20000000, kPageCount = 16;
constexpr uint64_t kReadOnly = 0x30000000, kNothing = 0x31000000;

uint64_t AreaOf(int index) { return kArea + static_cast<uint64_t>(index) * kAreaSize; }

void MapMemory() {
  const auto map = [](uint64_t at, uint64_t size, int protection) {
    mmap(reinterpret_cast<void*>(at), size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  };
  map(kArea, 6 * kAreaSize, PROT_READ | PROT_WRITE);
  map(kPages, kPageCount * 4096, PROT_READ | PROT_WRITE);
  map(kReadOnly, 4096, PROT_READ);
}

template <typename T>
void Store(uint64_t at, const T& value) {
  memcpy(reinterpret_cast<void*>(at), &value, sizeof(value));
}

template <typename T>
T Load(uint64_t at) {
  T value;
  memcpy(&value, reinterpret_cast<void*>(at), sizeof(value));
  return value;
}

// --- one call
class Sequence {
 public:
  Sequence(uint64_t seed) : random_(seed) {}

  void Step(uint64_t seed, int index) {
    const CallSpec& spec = random_.Pick(kCalls);
    text_ = std::to_string(seed) + " " + std::to_string(index) + " " + spec.name + "(";
    uint64_t args[6] = {};
    for (int i = 0; i < spec.count; ++i) {
      if (i > 0) text_ += ", ";
      args[i] = Make(spec.args[i], i);
    }
    const itimerval soon{{0, 0}, {0, 300000}};  // a call that blocks is interrupted in both places
    setitimer(ITIMER_REAL, &soon, nullptr);
    const long result = RawCall(spec.number, args);
    text_ += ") = " + Result(result);
    for (int i = 0; i < spec.count && result >= 0; ++i) ShowOutput(spec.args[i].kind, args[i], result);
    text_ += "\n";
    // Not through stdio, whose descriptor the sequence may have replaced.
    RawCall(SYS_write,
            {static_cast<uint64_t>(kOutput), reinterpret_cast<uint64_t>(text_.data()), text_.size(), 0, 0, 0});
  }

  static constexpr int kOutput = 900;

 private:
  static std::string Hex(uint64_t value) {
    char text[32];
    snprintf(text, sizeof(text), value < 10 ? "%lu" : "0x%lx", value);
    return text;
  }

  // An address that the kernel chose is not shown.
  static std::string Result(long result) {
    if (result < 0 && result > -4096)
      return strerrorname_np(static_cast<int>(-result)) ?: Hex(static_cast<uint64_t>(-result));
    return result > 1l << 40 ? "far" : Hex(static_cast<uint64_t>(result));
  }

  uint64_t Shown(uint64_t value) {
    text_ += Hex(value);
    return value;
  }

  bool IsMemory(Kind kind) {
    return kind != kFd && kind != kDir && kind != kSize && kind != kOffset && kind != kMode && kind != kAddress &&
           kind != kOneOf;
  }

  uint64_t Make(const Arg& arg, int index) {
    const uint64_t area = AreaOf(index);
    if (IsMemory(arg.kind)) {
      memset(reinterpret_cast<void*>(area), 0, 4096);
      if (random_.OneIn(25)) return Shown(random_.Pick<uint64_t>({0, 1, kNothing, kReadOnly, 1ull << 47, UINT64_MAX}));
    }
    switch (arg.kind) {
      case kFd:
        return Shown(random_.OneIn(20) ? random_.Pick<uint64_t>({UINT64_MAX, 1024, 1 << 30, 500})
                                       : 3 + random_.Below(12));
      case kDir:
        return random_.OneIn(2) ? (text_ += "AT_FDCWD", static_cast<uint64_t>(AT_FDCWD)) : Shown(3 + random_.Below(10));
      case kPath:
        return MakePath(area);
      case kSize:
        return Shown(random_.Pick<uint64_t>(
            {0, 1, 2, 8, 100, 4095, 4096, 4097, 8192, 65535, 65536, random_.OneIn(4) ? UINT64_MAX : 16}));
      case kOffset:
        return Shown(OffsetValue());
      case kMode:
        return Shown(random_.Pick<uint64_t>({0, 0644, 0755, 0777, 0400, 0200, 02755, 04755, 01777, 0177777}));
      case kAddress:
        return Shown(kPages + (random_.Below(kPageCount) << 12) + (random_.OneIn(12) ? random_.Below(4096) : 0));
      case kOneOf:
        return Shown(arg.values[random_.Below(static_cast<uint64_t>(arg.count))]);
      default:
        return MakeStructure(arg.kind, area);
    }
  }

  uint64_t MakePath(uint64_t area) {
    const char* path = random_.Pick(kPaths);
    strcpy(reinterpret_cast<char*>(area), path);
    text_ += "\"" + std::string(path) + "\"";
    return area;
  }

  uint64_t OffsetValue() {
    return random_.Pick<uint64_t>(
        {0, 1, 100, 4095, 4096, 8192, 65536, 1 << 20, UINT64_MAX, INT64_MAX, 1ull << 63, 1ull << 40});
  }

  uint64_t MakeStructure(Kind kind, uint64_t area) {
    text_ += "{";
    FillStructure(kind, area);
    text_ += "}";
    return area;
  }

  void FillStructure(Kind kind, uint64_t area) {
    switch (kind) {
      case kBytes:
        for (int i = 0; i < 32; ++i)
          Store(area + static_cast<uint64_t>(i) * 8, random_.Next() & (i == 0 ? ~uint64_t{0x42100} : ~uint64_t{0}));
        return;
      case kIovecs:
        for (uint64_t i = 0; i < 3; ++i) {
          const uint64_t size = Shown(random_.Pick<uint64_t>({0, 1, 10, 4096, 8192}));
          Store(area + i * 16, iovec{reinterpret_cast<void*>(area + 8192 + i * 8192), size});
          text_ += " ";
        }
        return;
      case kName: {
        sockaddr_un name{static_cast<sa_family_t>(random_.OneIn(10) ? 99 : AF_UNIX), {}};
        const char* path = random_.Pick(kPaths);
        snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
        text_ += std::to_string(name.sun_family) + " " + path;
        return Store(area, name);
      }
      case kTimes:
        for (uint64_t i = 0; i < 2; ++i) {
          const timespec time{random_.Pick<long>({0, 1, 1000000000, -1}),
                              random_.Pick<long>({0, 1, 999999999, 1000000000, UTIME_OMIT})};
          text_ += std::to_string(time.tv_sec) + "." + std::to_string(time.tv_nsec) + " ";
          Store(area + i * 16, time);
        }
        return;
      case kLock: {
        struct flock lock = {};
        lock.l_type = random_.Pick<short>({F_RDLCK, F_WRLCK, F_UNLCK, 7});
        lock.l_whence = random_.Pick<short>({0, 1, 2, 9});
        lock.l_start = random_.Pick<long>({0, 10, -1, INT64_MAX});
        lock.l_len = random_.Pick<long>({0, 10, -5, INT64_MAX});
        text_ += std::to_string(lock.l_type) + " " + std::to_string(lock.l_whence) + " " +
                 std::to_string(lock.l_start) + " " + std::to_string(lock.l_len);
        return Store(area, lock);
      }
      case kEvent:
        return Store(area, epoll_event{random_.Pick<uint32_t>({EPOLLIN, EPOLLIN | EPOLLET, EPOLLOUT,
                                                               EPOLLIN | EPOLLEXCLUSIVE, EPOLLONESHOT}),
                                       {.u64 = 7}});
      case kPolls:
        for (uint64_t i = 0; i < 4; ++i)
          Store(area + i * 8,
                pollfd{static_cast<int>(3 + random_.Below(12)), static_cast<short>(random_.Below(0x3f)), 0});
        return;
      case kOffsetAt:
        return Store(area, Shown(OffsetValue()));
      default:
        return;
    }
  }

  static uint64_t Hash(uint64_t at, uint64_t size) {
    uint64_t hash = 0xcbf29ce484222325;
    for (uint64_t i = 0; i < size; ++i) hash = (hash ^ *reinterpret_cast<unsigned char*>(at + i)) * 0x100000001b3;
    return hash;
  }

  void ShowOutput(Kind kind, uint64_t at, long result) {
    if (at < kArea || at >= AreaOf(6)) return;
    if (kind == kRoom)
      text_ += " #" + Hex(Hash(at, std::min<uint64_t>(static_cast<uint64_t>(result), kAreaSize)) & 0xffffffff);
    if (kind == kInts) text_ += " " + Hex(Load<uint32_t>(at)) + " " + Hex(Load<uint32_t>(at + 4));
    if (kind == kOffsetAt) text_ += " " + Hex(Load<uint64_t>(at));
    if (kind == kPolls) {
      for (uint64_t i = 0; i < 4; ++i) text_ += " " + Hex(static_cast<uint16_t>(Load<pollfd>(at + i * 8).revents));
    }
    if (kind == kStat) {
      const auto st = Load<struct stat>(at);
      text_ += " " + Hex(st.st_mode) + " " + Hex(st.st_uid) + " " + Hex(st.st_gid);
      if (S_ISREG(st.st_mode)) text_ += " " + Hex(static_cast<uint64_t>(st.st_size)) + " " + Hex(st.st_nlink);
    }
  }

  Random random_;
  std::string text_;
};

// Something to work on: descriptors 3 to 10 of several kinds, and names.
void Prepare() {
  int ends[2];
  mkdir("d", 0755);
  symlink("d", "l");
  symlink("loop", "loop");
  open("a", O_RDWR | O_CREAT, 0644);
  open("d/b", O_RDWR | O_CREAT, 0600);
  open("d", O_RDONLY | O_DIRECTORY);
  pipe2(ends, O_NONBLOCK);
  socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends);
  eventfd(3, EFD_NONBLOCK);
}

std::string HomeOf(uint64_t seed) { return "/tmp/compare" + std::to_string(seed); }

// What a sequence wrote takes memory until it is removed.
void RemoveTree(const std::string& top) {
  const auto remove_one = [](const char* path, const struct stat*, int, FTW*) { return remove(path); };
  if (nftw(top.c_str(), remove_one, 8, FTW_DEPTH | FTW_PHYS) != 0) perror("fuzz: cannot remove a sequence's files");
}

// In a process and a directory of its own.
void RunSequence(uint64_t seed, uint64_t calls) {
  constexpr rlimit kMemory{1 << 30, 1 << 30};
  setrlimit(RLIMIT_AS, &kMemory);
  const std::string home = HomeOf(seed);
  mkdir(home.c_str(), 0777);
  chmod(home.c_str(), 0777);
  if (chdir(home.c_str()) != 0) _exit(1);
  dup2(1, Sequence::kOutput);
  for (int fd = 0; fd < 3; ++fd) dup2(open("/dev/null", O_RDWR), fd);
  close_range(3, 800, 0);
  struct sigaction interrupt = {};
  interrupt.sa_handler = [](int) {};
  sigaction(SIGALRM, &interrupt, nullptr);
  for (const int signo : {SIGPIPE, SIGXFSZ, SIGURG, SIGIO}) signal(signo, SIG_IGN);
  umask(022);
  Prepare();
  MapMemory();
  Sequence sequence(seed);
  for (uint64_t i = 0; i < calls; ++i) sequence.Step(seed, static_cast<int>(i));
  _exit(0);
}

}  // namespace

// `calls` per sequence.
int Compare(const Options& options) {
  for (uint64_t i = 0; i < options.sequences; ++i) {
    const pid_t child = fork();
    if (child == 0) RunSequence(options.seed + i, options.calls);
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) return perror("fuzz: fork"), 1;
    RemoveTree(HomeOf(options.seed + i));
    printf("%lu end %d\n", options.seed + i, status);
    fflush(stdout);
  }
  return 0;
}

}  // namespace fuzz
