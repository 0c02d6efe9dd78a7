// Which guest buffers of a call travel with the request: the stub copies them in before and out
// after the sentry serves it. Both sides derive everything from this table and the call's own
// arguments.
#pragma once

#include <asm/unistd.h>

#include <stddef.h>
#include <stdint.h>

namespace runsc::stub {

enum class Staging : uint8_t { kNone, kIn, kString, kOut, kInOut };

// One staged argument. Its size is fixed, or args[count_arg] * unit, of which only the first `most` units if
// that is set: what comes after them is copied without staging.
struct StagedArg {
  Staging kind = Staging::kNone;
  uint8_t arg = 0;
  uint8_t count_arg = kFixed;
  uint16_t unit = 0;
  uint16_t most = 0;
  static constexpr uint8_t kFixed = 0xff;
};

inline constexpr int kMaxStagedArgs = 3;
struct MarshalRow {
  StagedArg args[kMaxStagedArgs];
};

// Fixed-size arguments and strings have a page each; a counted one comes last and gets the rest.
inline constexpr uint64_t kStagedPage = 4096;
inline constexpr uint64_t kStagedBulk = 0x10000;
constexpr uint64_t StagedOffset(int index) { return static_cast<uint64_t>(index) * kStagedPage; }
constexpr uint64_t StagedCapacity(const StagedArg& a) {
  return a.count_arg == StagedArg::kFixed ? kStagedPage : kStagedBulk;
}

// Bytes of `a` in a call with these arguments; more than StagedCapacity means: not staged.
constexpr uint64_t StagedSize(const StagedArg& a, const uint64_t* args) {
  if (a.kind == Staging::kString) return kStagedPage;
  if (a.count_arg == StagedArg::kFixed) return a.unit;
  const uint64_t count = a.most != 0 && args[a.count_arg] > a.most ? a.most : args[a.count_arg];
  return count > kStagedBulk ? kStagedBulk + 1 : count * a.unit;
}

// A small output needs no cache line of its own: it travels in the words of the reply that are free.
inline constexpr int kReplyRoomAt = 4;  // in RequestLine::args
inline constexpr uint64_t kReplyRoom = 16;

// The output that does so in a call with these arguments, -1: none.
constexpr int OutputInReply(const MarshalRow& row, const uint64_t* args) {
  for (int i = 0; i < kMaxStagedArgs; i++) {
    if (row.args[i].kind == Staging::kOut && StagedSize(row.args[i], args) <= kReplyRoom) return i;
  }
  return -1;
}

namespace marshal {

constexpr StagedArg In(uint8_t arg, uint16_t size) { return {Staging::kIn, arg, StagedArg::kFixed, size}; }
constexpr StagedArg Out(uint8_t arg, uint16_t size) { return {Staging::kOut, arg, StagedArg::kFixed, size}; }
constexpr StagedArg InOut(uint8_t arg, uint16_t size) { return {Staging::kInOut, arg, StagedArg::kFixed, size}; }
constexpr StagedArg Str(uint8_t arg) { return {Staging::kString, arg, StagedArg::kFixed, 0}; }
constexpr StagedArg InN(uint8_t arg, uint8_t count, uint16_t unit = 1) { return {Staging::kIn, arg, count, unit}; }
constexpr StagedArg OutN(uint8_t arg, uint8_t count, uint16_t unit = 1) { return {Staging::kOut, arg, count, unit}; }
// Room for many of which few are used.
constexpr StagedArg OutFirst(uint8_t arg, uint8_t count, uint16_t unit, uint16_t most) {
  return {Staging::kOut, arg, count, unit, most};
}
constexpr StagedArg InOutN(uint8_t arg, uint8_t count, uint16_t unit = 1) {
  return {Staging::kInOut, arg, count, unit};
}

inline constexpr uint16_t kStat = 144, kStatx = 256, kTimespec = 16, kSigaction = 32, kSigset = 8, kRlimit = 16,
                          kItimerval = 32, kItimerspec = 32, kRusage = 144, kSockaddr = 128, kUtsname = 390,
                          kStatfs = 120, kSiginfo = 128, kEpollEvent = 12, kSysinfo = 112, kIovec = 16, kPollfd = 8;

struct Entry {
  uint16_t number;
  MarshalRow row;
};

// clang-format off
inline constexpr Entry kEntries[] = {
    {__NR_read, {{OutN(1, 2)}}},
    {__NR_pread64, {{OutN(1, 2)}}},
    {__NR_write, {{InN(1, 2)}}},
    {__NR_pwrite64, {{InN(1, 2)}}},
    {__NR_readv, {{InN(1, 2, kIovec)}}},
    {__NR_writev, {{InN(1, 2, kIovec)}}},
    {__NR_open, {{Str(0)}}},
    {__NR_openat, {{Str(1)}}},
    {__NR_openat2, {{Str(1), In(2, 24)}}},
    {__NR_creat, {{Str(0)}}},
    {__NR_stat, {{Str(0), Out(1, kStat)}}},
    {__NR_lstat, {{Str(0), Out(1, kStat)}}},
    {__NR_fstat, {{Out(1, kStat)}}},
    {__NR_newfstatat, {{Str(1), Out(2, kStat)}}},
    {__NR_statx, {{Str(1), Out(4, kStatx)}}},
    {__NR_statfs, {{Str(0), Out(1, kStatfs)}}},
    {__NR_fstatfs, {{Out(1, kStatfs)}}},
    {__NR_access, {{Str(0)}}},
    {__NR_faccessat, {{Str(1)}}},
    {__NR_faccessat2, {{Str(1)}}},
    {__NR_unlink, {{Str(0)}}},
    {__NR_unlinkat, {{Str(1)}}},
    {__NR_rmdir, {{Str(0)}}},
    {__NR_mkdir, {{Str(0)}}},
    {__NR_mkdirat, {{Str(1)}}},
    {__NR_mknod, {{Str(0)}}},
    {__NR_mknodat, {{Str(1)}}},
    {__NR_rename, {{Str(0), Str(1)}}},
    {__NR_renameat, {{Str(1), Str(3)}}},
    {__NR_renameat2, {{Str(1), Str(3)}}},
    {__NR_link, {{Str(0), Str(1)}}},
    {__NR_linkat, {{Str(1), Str(3)}}},
    {__NR_symlink, {{Str(0), Str(1)}}},
    {__NR_symlinkat, {{Str(0), Str(2)}}},
    {__NR_readlink, {{Str(0), OutN(1, 2)}}},
    {__NR_readlinkat, {{Str(1), OutN(2, 3)}}},
    {__NR_chdir, {{Str(0)}}},
    {__NR_chmod, {{Str(0)}}},
    {__NR_fchmodat, {{Str(1)}}},
    {__NR_chown, {{Str(0)}}},
    {__NR_lchown, {{Str(0)}}},
    {__NR_fchownat, {{Str(1)}}},
    {__NR_truncate, {{Str(0)}}},
    {__NR_utimensat, {{Str(1), In(2, 2 * kTimespec)}}},
    {__NR_getcwd, {{OutN(0, 1)}}},
    {__NR_getdents64, {{OutN(1, 2)}}},
    {__NR_getrandom, {{OutN(0, 1)}}},
    {__NR_uname, {{Out(0, kUtsname)}}},
    {__NR_sysinfo, {{Out(0, kSysinfo)}}},
    {__NR_wait4, {{Out(1, 4), Out(3, kRusage)}}},
    {__NR_waitid, {{Out(2, kSiginfo), Out(4, kRusage)}}},
    {__NR_rt_sigaction, {{In(1, kSigaction), Out(2, kSigaction)}}},
    {__NR_rt_sigprocmask, {{In(1, kSigset), Out(2, kSigset)}}},
    {__NR_rt_sigsuspend, {{In(0, kSigset)}}},
    {__NR_rt_sigtimedwait, {{In(0, kSigset), Out(1, kSiginfo), In(2, kTimespec)}}},
    {__NR_sigaltstack, {{In(0, 24), Out(1, 24)}}},
    {__NR_poll, {{InOutN(0, 1, kPollfd)}}},
    {__NR_ppoll, {{In(2, kTimespec), InOutN(0, 1, kPollfd)}}},
    {__NR_epoll_ctl, {{In(3, kEpollEvent)}}},
    {__NR_epoll_wait, {{OutFirst(1, 2, kEpollEvent, 64)}}},
    {__NR_epoll_pwait, {{OutFirst(1, 2, kEpollEvent, 64)}}},
    {__NR_clock_gettime, {{Out(1, kTimespec)}}},
    {__NR_clock_getres, {{Out(1, kTimespec)}}},
    {__NR_gettimeofday, {{Out(0, 16)}}},
    {__NR_nanosleep, {{In(0, kTimespec), Out(1, kTimespec)}}},
    {__NR_clock_nanosleep, {{In(2, kTimespec), Out(3, kTimespec)}}},
    {__NR_getitimer, {{Out(1, kItimerval)}}},
    {__NR_setitimer, {{In(1, kItimerval), Out(2, kItimerval)}}},
    {__NR_timerfd_settime, {{In(2, kItimerspec), Out(3, kItimerspec)}}},
    {__NR_timerfd_gettime, {{Out(1, kItimerspec)}}},
    {__NR_getrlimit, {{Out(1, kRlimit)}}},
    {__NR_prlimit64, {{In(2, kRlimit), Out(3, kRlimit)}}},
    {__NR_getrusage, {{Out(1, kRusage)}}},
    {__NR_times, {{Out(0, 32)}}},
    {__NR_sendto, {{InN(1, 2)}}},
    {__NR_recvfrom, {{OutN(1, 2)}}},
    {__NR_setsockopt, {{InN(3, 4)}}},
    {__NR_connect, {{InN(1, 2)}}},
    {__NR_bind, {{InN(1, 2)}}},
    {__NR_execve, {{Str(0)}}},
    {__NR_getgroups, {{OutN(1, 0, 4)}}},
    {__NR_getresuid, {{Out(0, 4), Out(1, 4), Out(2, 4)}}},
    {__NR_getresgid, {{Out(0, 4), Out(1, 4), Out(2, 4)}}},
    {__NR_sched_getaffinity, {{OutN(2, 1)}}},
    {__NR_sched_setaffinity, {{InN(2, 1)}}},
    {__NR_memfd_create, {{Str(0)}}},
    {__NR_inotify_add_watch, {{Str(1)}}},
};
// clang-format on
inline constexpr int kEntryCount = sizeof(kEntries) / sizeof(kEntries[0]);
inline constexpr uint64_t kMaxNumber = 512;

struct Index {
  uint8_t entry[kMaxNumber] = {};  // 1 + position in kEntries
};
constexpr Index BuildIndex() {
  Index index;
  for (int i = 0; i < kEntryCount; i++) index.entry[kEntries[i].number] = static_cast<uint8_t>(i + 1);
  return index;
}
static_assert(kEntryCount < 255);
inline constexpr Index kIndex = BuildIndex();

}  // namespace marshal

// The row of a call, null if nothing of it is staged.
constexpr const MarshalRow* FindMarshalRow(uint64_t number) {
  if (number >= marshal::kMaxNumber || marshal::kIndex.entry[number] == 0) return nullptr;
  return &marshal::kEntries[marshal::kIndex.entry[number] - 1].row;
}

}  // namespace runsc::stub
