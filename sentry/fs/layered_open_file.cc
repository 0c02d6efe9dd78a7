// Open regular files of tmpfs and overlay.
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "sentry/fs/layered_file.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/mount.h"

namespace runsc {
namespace {

class LayeredOpenFile final : public SeekableFile {
 public:
  LayeredOpenFile(LayeredFile& node, const Path& path, int flags) : SeekableFile(path, flags), node_(node) {}

  Result<void> Sync(bool data_only) override { return {}; }  // memory has nothing to write back
  Result<void> Allocate(int mode, int64_t offset, int64_t length) override {
    return node_.Allocate(mode, offset, length);
  }
  // Files of tmpfs are born sealed against seals; those of an overlay, as of a disk, know none.
  Result<int> GetSeals() override { return OnTmpfs() ? Result<int>(F_SEAL_SEAL) : Errno(EINVAL); }
  Result<void> AddSeals(int seals) override {
    constexpr int kKnown = 0x3f;
    return Errno(OnTmpfs() && (seals & ~kKnown) == 0 ? EPERM : EINVAL);
  }
  Result<Mappable> Mmap(uint64_t offset, uint64_t length, int prot, int flags) override {
    const bool shared = (flags & MAP_TYPE) != MAP_PRIVATE;
    return node_.Map(offset, shared, writable());
  }

 protected:
  Result<size_t> ReadAt(Task& task, IoSink& dst, int64_t offset) override {
    const AtimeRule rule = flags() & O_NOATIME ? AtimeRule::kNever : AtimeRuleOf(path().mount->flags());
    return node_.ReadAt(dst, offset, rule);
  }
  Result<size_t> WriteAt(Task& task, IoSource& src, int64_t offset, int64_t* end) override {
    return node_.WriteAt(src, offset, flags() & O_APPEND, task.rlimit(RLIMIT_FSIZE), task.creds()->Has(CAP_FSETID),
                         end);
  }
  Result<int64_t> SeekData(int64_t offset, int whence) override { return node_.SeekData(offset, whence); }

 private:
  bool OnTmpfs() const { return path().mount->fs()->type() == "tmpfs"; }

  LayeredFile& node_;  // kept alive by path()
};

}  // namespace

Result<RefPtr<File>> LayeredFile::Open(Task& task, const Path& path, int flags) {
  return RefPtr<File>(MakeRef<LayeredOpenFile>(*this, path, flags));
}

}  // namespace runsc
