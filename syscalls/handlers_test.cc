// What handlers promise whatever they are handed: errors leave nothing behind, bad memory is EFAULT, and what
// was done counts more than a later error.
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "syscalls/testing/guest_fixture.h"

namespace runsc {
namespace {

using HandlersTest = GuestTest;

class FileHandlersTest : public GuestTest {
 protected:
  int64_t Open(const std::string& path, int flags, int mode = 0644) {
    return Call(SYS_open, PutString(path), flags, mode);
  }
};

TEST_F(FileHandlersTest, AReadIntoBadMemoryTakesNothing) {
  const int64_t fd = Open("/f", O_CREAT | O_RDWR);
  PutString("abcdef");
  EXPECT_EQ(Call(SYS_write, fd, kBuffer, 6), 6);
  EXPECT_EQ(Call(SYS_lseek, fd, 0, SEEK_SET), 0);
  EXPECT_EQ(Call(SYS_read, fd, kBad, 3), -EFAULT);
  EXPECT_EQ(Call(SYS_lseek, fd, 0, SEEK_CUR), 0);
  EXPECT_EQ(Call(SYS_write, fd, kBad, 3), -EFAULT);
  EXPECT_EQ(Call(SYS_read, fd, kBuffer, 100), 6);
}

TEST_F(FileHandlersTest, APipeKeepsWhatCouldNotBeCopied) {
  EXPECT_EQ(Call(SYS_pipe2, kBuffer, O_NONBLOCK), 0);
  const auto fds = Get<std::array<int32_t, 2>>(kBuffer);
  PutString("abcd");
  EXPECT_EQ(Call(SYS_write, fds[1], kBuffer, 4), 4);
  EXPECT_EQ(Call(SYS_read, fds[0], kBad, 4), -EFAULT);
  EXPECT_EQ(Call(SYS_read, fds[0], kBuffer, 10), 4);
  EXPECT_EQ(Get<char>(kBuffer), 'a');
}

TEST_F(FileHandlersTest, VectorsAreChecked) {
  const int64_t fd = Open("/f", O_CREAT | O_RDWR);
  EXPECT_EQ(Call(SYS_writev, fd, kBuffer, -1), -EINVAL);
  EXPECT_EQ(Call(SYS_writev, fd, kBuffer, 1025), -EINVAL);
  EXPECT_EQ(Call(SYS_writev, fd, kBad, 1), -EFAULT);
  Put(kBuffer, iovec{reinterpret_cast<void*>(kMemory), static_cast<size_t>(-1)});
  EXPECT_EQ(Call(SYS_writev, fd, kBuffer, 1), -EINVAL);
  EXPECT_EQ(Call(SYS_writev, fd, kBuffer, 0), 0);
  // The second vector is bad: the first counts.
  Put(kBuffer,
      std::array<iovec, 2>{iovec{reinterpret_cast<void*>(kMemory), 10}, iovec{reinterpret_cast<void*>(kBad), 10}});
  EXPECT_EQ(Call(SYS_writev, fd, kBuffer, 2), 10);
}

TEST_F(FileHandlersTest, PathsAreChecked) {
  EXPECT_EQ(Call(SYS_open, kBad, O_RDONLY), -EFAULT);
  EXPECT_EQ(Open(std::string(4096, 'a'), O_RDONLY), -ENAMETOOLONG);
  EXPECT_EQ(Open(std::string(256, 'a'), O_RDONLY), -ENAMETOOLONG);
  EXPECT_EQ(Open("", O_RDONLY), -ENOENT);
  EXPECT_EQ(Open("/init/x", O_RDONLY), -ENOTDIR);
  EXPECT_EQ(Open("/", O_WRONLY), -EISDIR);
  EXPECT_EQ(Open("/init", O_CREAT | O_EXCL | O_RDWR), -EEXIST);
  // A name that ends where memory ends.
  EXPECT_EQ(memory().CopyOut(kEnd - 3, "/ab", 3), 3u);
  EXPECT_EQ(Call(SYS_open, kEnd - 3, O_RDONLY), -EFAULT);
}

TEST_F(FileHandlersTest, DescriptorsEndAtTheLimit) {
  Put(kBuffer, rlimit{3, 3});
  EXPECT_EQ(Call(SYS_setrlimit, RLIMIT_NOFILE, kBuffer), 0);
  const size_t before = OpenFds();
  while (Call(SYS_eventfd2, 0, 0) >= 0) {
  }
  EXPECT_EQ(OpenFds(), 3u);
  EXPECT_EQ(Call(SYS_eventfd2, 0, 0), -EMFILE);
  EXPECT_EQ(Call(SYS_pipe2, kBuffer, 0), -EMFILE);
  EXPECT_EQ(Call(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, kBuffer), -EMFILE);
  EXPECT_EQ(Call(SYS_dup2, 0, 3), -EBADF);
  EXPECT_GE(OpenFds(), before);
  EXPECT_EQ(Call(SYS_close, 0), 0);
  EXPECT_EQ(Call(SYS_pipe2, kBuffer, 0), -EMFILE);  // one free is not two
  EXPECT_EQ(OpenFds(), 2u);
}

TEST_F(FileHandlersTest, StatOfBadMemory) {
  EXPECT_EQ(Call(SYS_stat, PutString("/init"), kBad), -EFAULT);
  EXPECT_EQ(Call(SYS_stat, PutString("/init"), kBuffer + 64), 0);
  EXPECT_TRUE(S_ISREG((Get<struct stat>(kBuffer + 64).st_mode)));
}

TEST_F(HandlersTest, UnknownNumbersDoNotExist) {
  for (const uint64_t number :
       {uint64_t{335}, uint64_t{511}, uint64_t{512}, uint64_t{0x40000000}, uint64_t{0xffffffff}}) {
    EXPECT_EQ(Call(number), -ENOSYS) << number;
  }
}

TEST_F(HandlersTest, CloneChecksItsFlags) {
  EXPECT_EQ(Call(SYS_clone, CLONE_SIGHAND), -EINVAL);
  EXPECT_EQ(Call(SYS_clone, CLONE_THREAD | CLONE_VM), -EINVAL);
  EXPECT_EQ(Call(SYS_clone3, kBuffer, 10), -EINVAL);
  EXPECT_EQ(Call(SYS_clone3, kBuffer, 5000), -E2BIG);
  EXPECT_EQ(Call(SYS_clone3, kBad, 64), -EFAULT);
}

TEST_F(HandlersTest, AChildIsForkedAndReaped) {
  const int64_t pid = Call(SYS_fork);
  ASSERT_GT(pid, 1);
  const auto child = thread(pid);
  EXPECT_EQ(CallIn(*child, SYS_getppid), 1);
  Put(kBuffer, uint64_t{7});
  EXPECT_EQ(Get<uint64_t>(kBuffer, static_cast<int>(pid)), 0u);  // its own copy
  EXPECT_EQ(Call(SYS_wait4, -1, 0, WNOHANG, 0), 0);
  child->Post(SYS_exit_group, {3});
  EXPECT_EQ(Call(SYS_wait4, pid, kBuffer, 0, 0), pid);
  EXPECT_EQ(Get<int32_t>(kBuffer), 3 << 8);
  EXPECT_EQ(Call(SYS_wait4, -1, 0, 0, 0), -ECHILD);
}

TEST_F(HandlersTest, AThreadSharesMemoryAndDescriptors) {
  constexpr uint64_t kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
  const int64_t tid = Call(SYS_clone, kThread, kEnd - 4096, 0, 0, 0);
  ASSERT_GT(tid, 1);
  const auto other = thread(tid);
  EXPECT_EQ(CallIn(*other, SYS_getpid), 1);
  EXPECT_EQ(CallIn(*other, SYS_gettid), tid);
  const int64_t fd = CallIn(*other, SYS_eventfd2, 1, 0);
  EXPECT_EQ(Call(SYS_read, fd, kBuffer, 8), 8);
  // A read that blocks is ended by the other's exit_group.
  guest_->Post(SYS_read, {static_cast<uint64_t>(fd), kBuffer, 8});
  EXPECT_TRUE(guest_->IsBusyFor(20));
  other->Post(SYS_exit_group, {5});
  EXPECT_EQ(kernel_->WaitForInit(), 5 << 8);
}

// A thread that ended first must not hide the process from the death of its address space.
TEST_F(HandlersTest, ALostAddressSpaceKillsItsProcess) {
  const int64_t pid = Call(SYS_fork);
  const auto child = thread(pid);
  constexpr uint64_t kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
  const int64_t tid = CallIn(*child, SYS_clone, kThread, kEnd - 4096, 0, 0, 0);
  const auto other = thread(tid);
  child->Post(SYS_exit, {0});
  EXPECT_EQ(child->Await(), std::nullopt);
  kernel_->OnAddressSpaceDeath(memory(static_cast<int>(tid)).host_pid());
  EXPECT_EQ(Call(SYS_wait4, pid, kBuffer, 0, 0), pid);
  EXPECT_EQ(Get<int32_t>(kBuffer) & 0x7f, SIGKILL);
}

}  // namespace
}  // namespace runsc
