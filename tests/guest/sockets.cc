// Unix-domain sockets: stream, datagram, sequenced packets, descriptor passing, credentials.

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <vector>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

struct Pair {
  explicit Pair(int type) { ASSERT_OK(socketpair(AF_UNIX, type, 0, fds)); }
  int fds[2];
  int a() const { return fds[0]; }
  int b() const { return fds[1]; }
};

sockaddr_un Address(const std::string& path, socklen_t* length) {
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  memcpy(address.sun_path, path.data(), path.size());
  *length = offsetof(sockaddr_un, sun_path) + path.size() + (path[0] != 0);
  return address;
}

int Bind(int fd, const std::string& path) {
  socklen_t length;
  const sockaddr_un address = Address(path, &length);
  return bind(fd, (const sockaddr*)&address, length);
}

int Connect(int fd, const std::string& path) {
  socklen_t length;
  const sockaddr_un address = Address(path, &length);
  return connect(fd, (const sockaddr*)&address, length);
}

int Listening(const std::string& path, int type = SOCK_STREAM) {
  const int fd = ASSERT_OK(socket(AF_UNIX, type, 0));
  EXPECT_OK(Bind(fd, path));
  EXPECT_OK(listen(fd, 8));
  return fd;
}

ssize_t SendFds(int socket, const std::vector<int>& fds, const char* data) {
  char control[CMSG_SPACE(sizeof(int) * 16)] = {};
  iovec io = {(void*)data, strlen(data)};
  msghdr message = {};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
  memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * fds.size());
  return sendmsg(socket, &message, 0);
}

std::vector<int> ReceiveFds(int socket, std::string* data, int* flags = nullptr, size_t room = 16,
                            int receive_flags = 0) {
  char control[CMSG_SPACE(sizeof(int) * 16)] = {}, buffer[100];
  iovec io = {buffer, sizeof(buffer)};
  msghdr message = {};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = CMSG_LEN(sizeof(int) * room);
  const ssize_t n = recvmsg(socket, &message, receive_flags);
  if (n >= 0) data->assign(buffer, n);
  if (flags != nullptr) *flags = message.msg_flags;
  std::vector<int> fds;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (n >= 0 && header != nullptr && header->cmsg_type == SCM_RIGHTS) {
    fds.resize((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(fds.data(), CMSG_DATA(header), fds.size() * sizeof(int));
  }
  return fds;
}

}  // namespace

TEST(StreamPair) {
  Pair pair(SOCK_STREAM);
  char buffer[20];
  EXPECT_EQ(send(pair.a(), "hello ", 6, 0), 6);
  EXPECT_EQ(write(pair.a(), "world", 5), 5);
  EXPECT_EQ(recv(pair.b(), buffer, 20, MSG_PEEK), 11);
  EXPECT_EQ(recv(pair.b(), buffer, 3, 0), 3);
  EXPECT_EQ(recv(pair.b(), buffer, 20, 0), 8);
  EXPECT_ERRNO(recv(pair.b(), buffer, 20, MSG_DONTWAIT), EAGAIN);
  EXPECT_EQ(send(pair.b(), "back", 4, 0), 4);
  EXPECT_EQ(read(pair.a(), buffer, 20), 4);
}

TEST(StreamEndOfFile) {
  Pair pair(SOCK_STREAM);
  char c;
  EXPECT_EQ(write(pair.a(), "x", 1), 1);
  close(pair.a());
  EXPECT_EQ(read(pair.b(), &c, 1), 1);
  EXPECT_EQ(read(pair.b(), &c, 1), 0);
  EXPECT_ERRNO(send(pair.b(), "x", 1, MSG_NOSIGNAL), EPIPE);
  EXPECT_EQ(WTERMSIG(RunInChild([&] { return (int)write(pair.b(), "x", 1); })), SIGPIPE);
}

TEST(Shutdown) {
  Pair pair(SOCK_STREAM);
  char c;
  EXPECT_OK(shutdown(pair.a(), SHUT_WR));
  EXPECT_EQ(read(pair.b(), &c, 1), 0);
  EXPECT_ERRNO(send(pair.a(), "x", 1, MSG_NOSIGNAL), EPIPE);
  EXPECT_EQ(write(pair.b(), "y", 1), 1);
  EXPECT_EQ(read(pair.a(), &c, 1), 1);
  pollfd poller = {pair.b(), POLLIN | POLLRDHUP, 0};
  EXPECT_EQ(poll(&poller, 1, 0), 1);
  EXPECT_EQ(poller.revents, POLLIN | POLLRDHUP);
}

TEST(DatagramsKeepBoundaries) {
  Pair pair(SOCK_DGRAM);
  char buffer[20];
  EXPECT_EQ(send(pair.a(), "first", 5, 0), 5);
  EXPECT_EQ(send(pair.a(), "", 0, 0), 0);
  EXPECT_EQ(send(pair.a(), "third", 5, 0), 5);
  EXPECT_EQ(recv(pair.b(), buffer, 2, 0), 2);
  EXPECT_EQ(recv(pair.b(), buffer, 20, 0), 0);
  EXPECT_EQ(recv(pair.b(), buffer, 2, MSG_TRUNC), 5);
}

TEST(SeqpacketKeepsRecords) {
  Pair pair(SOCK_SEQPACKET);
  char buffer[20];
  EXPECT_EQ(send(pair.a(), "one", 3, 0), 3);
  EXPECT_EQ(send(pair.a(), "two", 3, 0), 3);
  EXPECT_EQ(recv(pair.b(), buffer, 20, 0), 3);
  EXPECT_EQ(recv(pair.b(), buffer, 20, 0), 3);
  close(pair.a());
  EXPECT_EQ(recv(pair.b(), buffer, 20, 0), 0);
}

TEST(ListenConnectAccept) {
  const int server = Listening("sock");
  const int client = ASSERT_OK(socket(AF_UNIX, SOCK_STREAM, 0));
  EXPECT_OK(Connect(client, "sock"));
  sockaddr_un peer = {};
  socklen_t length = sizeof(peer);
  const int connection = EXPECT_OK(accept4(server, (sockaddr*)&peer, &length, SOCK_CLOEXEC | SOCK_NONBLOCK));
  EXPECT_EQ(length, (socklen_t)sizeof(sa_family_t));
  EXPECT_EQ(fcntl(connection, F_GETFD), FD_CLOEXEC);
  char c;
  EXPECT_ERRNO(read(connection, &c, 1), EAGAIN);
  EXPECT_EQ(write(client, "x", 1), 1);
  EXPECT_EQ(read(connection, &c, 1), 1);
  length = sizeof(peer);
  EXPECT_OK(getpeername(client, (sockaddr*)&peer, &length));
  EXPECT_EQ(std::string(peer.sun_path), "sock");
  struct stat st;
  EXPECT_OK(stat("sock", &st));
  EXPECT(S_ISSOCK(st.st_mode));
  EXPECT_ERRNO(open("sock", O_RDWR), ENXIO);
}

TEST(ConnectErrors) {
  const int fd = ASSERT_OK(socket(AF_UNIX, SOCK_STREAM, 0));
  EXPECT_ERRNO(Connect(fd, "none"), ENOENT);
  close(open("file", O_RDWR | O_CREAT, 0600));
  EXPECT_ERRNO(Connect(fd, "file"), ECONNREFUSED);
  const int server = Listening("sock");
  EXPECT_ERRNO(Bind(ASSERT_OK(socket(AF_UNIX, SOCK_STREAM, 0)), "sock"), EADDRINUSE);
  close(server);
  EXPECT_ERRNO(Connect(fd, "sock"), ECONNREFUSED);
  EXPECT_ERRNO(accept(fd, nullptr, nullptr), EINVAL);
  EXPECT_ERRNO(send(fd, "x", 1, MSG_NOSIGNAL), ENOTCONN);
  const int datagram = ASSERT_OK(socket(AF_UNIX, SOCK_DGRAM, 0));
  EXPECT_OK(Bind(datagram, "dgram"));
  EXPECT_ERRNO(Connect(fd, "dgram"), EPROTOTYPE);
  EXPECT_ERRNO(listen(datagram, 1), EOPNOTSUPP);
  EXPECT_ERRNO(socket(AF_UNIX, 77, 0), EINVAL);
  EXPECT_ERRNO(socket(AF_UNIX, SOCK_STREAM, 55), EPROTONOSUPPORT);
  EXPECT_ERRNO(listen(0, 1), ENOTSOCK);
}

TEST(AbstractNames) {
  const std::string name = std::string(1, '\0') + "guest-test-" + std::to_string(getpid());
  const int server = Listening(name);
  const int client = ASSERT_OK(socket(AF_UNIX, SOCK_STREAM, 0));
  EXPECT_OK(Connect(client, name));
  EXPECT_OK(accept(server, nullptr, nullptr));
  EXPECT_ERRNO(Bind(ASSERT_OK(socket(AF_UNIX, SOCK_STREAM, 0)), name), EADDRINUSE);
  sockaddr_un own = {};
  socklen_t length = sizeof(own);
  EXPECT_OK(getsockname(server, (sockaddr*)&own, &length));
  EXPECT_EQ(length, (socklen_t)(offsetof(sockaddr_un, sun_path) + name.size()));
  close(server);
  EXPECT_ERRNO(Connect(ASSERT_OK(socket(AF_UNIX, SOCK_STREAM, 0)), name), ECONNREFUSED);
}

TEST(DatagramsByName) {
  const int receiver = ASSERT_OK(socket(AF_UNIX, SOCK_DGRAM, 0));
  EXPECT_OK(Bind(receiver, "receiver"));
  const int sender = ASSERT_OK(socket(AF_UNIX, SOCK_DGRAM, 0));
  EXPECT_OK(Bind(sender, "sender"));
  socklen_t length;
  sockaddr_un to = Address("receiver", &length), from = {};
  EXPECT_EQ(sendto(sender, "hi", 2, 0, (sockaddr*)&to, length), 2);
  char buffer[10];
  length = sizeof(from);
  EXPECT_EQ(recvfrom(receiver, buffer, 10, 0, (sockaddr*)&from, &length), 2);
  EXPECT_EQ(std::string(from.sun_path), "sender");
  to = Address("none", &length);
  EXPECT_ERRNO(sendto(sender, "hi", 2, 0, (sockaddr*)&to, length), ENOENT);
}

TEST(DescriptorPassing) {
  Pair pair(SOCK_STREAM);
  int fds[2];
  EXPECT_OK(pipe(fds));
  EXPECT_EQ(SendFds(pair.a(), {fds[1], 0}, "msg"), 3);
  close(fds[1]);
  std::string data;
  const std::vector<int> got = ReceiveFds(pair.b(), &data, nullptr, 16, MSG_CMSG_CLOEXEC);
  EXPECT_EQ(data, "msg");
  ASSERT(got.size() == 2);
  EXPECT_EQ(fcntl(got[0], F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(write(got[0], "via", 3), 3);
  char buffer[10];
  EXPECT_EQ(read(fds[0], buffer, 10), 3);
}

TEST(DescriptorsInFlightStayOpen) {
  Pair pair(SOCK_STREAM);
  int fds[2];
  EXPECT_OK(pipe(fds));
  EXPECT_EQ(SendFds(pair.a(), {fds[1]}, "x"), 1);
  close(fds[1]);
  pollfd reader = {fds[0], POLLIN, 0};
  EXPECT_EQ(poll(&reader, 1, 0), 0);  // a writer exists: in the message
  close(pair.a());
  close(pair.b());
  EXPECT_EQ(poll(&reader, 1, 30'000), 1);
  EXPECT_EQ(reader.revents, POLLHUP);
}

TEST(DescriptorsTruncated) {
  Pair pair(SOCK_DGRAM);
  EXPECT_EQ(SendFds(pair.a(), {0, 1, 2}, "x"), 1);
  std::string data;
  int flags;
  EXPECT_EQ(ReceiveFds(pair.b(), &data, &flags, 1).size(), 1u);
  EXPECT_EQ(flags & MSG_CTRUNC, MSG_CTRUNC);
  EXPECT_ERRNO(SendFds(pair.a(), {0, 555}, "x"), EBADF);
}

TEST(SocketsCanCarryThemselves) {
  for (int i = 0; i < 20; i++) {
    Pair pair(SOCK_STREAM);
    EXPECT_EQ(SendFds(pair.a(), {pair.a(), pair.b()}, "x"), 1);
    close(pair.a());
    close(pair.b());
  }
}

// A chain of `length` sockets, each in the queue of the next one, with `first` in the innermost; the outermost.
int Chain(int first, int length) {
  for (int i = 0; i < length && !Failed(); i++) {
    Pair pair(SOCK_STREAM);
    EXPECT_EQ(SendFds(pair.a(), {first}, "x"), 1);
    close(first);
    close(pair.a());
    first = pair.b();
  }
  return first;
}

// Whether the last writer of a pipe is gone.
bool IsOver(int reader) {
  pollfd end = {reader, POLLIN, 0};
  return poll(&end, 1, 30'000) == 1 && end.revents == POLLHUP;
}

// Linux counts the descriptors in flight of a user, and refuses to pass more when one program of his has too many:
// those of a test must not be in the way of the other programs that run as root. The privileges that lift the limit
// stay.
void BecomeAnotherUser() {
  ASSERT_OK(prctl(PR_SET_KEEPCAPS, 1));
  ASSERT_OK(setresuid(54321, 54321, 54321));
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  ASSERT_OK(syscall(SYS_capget, &header, data));
  for (auto& half : data) half.effective = half.permitted;
  ASSERT_OK(syscall(SYS_capset, &header, data));
}

// In linear time: what is quadratic does not end within the time that a test has.
TEST(SixtyThousandNested) {
  BecomeAnotherUser();
  int fds[2];
  EXPECT_OK(pipe(fds));
  close(Chain(fds[1], 60'000));
  EXPECT(IsOver(fds[0]));
}

TEST(CyclesBesideManyInFlight) {
  BecomeAnotherUser();
  int fds[2], kept[2];
  EXPECT_OK(pipe(kept));
  EXPECT_OK(pipe(fds));
  const int chain = Chain(kept[1], 5'000);
  for (int i = 0; i < 2'000 && !Failed(); i++) {
    Pair pair(SOCK_STREAM);
    EXPECT_EQ(SendFds(pair.a(), {pair.a(), pair.b(), fds[1]}, "x"), 1);
    close(pair.a());
    close(pair.b());
  }
  close(fds[1]);
  pollfd alive = {kept[0], POLLIN, 0};
  EXPECT_EQ(poll(&alive, 1, 0), 0);
  close(chain);
  EXPECT(IsOver(kept[0]));
  for (int i = 0; i < 1000; i++) close(ASSERT_OK(socket(AF_UNIX, SOCK_STREAM, 0)));
  EXPECT(IsOver(fds[0]));
}

TEST(Credentials) {
  Pair pair(SOCK_STREAM);
  ucred peer;
  socklen_t length = sizeof(peer);
  EXPECT_OK(getsockopt(pair.a(), SOL_SOCKET, SO_PEERCRED, &peer, &length));
  EXPECT_EQ(peer.pid, getpid());
  EXPECT_EQ(peer.uid, getuid());
  const int on = 1;
  EXPECT_OK(setsockopt(pair.b(), SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
  EXPECT_EQ(write(pair.a(), "x", 1), 1);
  char control[CMSG_SPACE(sizeof(ucred))], c;
  iovec io = {&c, 1};
  msghdr message = {};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  EXPECT_EQ(recvmsg(pair.b(), &message, 0), 1);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  ASSERT(header != nullptr && header->cmsg_type == SCM_CREDENTIALS);
  memcpy(&peer, CMSG_DATA(header), sizeof(peer));
  EXPECT_EQ(peer.pid, getpid());
}

// The one piece of ancillary data that came with a message of one byte; its type, or -1 when none came.
int ReceiveTimed(int fd, void* data, size_t size) {
  char control[64] = {}, c;
  iovec io = {&c, 1};
  msghdr message = {};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  EXPECT_EQ(recvmsg(fd, &message, 0), 1);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr) return -1;
  EXPECT_EQ(header->cmsg_level, SOL_SOCKET);
  EXPECT_EQ(header->cmsg_len, CMSG_LEN(size));
  memcpy(data, CMSG_DATA(header), size);
  return header->cmsg_type;
}

// The value of a switch of level SOL_SOCKET.
int Switch(int fd, int name) {
  int value = -1;
  socklen_t length = sizeof(value);
  EXPECT_OK(getsockopt(fd, SOL_SOCKET, name, &value, &length));
  return value;
}

TEST(TimestampOfUnixMessages) {
  Pair pair(SOCK_DGRAM);
  const int on = 1, off = 0;
  timespec before, after, sent = {};
  EXPECT_OK(setsockopt(pair.b(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)));
  clock_gettime(CLOCK_REALTIME, &before);
  EXPECT_EQ(write(pair.a(), "x", 1), 1);
  clock_gettime(CLOCK_REALTIME, &after);
  EXPECT_EQ(ReceiveTimed(pair.b(), &sent, sizeof(sent)), SO_TIMESTAMPNS);
  const auto ns = [](const timespec& t) { return t.tv_sec * 1000000000ll + t.tv_nsec; };
  EXPECT(ns(before) <= ns(sent) && ns(sent) <= ns(after));

  timeval coarse = {};
  EXPECT_OK(setsockopt(pair.b(), SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on)));
  EXPECT_EQ(Switch(pair.b(), SO_TIMESTAMP), 1);
  EXPECT_EQ(Switch(pair.b(), SO_TIMESTAMPNS), 0);
  EXPECT_EQ(write(pair.a(), "x", 1), 1);
  EXPECT_EQ(ReceiveTimed(pair.b(), &coarse, sizeof(coarse)), SO_TIMESTAMP);
  EXPECT(coarse.tv_sec >= sent.tv_sec);

  EXPECT_OK(setsockopt(pair.b(), SOL_SOCKET, SO_TIMESTAMPNS, &off, sizeof(off)));
  EXPECT_EQ(Switch(pair.b(), SO_TIMESTAMP), 0);
  EXPECT_EQ(write(pair.a(), "x", 1), 1);
  EXPECT_EQ(ReceiveTimed(pair.b(), &sent, sizeof(sent)), -1);
}

// A stream has no messages: the option is kept and nothing comes.
TEST(TimestampOfUnixStreams) {
  Pair pair(SOCK_STREAM);
  const int on = 1;
  timeval sent;
  EXPECT_OK(setsockopt(pair.b(), SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on)));
  EXPECT_EQ(Switch(pair.b(), SO_TIMESTAMP), 1);
  EXPECT_EQ(write(pair.a(), "x", 1), 1);
  EXPECT_EQ(ReceiveTimed(pair.b(), &sent, sizeof(sent)), -1);
}

TEST(Options) {
  Pair pair(SOCK_STREAM);
  int value;
  socklen_t length = sizeof(value);
  EXPECT_OK(getsockopt(pair.a(), SOL_SOCKET, SO_TYPE, &value, &length));
  EXPECT_EQ(value, SOCK_STREAM);
  EXPECT_OK(getsockopt(pair.a(), SOL_SOCKET, SO_DOMAIN, &value, &length));
  EXPECT_EQ(value, AF_UNIX);
  EXPECT_OK(getsockopt(pair.a(), SOL_SOCKET, SO_ERROR, &value, &length));
  EXPECT_EQ(value, 0);
  timeval timeout = {0, 50000};
  EXPECT_OK(setsockopt(pair.a(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)));
  char c;
  EXPECT_ERRNO(read(pair.a(), &c, 1), EAGAIN);
  EXPECT_ERRNO(getsockopt(pair.a(), SOL_SOCKET, 9999, &value, &length), ENOPROTOOPT);
  EXPECT_ERRNO(getsockopt(0, SOL_SOCKET, SO_TYPE, &value, &length), ENOTSOCK);
}

TEST(LargeTransfer) {
  Pair pair(SOCK_STREAM);
  const pid_t child = fork();
  if (child == 0) {
    close(pair.b());
    std::vector<char> block(3000000);
    for (size_t i = 0; i < block.size(); i++) block[i] = (char)(i * 7);
    size_t sent = 0;
    while (sent < block.size()) {
      const ssize_t n = send(pair.a(), &block[sent], block.size() - sent, 0);
      if (n <= 0) _exit(1);
      sent += n;
    }
    _exit(0);
  }
  close(pair.a());
  size_t total = 0;
  bool right = true;
  char buffer[70000];
  for (ssize_t n; (n = recv(pair.b(), buffer, sizeof(buffer), 0)) > 0; total += n) {
    for (ssize_t i = 0; i < n; i++) right &= buffer[i] == (char)((total + i) * 7);
  }
  EXPECT_EQ(total, 3000000u);
  EXPECT(right);
  EXPECT_EQ(WaitStatus(child), 0);
}

TEST(SendIsBoundedByTheBuffer) {
  Pair pair(SOCK_STREAM);
  fcntl(pair.a(), F_SETFL, O_NONBLOCK);
  std::vector<char> block(100000);
  size_t total = 0;
  for (ssize_t n; (n = write(pair.a(), block.data(), block.size())) > 0;) total += n;
  EXPECT_EQ(errno, EAGAIN);
  EXPECT(total >= 65536 && total < 16 << 20);
  pollfd writer = {pair.a(), POLLOUT, 0};
  EXPECT_EQ(poll(&writer, 1, 0), 0);
  int queued = 0;
  EXPECT_OK(ioctl(pair.b(), FIONREAD, &queued));
  EXPECT_EQ((size_t)queued, total);
  std::vector<char> all(total);
  size_t got = 0;
  while (got < total) got += ASSERT_OK(read(pair.b(), all.data(), all.size()));
  EXPECT_EQ(poll(&writer, 1, 30'000), 1);
}

TEST(WaitAll) {
  Pair pair(SOCK_STREAM);
  if (fork() == 0) {
    for (int i = 0; i < 10; i++) {
      SleepMs(5);
      if (write(pair.a(), "0123456789", 10) != 10) _exit(1);
    }
    _exit(0);
  }
  char buffer[100];
  EXPECT_EQ(recv(pair.b(), buffer, 100, MSG_WAITALL), 100);
}

TEST(MultiMessageCalls) {
  Pair pair(SOCK_DGRAM);
  iovec out[2] = {{(void*)"aa", 2}, {(void*)"bbb", 3}};
  mmsghdr messages[2] = {};
  for (int i = 0; i < 2; i++) {
    messages[i].msg_hdr.msg_iov = &out[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  EXPECT_EQ(sendmmsg(pair.a(), messages, 2, 0), 2);
  EXPECT_EQ(messages[1].msg_len, 3u);
  char a[10], b[10];
  iovec in[2] = {{a, 10}, {b, 10}};
  for (int i = 0; i < 2; i++) messages[i].msg_hdr.msg_iov = &in[i];
  EXPECT_EQ(recvmmsg(pair.b(), messages, 2, MSG_DONTWAIT, nullptr), 2);
  EXPECT_EQ(messages[0].msg_len, 2u);
}

TEST(UnservedFamilies) {
  const int packet = socket(AF_PACKET, SOCK_RAW, 0);
  EXPECT(packet >= 0 || errno == EPERM || errno == EAFNOSUPPORT);
  EXPECT_ERRNO(socket(255, SOCK_STREAM, 0), EAFNOSUPPORT);
  int fds[2];
  EXPECT(socketpair(AF_INET, SOCK_STREAM, 0, fds) == -1 && (errno == EOPNOTSUPP || errno == EAFNOSUPPORT));
}

TEST(PidfdOfTheSenderComesAlong) {
  constexpr int kPassPidfd = 76, kPeerPidfd = 77, kScmPidfd = 4;
  const Pair pair(SOCK_STREAM);
  const int on = 1;
  EXPECT_OK(setsockopt(pair.b(), SOL_SOCKET, kPassPidfd, &on, sizeof(on)));
  EXPECT_EQ(write(pair.a(), "x", 1), 1);
  char data, control[128];
  iovec io = {&data, 1};
  msghdr message = {};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  EXPECT_EQ(recvmsg(pair.b(), &message, 0), 1);
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  ASSERT(header != nullptr);
  EXPECT_EQ(header->cmsg_type, kScmPidfd);
  int pidfd = -1;
  memcpy(&pidfd, CMSG_DATA(header), sizeof(pidfd));
  EXPECT(pidfd >= 0);
  EXPECT(fcntl(pidfd, F_GETFD) & FD_CLOEXEC);
  const std::string want = "Pid:\t" + std::to_string(getpid());
  EXPECT(ReadAll(("/proc/self/fdinfo/" + std::to_string(pidfd)).c_str()).find(want) != std::string::npos);
  int peer = -1;
  socklen_t size = sizeof(peer);
  EXPECT_OK(getsockopt(pair.a(), SOL_SOCKET, kPeerPidfd, &peer, &size));
  EXPECT(peer >= 0);
}

// --- the byte out of band of streams

namespace {

struct UrgentPair : Pair {
  UrgentPair() : Pair(SOCK_STREAM | SOCK_NONBLOCK) {}
  void Send(const char* text, int flags = 0) {
    EXPECT_EQ(send(a(), text, strlen(text), flags), static_cast<ssize_t>(strlen(text)));
  }
  std::string Receive(int flags = 0) {
    char text[64];
    const ssize_t n = recv(b(), text, sizeof(text), flags);
    return n < 0 ? strerrorname_np(errno) : std::string(text, static_cast<size_t>(n));
  }
  bool AtMark() {
    int at = -1;
    EXPECT_OK(ioctl(b(), SIOCATMARK, &at));
    return at == 1;
  }
  int Poll() {
    pollfd p{b(), POLLIN | POLLPRI, 0};
    poll(&p, 1, 0);
    return p.revents;
  }
};

}  // namespace

TEST(UrgentByteIsReceivedOnItsOwn) {
  UrgentPair pair;
  EXPECT_EQ(pair.Receive(MSG_OOB), "EINVAL");
  pair.Send("hello", MSG_OOB);
  EXPECT_EQ(pair.Poll(), POLLIN | POLLPRI);
  EXPECT_EQ(pair.Receive(MSG_OOB | MSG_PEEK), "o");
  EXPECT_EQ(pair.Receive(MSG_OOB), "o");
  EXPECT_EQ(pair.Receive(MSG_OOB), "EINVAL");
  EXPECT_EQ(pair.Poll(), POLLIN);
  EXPECT(!pair.AtMark());
  EXPECT_EQ(pair.Receive(), "hell");
  EXPECT(pair.AtMark());
  EXPECT_EQ(pair.Receive(), "EAGAIN");
  EXPECT(!pair.AtMark());
}

TEST(ReadsStopAtTheUrgentByteAndPassIt) {
  UrgentPair pair;
  pair.Send("abc", MSG_OOB);
  pair.Send("de");
  EXPECT_EQ(pair.Receive(MSG_PEEK), "ab");
  EXPECT_EQ(pair.Receive(), "ab");
  EXPECT(pair.AtMark());
  EXPECT_EQ(pair.Receive(MSG_PEEK), "de");
  EXPECT_EQ(pair.Receive(MSG_OOB | MSG_PEEK), "c");
  EXPECT_EQ(pair.Receive(), "de");
  EXPECT(!pair.AtMark());
  EXPECT_EQ(pair.Receive(MSG_OOB), "EINVAL");
}

TEST(UrgentByteMayBeInLine) {
  UrgentPair pair;
  const int on = 1;
  EXPECT_OK(setsockopt(pair.b(), SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)));
  pair.Send("abc", MSG_OOB);
  pair.Send("de");
  EXPECT_EQ(pair.Receive(MSG_OOB), "EINVAL");
  EXPECT_EQ(pair.Receive(), "ab");
  EXPECT(pair.AtMark());
  EXPECT_EQ(pair.Receive(), "cde");
  EXPECT(!pair.AtMark());
}

TEST(LaterUrgentByteTakesThePlace) {
  UrgentPair pair;
  pair.Send("ab", MSG_OOB);
  pair.Send("cd", MSG_OOB);
  EXPECT_EQ(pair.Receive(), "abc");
  EXPECT(pair.AtMark());
  EXPECT_EQ(pair.Receive(MSG_OOB), "d");
  EXPECT_EQ(pair.Receive(), "EAGAIN");
}

TEST(UrgentByteOfNoStream) {
  UrgentPair stream;
  EXPECT_ERRNO(send(stream.a(), "", 0, MSG_OOB), EOPNOTSUPP);
  const Pair pair(SOCK_DGRAM);
  char byte;
  int at;
  EXPECT_ERRNO(send(pair.a(), "x", 1, MSG_OOB), EOPNOTSUPP);
  EXPECT_ERRNO(recv(pair.b(), &byte, 1, MSG_OOB | MSG_DONTWAIT), EOPNOTSUPP);
  EXPECT_ERRNO(ioctl(pair.b(), SIOCATMARK, &at), EOPNOTSUPP);
}
