// devpts: instances of /dev/pts, each with terminals of its own, and the drivers of /dev/ptmx and /dev/tty.
#pragma once

#include <map>
#include <string_view>

#include "sentry/fs/simple_fs.h"
#include "sentry/fs/tty.h"

namespace runsc {

class Kernel;

struct DevptsOptions {
  static constexpr int kMaxPtys = 4096;  // of all instances together: kernel.pty.max
  uint32_t mode = 0600;
  uint32_t ptmx_mode = 0;
  std::optional<uid_t> uid;  // else the opener's
  std::optional<gid_t> gid;
  int max = kMaxPtys;
};
// Mount data: "gid=5,mode=620,ptmxmode=666". EINVAL.
Result<DevptsOptions> ParseDevptsOptions(std::string_view data);

// References: mounts, terminals.
class Devpts : public SimpleFs {
 public:
  static RefPtr<Devpts> New(const DevptsOptions& options);
  // Null if `fs` is another kind.
  static Devpts* From(FileSystem& fs) { return fs.type() == "devpts" ? static_cast<Devpts*>(&fs) : nullptr; }
  // How many terminals all instances have: kernel.pty.nr.
  static int Count();

  DevptsOptions settings() const;
  void Change(const DevptsOptions& options);  // remount: terminals that are there stay as they are
  std::string options() const override;

  // A new pair; its slave is not open yet, and its master the caller's to make. ENOSPC.
  Result<RefPtr<Tty>> NewPty(Kernel& kernel, uid_t owner, gid_t group);
  RefPtr<Tty> Find(int index);
  std::vector<int> Indexes();

 private:
  friend void RemovePty(Tty& tty);
  explicit Devpts(const DevptsOptions& options);
  Result<int> FreeIndexLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable Mutex mu_{LockRank::kInode};
  std::map<int, Tty*> ptys_ ABSL_GUARDED_BY(mu_);  // an entry goes with its master
  DevptsOptions options_ ABSL_GUARDED_BY(mu_);
};

// Puts the drivers (5:0, 5:2, 136:*) in the device registry. At boot.
void RegisterTerminals();

void RemovePty(Tty& tty);
// TIOCGPTPEER: a new descriptor of the slave, by the master's mount of devpts.
Result<int> OpenPeer(Task& task, const File& master, Tty& tty, int flags);

}  // namespace runsc
