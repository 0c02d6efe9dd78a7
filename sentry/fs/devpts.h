// devpts: /dev/pts with its ptmx, and the drivers of /dev/ptmx, /dev/tty and the slaves.
#pragma once

#include <string_view>

#include "sentry/fs/tty.h"
#include "sentry/vfs/inode.h"

namespace runsc {

class Kernel;

// All instances show the same terminals: there is one namespace of them per sandbox.
struct DevptsOptions {
  uint32_t mode = 0600;
  uint32_t ptmx_mode = 0666;
  gid_t gid = 0;
  bool has_gid = false;  // else the opener's
};
// Mount data: "gid=5,mode=620,ptmxmode=666". EINVAL.
Result<DevptsOptions> ParseDevptsOptions(std::string_view data);
RefPtr<FileSystem> NewDevpts(const DevptsOptions& options);
// Another view, mounted by a guest: the options for new terminals stay what they were.
RefPtr<FileSystem> NewDevptsView(uint32_t ptmx_mode);

// Puts the drivers (5:0, 5:2, 136:*) in the device registry. At boot.
void RegisterTerminals();

// A new pair; its slave is not open yet. ENOSPC. The caller makes the master.
Result<RefPtr<Tty>> NewPty(Kernel& kernel, uid_t owner, gid_t group);
void RemovePty(Tty& tty);
// TIOCGPTPEER: a new descriptor of the slave, whatever /dev/pts is in the caller's view.
Result<int> OpenPeer(Task& task, const File& master, Tty& tty, int flags);
// Opens the master end, outside any file system (consoles of containers).
RefPtr<File> NewPtyMaster(Kernel& kernel, RefPtr<Tty> tty, const Path& path, int flags);

}  // namespace runsc
