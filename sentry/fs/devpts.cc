// The table of pseudo-terminals, its file system and its devices.
#include "sentry/fs/devpts.h"

#include <sys/sysmacros.h>

#include <charconv>
#include <map>

#include "sentry/fs/simple_fs.h"
#include "sentry/fs/tty_file.h"
#include "sentry/fs/tty_session.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/device.h"
#include "sentry/vfs/mount.h"

namespace runsc {
namespace {

constexpr unsigned kTtyMajor = 5, kPtsMajor = 136;
constexpr unsigned kTtyMinor = 0, kPtmxMinor = 2;
constexpr int kMaxPtys = 4096;      // kernel.pty.max
constexpr long kDevptsMagic = 0x1cd1;
constexpr uint64_t kPtmxIno = 2, kFirstPtyIno = 3;

struct PtyTable {
  Mutex mu{LockRank::kInode};
  std::map<int, Tty*> ptys ABSL_GUARDED_BY(mu);  // an entry goes with its master
  DevptsOptions options ABSL_GUARDED_BY(mu);
};

PtyTable& ThePtys() {
  static PtyTable* const table = new PtyTable;
  return *table;
}

RefPtr<Tty> FindPty(int index) {
  PtyTable& table = ThePtys();
  MutexLock l(table.mu);
  auto it = table.ptys.find(index);
  if (it == table.ptys.end() || !it->second->TryIncRef()) return nullptr;
  return RefPtr<Tty>::Adopt(it->second);
}

// /dev/pts/N.
class PtyNode : public SimpleNode {
 public:
  PtyNode(SimpleFs& fs, RefPtr<Tty> tty)
      : SimpleNode(fs, S_IFCHR | 0620, kFirstPtyIno + static_cast<uint64_t>(tty->index())), tty_(std::move(tty)) {}
  const Tty* tty() const { return tty_.get(); }

  Result<Attr> GetAttr() override {
    Attr attr = TRY(SimpleNode::GetAttr());
    attr.mode = S_IFCHR | tty_->mode.load();
    attr.uid = tty_->uid.load();
    attr.gid = tty_->gid.load();
    attr.rdev = tty_->rdev;
    attr.atime = attr.mtime = attr.ctime = tty_->made_at;
    return attr;
  }

  Result<void> SetAttr(const AttrChange& change) override {
    if (change.mode) tty_->mode = *change.mode & 07777;
    if (change.uid) tty_->uid = *change.uid;
    if (change.gid) tty_->gid = *change.gid;
    return {};
  }

  Result<RefPtr<File>> Open(Task& task, const Path& path, int flags) override {
    return OpenSpecial(task, RefPtr<Inode>(this), TRY(GetAttr()), path, flags);
  }

 private:
  const RefPtr<Tty> tty_;
};

class PtmxNode : public SimpleNode {
 public:
  PtmxNode(SimpleFs& fs, uint32_t mode) : SimpleNode(fs, S_IFCHR | mode, kPtmxIno) {}
  Result<Attr> GetAttr() override {
    Attr attr = TRY(SimpleNode::GetAttr());
    attr.rdev = makedev(kTtyMajor, kPtmxMinor);
    return attr;
  }
  Result<RefPtr<File>> Open(Task& task, const Path& path, int flags) override {
    return OpenSpecial(task, RefPtr<Inode>(this), TRY(GetAttr()), path, flags);
  }
};

class DevptsDir : public SimpleDir {
 public:
  DevptsDir(SimpleFs& fs, uint32_t ptmx_mode) : SimpleDir(fs, 0755, 1) {
    Add("ptmx", MakeRef<PtmxNode>(fs, ptmx_mode));
  }

  Result<RefPtr<Inode>> Lookup(std::string_view name) override {
    const int index = ParseIndex(name);
    if (index < 0) return SimpleDir::Lookup(name);
    RefPtr<Tty> tty = FindPty(index);
    if (!tty) return Errno(ENOENT);
    return RefPtr<Inode>(MakeRef<PtyNode>(simple_fs(), std::move(tty)));
  }

  Result<std::vector<DirEntry>> Entries() override {
    std::vector<DirEntry> entries = TRY(SimpleDir::Entries());
    PtyTable& table = ThePtys();
    MutexLock l(table.mu);
    for (const auto& [index, tty] : table.ptys) {
      entries.push_back({kFirstPtyIno + static_cast<uint64_t>(index), 0, DirType(S_IFCHR), std::to_string(index)});
    }
    return entries;
  }

  // Numbers are used again: a kept name may be of a terminal that is gone.
  bool CachesChildren() const override { return false; }

 private:
  static int ParseIndex(std::string_view name) {
    int index = 0;
    if (name.empty() || name.size() > 5 || (name[0] == '0' && name.size() > 1)) return -1;
    for (const char c : name) {
      if (c < '0' || c > '9') return -1;
      index = index * 10 + (c - '0');
    }
    return index;
  }
};

Result<RefPtr<File>> OpenSlave(Task& task, RefPtr<Tty> tty, const Path& path, int flags) {
  if (!tty || tty->hung_up() || tty->locked) return Errno(EIO);
  RefPtr<File> file = MakeRef<TtySlaveFile>(tty, path, flags);
  if (!(flags & O_NOCTTY)) AcquireTerminalOnOpen(task, *tty);
  return file;
}

Result<RefPtr<File>> OpenPts(Task& task, const Path& path, int flags) {
  const Attr attr = TRY(path.dentry->inode()->GetAttr());
  return OpenSlave(task, FindPty(static_cast<int>(minor(attr.rdev))), path, flags);
}

// The slave's name: beside the master in devpts, or below "pts" beside a device node.
Result<Path> PeerPath(Task& task, const Path& master, int index) {
  if (!master) return Errno(EIO);  // a console, which has no name here
  const bool in_devpts = master.mount->fs()->type() == "devpts";
  const Path directory(master.mount, master.dentry->parent());
  return task.vfs().Lookup(task.resolver(), directory, (in_devpts ? "" : "pts/") + std::to_string(index), Vfs::kNoFollow);
}

Result<RefPtr<File>> OpenPtmx(Task& task, const Path& path, int flags) {
  gid_t group = task.creds()->fsgid;
  {
    PtyTable& table = ThePtys();
    MutexLock l(table.mu);
    if (table.options.has_gid) group = table.options.gid;
  }
  RefPtr<Tty> tty = TRY(NewPty(task.kernel(), task.creds()->fsuid, group));
  return NewPtyMaster(task.kernel(), std::move(tty), path, flags);
}

// /dev/tty: the caller's controlling terminal. Every terminal is a pseudo-terminal here.
Result<RefPtr<File>> OpenControlling(Task& task, const Path& path, int flags) {
  const RefPtr<Terminal> terminal = ControllingTerminal(task);
  if (!terminal) return Errno(ENXIO);
  return OpenSlave(task, FindPty(static_cast<int>(minor(terminal->rdev))), path, flags | O_NOCTTY);
}

}  // namespace

namespace {

Result<uint32_t> ParseNumber(std::string_view text, int base) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return Errno(EINVAL);
  return value;
}

Result<void> ApplyOption(std::string_view option, DevptsOptions& options) {
  const size_t equals = option.find('=');
  const std::string_view name = option.substr(0, equals);
  const std::string_view value = equals == option.npos ? "" : option.substr(equals + 1);
  if (name == "mode") {
    options.mode = TRY(ParseNumber(value, 8)) & 07777;
  } else if (name == "ptmxmode") {
    options.ptmx_mode = TRY(ParseNumber(value, 8)) & 07777;
  } else if (name == "gid") {
    options.gid = TRY(ParseNumber(value, 10));
    options.has_gid = true;
  } else if (name != "newinstance" && name != "max" && name != "uid" && !name.empty()) {
    return Errno(EINVAL);
  }
  return {};
}

}  // namespace

Result<DevptsOptions> ParseDevptsOptions(std::string_view data) {
  DevptsOptions options;
  while (!data.empty()) {
    const size_t comma = data.find(',');
    TRY(ApplyOption(data.substr(0, comma), options));
    data.remove_prefix(comma == data.npos ? data.size() : comma + 1);
  }
  return options;
}

RefPtr<FileSystem> NewDevpts(const DevptsOptions& options) {
  {
    PtyTable& table = ThePtys();
    MutexLock l(table.mu);
    table.options = options;
  }
  return NewDevptsView(options.ptmx_mode);
}

RefPtr<FileSystem> NewDevptsView(uint32_t ptmx_mode) {
  RefPtr<SimpleFs> fs = MakeRef<SimpleFs>(SimpleFs::Kind{"devpts", kDevptsMagic, EACCES});
  fs->set_root(MakeRef<DevptsDir>(*fs, ptmx_mode));
  return fs;
}

void RegisterTerminals() {
  RegisterCharDevice(kTtyMajor, kTtyMinor, OpenControlling);
  RegisterCharDevice(kTtyMajor, kPtmxMinor, OpenPtmx);
  RegisterCharMajor(kPtsMajor, OpenPts);
}

Result<RefPtr<Tty>> NewPty(Kernel& kernel, uid_t owner, gid_t group) {
  PtyTable& table = ThePtys();
  MutexLock l(table.mu);
  int index = 0;
  for (const auto& [taken, tty] : table.ptys) {
    if (taken != index) break;
    ++index;
  }
  if (index >= kMaxPtys) return Errno(ENOSPC);
  RefPtr<Tty> tty = MakeRef<Tty>(kernel.timers(), index, owner, group);
  tty->mode = table.options.mode;
  table.ptys.emplace(index, tty.get());
  return tty;
}

void RemovePty(Tty& tty) {
  PtyTable& table = ThePtys();
  MutexLock l(table.mu);
  auto it = table.ptys.find(tty.index());
  if (it != table.ptys.end() && it->second == &tty) table.ptys.erase(it);
}

Result<int> OpenPeer(Task& task, const File& master, Tty& tty, int flags) {
  const Path path = TRY(PeerPath(task, master.path(), tty.index()));
  constexpr int kKept = O_ACCMODE | O_NONBLOCK;
  RefPtr<File> slave = TRY(OpenSlave(task, RefPtr<Tty>(&tty), path, (flags & kKept) | O_NOCTTY));
  return task.fds().Install(std::move(slave), flags & O_CLOEXEC, 0, task.rlimit(RLIMIT_NOFILE));
}

RefPtr<File> NewPtyMaster(Kernel& kernel, RefPtr<Tty> tty, const Path& path, int flags) {
  return MakeRef<TtyMasterFile>(kernel, std::move(tty), path, flags);
}

}  // namespace runsc
