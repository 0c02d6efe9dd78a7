// The memory devices: mem(4), null(4), full(4), random(4).
#include <linux/random.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "sentry/fs/devfs.h"
#include "sentry/kernel/random.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/device.h"

namespace runsc {
namespace {

constexpr std::byte kZeros[64 << 10] = {};

Result<size_t> WriteZeros(Task& task, IoSink& dst) {
  size_t done = 0;
  while (dst.remaining() > 0) {
    const size_t want = std::min(dst.remaining(), sizeof(kZeros));
    const auto n = dst.Write({kZeros, want});
    if (!n.ok()) return done > 0 ? Result<size_t>(done) : n;
    done += *n;
    if (*n < want || (dst.remaining() > 0 && task.HasPendingSignal())) break;
  }
  return done;
}

// Everything written vanishes, unread, as on Linux.
class MemoryFile : public File {
 public:
  using File::File;
  bool positioned() const override { return true; }  // the same at each
  Result<size_t> Write(Task&, IoSource& src, const int64_t*) override { return src.remaining(); }
  Result<int64_t> Seek(Task&, int64_t, int) override { return int64_t{0}; }
};

class NullFile : public MemoryFile {
 public:
  using MemoryFile::MemoryFile;
  Result<size_t> Read(Task&, IoSink&, const int64_t*) override { return size_t{0}; }
};

struct SharedZeros : RefCounted {
  UniqueFd fd;
};

class ZeroFile : public MemoryFile {
 public:
  ZeroFile(Path path, int flags, Kernel& kernel) : MemoryFile(std::move(path), flags), kernel_(kernel) {}
  Result<size_t> Read(Task& task, IoSink& dst, const int64_t*) override { return WriteZeros(task, dst); }

  // Private: anonymous memory. Shared: memory of its own, shared with children only.
  Result<Mappable> Mmap(uint64_t, uint64_t length, int, int flags) override {
    if (!(flags & MAP_SHARED)) return Mappable{};
    auto zeros = MakeRef<SharedZeros>();
    zeros->fd = TRY(kernel_.backing().CreateFile("dev-zero"));
    TRY(FromHost(ftruncate(zeros->fd.get(), static_cast<off_t>(length))));
    return Mappable{.host_fd = zeros->fd.get(), .owner = zeros};
  }

 private:
  Kernel& kernel_;
};

class FullFile : public ZeroFile {
 public:
  using ZeroFile::ZeroFile;
  Result<size_t> Write(Task&, IoSource&, const int64_t*) override { return Errno(ENOSPC); }
  Result<Mappable> Mmap(uint64_t, uint64_t, int, int) override { return Errno(ENODEV); }
};

// Seeding from the guest is accepted, as from anybody, and has no effect on the host's generator.
class RandomFile : public MemoryFile {
 public:
  using MemoryFile::MemoryFile;
  Result<size_t> Read(Task& task, IoSink& dst, const int64_t*) override { return WriteRandom(task, dst); }
  Result<int64_t> Ioctl(Task& task, uint32_t request, uint64_t arg) override;
};

Result<int64_t> RandomFile::Ioctl(Task& task, uint32_t request, uint64_t arg) {
  switch (request) {
    case RNDGETENTCNT:
      TRY(task.CopyOutObject(arg, int{256}));
      return int64_t{0};
    case RNDADDTOENTCNT:
    case RNDADDENTROPY:
    case RNDZAPENTCNT:
    case RNDCLEARPOOL:
    case RNDRESEEDCRNG:
      return Errno(EPERM);  // needs CAP_SYS_ADMIN where the generator lives: on the host
    default:
      return Errno(EINVAL);
  }
}

template <typename F>
Result<RefPtr<File>> OpenDevice(Task&, const Path& path, int flags) {
  return RefPtr<File>(MakeRef<F>(path, flags));
}

template <typename F>
Result<RefPtr<File>> OpenZeroDevice(Task& task, const Path& path, int flags) {
  return RefPtr<File>(MakeRef<F>(path, flags, task.kernel()));
}

}  // namespace

void RegisterMemoryDevices() {
  RegisterCharDevice(1, 3, &OpenDevice<NullFile>);
  RegisterCharDevice(1, 5, &OpenZeroDevice<ZeroFile>);
  RegisterCharDevice(1, 7, &OpenZeroDevice<FullFile>);
  RegisterCharDevice(1, 8, &OpenDevice<RandomFile>);
  RegisterCharDevice(1, 9, &OpenDevice<RandomFile>);
}

}  // namespace runsc
