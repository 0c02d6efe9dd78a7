#include "runsc-cli/boot/copy_up.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <string>
#include <vector>

namespace runsc {
namespace {

constexpr uint32_t kModeBits = 07777;
constexpr size_t kChunk = 64 << 10;

class TreeCopy {
 public:
  TreeCopy(const Resolver& r, Task& task) : r_(r), task_(task), vfs_(task.vfs()) {}

  Result<void> Children(const Path& from, const Path& to) {
    for (const std::string& name : TRY(Names(from))) {
      TRY(Node(TRY(vfs_.Lookup(r_, from, name, Vfs::kNoFollow)), to, name));
    }
    return {};
  }

 private:
  Result<std::vector<std::string>> Names(const Path& directory) {
    const RefPtr<File> file = TRY(vfs_.OpenPath(r_, directory, O_RDONLY | O_DIRECTORY));
    std::vector<std::string> names;
    TRY(file->Readdir(task_, [&](const DirEntry& entry) {
      if (entry.name != "." && entry.name != "..") names.emplace_back(entry.name);
      return true;
    }));
    return names;
  }

  Result<void> Node(const Path& from, const Path& to, const std::string& name) {
    const Attr attr = TRY(from.dentry->inode()->GetAttr());
    if (S_ISLNK(attr.mode)) {
      TRY(vfs_.Symlink(r_, TRY(vfs_.Readlink(r_, from)), to, name));
    } else if (attr.IsDir()) {
      TRY(vfs_.Mkdir(r_, to, name, 0700));
      TRY(Children(from, TRY(vfs_.Lookup(r_, to, name, Vfs::kNoFollow))));
    } else if (S_ISREG(attr.mode)) {
      TRY(Contents(from, to, name));
    } else {
      TRY(vfs_.Mknod(r_, to, name, attr.mode, attr.rdev));
    }
    return Finish(attr, TRY(vfs_.Lookup(r_, to, name, Vfs::kNoFollow)));
  }

  Result<void> Contents(const Path& from, const Path& to, const std::string& name) {
    const RefPtr<File> source = TRY(vfs_.OpenPath(r_, from, O_RDONLY));
    const RefPtr<File> target = TRY(vfs_.Open(r_, to, name, {.flags = O_WRONLY | O_CREAT | O_EXCL, .mode = 0600}));
    std::vector<std::byte> bytes(kChunk);
    for (;;) {
      BufferSink sink(bytes);
      if (TRY(source->Read(task_, sink, nullptr)) == 0) return {};
      BufferSource out(std::span<const std::byte>(bytes.data(), sink.used()));
      while (out.remaining() > 0) TRY(target->Write(task_, out, nullptr));
    }
  }

  // The owner first: a change of it takes set-user-ID away.
  Result<void> Finish(const Attr& attr, const Path& made) {
    TRY(vfs_.Chown(r_, made, attr.uid, attr.gid));
    if (S_ISLNK(attr.mode)) return {};
    return vfs_.Chmod(r_, made, attr.mode & kModeBits);
  }

  const Resolver& r_;
  Task& task_;
  Vfs& vfs_;
};

}  // namespace

Result<void> CopyTree(const Resolver& r, Task& task, const Path& from, const Path& to) {
  return TreeCopy(r, task).Children(from, to);
}

}  // namespace runsc
