// A guest address space as the kernel knows it: the engine's AddressSpace, the break, which files are
// mapped where. The host's map of the stub is the truth about ranges; this only adds names.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "platform/base/mutex.h"
#include "platform/platform.h"
#include "sentry/vfs/file.h"

namespace runsc {

class MemoryManager : public RefCounted {
 public:
  MemoryManager(std::unique_ptr<AddressSpace> as, const Layout& layout);
  AddressSpace& address_space() { return *as_; }
  const Layout& layout() const { return layout_; }

  Result<GuestAddr> Mmap(Task& task, GuestAddr addr, uint64_t length, int prot, int flags, RefPtr<File> file,
                         uint64_t offset);
  Result<GuestAddr> Brk(Task& task, GuestAddr addr);   // returns the new or unchanged break
  RefPtr<MemoryManager> AdoptFork(std::unique_ptr<AddressSpace> as) const;  // copy of the records

  // exec: a fresh break, no files mapped; and the files it maps.
  void SetBreak(GuestAddr start);
  void ForgetMappings();
  void NoteFile(int host_fd, RefPtr<File> file);

  // What exec set up, for /proc/PID/{cmdline,environ,auxv,stat,exe}.
  struct Image {
    GuestAddr start_code = 0, end_code = 0, start_data = 0, end_data = 0, start_brk = 0, start_stack = 0;
    GuestAddr arg_start = 0, arg_end = 0, env_start = 0, env_end = 0;
    std::string auxv;
    RefPtr<File> exe;
  };
  Image image() const;
  void set_image(Image image);

  // One line of /proc/PID/maps, guest names filled in.
  struct Mapping {
    GuestAddr start, end;
    std::string perms;  // "rw-p"
    uint64_t offset, dev, ino;
    std::string name;
    RefPtr<File> file;  // null for anonymous memory
  };
  Result<std::vector<Mapping>> Mappings();

 private:
  Result<GuestAddr> MapOne(const MapOp& op);
  Result<GuestAddr> MapAnonymous(Task& task, MapOp op, bool shared);
  Result<GuestAddr> MapFile(Task& task, MapOp op, RefPtr<File> file);
  Result<void> MoveBreak(GuestAddr from, GuestAddr to);
  RefPtr<File> FindMappedFile(uint64_t dev, uint64_t ino) const;
  std::optional<Mapping> ParseMapsLine(const std::string& line) const;
  void NameMapping(Mapping& mapping) const;

  std::unique_ptr<AddressSpace> as_;
  const Layout layout_;
  mutable Mutex mu_{LockRank::kMemory};
  std::mutex brk_mu_;  // serialises brk(2), held while the stub maps; unranked, taken before mu_
  GuestAddr brk_start_ ABSL_GUARDED_BY(mu_) = 0;
  GuestAddr brk_ ABSL_GUARDED_BY(mu_) = 0;
  // Host (dev, ino) of mapped host files -> the guest file, so that maps can be named. Entries live
  // until exec.
  std::map<std::pair<uint64_t, uint64_t>, RefPtr<File>> mapped_files_ ABSL_GUARDED_BY(mu_);
  Image image_ ABSL_GUARDED_BY(mu_);
};

}  // namespace runsc
