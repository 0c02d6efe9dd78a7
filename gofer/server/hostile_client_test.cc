// A hostile sentry against the server: bad names, handles, sizes, truncation, noise, races.
#include <dirent.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include <atomic>
#include <random>

#include "gofer/server/connection.h"
#include "gofer/testing/test_gofer.h"

namespace runsc {
namespace {

// A message under construction, as a hostile client would make it.
struct Message {
  explicit Message(GoferOp op) : bytes(sizeof(MessageHeader), '\0') {
    header.version = kGoferVersion;
    header.op = static_cast<uint8_t>(op);
  }
  template <typename T>
  Message(GoferOp op, const T& fixed) : Message(op) {
    bytes.append(reinterpret_cast<const char*>(&fixed), sizeof(T));
  }
  Message& String(std::string_view text) {
    WireString size{static_cast<uint16_t>(text.size())};
    bytes.append(reinterpret_cast<const char*>(&size), sizeof(size)).append(text);
    return *this;
  }
  std::string Finish() {
    header.size = static_cast<uint32_t>(bytes.size());
    memcpy(bytes.data(), &header, sizeof(header));
    return bytes;
  }
  MessageHeader header{};
  std::string bytes;
};

class HostileClientTest : public testing::Test {
 protected:
  HostileClientTest() {
    mkdir((tree_ / "dir").c_str(), 0755);
    tree_.Write("file", "content");
    (void)!symlink("/etc/passwd", (tree_ / "link").c_str());
    (void)!mkfifo((tree_ / "fifo").c_str(), 0644);
    Begin();
  }

  // A fresh session; its handles are the same numbers each time.
  void Begin() {
    connection_.reset();
    session_ = std::make_unique<GoferSession>(Points(), OpenProcSelfFd(), 300);
    connection_ = std::make_unique<GoferConnection>(*session_, UniqueFd());
    root_ = AttachHandle(0);
    read_only_ = AttachHandle(1);
    file_ = Child(root_, "file");
    dir_ = Child(root_, "dir");
  }

  std::vector<GoferAttachPoint> Points() {
    std::vector<GoferAttachPoint> points;
    points.push_back({tree_.Open(), false, true});
    points.push_back({tree_.Open(), true, false});
    return points;
  }

  // The errno of the reply, or -1 if the server would end the connection.
  int Handle(std::string_view bytes) {
    if (connection_->Handle(std::as_bytes(std::span(bytes))) == 0) return -1;
    UniqueFd fd = connection_->TakeReplyFd();
    MessageHeader header;
    memcpy(&header, connection_->reply().data(), sizeof(header));
    EXPECT_EQ(header.size, connection_->reply().size());
    EXPECT_LE(header.size, kGoferMaxMessage);
    return header.error;
  }
  int Handle(Message message) { return Handle(std::string_view(message.Finish())); }

  template <typename T>
  T ReplyBody(size_t offset = 0) {
    T value;
    memcpy(&value, connection_->reply().data() + sizeof(MessageHeader) + offset, sizeof(T));
    return value;
  }
  uint64_t AttachHandle(uint32_t index) {
    EXPECT_EQ(Handle(Message(GoferOp::kAttach, AttachRequest{index, 0})), 0);
    return ReplyBody<NodeReply>().handle;
  }
  Message Walk(uint64_t dir, std::vector<std::string_view> names) {
    Message message(GoferOp::kWalk, WalkRequest{dir, static_cast<uint32_t>(names.size()), -1});
    for (auto name : names) message.String(name);
    return message;
  }
  uint64_t Child(uint64_t dir, std::string_view name) {
    EXPECT_EQ(Handle(Walk(dir, {name})), 0);
    return ReplyBody<NodeReply>(sizeof(WalkReply)).handle;
  }

  // One sound message of every operation, with `dir` and `file` as its handles.
  std::vector<Message> EveryOperation(uint64_t dir, uint64_t file) {
    NewRequest fresh{dir, 0, 0644, ~0u, ~0u};
    NewRequest fifo{dir, S_IFIFO, 0644, ~0u, ~0u};
    NewRequest writable{dir, O_RDWR, 0644, ~0u, ~0u};
    SetAttrRequest chmod{.file = file, .valid = SetAttrRequest::kMode, .mode = 0600};
    std::vector<Message> all;
    all.push_back(Message(GoferOp::kAttach, AttachRequest{}));
    all.push_back(Walk(dir, {"dir", "x"}));
    all.push_back(Message(GoferOp::kGetAttr, HandleRequest{file}));
    all.push_back(Message(GoferOp::kSetAttr, chmod));
    all.push_back(Message(GoferOp::kOpen, OpenRequest{file, O_RDWR, 0}));
    all.push_back(Message(GoferOp::kCreate, writable).String("n1"));
    all.push_back(Message(GoferOp::kMkdir, fresh).String("n2"));
    all.push_back(Message(GoferOp::kMknod, fifo).String("n3"));
    all.push_back(Message(GoferOp::kSymlink, fresh).String("n4").String("target"));
    all.push_back(Message(GoferOp::kLink, PairRequest{file, dir, 0, 0}).String("n5"));
    all.push_back(Message(GoferOp::kUnlink, HandleRequest{dir}).String("n1"));
    all.push_back(Message(GoferOp::kRmdir, HandleRequest{dir}).String("n2"));
    all.push_back(Message(GoferOp::kRename, PairRequest{dir, dir, 0, 0}).String("n3").String("n6"));
    all.push_back(Message(GoferOp::kReadlink, HandleRequest{file}));
    all.push_back(Message(GoferOp::kStatfs, HandleRequest{file}));
    all.push_back(Message(GoferOp::kReadDir, ReadDirRequest{dir, 0}));
    all.push_back(Message(GoferOp::kGetXattr, XattrRequest{file, 0, 0}).String("user.a"));
    all.push_back(Message(GoferOp::kSetXattr, XattrRequest{file, 0, 0}).String("user.a").String("b"));
    all.push_back(Message(GoferOp::kListXattr, XattrRequest{file, 0, 0}));
    all.push_back(Message(GoferOp::kRemoveXattr, XattrRequest{file, 0, 0}).String("user.a"));
    all.push_back(Message(GoferOp::kClose, CountReply{}));
    all.push_back(Message(GoferOp::kOpenTmp, AttachRequest{}));
    all.push_back(Message(GoferOp::kCreateTmp, writable));
    all.push_back(Message(GoferOp::kSync, OpenRequest{file, 0, 0}));
    all.push_back(Message(GoferOp::kLookup, LookupRequest{dir, 2, 0}).String("dir").String("x"));
    all.push_back(Message(GoferOp::kSettle));
    return all;
  }

  // Names and what they are, to see that nothing changed.
  std::vector<std::string> Listing() {
    std::vector<std::string> names;
    for (auto& entry : std::filesystem::recursive_directory_iterator(tree_.path())) {
      struct stat st;
      lstat(entry.path().c_str(), &st);
      names.push_back(entry.path().string() + " " + std::to_string(st.st_mode) + " " + std::to_string(st.st_size) +
                      " " + std::to_string(st.st_ctim.tv_nsec));
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  TempTree tree_;
  std::unique_ptr<GoferSession> session_;
  std::unique_ptr<GoferConnection> connection_;
  uint64_t root_ = 0, read_only_ = 0, file_ = 0, dir_ = 0;
};

TEST_F(HostileClientTest, EveryOperationIsCovered) {
  EXPECT_EQ(EveryOperation(root_, file_).size() + 1, static_cast<size_t>(GoferOp::kOpCount));
  for (Message& m : EveryOperation(root_, file_)) EXPECT_GE(Handle(m), 0) << int{m.header.op};
}

TEST_F(HostileClientTest, ReadOnlyRefusesEveryChange) {
  uint64_t file = Child(read_only_, "file");
  std::vector<std::string> before = Listing();
  for (Message& m : EveryOperation(read_only_, file)) {
    const GoferOperation* row = FindOperation(m.header.op);
    bool opens_for_writing = row->op == GoferOp::kOpen;
    int error = Handle(m);
    if (row->access == Access::kChange || opens_for_writing) {
      EXPECT_EQ(error, EROFS) << row->name;
    } else {
      EXPECT_NE(error, EROFS) << row->name;
    }
  }
  EXPECT_EQ(Handle(Message(GoferOp::kOpen, OpenRequest{file, O_RDONLY | O_TRUNC, 0})), EROFS);
  EXPECT_EQ(Handle(Message(GoferOp::kOpenTmp, AttachRequest{1, 0})), EROFS);
  WalkRequest open_it{read_only_, 1, O_RDWR};
  EXPECT_EQ(Handle(Message(GoferOp::kWalk, open_it).String("file")), 0);
  EXPECT_EQ(Listing(), before);
}

TEST_F(HostileClientTest, ReadOnlyCannotBeMixedIn) {
  uint64_t file = Child(read_only_, "file");
  EXPECT_EQ(Handle(Message(GoferOp::kLink, PairRequest{file, root_, 0, 0}).String("n")), EROFS);
  EXPECT_EQ(Handle(Message(GoferOp::kLink, PairRequest{file_, read_only_, 0, 0}).String("n")), EROFS);
  PairRequest out{read_only_, root_, 0, 0}, in{root_, read_only_, 0, 0};
  EXPECT_EQ(Handle(Message(GoferOp::kRename, out).String("file").String("n")), EROFS);
  EXPECT_EQ(Handle(Message(GoferOp::kRename, in).String("file").String("n")), EROFS);
}

TEST_F(HostileClientTest, BadNamesAreRefusedEverywhere) {
  std::string long_name(256, 'a'), nul("a\0b", 3);
  std::vector<std::string> bad = {
      "", ".", "..", "/", "a/b", "/etc", "../x", "a/", nul, long_name, std::string(5000, 'x')};
  std::vector<std::string> before = Listing();
  for (const std::string& name : bad) {
    for (uint64_t dir : {root_, dir_}) {
      NewRequest fresh{dir, S_IFIFO, 0644, ~0u, ~0u};
      std::vector<Message> messages;
      messages.push_back(Walk(dir, {name}));
      messages.push_back(Walk(dir, {"x", name}));
      messages.push_back(Message(GoferOp::kLookup, LookupRequest{dir, 1, 0}).String(name));
      for (GoferOp op : {GoferOp::kCreate, GoferOp::kMkdir, GoferOp::kMknod}) {
        messages.push_back(Message(op, fresh).String(name));
      }
      messages.push_back(Message(GoferOp::kSymlink, fresh).String(name).String("t"));
      messages.push_back(Message(GoferOp::kLink, PairRequest{file_, dir, 0, 0}).String(name));
      messages.push_back(Message(GoferOp::kUnlink, HandleRequest{dir}).String(name));
      messages.push_back(Message(GoferOp::kRmdir, HandleRequest{dir}).String(name));
      PairRequest pair{dir, dir, 0, 0};
      messages.push_back(Message(GoferOp::kRename, pair).String(name).String("ok"));
      messages.push_back(Message(GoferOp::kRename, pair).String("ok").String(name));
      for (Message& m : messages) {
        EXPECT_EQ(Handle(m), name.size() > 255 ? ENAMETOOLONG : EINVAL) << int{m.header.op} << name;
      }
    }
  }
  EXPECT_EQ(Listing(), before);
}

TEST_F(HostileClientTest, LongestNameWorks) {
  std::string name(255, 'n');
  EXPECT_EQ(Handle(Message(GoferOp::kMkdir, NewRequest{root_, 0, 0755, ~0u, ~0u}).String(name)), 0);
  EXPECT_NE(Child(root_, name), 0u);
}

TEST_F(HostileClientTest, BadSymlinkTargets) {
  NewRequest fresh{root_, 0, 0, ~0u, ~0u};
  auto make = [&](std::string_view target) {
    return Handle(Message(GoferOp::kSymlink, fresh).String("l").String(target));
  };
  EXPECT_EQ(make(""), ENOENT);
  EXPECT_EQ(make(std::string(4096, 'a')), ENAMETOOLONG);
  EXPECT_EQ(make(std::string_view("a\0b", 3)), EINVAL);
  EXPECT_EQ(make("/etc/shadow"), 0);  // may exist; is never followed
}

TEST_F(HostileClientTest, ForgedAndStaleHandles) {
  uint64_t file = Child(root_, "file");
  Message closing(GoferOp::kClose, CountReply{1, 0});
  closing.bytes.append(reinterpret_cast<char*>(&file), sizeof(file));
  EXPECT_EQ(Handle(closing), 0);
  EXPECT_EQ(Handle(Message(GoferOp::kGetAttr, HandleRequest{file})), EBADF);
  EXPECT_EQ(Handle(closing), 0);  // again: nothing happens
  Child(root_, "file");           // the slot is in use again
  EXPECT_EQ(Handle(Message(GoferOp::kGetAttr, HandleRequest{file})), EBADF);
  for (uint64_t forged : std::vector<uint64_t>{0, 1, ~0ull, 9ull << 32, ~0ull >> 1, root_ + 1000}) {
    for (Message& m : EveryOperation(forged, forged)) {
      int handles = FindOperation(m.header.op)->handles;
      EXPECT_TRUE(handles == 0 || Handle(m) == EBADF) << int{m.header.op};
    }
  }
}

TEST_F(HostileClientTest, EveryMessageTruncatedAtEveryByte) {
  for (Message& m : EveryOperation(root_, file_)) {
    std::string whole = m.Finish();
    for (size_t cut = 0; cut < whole.size(); cut++) {
      std::string shorter = whole.substr(0, cut);
      EXPECT_EQ(Handle(shorter), -1) << int{m.header.op} << " " << cut;
      if (cut < sizeof(MessageHeader)) continue;
      m.header.size = static_cast<uint32_t>(cut);  // a header that agrees with the length
      memcpy(shorter.data(), &m.header, sizeof(m.header));
      EXPECT_EQ(Handle(shorter), -1) << int{m.header.op} << " " << cut;
    }
  }
}

TEST_F(HostileClientTest, TrailingBytesEndTheConnection) {
  std::vector<std::string> before = Listing();
  for (Message& m : EveryOperation(root_, file_)) {
    m.bytes.push_back('x');
    EXPECT_EQ(Handle(m), -1) << int{m.header.op};
  }
  EXPECT_EQ(Listing(), before);
}

TEST_F(HostileClientTest, BadHeaders) {
  Message sound(GoferOp::kGetAttr, HandleRequest{root_});
  auto with = [&](auto change) {
    Message m = sound;
    std::string bytes = m.Finish();
    MessageHeader header = m.header;
    change(header);
    memcpy(bytes.data(), &header, sizeof(header));
    return Handle(std::string_view(bytes));
  };
  EXPECT_EQ(with([](auto&) {}), 0);
  EXPECT_EQ(with([](auto& h) { h.version = 2; }), -1);
  EXPECT_EQ(with([](auto& h) { h.op = 0; }), -1);
  EXPECT_EQ(with([](auto& h) { h.op = 255; }), -1);
  EXPECT_EQ(with([](auto& h) { h.op = static_cast<uint8_t>(GoferOp::kOpCount); }), -1);
  EXPECT_EQ(with([](auto& h) { h.fds = 1; }), -1);
  EXPECT_EQ(with([](auto& h) { h.error = 5; }), -1);
  for (uint32_t size : {0u, 1u, 15u, 16u, 25u, 65536u, 1u << 31, ~0u}) {
    EXPECT_EQ(with([&](auto& h) { h.size = size; }), -1) << size;
  }
}

TEST_F(HostileClientTest, AbsurdCounts) {
  for (uint32_t count : {0u, 2u, 33u, 65536u, 1u << 31, ~0u}) {
    EXPECT_EQ(Handle(Message(GoferOp::kWalk, WalkRequest{root_, count, -1}).String("dir")), -1);
    EXPECT_EQ(Handle(Message(GoferOp::kLookup, LookupRequest{root_, count, 0}).String("dir")), -1);
    EXPECT_EQ(Handle(Message(GoferOp::kClose, CountReply{count, 0})), count == 0 ? 0 : -1);
  }
}

TEST_F(HostileClientTest, UnknownFlagsAreRefused) {
  for (uint32_t flags : {O_CREAT, O_EXCL, O_PATH, O_DIRECTORY, O_TMPFILE, 1 << 30}) {
    EXPECT_EQ(Handle(Message(GoferOp::kOpen, OpenRequest{file_, static_cast<int>(flags), 0})), EINVAL);
    NewRequest fresh{root_, flags, 0644, ~0u, ~0u};
    EXPECT_EQ(Handle(Message(GoferOp::kCreate, fresh).String("n")), EINVAL) << flags;
  }
  EXPECT_EQ(Handle(Message(GoferOp::kLink, PairRequest{file_, root_, 1, 0}).String("n")), EINVAL);
  EXPECT_EQ(Handle(Message(GoferOp::kSetAttr, SetAttrRequest{.file = file_, .valid = 64})), EINVAL);
}

// Random bytes, and sound messages with a few bytes changed. Only the tree may change, and only
// through the operations; the process must survive (run with -fsanitize in the asan preset).
TEST_F(HostileClientTest, Noise) {
  std::mt19937 random(20260101);
  auto below = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  std::vector<Message> seeds = EveryOperation(root_, file_);
  std::string canary = "/tmp/gofer-test-canary-" + std::to_string(getpid());
  int answered = 0;
  for (int i = 0; i < 100'000; i++) {
    std::string bytes;
    if (i % 4 == 0) {
      bytes.resize(below(200));
      for (char& c : bytes) c = static_cast<char>(random());
    } else {
      bytes = seeds[below(seeds.size())].Finish();
      const size_t body = bytes.size() - sizeof(MessageHeader);
      for (size_t n = body == 0 ? 0 : below(4); n > 0; n--) {
        bytes[sizeof(MessageHeader) + below(body)] = static_cast<char>(random());
      }
    }
    answered += Handle(std::string_view(bytes)) >= 0;
    if (i % 256 == 0) {
      mkdir((tree_ / "dir").c_str(), 0755);
      tree_.Write("file", "content");
      Begin();
    }
  }
  EXPECT_GT(answered, 10'000);
  EXPECT_NE(access(canary.c_str(), F_OK), 0);
}

// Somebody exchanges a directory with a symlink to outside while the client walks through it.
TEST_F(HostileClientTest, SymlinkRace) {
  TempTree outside;
  outside.Write("secret", "s");
  mkdir((tree_ / "swap").c_str(), 0755);
  ASSERT_EQ(symlink(outside.path().c_str(), (tree_ / "swap2").c_str()), 0);
  std::atomic<bool> stop{false};
  std::thread swapper([&]() {
    while (!stop) {
      renameat2(AT_FDCWD, (tree_ / "swap").c_str(), AT_FDCWD, (tree_ / "swap2").c_str(), RENAME_EXCHANGE);
    }
  });
  int links = 0, dirs = 0;
  for (int i = 0; i < 3000 || links == 0 || dirs == 0; i++) {  // both must be met, however long a busy host takes
    if (Handle(Walk(root_, {"swap", "secret"})) != 0) continue;
    auto reply = ReplyBody<WalkReply>();
    ASSERT_LT(reply.count, 2u) << "reached a file outside";
    links += reply.count == 1 && reply.stopped == 0;
    dirs += reply.stopped == ENOENT;
    uint64_t handle = ReplyBody<NodeReply>(sizeof(WalkReply)).handle;
    Message make(GoferOp::kMkdir, NewRequest{handle, 0, 0755, ~0u, ~0u});
    Handle(make.String("made"));
    EXPECT_NE(access((outside / "made").c_str(), F_OK), 0);
    Message closing(GoferOp::kClose, CountReply{1, 0});
    closing.bytes.append(reinterpret_cast<char*>(&handle), sizeof(handle));
    Handle(closing);
  }
  stop = true;
  swapper.join();
}

TEST_F(HostileClientTest, DeletedDirectoriesStayHarmless) {
  uint64_t dir = Child(root_, "dir");
  ASSERT_EQ(rmdir((tree_ / "dir").c_str()), 0);
  mkdir((tree_ / "dir").c_str(), 0755);
  EXPECT_EQ(Handle(Message(GoferOp::kMkdir, NewRequest{dir, 0, 0755, ~0u, ~0u}).String("x")), ENOENT);
  EXPECT_EQ(Handle(Message(GoferOp::kReadDir, ReadDirRequest{dir, 0})), ENOENT);
}

// --- Over a socket.

TEST(ServerTest, EndsAConnectionThatBreaksTheProtocol) {
  TempTree tree;
  for (std::string bytes : {std::string("x"), std::string(16, '\0'), std::string(70'000, 'y')}) {
    auto [ours, theirs] = SeqpacketPair();
    GoferServerOptions options;
    options.connections.push_back(std::move(theirs));
    options.attach_points.push_back({tree.Open(), false, false});
    options.proc_self_fd = OpenProcSelfFd();
    options.max_handles = 10;
    std::thread server([&]() { EXPECT_EQ(RunGoferServer(std::move(options)), 0); });
    send(ours.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    char reply[64];
    EXPECT_LE(recv(ours.get(), reply, sizeof(reply), 0), 0);
    server.join();
  }
}

TEST(ServerTest, IgnoresDescriptorsSentToIt) {
  TempTree tree;
  auto [ours, theirs] = SeqpacketPair();
  GoferServerOptions options;
  options.connections.push_back(std::move(theirs));
  options.attach_points.push_back({tree.Open(), false, false});
  options.proc_self_fd = OpenProcSelfFd();
  options.max_handles = 10;
  std::thread server([&]() { RunGoferServer(std::move(options)); });
  std::string bytes = Message(GoferOp::kAttach, AttachRequest{}).Finish();
  iovec iov{bytes.data(), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
  cmsghdr* rights = CMSG_FIRSTHDR(&message);
  *rights = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
  int own = ours.get();
  memcpy(CMSG_DATA(rights), &own, sizeof(own));
  sendmsg(ours.get(), &message, MSG_NOSIGNAL);
  char reply[512];
  EXPECT_LE(recv(ours.get(), reply, sizeof(reply), 0), 0);  // the connection ends
  server.join();
}

}  // namespace
}  // namespace runsc
