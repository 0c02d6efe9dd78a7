#include "sentry/fs/simple_fs.h"

#include <unistd.h>

#include <memory>

#include "sentry/fs/dir_file.h"
#include "sentry/fs/memory_attr.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/file.h"

namespace runsc {
namespace {

class TextFile : public SeekableFile {
 public:
  TextFile(Path path, int flags, RefPtr<TextNode> node)
      : SeekableFile(std::move(path), flags), node_(std::move(node)) {}
  Result<int64_t> Seek(Task& task, int64_t offset, int whence) override {
    return whence == SEEK_SET || whence == SEEK_CUR ? SeekableFile::Seek(task, offset, whence) : Errno(EINVAL);
  }

 protected:
  Result<size_t> ReadAt(Task& task, IoSink& dst, int64_t offset) override;
  Result<size_t> WriteAt(Task& task, IoSource& src, int64_t offset, int64_t* end_offset) override;

 private:
  using Text = std::shared_ptr<const std::string>;
  Result<Text> TextAt(Task& task, int64_t offset);

  const RefPtr<TextNode> node_;
  Mutex mu_{LockRank::kFile};
  Text text_ ABSL_GUARDED_BY(mu_);
};

Result<TextFile::Text> TextFile::TextAt(Task& task, int64_t offset) {
  if (offset > 0) {
    MutexLock l(mu_);
    if (text_) return text_;
  }
  Text text = std::make_shared<const std::string>(TRY(node_->Generate(task)));
  MutexLock l(mu_);
  text_ = text;
  return text;
}

Result<size_t> TextFile::ReadAt(Task& task, IoSink& dst, int64_t offset) {
  if (offset < 0) return Errno(EINVAL);
  const Text text = TRY(TextAt(task, offset));
  if (static_cast<uint64_t>(offset) >= text->size()) return size_t{0};
  const auto rest = std::as_bytes(std::span(*text)).subspan(offset);
  return dst.Write(rest.first(std::min(rest.size(), dst.remaining())));
}

Result<size_t> TextFile::WriteAt(Task& task, IoSource& src, int64_t offset, int64_t* end_offset) {
  const size_t size = src.remaining();
  if (size > TextNode::kMaxWrite) return Errno(EINVAL);
  std::string text(size, '\0');
  if (TRY(src.Read(std::as_writable_bytes(std::span(text)))) != size) return Errno(EFAULT);
  TRY(node_->Store(task, text));
  *end_offset = offset + static_cast<int64_t>(size);
  return size;
}

}  // namespace

SimpleFs::SimpleFs(const Kind& kind) : FileSystem(Vfs::NewDev()), kind_(kind), made_at_(RealtimeNow()) {}
SimpleFs::~SimpleFs() = default;
RefPtr<Inode> SimpleFs::root() { return root_; }
void SimpleFs::set_root(RefPtr<SimpleDir> root) { root_ = std::move(root); }

Result<struct statfs> SimpleFs::Statfs() {
  struct statfs st {};
  st.f_type = kind_.magic;
  st.f_bsize = st.f_frsize = 4096;
  st.f_namelen = 255;
  return st;
}

SimpleNode::SimpleNode(SimpleFs& fs, uint32_t mode, uint64_t ino)
    : Inode(fs), simple_fs_(fs), mode_(mode), ino_(ino != 0 ? ino : fs.NextIno()) {}

Result<Attr> SimpleNode::GetAttr() {
  Attr attr;
  attr.dev = fs().dev();
  attr.ino = ino_;
  attr.mode = mode_;
  attr.nlink = S_ISDIR(mode_) ? 2 : 1;
  attr.blksize = 1024;
  if (S_ISREG(mode_)) attr.size = simple_fs_.kind().text_size;
  attr.atime = attr.mtime = attr.ctime = simple_fs_.made_at();
  return attr;
}

Result<void> SimpleNode::SetAttr(const AttrChange& change) {
  return change.mode || change.uid || change.gid ? Errno(EPERM) : Result<void>();
}

Result<RefPtr<File>> TextNode::Open(Task& task, const Path& path, int flags) {
  TRY(CheckOpen(task, flags));
  return RefPtr<File>(MakeRef<TextFile>(path, flags, RefPtr<TextNode>(this)));
}

SimpleDir& SimpleDir::Dir(std::string_view path) {
  const size_t end = std::min(path.find('/'), path.size());
  const std::string_view name = path.substr(0, end);
  auto it = children_.find(name);
  if (it == children_.end()) {
    it = children_.emplace(std::string(name), MakeRef<SimpleDir>(simple_fs())).first;
  }
  SimpleDir& child = static_cast<SimpleDir&>(*it->second);
  return end == path.size() ? child : child.Dir(path.substr(end + 1));
}

void SimpleDir::Add(std::string_view name, RefPtr<SimpleNode> node) { children_[std::string(name)] = std::move(node); }

void SimpleDir::AddText(std::string_view name, TextReader read, uint32_t mode) {
  Add(name, MakeRef<FunctionText>(simple_fs(), mode, std::move(read)));
}

void SimpleDir::AddFixed(std::string_view name, std::string text, uint32_t mode) {
  AddText(
      name, [text = std::move(text)](Task&) { return Result<std::string>(text); }, mode);
}

void SimpleDir::AddKnob(std::string_view name, TextReader read, TextWriter write, uint32_t mode) {
  Add(name, MakeRef<FunctionText>(simple_fs(), mode, std::move(read), std::move(write)));
}

void SimpleDir::AddLink(std::string_view name, std::string target) {
  TextReader read = [target = std::move(target)](Task&) { return Result<std::string>(target); };
  Add(name, MakeRef<TextLink>(simple_fs(), std::move(read)));
}

Result<RefPtr<Inode>> SimpleDir::Lookup(std::string_view name) {
  const auto it = children_.find(name);
  if (it == children_.end()) return Errno(ENOENT);
  return RefPtr<Inode>(it->second);
}

Result<RefPtr<Inode>> SimpleDir::Create(std::string_view name, const NewFile& file) {
  return Errno(S_ISREG(file.mode) || simple_fs().kind().create_error == ENOENT ? simple_fs().kind().create_error
                                                                               : EPERM);
}

Result<std::vector<DirEntry>> SimpleDir::Entries() {
  std::vector<DirEntry> entries;
  for (const auto& [name, node] : children_) entries.push_back({node->ino(), 0, DirType(node->mode()), name});
  return entries;
}

Result<RefPtr<File>> SimpleDir::Open(Task&, const Path& path, int flags) {
  return RefPtr<File>(MakeRef<DirFile>(path, flags));
}

uint8_t DirType(uint32_t mode) { return (mode & S_IFMT) >> 12; }

}  // namespace runsc
