// Instances of devpts, the nodes in them and the terminal devices.
#include "sentry/fs/devpts.h"

#include <sys/sysmacros.h>

#include <charconv>

#include "sentry/fs/proc_sys.h"
#include "sentry/fs/simple_fs_text.h"
#include "sentry/fs/tty_file.h"
#include "sentry/fs/tty_session.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/device.h"
#include "sentry/vfs/mount.h"

namespace runsc {
namespace {

constexpr unsigned kTtyMajor = 5, kPtsMajor = 136;
constexpr unsigned kTtyMinor = 0, kPtmxMinor = 2;
constexpr long kDevptsMagic = 0x1cd1;
constexpr uint64_t kRootIno = 1, kPtmxIno = 2, kFirstPtyIno = 3;

std::atomic<int> pty_count{0};

Devpts& InstanceOf(Inode& node) { return static_cast<Devpts&>(node.fs()); }

Result<RefPtr<File>> OpenSlave(Task& task, RefPtr<Tty> tty, const Path& path, int flags) {
  if (tty->hung_up() || tty->locked) return Errno(EIO);
  RefPtr<File> file = MakeRef<TtySlaveFile>(tty, path, flags);
  if (!(flags & O_NOCTTY) && file->readable()) AcquireTerminalOnOpen(task, *tty);
  return file;
}

Result<RefPtr<File>> OpenMaster(Task& task, Devpts& devpts, const Path& path, int flags) {
  const CredentialsRef creds = task.creds();
  RefPtr<Tty> tty = TRY(devpts.NewPty(task.kernel(), creds->fsuid, creds->fsgid));
  return RefPtr<File>(MakeRef<TtyMasterFile>(task.kernel(), std::move(tty), path, flags));
}

// /dev/pts/N.
class PtyNode : public SimpleNode {
 public:
  PtyNode(Devpts& fs, RefPtr<Tty> tty)
      : SimpleNode(fs, S_IFCHR | 0620, kFirstPtyIno + static_cast<uint64_t>(tty->index())), tty_(std::move(tty)) {}

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
    return OpenSlave(task, tty_, path, flags);
  }

 private:
  const RefPtr<Tty> tty_;
};

class PtmxNode : public SimpleNode {
 public:
  explicit PtmxNode(Devpts& fs) : SimpleNode(fs, S_IFCHR, kPtmxIno) {}
  Result<Attr> GetAttr() override {
    Attr attr = TRY(SimpleNode::GetAttr());
    attr.mode = S_IFCHR | InstanceOf(*this).settings().ptmx_mode;
    attr.rdev = makedev(kTtyMajor, kPtmxMinor);
    return attr;
  }
  Result<RefPtr<File>> Open(Task& task, const Path& path, int flags) override {
    return OpenMaster(task, InstanceOf(*this), path, flags);
  }
};

class DevptsDir : public SimpleDir {
 public:
  explicit DevptsDir(Devpts& fs) : SimpleDir(fs, 0755, kRootIno) { Add("ptmx", MakeRef<PtmxNode>(fs)); }

  Result<RefPtr<Inode>> Lookup(std::string_view name) override {
    const int index = ParseIndex(name);
    if (index < 0) return SimpleDir::Lookup(name);
    RefPtr<Tty> tty = InstanceOf(*this).Find(index);
    if (!tty) return Errno(ENOENT);
    return RefPtr<Inode>(MakeRef<PtyNode>(InstanceOf(*this), std::move(tty)));
  }

  Result<std::vector<DirEntry>> Entries() override {
    std::vector<DirEntry> entries = TRY(SimpleDir::Entries());
    for (const int index : InstanceOf(*this).Indexes()) {
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

// The root of the instance that a master's path stands for: its mount, or "pts" beside the device node. ENODEV.
Result<Path> InstanceAt(Task& task, const Path& master) {
  if (!master) return Errno(EIO);  // a console, which has no name here
  if (Devpts::From(*master.mount->fs()) != nullptr) return Path(master.mount, master.dentry->parent());
  const Path directory(master.mount, master.dentry->parent());
  Path pts = TRY(task.vfs().Lookup(task.resolver(), directory, "pts", Vfs::kNoFollow));
  if (Devpts::From(*pts.mount->fs()) == nullptr || pts.dentry != pts.mount->root()) return Errno(ENODEV);
  return pts;
}

// A device node of /dev/ptmx outside of devpts.
Result<RefPtr<File>> OpenPtmx(Task& task, const Path& path, int flags) {
  const Path root = TRY(InstanceAt(task, path));
  return OpenMaster(task, *Devpts::From(*root.mount->fs()), path, flags);
}

// A slave's device node outside of devpts tells nothing of the instance.
Result<RefPtr<File>> OpenPts(Task&, const Path&, int) { return Errno(EIO); }

// /dev/tty: the caller's controlling terminal. Every terminal is a pseudo-terminal here.
Result<RefPtr<File>> OpenControlling(Task& task, const Path& path, int flags) {
  RefPtr<Terminal> terminal = ControllingTerminal(task);
  if (!terminal) return Errno(ENXIO);
  return OpenSlave(task, RefPtr<Tty>(static_cast<Tty*>(terminal.get())), path, flags | O_NOCTTY);
}

Result<uint32_t> ParseNumber(std::string_view text, int base) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return Errno(EINVAL);
  return value;
}

Result<int> ParseMax(std::string_view text) {
  const uint32_t max = TRY(ParseNumber(text, 10));
  return max <= DevptsOptions::kMaxPtys ? Result<int>(static_cast<int>(max)) : Errno(EINVAL);
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
  } else if (name == "uid") {
    options.uid = TRY(ParseNumber(value, 10));
  } else if (name == "max") {
    options.max = TRY(ParseMax(value));
  } else if (name != "newinstance" && !name.empty()) {
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

Devpts::Devpts(const DevptsOptions& options) : SimpleFs({"devpts", kDevptsMagic, EACCES}), options_(options) {}

RefPtr<Devpts> Devpts::New(const DevptsOptions& options) {
  RefPtr<Devpts> fs = RefPtr<Devpts>::Adopt(new Devpts(options));
  fs->set_root(MakeRef<DevptsDir>(*fs));
  return fs;
}

int Devpts::Count() { return pty_count; }

DevptsOptions Devpts::settings() const {
  MutexLock l(mu_);
  return options_;
}

void Devpts::Change(const DevptsOptions& options) {
  MutexLock l(mu_);
  options_ = options;
}

std::string Devpts::options() const {
  const DevptsOptions now = settings();
  std::string out;
  if (now.uid) AppendFormat(&out, ",uid=%u", *now.uid);
  if (now.gid) AppendFormat(&out, ",gid=%u", *now.gid);
  AppendFormat(&out, ",mode=%03o,ptmxmode=%03o", now.mode, now.ptmx_mode);
  if (now.max < DevptsOptions::kMaxPtys) AppendFormat(&out, ",max=%d", now.max);
  return out;
}

Result<int> Devpts::FreeIndexLocked() const {
  int index = 0;
  for (const auto& [taken, tty] : ptys_) {
    if (taken != index) break;
    ++index;
  }
  return index < options_.max ? Result<int>(index) : Errno(ENOSPC);
}

Result<RefPtr<Tty>> Devpts::NewPty(Kernel& kernel, uid_t owner, gid_t group) {
  MutexLock l(mu_);
  const int index = TRY(FreeIndexLocked());
  if (++pty_count > DevptsOptions::kMaxPtys) {
    --pty_count;
    return Errno(ENOSPC);
  }
  RefPtr<Tty> tty = MakeRef<Tty>(kernel.timers(), RefPtr<FileSystem>(this), index, options_.uid.value_or(owner),
                                 options_.gid.value_or(group));
  tty->mode = options_.mode;
  ptys_.emplace(index, tty.get());
  return tty;
}

RefPtr<Tty> Devpts::Find(int index) {
  MutexLock l(mu_);
  auto it = ptys_.find(index);
  if (it == ptys_.end() || !it->second->TryIncRef()) return nullptr;
  return RefPtr<Tty>::Adopt(it->second);
}

std::vector<int> Devpts::Indexes() {
  MutexLock l(mu_);
  std::vector<int> indexes;
  for (const auto& [index, tty] : ptys_) indexes.push_back(index);
  return indexes;
}

void RemovePty(Tty& tty) {
  Devpts& devpts = static_cast<Devpts&>(tty.devpts());
  MutexLock l(devpts.mu_);
  auto it = devpts.ptys_.find(tty.index());
  if (it == devpts.ptys_.end() || it->second != &tty) return;
  devpts.ptys_.erase(it);
  --pty_count;
}

void RegisterTerminals() {
  RegisterCharDevice(kTtyMajor, kTtyMinor, OpenControlling);
  RegisterCharDevice(kTtyMajor, kPtmxMinor, OpenPtmx);
  RegisterCharMajor(kPtsMajor, OpenPts);
  SetProcSysKnob({"kernel/pty/nr", [](Task&) { return std::to_string(Devpts::Count()); }, nullptr});
}

Result<int> OpenPeer(Task& task, const File& master, Tty& tty, int flags) {
  const Path root = TRY(InstanceAt(task, master.path()));
  if (root.mount->fs().get() != &tty.devpts()) return Errno(ENODEV);
  const Path path = TRY(task.vfs().Lookup(task.resolver(), root, std::to_string(tty.index()), Vfs::kNoFollow));
  constexpr int kKept = O_ACCMODE | O_NONBLOCK;
  RefPtr<File> slave = TRY(OpenSlave(task, RefPtr<Tty>(&tty), path, (flags & kKept) | O_NOCTTY));
  return task.fds().Install(std::move(slave), flags & O_CLOEXEC, 0, task.rlimit(RLIMIT_NOFILE));
}

}  // namespace runsc
