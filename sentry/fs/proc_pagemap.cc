// /proc/PID/pagemap: which pages of a process are present. As for the unprivileged on Linux, without frame numbers.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

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
  std::array<std::byte, 8192> chunk;
  size_t done = 0;
  while (dst.remaining() > 0 && offset < end) {
    const size_t want = std::min({dst.remaining(), chunk.size(), static_cast<size_t>(end - offset)});
    const ssize_t got = pread(host_.get(), chunk.data(), want, offset);
    if (got <= 0) break;
    const auto n = dst.Write(std::span(chunk).first(static_cast<size_t>(got)));
    if (!n.ok()) return done > 0 ? Result<size_t>(done) : n;
    done += *n;
    offset += static_cast<int64_t>(*n);
    if (*n < static_cast<size_t>(got)) break;
  }
  return done;
}

class PagemapNode : public SimpleNode {
 public:
  PagemapNode(SimpleFs& fs, const ProcTarget& target, uint64_t ino)
      : SimpleNode(fs, S_IFREG | 0400, ino), target_(target) {}
  Result<Attr> GetAttr() override {
    Attr attr = TRY(SimpleNode::GetAttr());
    SetProcOwner(target_, attr);
    return attr;
  }
  Result<RefPtr<File>> Open(Task& task, const Path& path, int flags) override {
    TRY(target_.CheckMayInspect(task));
    RefPtr<MemoryManager> mm = TRY(target_.mm());
    if (!mm) return Errno(ESRCH);
    UniqueFd host = TRY(OpenStubProc(mm->address_space().host_pid(), "pagemap"));
    return RefPtr<File>(MakeRef<PagemapFile>(path, flags, std::move(mm), std::move(host)));
  }

 private:
  const ProcTarget target_;
};

}  // namespace

RefPtr<SimpleNode> NewProcPagemap(SimpleFs& fs, const ProcTarget& target, uint64_t ino) {
  return MakeRef<PagemapNode>(fs, target, ino);
}

}  // namespace runsc
