// The client against a gofer that is dead, silent or lying.
#include "gofer/client.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <thread>

#include "gofer/protocol.h"
#include "gofer/testing/test_gofer.h"

namespace runsc {
namespace {

// A gofer that answers the first requests with whatever `lie` makes of them, then hangs up.
class LyingGofer {
 public:
  using Lie = std::function<void(int socket, const MessageHeader& request)>;
  explicit LyingGofer(Lie lie, int requests = 1) {
    auto [ours, theirs] = SeqpacketPair();
    std::vector<UniqueFd> channels;
    channels.push_back(std::move(ours));
    client = std::make_unique<GoferClient>(std::move(channels));
    thread_ = std::thread([lie = std::move(lie), socket = std::move(theirs), requests]() {
      for (int i = 0; i < requests; i++) {
        char request[4096];
        if (recv(socket.get(), request, sizeof(request), 0) < 16) return;
        MessageHeader header;
        memcpy(&header, request, sizeof(header));
        lie(socket.get(), header);
      }
    });
  }
  ~LyingGofer() {
    client.reset();
    thread_.join();
  }
  std::unique_ptr<GoferClient> client;

 private:
  std::thread thread_;
};

void Reply(int socket, MessageHeader header, std::string_view body, std::vector<int> fds = {}) {
  std::string bytes(reinterpret_cast<char*>(&header), sizeof(header));
  bytes.append(body);
  iovec iov{bytes.data(), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))] = {};
  msghdr message{.msg_iov = &iov, .msg_iovlen = 1};
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    *rights = {.cmsg_len = CMSG_LEN(fds.size() * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(rights), fds.data(), fds.size() * sizeof(int));
  }
  sendmsg(socket, &message, MSG_NOSIGNAL);
}

MessageHeader Sound(const MessageHeader& request, size_t body) {
  MessageHeader header = request;
  header.size = static_cast<uint32_t>(sizeof(header) + body);
  return header;
}

int CountFds() {
  int n = 0;
  for (int fd = 0; fd < 200; fd++) n += fcntl(fd, F_GETFD) >= 0;
  return n;
}

void ExpectBroken(LyingGofer::Lie lie) {
  LyingGofer gofer(std::move(lie));
  EXPECT_EQ(gofer.client->Attach(0).error(), Errno(EIO));
  EXPECT_FALSE(gofer.client->alive());
  EXPECT_EQ(gofer.client->Attach(0).error(), Errno(EIO));
}

TEST(ClientTest, DeadGofer) {
  ExpectBroken([](int, const MessageHeader&) {});
}

TEST(ClientTest, NoChannels) {
  GoferClient client({});
  EXPECT_FALSE(client.alive());
  EXPECT_EQ(client.Attach(0).error(), Errno(EIO));
}

TEST(ClientTest, RepliesThatDoNotBelong) {
  ExpectBroken([](int s, auto& request) {
    MessageHeader h = Sound(request, 0);
    h.sequence++;
    Reply(s, h, "");
  });
  ExpectBroken([](int s, auto& request) {
    MessageHeader h = Sound(request, 0);
    h.op++;
    Reply(s, h, "");
  });
  ExpectBroken([](int s, auto& request) {
    MessageHeader h = Sound(request, 0);
    h.size = 4'000'000'000u;
    Reply(s, h, "");
  });
  ExpectBroken([](int s, auto& request) { Reply(s, Sound(request, 0), "more than announced"); });
  ExpectBroken([](int s, auto& request) {
    MessageHeader h = Sound(request, 4);
    h.error = 5;
    Reply(s, h, "body");  // an error has no body
  });
  ExpectBroken([](int s, auto&) { send(s, "short", 5, MSG_NOSIGNAL); });
}

TEST(ClientTest, UnaskedDescriptorsAreClosed) {
  int before = CountFds();
  ExpectBroken([](int s, auto& request) { Reply(s, Sound(request, 0), "", {0, 1, 2}); });
  ExpectBroken([](int s, auto& request) { Reply(s, Sound(request, 0), "", {0}); });
  EXPECT_EQ(CountFds(), before);
}

TEST(ClientTest, BodiesCutShort) {
  std::string body(sizeof(NodeReply) + sizeof(WireString), '\0');
  for (size_t size = 0; size < body.size(); size++) {
    LyingGofer gofer(
        [&](int s, auto& request) { Reply(s, Sound(request, size), std::string_view(body).substr(0, size)); });
    EXPECT_EQ(gofer.client->Attach(0).error(), Errno(EIO)) << size;
  }
}

TEST(ClientTest, AbsurdErrorNumbers) {
  for (int32_t error : {-1, 512, 4096, INT32_MIN, INT32_MAX}) {
    LyingGofer gofer([&](int s, auto& request) {
      MessageHeader h = Sound(request, 0);
      h.error = error;
      Reply(s, h, "");
    });
    auto result = gofer.client->Attach(0);
    EXPECT_FALSE(result.ok());
    EXPECT_TRUE(result.error().value() > 0 && result.error().value() < 512) << error;
  }
}

// A gofer taken over must not make the sentry use a directory, device or socket as a file.
TEST(ClientTest, OnlyRegularFilesAreTaken) {
  LyingGofer gofer([](int s, auto& request) {
    UniqueFd dir(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    MessageHeader h = Sound(request, 0);
    h.fds = 1;
    Reply(s, h, "", {dir.get()});
  });
  EXPECT_EQ(gofer.client->OpenTmp(0).error(), Errno(EIO));
}

// A listing of one name, that is not the end.
std::string ListingOf(std::string_view name) {
  ListingReply count{1, 0};
  WireDirEntry entry{};
  WireString length{static_cast<uint16_t>(name.size())};
  std::string body(reinterpret_cast<char*>(&count), sizeof(count));
  body.append(reinterpret_cast<char*>(&entry), sizeof(entry));
  return body.append(reinterpret_cast<char*>(&length), sizeof(length)).append(name);
}

TEST(ClientTest, DirectoryEntriesWithSlashesAreRefused) {
  for (const char* name : {"../x", "a/b", "", ".", ".."}) {
    LyingGofer gofer([name](int s, auto& request) {
      const std::string body = ListingOf(name);
      Reply(s, Sound(request, body.size()), body);
    });
    EXPECT_EQ(gofer.client->ReadDir(GoferHandle(), 0).error(), Errno(EIO)) << name;
  }
}

TEST(ClientTest, DirectoryWithoutEnd) {
  constexpr size_t kMost = 1000;
  LyingGofer gofer(
      [](int s, auto& request) {
        const std::string body = ListingOf("again");
        Reply(s, Sound(request, body.size()), body);
      },
      INT32_MAX);
  EXPECT_EQ(gofer.client->ReadWholeDir(GoferHandle(), kMost).error(), Errno(EOVERFLOW));
  EXPECT_TRUE(gofer.client->alive()) << "it may as well be a huge directory";
}

}  // namespace
}  // namespace runsc
