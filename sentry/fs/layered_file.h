// Regular files of tmpfs and overlay: small ones in memory, others in a host file, untouched ones below.
#pragma once

#include <mutex>

#include "sentry/fs/layered_fs.h"
#include "sentry/vfs/mount_flags.h"

namespace runsc {

class LayeredFile final : public LayeredNode {
 public:
  LayeredFile(LayeredFs& fs, const Attr& attr, RefPtr<Inode> lower);
  ~LayeredFile() override;

  Result<Attr> GetAttr() override;
  Result<void> SetAttr(const AttrChange& change) override;
  Result<RefPtr<File>> Open(Task& task, const Path& path, int flags) override;
  Result<int> HostFile() override;

  Result<size_t> ReadAt(IoSink& dst, int64_t offset, AtimeRule rule);
  // `append` ignores the offset; *end is where the data ended. `limit`: RLIMIT_FSIZE.
  Result<size_t> WriteAt(IoSource& src, int64_t offset, bool append, uint64_t limit, bool keep_set_ids, int64_t* end);
  Result<int64_t> SeekData(int64_t offset, int whence);
  Result<void> Allocate(int mode, int64_t offset, int64_t length);
  Result<Mappable> Map(uint64_t offset, bool shared, bool writable);

 private:
  static constexpr size_t kMaxInline = 16 * 1024;
  enum class Where { kInline, kHost, kLower };

  struct View {
    Where where;
    int fd;
    uint64_t size;
  };
  View CurrentView() const;
  Result<int> ReadOnlyFd(const View& view);
  Result<void> Resize(uint64_t size);
  // Makes the file writable here: from below into memory or a host file. Under write_mu_.
  Result<void> CopyUp(uint64_t bytes_wanted);
  Result<void> ToHost() ABSL_NO_THREAD_SAFETY_ANALYSIS;
  Result<size_t> WriteInline(IoSource& src, uint64_t offset, size_t size);
  Result<size_t> WriteHost(IoSource& src, uint64_t offset, size_t size);
  Result<size_t> FitToSpace(uint64_t offset, size_t size) const;
  void Written(uint64_t end, bool keep_set_ids);
  void AccountPages();
  Result<uint64_t> HostPages() const;

  // One writer at a time, as Linux's i_rwsem; held across copies, unranked on purpose.
  std::mutex write_mu_;
  Where where_ ABSL_GUARDED_BY(mu_);
  std::vector<std::byte> inline_ ABSL_GUARDED_BY(mu_);
  UniqueFd host_ ABSL_GUARDED_BY(mu_);       // once set, stays
  UniqueFd read_only_ ABSL_GUARDED_BY(mu_);  // the same file; likewise
  std::atomic<int> lower_fd_{-1};            // owned by the lower inode
  bool sparse_ = false;                      // under write_mu_: may have holes, so pages are counted by the host
  std::atomic<uint64_t> charged_pages_{0};
};

}  // namespace runsc
