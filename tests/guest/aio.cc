// Linux asynchronous I/O by its system calls.
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>

#include <string>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

int Setup(unsigned count, aio_context_t* context) { return syscall(SYS_io_setup, count, context); }
int Submit(aio_context_t context, iocb** requests, long count) {
  return syscall(SYS_io_submit, context, count, requests);
}
int Collect(aio_context_t context, long min, long max, io_event* events, timespec* timeout = nullptr) {
  return syscall(SYS_io_getevents, context, min, max, events, timeout);
}

iocb Request(int fd, int operation, const void* buffer, size_t size, long long offset, uint64_t data = 0) {
  iocb request{};
  request.aio_fildes = fd;
  request.aio_lio_opcode = operation;
  request.aio_buf = reinterpret_cast<uint64_t>(buffer);
  request.aio_nbytes = size;
  request.aio_offset = offset;
  request.aio_data = data;
  return request;
}

struct Context {
  explicit Context(unsigned count) { ASSERT_OK(Setup(count, &id)); }
  ~Context() { syscall(SYS_io_destroy, id); }
  // Submits one and gives its result, or -errno of the submission.
  long Run(iocb request) {
    iocb* list[] = {&request};
    if (Submit(id, list, 1) != 1) return -errno;
    io_event event{};
    EXPECT_EQ(Collect(id, 1, 1, &event), 1);
    EXPECT_EQ(event.obj, reinterpret_cast<uint64_t>(&request));
    return event.res;
  }
  aio_context_t id = 0;
};

int TestFile() {
  TempDir();
  return ASSERT_OK(open("file", O_RDWR | O_CREAT, 0600));
}

}  // namespace

TEST(WriteAndRead) {
  const int fd = TestFile();
  Context context(8);
  char text[16] = {};
  EXPECT_EQ(context.Run(Request(fd, IOCB_CMD_PWRITE, "hello", 5, 3)), 5);
  EXPECT_EQ(context.Run(Request(fd, IOCB_CMD_PREAD, text, sizeof(text), 3)), 5);
  EXPECT_EQ(std::string(text), "hello");
  EXPECT_EQ(context.Run(Request(fd, IOCB_CMD_PREAD, text, sizeof(text), 8)), 0);
  EXPECT_EQ(context.Run(Request(fd, IOCB_CMD_FSYNC, nullptr, 0, 0)), 0);
  EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 0);
}

TEST(Vectors) {
  const int fd = TestFile();
  Context context(8);
  char one[3], two[4];
  iovec out[] = {{const_cast<char*>("abc"), 3}, {const_cast<char*>("defg"), 4}}, in[] = {{one, 3}, {two, 4}};
  EXPECT_EQ(context.Run(Request(fd, IOCB_CMD_PWRITEV, out, 2, 0)), 7);
  EXPECT_EQ(context.Run(Request(fd, IOCB_CMD_PREADV, in, 2, 0)), 7);
  EXPECT_EQ(std::string(two, 4), "defg");
}

TEST(Batch) {
  const int fd = TestFile();
  Context context(8);
  iocb requests[4];
  iocb* list[4];
  for (int i = 0; i < 4; ++i) {
    requests[i] = Request(fd, IOCB_CMD_PWRITE, "abcd" + i, 1, i, 100 + i);
    list[i] = &requests[i];
  }
  EXPECT_EQ(Submit(context.id, list, 4), 4);
  io_event events[8];
  EXPECT_EQ(Collect(context.id, 4, 8, events), 4);
  uint64_t sum = 0;
  for (int i = 0; i < 4; ++i) sum += events[i].data;
  EXPECT_EQ(sum, 406);
  char text[5] = {};
  EXPECT_EQ(pread(fd, text, 4, 0), 4);
  EXPECT_EQ(std::string(text), "abcd");
}

TEST(Errors) {
  const int fd = TestFile();
  Context context(8);
  char text[4];
  EXPECT_EQ(context.Run(Request(999, IOCB_CMD_PREAD, text, 4, 0)), -EBADF);
  EXPECT_EQ(context.Run(Request(fd, 77, text, 4, 0)), -EINVAL);
  EXPECT_EQ(context.Run(Request(fd, IOCB_CMD_PWRITE, nullptr, 4, 0)), -EFAULT);
  const int reader = ASSERT_OK(open("file", O_RDONLY));
  EXPECT_EQ(context.Run(Request(reader, IOCB_CMD_PWRITE, text, 4, 0)), -EBADF);
  aio_context_t none = 0, used = 1;
  EXPECT_ERRNO(Setup(0, &none), EINVAL);
  EXPECT_ERRNO(Setup(1, &used), EINVAL);
  EXPECT_ERRNO(Setup(1, nullptr), EFAULT);
  io_event event;
  EXPECT_ERRNO(Collect(12345, 0, 1, &event), EINVAL);
  EXPECT_ERRNO(Collect(context.id, 2, 1, &event), EINVAL);
  EXPECT_ERRNO(syscall(SYS_io_destroy, 4096), EINVAL);
}

TEST(Timeout) {
  Context context(2);
  io_event event;
  timespec soon{0, 20'000'000}, none{0, 0};
  const double start = NowSeconds();
  EXPECT_EQ(Collect(context.id, 1, 1, &event, &soon), 0);
  EXPECT(NowSeconds() - start > 0.015);
  EXPECT_EQ(Collect(context.id, 1, 1, &event, &none), 0);
  EXPECT_EQ(Collect(context.id, 0, 1, &event), 0);
}

TEST(Eventfd) {
  const int fd = TestFile();
  const int events = ASSERT_OK(eventfd(0, 0));
  Context context(4);
  iocb request = Request(fd, IOCB_CMD_PWRITE, "x", 1, 0);
  request.aio_flags = IOCB_FLAG_RESFD;
  request.aio_resfd = events;
  EXPECT_EQ(context.Run(request), 1);
  uint64_t count = 0;
  EXPECT_EQ(read(events, &count, sizeof(count)), 8);
  EXPECT_EQ(count, 1);
  request.aio_resfd = fd;
  EXPECT_EQ(context.Run(request), -EINVAL);
}

TEST(Pipes) {
  int fds[2];
  ASSERT_OK(pipe(fds));
  Context context(4);
  char text[8];
  EXPECT_EQ(context.Run(Request(fds[1], IOCB_CMD_PWRITE, "pipe", 4, 0)), 4);
  EXPECT_EQ(context.Run(Request(fds[0], IOCB_CMD_PREAD, text, 8, 0)), 4);
}

TEST(DestroyedAndForked) {
  Context context(4);
  aio_context_t other = 0;
  ASSERT_OK(Setup(4, &other));
  EXPECT_OK(syscall(SYS_io_destroy, other));
  EXPECT_ERRNO(syscall(SYS_io_destroy, other), EINVAL);
  io_event event;
  const int status = RunInChild([&] { return Collect(context.id, 0, 1, &event) == -1 && errno == EINVAL ? 0 : 1; });
  EXPECT_EQ(status, 0);
}
