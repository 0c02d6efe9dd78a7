// An open directory over Inode::Entries: a snapshot of the names, taken at the start of each pass.
#pragma once

#include <mutex>
#include <vector>

#include "sentry/vfs/file.h"

namespace runsc {

class DirFile : public File {
 public:
  using File::File;
  Result<size_t> Read(Task& task, IoSink& dst, const int64_t* offset) override { return Errno(EISDIR); }
  Result<int64_t> Seek(Task& task, int64_t offset, int whence) override;
  bool positioned() const override { return true; }
  Result<void> Readdir(Task& task, const DirEmit& emit) override;
  // In memory there is nothing to write back.
  Result<void> Sync(bool data_only) override { return {}; }
  int64_t offset_for_fdinfo() const override;
  void OnClose(Task* task) override;

 private:
  Result<void> TakeSnapshot();

  // Held while entries are handed out, as Linux holds f_pos_lock; unranked like SeekableFile's.
  mutable std::mutex position_mu_;
  int64_t offset_ = 0;  // 0: ".", 1: "..", then index + 2
  bool have_snapshot_ = false;
  std::vector<DirEntry> entries_;
};

}  // namespace runsc
