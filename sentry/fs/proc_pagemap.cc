// /proc/PID/pagemap: which pages of a process are present. As for the unprivileged on Linux, without frame numbers.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "sentry/fs/chunked_read.h"
#include "sentry/fs/proc_entries.h"
#include "sentry/vfs/file.h"
#include "sentry/vfs/stub_proc.h"

namespace runsc {
namespace {

constexpr int64_t kPage = 4096, kEntry = 8;

class PagemapFile : public SeekableFile {
 public:
  PagemapFile(Path path, int flags, RefPtr<MemoryManager> mm, UniqueFd host)
      : SeekableFile(std::move(path), flags), mm_(std::move(mm)), host_(std::move(host)) {}

 protected:
  Result<size_t> ReadAt(Task&, IoSink& dst, int64_t offset) override;
  Result<size_t> WriteAt(Task&, IoSource&, int64_t, int64_t*) override { return Errno(EINVAL); }

 private:
  const RefPtr<MemoryManager> mm_;
  const UniqueFd host_;
};

// What lies above the guest's addresses is the engine's: the file ends there.
Result<size_t> PagemapFile::ReadAt(Task&, IoSink& dst, int64_t offset) {
  if (offset % kEntry != 0 || dst.remaining() % kEntry != 0) return Errno(EINVAL);
  const int64_t end = static_cast<int64_t>(mm_->layout().max_addr) / kPage * kEntry;
  return ReadInChunks(dst, [&](std::span<std::byte> chunk, size_t done) -> Result<size_t> {
    const int64_t at = offset + static_cast<int64_t>(done);
    const size_t want = at < end ? std::min(chunk.size(), static_cast<size_t>(end - at)) : 0;
    const ssize_t got = want > 0 ? pread(host_.get(), chunk.data(), want, at) : 0;
    return static_cast<size_t>(std::max(got, ssize_t{0}));
  });
}

class PagemapNode : public ProcNode<SimpleNode> {
 public:
  PagemapNode(SimpleFs& fs, const ProcTarget& target, uint64_t ino) : ProcNode(target, fs, S_IFREG | 0400, ino) {}
  Result<RefPtr<File>> Open(Task& task, const Path& path, int flags) override {
    TRY(target_.CheckMayInspect(task));
    RefPtr<MemoryManager> mm = TRY(target_.mm());
    if (!mm) return Errno(ESRCH);
    UniqueFd host = TRY(OpenStubProc(mm->address_space().host_pid(), "pagemap"));
    return RefPtr<File>(MakeRef<PagemapFile>(path, flags, std::move(mm), std::move(host)));
  }
};

}  // namespace

RefPtr<SimpleNode> NewProcPagemap(SimpleFs& fs, const ProcTarget& target, uint64_t ino) {
  return MakeRef<PagemapNode>(fs, target, ino);
}

}  // namespace runsc
