// A toolkit for synthetic filesystems: fixed directories, generated text files, knobs and links. procfs and
// sysfs are made of these.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "sentry/vfs/file.h"
#include "sentry/vfs/inode.h"

namespace runsc {

class SimpleDir;

class SimpleFs : public FileSystem {
 public:
  // What is particular about it. `create_error`: for names that do not exist and are to be made.
  struct Kind {
    const char* type;
    long magic;
    int create_error;
    uint32_t dir_permissions = 0555;
    uint64_t text_size = 0;  // what stat(2) says of every text
  };
  explicit SimpleFs(const Kind& kind);
  std::string_view type() const override { return kind_.type; }
  RefPtr<Inode> root() override;
  Result<struct statfs> Statfs() override;
  void set_root(RefPtr<SimpleDir> root);
  const Kind& kind() const { return kind_; }
  uint64_t NextIno() { return next_ino_.fetch_add(1, std::memory_order_relaxed); }
  timespec made_at() const { return made_at_; }

 protected:
  ~SimpleFs() override;

 private:
  const Kind kind_;
  const timespec made_at_;
  std::atomic<uint64_t> next_ino_{1};
  RefPtr<SimpleDir> root_;
};

// Attributes that only the kernel changes: owned by root unless a subclass says otherwise.
class SimpleNode : public Inode {
 public:
  // `ino` 0: the next free number.
  SimpleNode(SimpleFs& fs, uint32_t mode, uint64_t ino = 0);
  Result<Attr> GetAttr() override;
  // Truncation (open with O_TRUNC) is accepted and means nothing.
  Result<void> SetAttr(const AttrChange& change) override;
  SimpleFs& simple_fs() const { return simple_fs_; }
  uint64_t ino() const { return ino_; }
  uint32_t mode() const { return mode_; }

 private:
  SimpleFs& simple_fs_;
  const uint32_t mode_;
  const uint64_t ino_;
};

// A file whose text is made when somebody reads it from the start, and kept until he does again.
class TextNode : public SimpleNode {
 public:
  TextNode(SimpleFs& fs, uint32_t mode, uint64_t ino = 0) : SimpleNode(fs, S_IFREG | mode, ino) {}
  Result<RefPtr<File>> Open(Task& task, const Path& path, int flags) override;
  virtual Result<std::string> Generate(Task& reader) = 0;
  // One write(2), whole. At most kMaxWrite bytes.
  virtual Result<void> Store(Task& writer, std::string_view text) { return Errno(EIO); }
  virtual Result<void> CheckOpen(Task& task, int flags) { return {}; }
  static constexpr size_t kMaxWrite = 4096;
};

using TextReader = std::function<Result<std::string>(Task& reader)>;
using TextWriter = std::function<Result<void>(Task& writer, std::string_view text)>;

// A text file or, with a writer, a knob.
class FunctionText : public TextNode {
 public:
  FunctionText(SimpleFs& fs, uint32_t mode, TextReader read, TextWriter write = nullptr)
      : TextNode(fs, mode), read_(std::move(read)), write_(std::move(write)) {}
  Result<std::string> Generate(Task& reader) override { return read_(reader); }
  Result<void> Store(Task& writer, std::string_view text) override {
    return write_ ? write_(writer, text) : Errno(EIO);
  }

 private:
  const TextReader read_;
  const TextWriter write_;
};

class TextLink : public SimpleNode {
 public:
  TextLink(SimpleFs& fs, TextReader target) : SimpleNode(fs, S_IFLNK | 0777), target_(std::move(target)) {}
  Result<std::string> Readlink(Task& task) override { return target_(task); }
  Result<RefPtr<File>> Open(Task&, const Path&, int) override { return Errno(ELOOP); }

 private:
  const TextReader target_;
};

// Filled before anybody can see it, constant afterwards: needs no lock.
class SimpleDir : public SimpleNode {
 public:
  explicit SimpleDir(SimpleFs& fs) : SimpleDir(fs, fs.kind().dir_permissions) {}
  SimpleDir(SimpleFs& fs, uint32_t permissions, uint64_t ino = 0) : SimpleNode(fs, S_IFDIR | permissions, ino) {}

  // The subdirectory at `path` ("a/b"), made with what is missing above it.
  SimpleDir& Dir(std::string_view path);
  void Add(std::string_view name, RefPtr<SimpleNode> node);
  void AddText(std::string_view name, TextReader read, uint32_t mode = 0444);
  void AddFixed(std::string_view name, std::string text, uint32_t mode = 0444);
  void AddKnob(std::string_view name, TextReader read, TextWriter write, uint32_t mode = 0644);
  void AddLink(std::string_view name, std::string target);

  Result<RefPtr<Inode>> Lookup(std::string_view name) override;
  Result<RefPtr<Inode>> Create(std::string_view name, const NewFile& file) override;
  Result<std::vector<DirEntry>> Entries() override;
  Result<RefPtr<File>> Open(Task& task, const Path& path, int flags) override;

 private:
  std::map<std::string, RefPtr<SimpleNode>, std::less<>> children_;
};

// DT_* of a mode.
uint8_t DirType(uint32_t mode);

}  // namespace runsc
