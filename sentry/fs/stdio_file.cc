// Reading and writing host descriptors without ever sleeping in the host.
#include "sentry/fs/stdio_file.h"

#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <termios.h>

#include <algorithm>
#include <limits>

#include "sentry/fs/host_notifier.h"
#include "sentry/fs/sigpipe.h"

namespace runsc {
namespace {

constexpr size_t kBufferSize = 16384;
// After POLLOUT a pipe has room for this much; more could block where the host cannot try (RWF_NOWAIT).
constexpr size_t kSafeWrite = 4096;
constexpr size_t kSafeTerminalWrite = 512;
constexpr size_t kTermiosSize = 36;  // the kernel's struct termios
constexpr uid_t kUnmapped = 65534;

// Attributes are the host file's; its owner is shown as root if the host's ids mean nothing here.
class StdioInode : public AnonInode {
 public:
  explicit StdioInode(RefPtr<HostStdio> host)
      : AnonInode(AnonFs::Others(), host->ino, host->type | 0600, *MakeRef<Credentials>()), host_(std::move(host)) {}

  Result<Attr> GetAttr() override {
    struct stat st;
    TRY(FromHost(fstat(host_->fd.get(), &st)));
    Attr attr = TRY(AnonInode::GetAttr());
    attr.mode = st.st_mode;
    attr.nlink = st.st_nlink;
    attr.rdev = st.st_rdev;
    attr.size = st.st_size;
    attr.blocks = st.st_blocks;
    attr.blksize = st.st_blksize;
    attr.uid = st.st_uid == kUnmapped ? 0 : st.st_uid;
    attr.gid = st.st_gid == kUnmapped ? 0 : st.st_gid;
    attr.atime = st.st_atim;
    attr.mtime = st.st_mtim;
    attr.ctime = st.st_ctim;
    return attr;
  }

  Result<void> SetAttr(const AttrChange& change) override {
    if (change.size) {
      if (*change.size > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return Errno(EINVAL);
      TRY(FromHost(ftruncate(host_->fd.get(), static_cast<off_t>(*change.size))));
    }
    // Owner, mode and times of a host file are not the container's to change.
    if (change.mode || change.uid || change.gid || change.atime || change.mtime) return Errno(EPERM);
    return {};
  }

  // /dev/stdout and the like: another description here, the same one on the host.
  Result<RefPtr<File>> Open(Task& task, const Path& path, int flags) override {
    const int host_flags = TRY(FromHost(fcntl(host_->fd.get(), F_GETFL)));
    const int host_access = host_flags & O_ACCMODE, access = flags & O_ACCMODE;
    if (host_access != O_RDWR && access != host_access) return Errno(EACCES);
    return RefPtr<File>(MakeRef<StdioFile>(host_, RefPtr<AnonInode>(this), flags));
  }

 private:
  const RefPtr<HostStdio> host_;
};

}  // namespace

StdioFile::StdioFile(RefPtr<HostStdio> host, RefPtr<AnonInode> inode, int flags)
    : AnonFile(std::move(inode), S_ISSOCK(host->type) ? "socket" : "pipe", flags), host_(std::move(host)) {}

HostStdio::~HostStdio() {
  if (watched_) HostNotifier::Get().Unwatch(fd.get());
}

WaitQueue* HostStdio::watched_queue() {
  std::call_once(watch_once_, [this] { watched_ = HostNotifier::Get().Watch(fd.get(), queue_).ok(); });
  return &queue_;
}

EventMask StdioFile::Readiness(EventMask mask) {
  if (!host_->pollable) return File::Readiness(mask);
  return HostReadiness(host_fd(), mask) & (mask | EPOLLERR | EPOLLHUP);
}

Result<size_t> StdioFile::TryRead(std::span<std::byte> buffer) {
  const iovec iov{buffer.data(), buffer.size()};
  ssize_t n = preadv2(host_fd(), &iov, 1, -1, RWF_NOWAIT);
  if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
    if (HostReadiness(host_fd(), POLLIN) == 0) return Errno(EAGAIN);
    n = read(host_fd(), buffer.data(), buffer.size());
  }
  return static_cast<size_t>(TRY(FromHost(n)));
}

Result<size_t> StdioFile::TryWrite(std::span<const std::byte> data) {
  const iovec iov{const_cast<std::byte*>(data.data()), data.size()};
  ssize_t n = pwritev2(host_fd(), &iov, 1, -1, RWF_NOWAIT);
  if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
    if (HostReadiness(host_fd(), POLLOUT) == 0) return Errno(EAGAIN);
    n = write(host_fd(), data.data(), std::min(data.size(), host_->terminal ? kSafeTerminalWrite : kSafeWrite));
  }
  return static_cast<size_t>(TRY(FromHost(n)));
}

Result<size_t> StdioFile::ReadWaitable(IoSink& dst) {
  if (dst.remaining() == 0) return size_t{0};
  std::byte buffer[kBufferSize];
  const size_t n = TRY(TryRead({buffer, std::min(dst.remaining(), kBufferSize)}));
  if (n == 0) return n;
  return dst.Write({buffer, n});
}

Result<size_t> StdioFile::WriteWaitable(Task& task, IoSource& src) {
  std::byte buffer[kBufferSize];
  size_t done = 0;
  while (src.remaining() > 0) {
    const auto taken = src.Read({buffer, std::min(src.remaining(), kBufferSize)});
    if (!taken.ok()) return done > 0 ? Result<size_t>(done) : taken;
    const auto n = TryWrite({buffer, *taken});
    src.Unread(*taken - (n.ok() ? *n : 0));
    if (!n.ok()) {
      if (n.error() == Errno(EPIPE)) (void)BrokenPipe(task);
      return done > 0 ? Result<size_t>(done) : n;
    }
    done += *n;
    if (*n < *taken) break;
  }
  return done;
}

Result<size_t> StdioFile::Read(Task& task, IoSink& dst, const int64_t* offset) {
  if (host_->pollable) return offset != nullptr ? Errno(ESPIPE) : ReadWaitable(dst);
  if (dst.remaining() == 0) return size_t{0};
  return dst.FillFromHost(host_fd(), offset != nullptr ? *offset : -1, dst.remaining());
}

Result<size_t> StdioFile::Write(Task& task, IoSource& src, const int64_t* offset) {
  if (host_->pollable) return offset != nullptr ? Errno(ESPIPE) : WriteWaitable(task, src);
  if (src.remaining() == 0) return size_t{0};
  return src.DrainToHost(host_fd(), offset != nullptr ? *offset : -1, src.remaining());
}

Result<int64_t> StdioFile::Seek(Task& task, int64_t offset, int whence) {
  return int64_t{TRY(FromHost(lseek(host_fd(), offset, whence)))};
}

int64_t StdioFile::offset_for_fdinfo() const {
  return host_->pollable ? 0 : std::max<off_t>(lseek(host_fd(), 0, SEEK_CUR), 0);
}

Result<void> StdioFile::SetStatusFlags(int flags) {
  if (S_ISREG(host_->type)) {
    const int old = TRY(FromHost(fcntl(host_fd(), F_GETFL)));
    if ((old ^ flags) & O_APPEND) {
      TRY(FromHost(fcntl(host_fd(), F_SETFL, (old & ~O_APPEND) | (flags & O_APPEND))));
    }
  }
  return File::SetStatusFlags(flags);
}

Result<Mappable> StdioFile::Mmap(uint64_t offset, uint64_t length, int prot, int flags) {
  if (!S_ISREG(host_->type)) return Errno(ENODEV);
  Mappable mappable;
  mappable.host_fd = host_fd();
  mappable.offset = offset;
  mappable.writable = writable() && readable();
  mappable.owner = host_;
  return mappable;
}

Result<void> StdioFile::Allocate(int mode, int64_t offset, int64_t length) {
  TRY(FromHost(fallocate(host_fd(), mode, offset, length)));
  return {};
}

Result<void> StdioFile::Sync(bool data_only) {
  TRY(FromHost(data_only ? fdatasync(host_fd()) : fsync(host_fd())));
  return {};
}

// Only what concerns the terminal's settings and queues passes; its sessions and foreground group are the
// host's and mean nothing to the guest (ENOTTY).
Result<int64_t> StdioFile::Ioctl(Task& task, uint32_t request, uint64_t arg) {
  size_t in = 0, out = 0;
  switch (request) {
    case TCGETS:
      out = kTermiosSize;
      break;
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
      in = kTermiosSize;
      break;
    case TIOCGWINSZ:
      out = sizeof(winsize);
      break;
    case TIOCSWINSZ:
      in = sizeof(winsize);
      break;
    case FIONREAD:
    case TIOCOUTQ:
      out = sizeof(int);
      break;
    default:
      return Errno(ENOTTY);
  }
  std::byte buffer[kTermiosSize] = {};
  if (in > 0) TRY(task.CopyIn(arg, buffer, in));
  TRY(FromHost(ioctl(host_fd(), request, buffer)));
  if (out > 0) TRY(task.CopyOut(arg, buffer, out));
  return int64_t{0};
}

std::string StdioFile::Describe() const {
  if (S_ISFIFO(host_->type) || S_ISSOCK(host_->type)) return AnonFile::Describe();
  if (S_ISCHR(host_->type) && host_->rdev == makedev(1, 3)) return "/dev/null";
  return "host:[" + std::to_string(host_->ino) + "]";
}

Result<RefPtr<File>> NewStdioFile(UniqueFd host_fd) {
  RefPtr<HostStdio> host = MakeRef<HostStdio>(std::move(host_fd));
  struct stat st;
  TRY(FromHost(fstat(host->fd.get(), &st)));
  const int flags = TRY(FromHost(fcntl(host->fd.get(), F_GETFL)));
  host->ino = st.st_ino;
  host->type = st.st_mode & S_IFMT;
  host->rdev = st.st_rdev;
  host->terminal = S_ISCHR(st.st_mode) && isatty(host->fd.get());
  host->pollable = S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || host->terminal;
  RefPtr<AnonInode> inode = MakeRef<StdioInode>(host);
  return RefPtr<File>(
      MakeRef<StdioFile>(std::move(host), std::move(inode), flags & (O_ACCMODE | O_APPEND | O_NONBLOCK)));
}

}  // namespace runsc
