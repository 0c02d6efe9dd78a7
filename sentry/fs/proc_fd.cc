// /proc/PID/fd and fdinfo: one entry per open descriptor.
#include "sentry/fs/dir_file.h"
#include "sentry/fs/proc_entries.h"
#include "sentry/fs/proc_magic.h"
#include "sentry/fs/simple_fs_text.h"
#include "sentry/vfs/file_locks.h"
#include "sentry/vfs/mount.h"

namespace runsc {
namespace {

// The inode numbers of both directories' entries follow those of the fixed entries.
constexpr uint32_t kFdInoBase = 0x100, kFdinfoInoBase = 0x100000;

Result<RefPtr<FdTable>> FdsOf(const ProcTarget& target) {
  RefPtr<FdTable> fds = TRY(target.task())->FdsSnapshot();
  return fds ? Result<RefPtr<FdTable>>(fds) : Errno(ENOENT);
}

Result<RefPtr<File>> FileOf(const ProcTarget& target, int fd) {
  auto file = TRY(FdsOf(target))->Get(fd);
  return file.ok() ? file : Errno(ENOENT);
}

int ParseFd(std::string_view name) { return name == "0" ? 0 : ParsePid(name); }

class FdLink : public ProcNode<SimpleNode> {
 public:
  FdLink(SimpleFs& fs, const ProcTarget& target, int fd)
      : ProcNode(target, fs, S_IFLNK | 0700, ProcIno(target, kFdInoBase + fd)), fd_(fd) {}

  // The permission bits tell how it was opened.
  Result<Attr> GetAttr() override {
    Attr attr = TRY(ProcNode::GetAttr());
    RefPtr<File> file = TRY(FileOf(target_, fd_));
    attr.mode = S_IFLNK | (file->readable() ? 0500 : 0) | (file->writable() ? 0300 : 0);
    attr.size = 64;
    return attr;
  }
  Result<std::string> Readlink(Task& task) override {
    TRY(target_.CheckMayInspect(task));
    return NameOfFile(*TRY(FileOf(target_, fd_)), task);
  }
  Result<std::optional<Path>> MagicLink(Task& task) override {
    TRY(target_.CheckMayInspect(task));
    RefPtr<File> file = TRY(FileOf(target_, fd_));
    return std::optional<Path>(TRY(MagicPathOf(*file)));
  }
  Result<RefPtr<File>> Open(Task&, const Path&, int) override { return Errno(ELOOP); }

 private:
  const int fd_;
};

class FdInfo : public ProcNode<TextNode> {
 public:
  FdInfo(SimpleFs& fs, const ProcTarget& target, int fd)
      : ProcNode(target, fs, 0400, ProcIno(target, kFdinfoInoBase + fd)), fd_(fd) {}
  Result<std::string> Generate(Task& reader) override {
    TRY(target_.CheckMayInspect(reader));
    RefPtr<FdTable> fds = TRY(FdsOf(target_));
    RefPtr<File> file = TRY(FileOf(target_, fd_));
    const bool cloexec = fds->GetCloexec(fd_).value_or(false);
    const auto attr = file->GetAttr();
    std::string out = Format("pos:\t%ld\nflags:\t0%o\nmnt_id:\t%d\nino:\t%lu\n", file->offset_for_fdinfo(),
                             file->flags() | (cloexec ? O_CLOEXEC : 0), file->path() ? file->path().mount->id() : 0,
                             attr.ok() ? attr->ino : 0);
    return out + LockLines(*file) + file->FdInfo();
  }

 private:
  static std::string LockLines(const File& file) {
    std::string out;
    RefPtr<Inode> inode = file.inode();
    FileLocks* locks = inode ? inode->locks_if_any() : nullptr;
    if (locks == nullptr) return out;
    int number = 0;
    for (const std::string& line : locks->Describe(&file)) {
      out += Format("lock:\t%d: %s\n", ++number, line.c_str());
    }
    return out;
  }

  const int fd_;
};

template <typename Entry>
class FdDir : public ProcNode<SimpleNode> {
 public:
  FdDir(SimpleFs& fs, const ProcTarget& target, uint32_t permissions, uint64_t ino)
      : ProcNode(target, fs, S_IFDIR | permissions, ino) {}
  bool CachesChildren() const override { return false; }
  Result<RefPtr<Inode>> Lookup(std::string_view name) override {
    const int fd = ParseFd(name);
    if (fd < 0) return Errno(ENOENT);
    TRY(FileOf(target_, fd));
    return RefPtr<Inode>(MakeRef<Entry>(simple_fs(), target_, fd));
  }
  Result<RefPtr<Inode>> Create(std::string_view, const NewFile&) override { return Errno(ENOENT); }
  Result<std::vector<DirEntry>> Entries() override {
    std::vector<DirEntry> entries;
    for (int fd : TRY(FdsOf(target_))->OpenFds()) {
      const auto entry = MakeRef<Entry>(simple_fs(), target_, fd);
      entries.push_back({entry->ino(), 0, DirType(entry->mode()), std::to_string(fd)});
    }
    return entries;
  }
  Result<RefPtr<File>> Open(Task& task, const Path& path, int flags) override {
    TRY(target_.CheckMayInspect(task));
    return RefPtr<File>(MakeRef<DirFile>(path, flags));
  }
};

}  // namespace

RefPtr<SimpleNode> NewProcFdDir(SimpleFs& fs, const ProcTarget& target, uint64_t ino) {
  return MakeRef<FdDir<FdLink>>(fs, target, 0500, ino);
}

RefPtr<SimpleNode> NewProcFdinfoDir(SimpleFs& fs, const ProcTarget& target, uint64_t ino) {
  return MakeRef<FdDir<FdInfo>>(fs, target, 0555, ino);
}

}  // namespace runsc
