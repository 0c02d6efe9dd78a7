// Pseudo-terminals: instances of devpts, and packet mode.

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include "tests/guest/harness.h"
#include "tests/guest/read_some.h"

using namespace guest;

namespace {

// Its own mounts, which go with it.
void PrivateMounts() {
  if (unshare(CLONE_NEWNS) != 0) Skip("no rights to mount");
  ASSERT_OK(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
}

void MountPts(const char* directory, const char* options) {
  ASSERT_OK(mkdir(directory, 0755));
  ASSERT_OK(mount("devpts", directory, "devpts", MS_NOSUID | MS_NOEXEC, options));
}

int OpenMaster(const std::string& ptmx) {
  const int master = ASSERT_OK(open(ptmx.c_str(), O_RDWR | O_NOCTTY));
  int locked = 0;
  ASSERT_OK(ioctl(master, TIOCSPTLCK, &locked));
  return master;
}

int IndexOf(int master) {
  int index = -1;
  ASSERT_OK(ioctl(master, TIOCGPTN, &index));
  return index;
}

bool Quiet(int fd) {
  pollfd poller = {fd, POLLIN, 0};
  return poll(&poller, 1, 50) == 0;
}

std::string MountOf(const std::string& directory) {
  const std::string text = ReadAll("/proc/self/mountinfo");
  const size_t at = text.find("/" + directory + " ");
  return at == std::string::npos ? "" : text.substr(at, text.find('\n', at) - at);
}

}  // namespace

TEST(EachMountHasTerminalsOfItsOwn) {
  PrivateMounts();
  MountPts("a", "newinstance,ptmxmode=0666,mode=0620,gid=5");
  MountPts("b", "ptmxmode=0666");
  const int a = OpenMaster("a/ptmx"), b = OpenMaster("b/ptmx");
  EXPECT_EQ(IndexOf(a), 0);
  EXPECT_EQ(IndexOf(b), 0);
  EXPECT_ERRNO(open("a/1", O_RDWR), ENOENT);
  const int slave = ASSERT_OK(open("a/0", O_RDWR | O_NOCTTY));
  EXPECT_EQ(write(slave, "of a", 4), 4);
  EXPECT_EQ(ReadSome(a), "of a");
  EXPECT(Quiet(b));
  close(slave);
  close(a);
  EXPECT_ERRNO(access("a/0", F_OK), ENOENT);
  EXPECT_OK(access("b/0", F_OK));
  const int peer = ASSERT_OK(ioctl(b, TIOCGPTPEER, O_RDWR | O_NOCTTY));
  struct stat by_peer, by_name;
  EXPECT_OK(fstat(peer, &by_peer));
  EXPECT_OK(stat("b/0", &by_name));
  EXPECT(by_peer.st_dev == by_name.st_dev && by_peer.st_ino == by_name.st_ino);
}

TEST(OptionsOfAnInstance) {
  PrivateMounts();
  MountPts("a", "newinstance,ptmxmode=0666,mode=0620,gid=5");
  MountPts("plain", "");
  MountPts("one", "max=1,uid=3");
  EXPECT(MountOf("a").find(",gid=5,mode=620,ptmxmode=666") != std::string::npos);
  EXPECT(MountOf("plain").find(",mode=600,ptmxmode=000") != std::string::npos);
  EXPECT(MountOf("one").find(",uid=3,mode=600,ptmxmode=000,max=1") != std::string::npos);
  const int a = OpenMaster("a/ptmx"), one = OpenMaster("one/ptmx");
  (void)a;
  struct stat st;
  EXPECT_OK(stat("a/0", &st));
  EXPECT(st.st_gid == 5 && (st.st_mode & 07777) == 0620 && st.st_rdev == makedev(136, 0));
  EXPECT_OK(stat("one/0", &st));
  EXPECT(st.st_uid == 3 && (st.st_mode & 07777) == 0600);
  EXPECT_OK(stat("plain/ptmx", &st));
  EXPECT(S_ISCHR(st.st_mode) && (st.st_mode & 07777) == 0 && st.st_rdev == makedev(5, 2));
  EXPECT_ERRNO(open("one/ptmx", O_RDWR), ENOSPC);
  EXPECT_ERRNO(mount("devpts", "plain", "devpts", 0, "nonsense=1"), EINVAL);
  EXPECT_ERRNO(mount("devpts", "plain", "devpts", 0, "max=x"), EINVAL);
  close(one);
  EXPECT_OK(close(OpenMaster("one/ptmx")));
}

TEST(ANewModeIsForTerminalsMadeFromThenOn) {
  PrivateMounts();
  MountPts("a", "mode=0620,ptmxmode=0");
  const int first = OpenMaster("a/ptmx");
  EXPECT_OK(mount(nullptr, "a", nullptr, MS_REMOUNT, "mode=0640,ptmxmode=0666"));
  const int second = OpenMaster("a/ptmx");
  EXPECT(first != second);
  struct stat st;
  EXPECT_OK(stat("a/0", &st));
  EXPECT_EQ(st.st_mode & 07777, 0620);
  EXPECT_OK(stat("a/1", &st));
  EXPECT_EQ(st.st_mode & 07777, 0640);
  EXPECT_OK(stat("a/ptmx", &st));
  EXPECT_EQ(st.st_mode & 07777, 0666);
}

TEST(DeviceNodesFindTheInstanceBesideThem) {
  PrivateMounts();
  ASSERT_OK(mkdir("dev", 0755));
  ASSERT_OK(mount("dev", "dev", "tmpfs", 0, nullptr));  // where devices may be opened
  if (mknod("dev/ptmx", S_IFCHR | 0666, makedev(5, 2)) != 0) Skip("no rights to make devices");
  EXPECT_ERRNO(open("dev/ptmx", O_RDWR), ENOENT);
  ASSERT_OK(mkdir("dev/pts", 0755));
  EXPECT_ERRNO(open("dev/ptmx", O_RDWR), ENODEV);
  ASSERT_OK(rmdir("dev/pts"));
  MountPts("dev/pts", "ptmxmode=0666");
  const int master = OpenMaster("dev/ptmx");
  EXPECT_EQ(IndexOf(master), 0);
  const int slave = ASSERT_OK(open("dev/pts/0", O_RDWR | O_NOCTTY));
  EXPECT_EQ(write(slave, "x", 1), 1);
  EXPECT_EQ(ReadSome(master), "x");
  const int peer = EXPECT_OK(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY));
  EXPECT_EQ(write(peer, "y", 1), 1);
  EXPECT_EQ(ReadSome(master), "y");
  ASSERT_OK(mknod("dev/slave", S_IFCHR | 0666, makedev(136, 0)));
  EXPECT_ERRNO(open("dev/slave", O_RDWR | O_NOCTTY), EIO);
}

TEST(ABoundPtmxKeepsItsInstance) {
  PrivateMounts();
  MountPts("a", "ptmxmode=0666");
  ASSERT_OK(close(open("ptmx", O_CREAT | O_RDWR, 0600)));
  ASSERT_OK(mount("a/ptmx", "ptmx", nullptr, MS_BIND, nullptr));
  const int master = OpenMaster("ptmx");
  EXPECT_EQ(IndexOf(master), 0);
  EXPECT_OK(access("a/0", F_OK));
}

TEST(DevTtyIsTheControllingTerminalOfAnyInstance) {
  PrivateMounts();
  MountPts("a", "ptmxmode=0666");
  const int master = OpenMaster("a/ptmx");
  EXPECT_EQ(RunInChild([&] {
              if (setsid() < 0 || open("a/0", O_RDWR) < 0) return 1;
              const int tty = open("/dev/tty", O_RDWR);
              if (tty < 0) return 2;
              return write(tty, "from tty", 8) == 8 ? 0 : 3;
            }),
            0);
  EXPECT_EQ(ReadSome(master), "from tty");
}

namespace {

// A pair in packet mode, both ends non-blocking and the slave raw but for what a test turns on.
struct PacketPair {
  PacketPair() {
    master = ASSERT_OK(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK));
    ASSERT_OK(unlockpt(master));
    slave = ASSERT_OK(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK));
    ASSERT_OK(tcgetattr(slave, &settings));
    int on = 1;
    ASSERT_OK(ioctl(master, TIOCPKT, &on));
  }
  // What one read of the master gives: "0:data", "3:" for a status, "EAGAIN".
  std::string Next() {
    char buffer[64];
    const ssize_t n = read(master, buffer, sizeof(buffer));
    if (n < 0) return strerrorname_np(errno);
    return std::to_string(buffer[0]) + ":" + std::string(buffer + 1, n - 1);
  }
  // What there is to read; a wait may last as long as a busy host needs to bring it.
  short Poll(int timeout_ms = 30'000) {
    pollfd poller = {master, POLLIN | POLLPRI, 0};
    return poll(&poller, 1, timeout_ms) == 1 ? poller.revents : 0;
  }
  // The sum of the next statuses, and the text of the next data, until `end` of them is there: Linux raises the two
  // bits of a flush one after the other, and echoes a character at a time.
  int Statuses(int end) {
    int sum = 0;
    while (sum != end && Poll() & POLLPRI) sum |= std::stoi(Next());
    return sum;
  }
  std::string Data(size_t end) {
    std::string text;
    while (text.size() < end && Poll() == POLLIN) text += Next().substr(2);
    return text;
  }
  void Set(tcflag_t iflag) {
    settings.c_iflag = iflag;
    ASSERT_OK(tcsetattr(slave, TCSANOW, &settings));
  }
  int master, slave;
  termios settings;
};

}  // namespace

TEST(PacketsOfData) {
  PacketPair pair;
  int on = 0;
  EXPECT_OK(ioctl(pair.master, TIOCGPKT, &on));
  EXPECT_EQ(on, 1);
  EXPECT_ERRNO(ioctl(pair.slave, TIOCPKT, &on), ENOTTY);
  EXPECT_EQ(pair.Next(), "EAGAIN");
  EXPECT_EQ(write(pair.slave, "abc", 3), 3);
  EXPECT_EQ(pair.Poll(), POLLIN);
  EXPECT_EQ(pair.Next(), "0:abc");
  EXPECT_EQ(write(pair.slave, "abc", 3), 3);
  char two[2];
  EXPECT(pair.Poll() == POLLIN);
  EXPECT_EQ(read(pair.master, two, 0), 0);
  EXPECT_EQ(read(pair.master, two, 2), 2);
  EXPECT(two[0] == 0 && two[1] == 'a');
  EXPECT_EQ(pair.Next(), "0:bc");
  on = 0;
  EXPECT_OK(ioctl(pair.master, TIOCPKT, &on));
  EXPECT_EQ(write(pair.slave, "abc", 3), 3);
  EXPECT(pair.Poll() == POLLIN);
  EXPECT_EQ(read(pair.master, two, 2), 2);
  EXPECT(two[0] == 'a' && two[1] == 'b');
}

TEST(PacketsOfFlushesAndStops) {
  PacketPair pair;
  EXPECT_OK(tcflush(pair.slave, TCIFLUSH));
  EXPECT_EQ(pair.Poll(), POLLIN | POLLPRI);
  EXPECT_EQ(pair.Next(), "1:");
  EXPECT_OK(tcflush(pair.slave, TCOFLUSH));
  EXPECT_EQ(pair.Next(), "2:");
  EXPECT_OK(tcflush(pair.slave, TCIOFLUSH));
  EXPECT_EQ(pair.Next(), "3:");
  EXPECT_OK(tcflow(pair.slave, TCOOFF));
  EXPECT_EQ(pair.Next(), "4:");
  EXPECT_OK(tcflow(pair.slave, TCOOFF));
  EXPECT_EQ(pair.Next(), "EAGAIN");
  EXPECT_OK(tcflow(pair.slave, TCOON));
  EXPECT_EQ(pair.Next(), "8:");
  EXPECT_EQ(pair.Next(), "EAGAIN");
  EXPECT_EQ(pair.Poll(200), 0);
}

// What was written before a stop is with the reader; what comes after it, echoes too, waits for the start.
TEST(OutputBeforeAStopArrives) {
  PacketPair pair;
  int off = 0;
  EXPECT_OK(ioctl(pair.master, TIOCPKT, &off));
  EXPECT_EQ(write(pair.slave, "abc", 3), 3);
  EXPECT_OK(tcflow(pair.slave, TCOOFF));
  char text[8];
  EXPECT(pair.Poll() & POLLIN);
  EXPECT_EQ(read(pair.master, text, 2), 2);
  EXPECT_EQ(read(pair.master, text, sizeof(text)), 1);
  EXPECT(text[0] == 'c');
  fcntl(pair.slave, F_SETFL, O_NONBLOCK);
  EXPECT_ERRNO(write(pair.slave, "d", 1), EAGAIN);
  EXPECT_EQ(pair.Poll(200), 0);
  EXPECT_OK(tcflow(pair.slave, TCOON));
  EXPECT_EQ(write(pair.slave, "d", 1), 1);
  EXPECT(pair.Poll() & POLLIN);
}

TEST(PacketsOfFlowControl) {
  PacketPair pair;
  pair.Set(0);
  EXPECT_EQ(pair.Next(), "16:");
  pair.Set(IXON);
  EXPECT_EQ(pair.Next(), "32:");
  pair.Set(IXON | ICRNL);
  EXPECT_EQ(pair.Next(), "EAGAIN");
  pair.settings.c_cc[VSTOP] = 'x';
  pair.Set(IXON);
  EXPECT_EQ(pair.Next(), "16:");
  pair.settings.c_cc[VSTOP] = 023;
  pair.settings.c_lflag |= EXTPROC;
  pair.Set(IXON);
  EXPECT_EQ(pair.Next(), "96:");
}

TEST(PacketsOfTypedControlCharacters) {
  PacketPair pair;
  EXPECT_EQ(write(pair.master, "\023", 1), 1);
  EXPECT_EQ(pair.Poll(), POLLIN | POLLPRI);
  EXPECT_EQ(pair.Next(), "4:");
  EXPECT_EQ(write(pair.master, "\021", 1), 1);
  EXPECT_EQ(pair.Poll(), POLLIN | POLLPRI);
  EXPECT_EQ(pair.Next(), "8:");
  EXPECT_EQ(write(pair.master, "\003", 1), 1);
  EXPECT_EQ(pair.Poll(), POLLIN | POLLPRI);
  EXPECT_EQ(pair.Statuses(TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE), 3);
  EXPECT_EQ(pair.Data(2), "^C");
}

TEST(PacketModeStartsWithoutAStatus) {
  PacketPair pair;
  int on = 0;
  EXPECT_OK(ioctl(pair.master, TIOCPKT, &on));
  EXPECT_OK(tcflush(pair.slave, TCIOFLUSH));
  on = 1;
  EXPECT_OK(ioctl(pair.master, TIOCPKT, &on));
  EXPECT_EQ(pair.Next(), "EAGAIN");
  EXPECT_EQ(write(pair.slave, "later", 5), 5);
  EXPECT_OK(tcflush(pair.slave, TCIFLUSH));
  EXPECT_EQ(pair.Next(), "1:");  // before the data
  EXPECT_EQ(pair.Poll(), POLLIN);
  EXPECT_EQ(pair.Next(), "0:later");
}
