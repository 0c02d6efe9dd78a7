// System V shared memory, semaphores, message queues; POSIX message queues.
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include <atomic>
#include <functional>
#include <string>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

union semun {
  int val;
  struct semid_ds* buf;
  unsigned short* array;
};

// Removes an object whatever becomes of the test.
struct Segment {
  explicit Segment(size_t size, int flags = IPC_CREAT | 0600) : id(ASSERT_OK(shmget(IPC_PRIVATE, size, flags))) {}
  ~Segment() { shmctl(id, IPC_RMID, nullptr); }
  unsigned long attached() const {
    struct shmid_ds stat;
    return shmctl(id, IPC_STAT, &stat) == 0 ? stat.shm_nattch : ~0ul;
  }
  const int id;
};

struct Set {
  explicit Set(int count) : id(ASSERT_OK(semget(IPC_PRIVATE, count, IPC_CREAT | 0600))) {}
  ~Set() { semctl(id, 0, IPC_RMID); }
  int value(int index = 0) const { return semctl(id, index, GETVAL); }
  void set(int value, int index = 0) const { EXPECT_OK(semctl(id, index, SETVAL, semun{value})); }
  int op(int by, int flags = 0, unsigned short index = 0) const {
    sembuf op{index, static_cast<short>(by), static_cast<short>(flags)};
    return semop(id, &op, 1);
  }
  const int id;
};

struct Queue {
  Queue() : id(ASSERT_OK(msgget(IPC_PRIVATE, IPC_CREAT | 0600))) {}
  ~Queue() { msgctl(id, IPC_RMID, nullptr); }
  int send(long type, const std::string& text, int flags = 0) const {
    struct {
      long type;
      char text[8192];
    } message{type, {}};
    memcpy(message.text, text.data(), text.size());
    return msgsnd(id, &message, text.size(), flags);
  }
  std::string receive(long type, int flags = IPC_NOWAIT, size_t room = 8192) const {
    struct {
      long type;
      char text[8192];
    } message;
    const ssize_t n = msgrcv(id, &message, room, type, flags);
    return n < 0 ? strerrorname_np(errno) : std::string(message.text, n);
  }
  const int id;
};

// A name nobody else uses, unlinked at the end.
struct Mqueue {
  explicit Mqueue(int flags = 0, long messages = 4, long size = 64) : name("/guest-test-" + std::to_string(getpid())) {
    mq_attr attr{};
    attr.mq_maxmsg = messages, attr.mq_msgsize = size;
    fd = ASSERT_OK(mq_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | flags, 0600, &attr));
  }
  ~Mqueue() { mq_unlink(name.c_str()); }
  std::string receive(unsigned* priority = nullptr) const {
    char text[64];
    const ssize_t n = mq_receive(fd, text, sizeof(text), priority);
    return n < 0 ? strerrorname_np(errno) : std::string(text, n);
  }
  const std::string name;
  mqd_t fd;
};

timespec In(int milliseconds) {
  timespec at;
  clock_gettime(CLOCK_REALTIME, &at);
  at.tv_nsec += milliseconds * 1'000'000l;
  at.tv_sec += at.tv_nsec / 1'000'000'000;
  at.tv_nsec %= 1'000'000'000;
  return at;
}

std::atomic<int> caught;

void Catch(int signal) {
  struct sigaction action = {};
  action.sa_handler = [](int) { ++caught; };
  action.sa_flags = SA_RESTART;
  EXPECT_OK(sigaction(signal, &action, nullptr));
}

void SetSetting(const std::string& path, const std::string& value) {
  const int fd = ASSERT_OK(open(path.c_str(), O_WRONLY));
  ASSERT_OK(write(fd, value.data(), value.size()));
  close(fd);
  EXPECT_EQ(ReadAll(path.c_str()), value + "\n");
}

// Runs `body` while the setting `name` is `value`: in an IPC namespace of its own, or in the sandbox's, whose root has
// no right to make one.
void WithSetting(const std::string& name, const std::string& value, const std::function<void()>& body) {
  EXPECT_EQ(RunInChild([&] {
              const std::string path = "/proc/sys/kernel/" + name;
              if (!InSandbox()) ASSERT_OK(unshare(CLONE_NEWIPC));
              std::string before = ReadAll(path.c_str());
              before.pop_back();  // the newline
              SetSetting(path, value);
              body();
              SetSetting(path, before);
              return Failed() ? 1 : 0;
            }),
            0);
}

}  // namespace

TEST(ShmIsShared) {
  Segment segment(10000);
  auto* first = static_cast<char*>(shmat(segment.id, nullptr, 0));
  ASSERT(first != MAP_FAILED);
  auto* second = static_cast<char*>(shmat(segment.id, nullptr, 0));
  ASSERT(second != MAP_FAILED && second != first);
  EXPECT_EQ(int{first[9999]}, 0);
  strcpy(first + 5000, "hello");
  EXPECT_EQ(std::string(second + 5000), "hello");
  EXPECT_EQ(segment.attached(), 2);
  const int status = RunInChild([&] {
    strcpy(second, "from the child");
    return segment.attached() == 4 ? 0 : 1;
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(std::string(first), "from the child");
  EXPECT_EQ(segment.attached(), 2);
  EXPECT_OK(shmdt(first));
  EXPECT_ERRNO(shmdt(first), EINVAL);
  EXPECT_OK(shmdt(second));
  EXPECT_EQ(segment.attached(), 0);
}

TEST(ShmStat) {
  Segment segment(5000, IPC_CREAT | 0640);
  struct shmid_ds stat;
  EXPECT_OK(shmctl(segment.id, IPC_STAT, &stat));
  EXPECT_EQ(stat.shm_segsz, 5000);
  EXPECT_EQ(stat.shm_perm.mode, 0640);
  EXPECT_EQ(stat.shm_perm.uid, geteuid());
  EXPECT_EQ(stat.shm_cpid, getpid());
  EXPECT_EQ(stat.shm_lpid, 0);
  EXPECT_EQ(stat.shm_atime, 0);
  EXPECT(stat.shm_ctime != 0);
  void* at = shmat(segment.id, nullptr, SHM_RDONLY);
  ASSERT(at != MAP_FAILED);
  EXPECT_OK(shmctl(segment.id, IPC_STAT, &stat));
  EXPECT_EQ(stat.shm_lpid, getpid());
  EXPECT(stat.shm_atime != 0);
  stat.shm_perm.mode = 0600;
  EXPECT_OK(shmctl(segment.id, IPC_SET, &stat));
  EXPECT_OK(shmctl(segment.id, IPC_STAT, &stat));
  EXPECT_EQ(stat.shm_perm.mode, 0600);
  EXPECT_OK(shmdt(at));
}

TEST(ShmReadOnlyFaults) {
  Segment segment(4096);
  auto* at = static_cast<volatile char*>(shmat(segment.id, nullptr, SHM_RDONLY));
  ASSERT(at != MAP_FAILED);
  EXPECT_EQ(int{at[0]}, 0);
  const int status = RunInChild([&] {
    at[0] = 1;
    return 0;
  });
  EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

TEST(ShmPlacement) {
  Segment segment(4096);
  char* room = static_cast<char*>(mmap(nullptr, 1 << 16, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT(room != MAP_FAILED);
  EXPECT_ERRNO(shmat(segment.id, room + 1, 0), EINVAL);
  EXPECT_ERRNO(shmat(segment.id, room, 0), EINVAL);
  EXPECT_EQ(shmat(segment.id, room, SHM_REMAP), static_cast<void*>(room));
  EXPECT_OK(munmap(room + 8192, 4096));
  EXPECT_EQ(shmat(segment.id, room + 8192 + 100, SHM_RND), static_cast<void*>(room + 8192));
  EXPECT_ERRNO(shmat(segment.id, nullptr, SHM_REMAP), EINVAL);
  EXPECT_ERRNO(shmdt(room + 4096), EINVAL);
  EXPECT_OK(shmdt(room + 8192));
}

TEST(ShmPartlyUnmapped) {
  Segment segment(4 * 4096);
  auto* at = static_cast<char*>(shmat(segment.id, nullptr, 0));
  ASSERT(at != MAP_FAILED);
  EXPECT_OK(munmap(at + 4096, 4096));
  EXPECT_EQ(segment.attached(), 2);
  EXPECT_OK(shmdt(at));
  EXPECT_EQ(segment.attached(), 0);
}

TEST(ShmRemovedWhileAttached) {
  const int id = ASSERT_OK(shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600));
  auto* at = static_cast<char*>(shmat(id, nullptr, 0));
  ASSERT(at != MAP_FAILED);
  EXPECT_OK(shmctl(id, IPC_RMID, nullptr));
  at[0] = 'x';
  struct shmid_ds stat;
  EXPECT_OK(shmctl(id, IPC_STAT, &stat));
  EXPECT_EQ(stat.shm_perm.mode, 0600 | SHM_DEST);
  void* again = shmat(id, nullptr, 0);
  ASSERT(again != MAP_FAILED);
  EXPECT_EQ(int{*static_cast<char*>(again)}, 'x');
  EXPECT_OK(shmdt(again));
  EXPECT_OK(shmdt(at));
  EXPECT_ERRNO(shmctl(id, IPC_STAT, &stat), EINVAL);
}

TEST(ShmGoesWithItsLastProcess) {
  int id = -1;
  int pipe_fds[2];
  ASSERT_OK(pipe(pipe_fds));
  RunInChild([&] {
    id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
    shmat(id, nullptr, 0);
    shmctl(id, IPC_RMID, nullptr);
    return write(pipe_fds[1], &id, sizeof(id)) == sizeof(id) ? 0 : 1;
  });
  ASSERT(read(pipe_fds[0], &id, sizeof(id)) == sizeof(id));
  struct shmid_ds stat;
  EXPECT_ERRNO(shmctl(id, IPC_STAT, &stat), EINVAL);
}

TEST(ShmKeys) {
  const key_t key = 0x52000000 + getpid();
  const int id = ASSERT_OK(shmget(key, 8192, IPC_CREAT | IPC_EXCL | 0600));
  EXPECT_ERRNO(shmget(key, 8192, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
  EXPECT_EQ(shmget(key, 100, 0), id);
  EXPECT_EQ(shmget(key, 0, 0), id);
  EXPECT_ERRNO(shmget(key, 8193, 0), EINVAL);
  EXPECT_OK(shmctl(id, IPC_RMID, nullptr));
  EXPECT_ERRNO(shmget(key, 0, 0), ENOENT);
  EXPECT_ERRNO(shmget(IPC_PRIVATE, 0, IPC_CREAT | 0600), EINVAL);
  EXPECT_ERRNO(shmat(id, nullptr, 0), EINVAL);
  EXPECT_ERRNO(shmctl(id, 99, nullptr), EINVAL);
}

TEST(SemValues) {
  Set set(3);
  EXPECT_EQ(set.value(), 0);
  unsigned short values[3] = {1, 2, 3};
  EXPECT_OK(semctl(set.id, 0, SETALL, values));
  EXPECT_EQ(set.value(2), 3);
  EXPECT_OK(set.op(4, 0, 1));
  unsigned short now[3] = {};
  EXPECT_OK(semctl(set.id, 0, GETALL, now));
  EXPECT_EQ(now[1], 6);
  EXPECT_EQ(semctl(set.id, 1, GETPID), getpid());
  EXPECT_ERRNO(semctl(set.id, 3, GETVAL), EINVAL);
  EXPECT_ERRNO(semctl(set.id, 0, SETVAL, semun{32768}), ERANGE);
  EXPECT_ERRNO(set.op(32767, 0, 1), ERANGE);
  EXPECT_ERRNO(set.op(1, 0, 3), EFBIG);
  EXPECT_ERRNO(set.op(-7, IPC_NOWAIT, 1), EAGAIN);
  EXPECT_ERRNO(set.op(0, IPC_NOWAIT, 1), EAGAIN);
  sembuf none;
  EXPECT_ERRNO(semop(set.id, &none, 0), EINVAL);
  EXPECT_ERRNO(semop(set.id, &none, 501), E2BIG);
}

TEST(SemAllOrNothing) {
  Set set(2);
  set.set(5, 0);
  sembuf ops[2] = {{0, -3, 0}, {1, -1, IPC_NOWAIT}};
  EXPECT_ERRNO(semop(set.id, ops, 2), EAGAIN);
  EXPECT_EQ(set.value(0), 5);
  set.set(1, 1);
  EXPECT_OK(semop(set.id, ops, 2));
  EXPECT_EQ(set.value(0), 2);
  EXPECT_EQ(set.value(1), 0);
}

TEST(SemBlocksAndWakes) {
  Set set(1);
  const int child = fork();
  if (child == 0) _exit(set.op(-2) == 0 ? 0 : 1);
  EXPECT(Eventually([&] { return semctl(set.id, 0, GETNCNT) == 1; }));
  EXPECT_EQ(semctl(set.id, 0, GETZCNT), 0);
  EXPECT_OK(set.op(1));
  SleepMs(30);
  EXPECT_OK(set.op(1));
  EXPECT_EQ(WaitStatus(child), 0);
  EXPECT_EQ(set.value(), 0);
  EXPECT_EQ(semctl(set.id, 0, GETNCNT), 0);
}

TEST(SemWaitForZero) {
  Set set(1);
  set.set(1);
  const int child = fork();
  if (child == 0) _exit(set.op(0) == 0 ? 0 : 1);
  EXPECT(Eventually([&] { return semctl(set.id, 0, GETZCNT) == 1; }));
  EXPECT_OK(set.op(-1));
  EXPECT_EQ(WaitStatus(child), 0);
}

TEST(SemTimeout) {
  Set set(1);
  sembuf op{0, -1, 0};
  timespec soon{0, 30'000'000}, bad{0, 1'000'000'000};
  EXPECT_ERRNO(semtimedop(set.id, &op, 1, &soon), EAGAIN);
  EXPECT_ERRNO(semtimedop(set.id, &op, 1, &bad), EINVAL);
}

TEST(SemInterrupted) {
  Set set(1);
  Catch(SIGALRM);
  ualarm(30'000, 0);
  EXPECT_ERRNO(set.op(-1), EINTR);
  EXPECT_EQ(caught.load(), 1);
  EXPECT_EQ(semctl(set.id, 0, GETNCNT), 0);
}

TEST(SemRemovedWhileWaiting) {
  Set set(1);
  const int child = fork();
  if (child == 0) _exit(set.op(-1) == -1 && errno == EIDRM ? 0 : 1);
  EXPECT(Eventually([&] { return semctl(set.id, 0, GETNCNT) == 1; }));
  EXPECT_OK(semctl(set.id, 0, IPC_RMID));
  EXPECT_EQ(WaitStatus(child), 0);
  EXPECT_ERRNO(semctl(set.id, 0, GETVAL), EINVAL);
}

TEST(SemUndo) {
  Set set(2);
  set.set(10, 0);
  RunInChild([&] {
    set.op(-3, SEM_UNDO);
    set.op(1, SEM_UNDO);
    set.op(5, SEM_UNDO, 1);
    set.op(-1);
    return set.value() == 7 ? 0 : 1;
  });
  EXPECT_EQ(set.value(0), 9);
  EXPECT_EQ(set.value(1), 0);
  // Killed, too; and a fork does not inherit adjustments.
  const int child = fork();
  if (child == 0) {
    set.op(-9, SEM_UNDO);
    if (fork() == 0) _exit(0);
    wait(nullptr);
    if (set.value() == 0) raise(SIGKILL);
    _exit(1);
  }
  EXPECT_EQ(WaitStatus(child), SIGKILL);
  EXPECT_EQ(set.value(0), 9);
}

TEST(SemSetvalForgetsUndo) {
  Set set(1);
  RunInChild([&] {
    set.op(4, SEM_UNDO);
    set.set(7);
    return 0;
  });
  EXPECT_EQ(set.value(), 7);
}

TEST(MsgOrderAndTypes) {
  Queue queue;
  EXPECT_OK(queue.send(3, "three"));
  EXPECT_OK(queue.send(1, "one"));
  EXPECT_OK(queue.send(2, "two"));
  EXPECT_OK(queue.send(1, "one again"));
  EXPECT_EQ(queue.receive(2), "two");
  EXPECT_EQ(queue.receive(9), "ENOMSG");
  EXPECT_EQ(queue.receive(-2), "one");
  EXPECT_EQ(queue.receive(3, IPC_NOWAIT | MSG_EXCEPT), "one again");
  EXPECT_EQ(queue.receive(0), "three");
  EXPECT_EQ(queue.receive(0), "ENOMSG");
}

TEST(MsgSizes) {
  Queue queue;
  EXPECT_OK(queue.send(1, ""));
  EXPECT_OK(queue.send(1, std::string(8192, 'x')));
  EXPECT_EQ(queue.receive(0), "");
  EXPECT_EQ(queue.receive(0, IPC_NOWAIT, 100), "E2BIG");
  EXPECT_EQ(queue.receive(0, IPC_NOWAIT | MSG_NOERROR, 100), std::string(100, 'x'));
  char big[9000] = {1};
  EXPECT_ERRNO(msgsnd(queue.id, big, 8193, 0), EINVAL);
  EXPECT_ERRNO(queue.send(0, "x"), EINVAL);
  EXPECT_ERRNO(queue.send(-1, "x"), EINVAL);
  EXPECT_OK(queue.send(1, std::string(8192, 'x')));
  EXPECT_OK(queue.send(1, std::string(8192, 'x')));
  EXPECT_ERRNO(queue.send(1, "x", IPC_NOWAIT), EAGAIN);
  struct msqid_ds stat;
  EXPECT_OK(msgctl(queue.id, IPC_STAT, &stat));
  EXPECT_EQ(stat.msg_qnum, 2);
  EXPECT_EQ(stat.msg_qbytes, 16384);
  EXPECT_EQ(stat.msg_lspid, getpid());
}

TEST(MsgBlocks) {
  Queue queue;
  const int reader = fork();
  if (reader == 0) _exit(queue.receive(5, 0) == "late" ? 0 : 1);
  SleepMs(30);
  EXPECT_OK(queue.send(4, "other"));
  EXPECT_OK(queue.send(5, "late"));
  EXPECT_EQ(WaitStatus(reader), 0);
  EXPECT_OK(queue.send(1, std::string(8192, 'x')));
  const int writer = fork();
  if (writer == 0) _exit(queue.send(1, std::string(8192, 'y')));
  SleepMs(30);
  EXPECT_EQ(queue.receive(4), "other");
  EXPECT_EQ(WaitStatus(writer), 0);
}

TEST(MsgInterruptedAndRemoved) {
  Queue queue;
  Catch(SIGALRM);
  ualarm(30'000, 0);
  EXPECT_EQ(queue.receive(0, 0), "EINTR");
  const int child = fork();
  if (child == 0) _exit(queue.receive(0, 0) == "EIDRM" ? 0 : 1);
  SleepMs(50);
  EXPECT_OK(msgctl(queue.id, IPC_RMID, nullptr));
  EXPECT_EQ(WaitStatus(child), 0);
  EXPECT_ERRNO(queue.send(1, "x"), EINVAL);
}

TEST(SysvPermissions) {
  if (geteuid() != 0) Skip("needs root");
  Segment segment(4096, IPC_CREAT | 0604);
  Queue queue;
  Set set(1);
  const int status = RunInChild([&] {
    if (setgid(65534) != 0 || setuid(65534) != 0) return 1;
    if (shmat(segment.id, nullptr, 0) != MAP_FAILED || errno != EACCES) return 2;
    if (shmat(segment.id, nullptr, SHM_RDONLY) == MAP_FAILED) return 3;
    if (queue.receive(0) != "EACCES") return 4;
    if (set.op(1) != -1 || errno != EACCES) return 5;
    if (shmctl(segment.id, IPC_RMID, nullptr) != -1 || errno != EPERM) return 6;
    if (semctl(set.id, 0, IPC_RMID) != -1 || errno != EPERM) return 7;
    return 0;
  });
  EXPECT_EQ(status, 0);
}

TEST(MqPriorities) {
  Mqueue queue;
  EXPECT_OK(mq_send(queue.fd, "low", 3, 1));
  EXPECT_OK(mq_send(queue.fd, "high", 4, 9));
  EXPECT_OK(mq_send(queue.fd, "high too", 8, 9));
  EXPECT_OK(mq_send(queue.fd, "", 0, 0));
  unsigned priority = 0;
  EXPECT_EQ(queue.receive(&priority), "high");
  EXPECT_EQ(priority, 9);
  EXPECT_EQ(queue.receive(), "high too");
  EXPECT_EQ(queue.receive(), "low");
  EXPECT_EQ(queue.receive(&priority), "");
  EXPECT_EQ(priority, 0);
}

TEST(MqLimits) {
  Mqueue queue(O_NONBLOCK, 2, 16);
  mq_attr attr;
  EXPECT_OK(mq_getattr(queue.fd, &attr));
  EXPECT_EQ(attr.mq_flags, O_NONBLOCK);
  EXPECT_EQ(attr.mq_maxmsg, 2);
  EXPECT_EQ(attr.mq_msgsize, 16);
  EXPECT_EQ(queue.receive(), "EAGAIN");
  EXPECT_ERRNO(mq_send(queue.fd, "0123456789abcdefg", 17, 0), EMSGSIZE);
  EXPECT_ERRNO(mq_send(queue.fd, "x", 1, 32768), EINVAL);
  EXPECT_OK(mq_send(queue.fd, "x", 1, 32767));
  EXPECT_OK(mq_send(queue.fd, "x", 1, 0));
  EXPECT_ERRNO(mq_send(queue.fd, "x", 1, 0), EAGAIN);
  char small[15];
  EXPECT_ERRNO(mq_receive(queue.fd, small, sizeof(small), nullptr), EMSGSIZE);
  EXPECT_OK(mq_getattr(queue.fd, &attr));
  EXPECT_EQ(attr.mq_curmsgs, 2);
  mq_attr bad{};
  bad.mq_maxmsg = 0, bad.mq_msgsize = 10;
  EXPECT_ERRNO(mq_open("/guest-bad", O_RDWR | O_CREAT, 0600, &bad), EINVAL);
}

TEST(MqNames) {
  Mqueue queue;
  EXPECT_ERRNO(mq_open(queue.name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600, nullptr), EEXIST);
  const mqd_t reader = ASSERT_OK(mq_open(queue.name.c_str(), O_RDONLY));
  EXPECT_EQ(fcntl(reader, F_GETFD), FD_CLOEXEC);
  EXPECT_ERRNO(mq_send(reader, "x", 1, 0), EBADF);
  EXPECT_ERRNO(mq_open("/no-such-queue", O_RDWR), ENOENT);
  EXPECT_ERRNO(mq_open("/a/b", O_RDWR | O_CREAT, 0600, nullptr), EACCES);
  EXPECT_OK(mq_unlink(queue.name.c_str()));
  EXPECT_ERRNO(mq_unlink(queue.name.c_str()), ENOENT);
  EXPECT_OK(mq_send(queue.fd, "still there", 11, 0));
  char text[64];
  EXPECT_EQ(mq_receive(reader, text, sizeof(text), nullptr), 11);
  int pipe_fds[2];
  ASSERT_OK(pipe(pipe_fds));
  EXPECT_ERRNO(mq_send(pipe_fds[1], "x", 1, 0), EBADF);
}

TEST(MqTimeouts) {
  Mqueue queue(0, 1);
  char text[64];
  timespec soon = In(30);
  EXPECT_ERRNO(mq_timedreceive(queue.fd, text, sizeof(text), nullptr, &soon), ETIMEDOUT);
  EXPECT_OK(mq_send(queue.fd, "x", 1, 0));
  soon = In(30);
  EXPECT_ERRNO(mq_timedsend(queue.fd, "x", 1, 0, &soon), ETIMEDOUT);
  const timespec bad{0, -1}, past{1, 0};
  EXPECT_ERRNO(mq_timedsend(queue.fd, "x", 1, 0, &bad), EINVAL);
  EXPECT_ERRNO(mq_timedsend(queue.fd, "x", 1, 0, &past), ETIMEDOUT);
  EXPECT_EQ(mq_timedreceive(queue.fd, text, sizeof(text), nullptr, &past), 1);
}

TEST(MqBlocksAndPolls) {
  Mqueue queue(0, 1);
  pollfd poll_fd{queue.fd, POLLIN | POLLOUT, 0};
  EXPECT_EQ(poll(&poll_fd, 1, 0), 1);
  EXPECT_EQ(poll_fd.revents, POLLOUT);
  const int child = fork();
  if (child == 0) _exit(queue.receive() == "x" && queue.receive() == "y" ? 0 : 1);
  EXPECT_OK(mq_send(queue.fd, "x", 1, 0));
  EXPECT_OK(mq_send(queue.fd, "y", 1, 0));
  EXPECT_EQ(WaitStatus(child), 0);
  EXPECT_OK(mq_send(queue.fd, "z", 1, 0));
  EXPECT_EQ(poll(&poll_fd, 1, 0), 1);
  EXPECT_EQ(poll_fd.revents, POLLIN);
}

TEST(MqNotify) {
  Mqueue queue;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  EXPECT_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGUSR1;
  event.sigev_value.sival_int = 77;
  EXPECT_OK(mq_notify(queue.fd, &event));
  EXPECT_ERRNO(mq_notify(queue.fd, &event), EBUSY);
  EXPECT_OK(mq_send(queue.fd, "x", 1, 0));
  siginfo_t info{};
  const timespec soon{2, 0};
  EXPECT_EQ(sigtimedwait(&set, &info, &soon), SIGUSR1);
  EXPECT_EQ(info.si_code, SI_MESGQ);
  EXPECT_EQ(info.si_value.sival_int, 77);
  EXPECT_EQ(info.si_pid, getpid());
  // Once only, and only for a message that comes to an empty queue.
  EXPECT_OK(mq_notify(queue.fd, &event));
  EXPECT_OK(mq_send(queue.fd, "y", 1, 0));
  const timespec now{0, 20'000'000};
  EXPECT_ERRNO(sigtimedwait(&set, &info, &now), EAGAIN);
  EXPECT_OK(mq_notify(queue.fd, nullptr));
  EXPECT_OK(mq_notify(queue.fd, &event));
}

TEST(MqNotifyStartsAThread) {
  Mqueue queue;
  static std::atomic<int> told;
  told = 0;
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD;
  event.sigev_value.sival_int = 5;
  event.sigev_notify_function = [](sigval value) { told += value.sival_int; };
  EXPECT_OK(mq_notify(queue.fd, &event));
  EXPECT_ERRNO(mq_notify(queue.fd, &event), EBUSY);
  EXPECT_OK(mq_send(queue.fd, "x", 1, 0));
  EXPECT(Eventually([] { return told == 5; }, 30000));
  EXPECT_EQ(queue.receive(), "x");
  EXPECT_OK(mq_notify(queue.fd, &event));
  EXPECT_OK(mq_notify(queue.fd, nullptr));
  EXPECT_OK(mq_send(queue.fd, "y", 1, 0));
  EXPECT_EQ(queue.receive(), "y");
  EXPECT_EQ(told.load(), 5);
}

TEST(MqNotifyByNetlink) {
  Mqueue queue;
  const int netlink = ASSERT_OK(socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, 0));
  char cookie[32] = "what was asked for", got[64] = {};
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD;
  event.sigev_signo = netlink;
  event.sigev_value.sival_ptr = cookie;
  const auto notify = [&](const sigevent* e) { return syscall(SYS_mq_notify, queue.fd, e); };
  EXPECT_OK(notify(&event));
  EXPECT_ERRNO(recv(netlink, got, sizeof(got), 0), EAGAIN);
  EXPECT_OK(mq_send(queue.fd, "x", 1, 0));
  EXPECT_EQ(recv(netlink, got, sizeof(got), 0), (ssize_t)sizeof(cookie));
  EXPECT_EQ(std::string(got), std::string(cookie));
  EXPECT_EQ((int)got[31], 1);
  EXPECT_EQ(queue.receive(), "x");
  EXPECT_OK(notify(&event));
  EXPECT_OK(notify(nullptr));
  EXPECT_EQ(recv(netlink, got, sizeof(got), 0), (ssize_t)sizeof(cookie));
  EXPECT_EQ((int)got[31], 2);
  event.sigev_value.sival_ptr = (void*)8;
  EXPECT_ERRNO(notify(&event), EFAULT);
  event.sigev_value.sival_ptr = cookie;
  event.sigev_signo = 999;
  EXPECT_ERRNO(notify(&event), EBADF);
  event.sigev_signo = ASSERT_OK(open("/dev/null", O_RDONLY));
  EXPECT_ERRNO(notify(&event), ENOTSOCK);
  event.sigev_signo = ASSERT_OK(socket(AF_UNIX, SOCK_STREAM, 0));
  EXPECT_ERRNO(notify(&event), EINVAL);
}

TEST(MqMemoryLimit) {
  rlimit limit{1000, 1000};
  ASSERT_OK(setrlimit(RLIMIT_MSGQUEUE, &limit));
  EXPECT_ERRNO(mq_open("/guest-limit", O_RDWR | O_CREAT, 0600, nullptr), EMFILE);
}

TEST(IpcLimitsOfMessages) {
  if (geteuid() != 0) Skip("needs root");
  WithSetting("msgmax", "100", [] {
    const Queue queue;
    EXPECT_OK(queue.send(1, std::string(100, 'x')));
    EXPECT_ERRNO(queue.send(1, std::string(101, 'x')), EINVAL);
  });
  WithSetting("msgmnb", "10", [] {
    const Queue queue;
    EXPECT_OK(queue.send(1, "12345678"));
    EXPECT_ERRNO(queue.send(1, "901", IPC_NOWAIT), EAGAIN);
  });
  WithSetting("msgmni", "1", [] {
    const Queue queue;
    EXPECT_ERRNO(msgget(IPC_PRIVATE, IPC_CREAT | 0600), ENOSPC);
  });
}

TEST(IpcLimitsOfSemaphores) {
  if (geteuid() != 0) Skip("needs root");
  WithSetting("sem", "10\t15\t2\t3", [] {
    const Set first(10);
    EXPECT_ERRNO(semget(IPC_PRIVATE, 11, IPC_CREAT | 0600), EINVAL);
    EXPECT_ERRNO(semget(IPC_PRIVATE, 6, IPC_CREAT | 0600), ENOSPC);
    { const Set removed(5); }
    const Set second(4), third(1);
    EXPECT_ERRNO(semget(IPC_PRIVATE, 1, IPC_CREAT | 0600), ENOSPC);
    const sembuf up[3] = {{0, 1, 0}, {0, 1, 0}, {0, 1, 0}};
    EXPECT_ERRNO(semop(first.id, const_cast<sembuf*>(up), 3), E2BIG);
  });
  WithSetting("sem", "10\t15\t2147483647\t3", [] {
    const Set set(1);
    EXPECT_ERRNO(semop(set.id, nullptr, 2'000'000'000), ENOMEM);
  });
}

TEST(IpcLimitsOfSharedMemory) {
  if (geteuid() != 0) Skip("needs root");
  WithSetting("shmmax", "8192", [] {
    const Segment segment(8192);
    EXPECT_ERRNO(shmget(IPC_PRIVATE, 8193, IPC_CREAT | 0600), EINVAL);
  });
  WithSetting("shmall", "3", [] {
    const Segment segment(4097);
    EXPECT_ERRNO(shmget(IPC_PRIVATE, 4097, IPC_CREAT | 0600), ENOSPC);
    const Segment last(4096);
  });
  WithSetting("shmmni", "1", [] {
    const Segment segment(4096);
    EXPECT_ERRNO(shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600), ENOSPC);
  });
}

TEST(IpcLimitsRefuseNonsense) {
  if (geteuid() != 0) Skip("needs root");
  WithSetting("msgmax", "8192", [] {
    for (const char* nonsense : {"-1", "2147483648", "word"}) {
      const int fd = ASSERT_OK(open("/proc/sys/kernel/msgmax", O_WRONLY));
      EXPECT_ERRNO(write(fd, nonsense, strlen(nonsense)), EINVAL);
      close(fd);
    }
    EXPECT_EQ(ReadAll("/proc/sys/kernel/msgmax"), std::string("8192\n"));
  });
}
