// Unit tests of control messages, sockets and the server.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "runsc-cli/base/text.h"
#include "runsc-cli/control/server.h"

namespace runsc {
namespace {

class FakeSandbox : public ControlHandler {
 public:
  absl::Status Start() override {
    return started++ == 0 ? absl::OkStatus() : absl::FailedPreconditionError("already started");
  }
  Result<void> Signal(const SignalRequest& request) override {
    if (request.pid != 1) return Errno(ESRCH);
    last_signal = request.signo;
    return {};
  }
  int WaitForInit() override { return 7 << 8; }
  SandboxPhase Phase() override { return SandboxPhase::kRunning; }
  std::vector<int32_t> Processes() override { return {1, 5}; }
  int started = 0, last_signal = 0;
};

class ControlTest : public ::testing::Test {
 protected:
  ControlTest() {
    // Longer than sun_path.
    char pattern[] = "/tmp/runsc-control-XXXXXX";
    root_ = mkdtemp(pattern);
    const std::string deep = root_ + "/" + std::string(200, 'x');
    mkdir(deep.c_str(), 0700);
    directory_.reset(open(deep.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  ~ControlTest() override { (void)!system(("rm -rf " + root_).c_str()); }

  // Serves in a thread of the process, for as long as the process lives.
  FakeSandbox* StartServer(uid_t owner) {
    auto* handler = new FakeSandbox;
    auto* server = new ControlServer(*BindControlSocket(directory_.get()), owner, *handler);
    std::thread([server] { server->Serve(); }).detach();
    return handler;
  }
  std::string root_;
  UniqueFd directory_;
};

TEST_F(ControlTest, AnswersEveryRequest) {
  FakeSandbox* sandbox = StartServer(getuid());
  absl::StatusOr<ControlChannel> channel = ConnectControlSocket(directory_.get());
  ASSERT_TRUE(channel.ok()) << channel.status();
  EXPECT_TRUE(channel->Call(ControlType::kStart).ok());
  EXPECT_EQ(MessageOf(channel->Call(ControlType::kStart).status()), "already started");
  EXPECT_TRUE(channel->Call(ControlType::kSignal, ControlBody(SignalRequest{1, 15, 0})).ok());
  EXPECT_EQ(sandbox->last_signal, 15);
  EXPECT_TRUE(absl::IsNotFound(channel->Call(ControlType::kSignal, ControlBody(SignalRequest{9, 15, 0})).status()));
  EXPECT_EQ(channel->Call(ControlType::kProcesses)->size(), 8u);
  EXPECT_EQ(*channel->Call(ControlType::kWait), ControlBody(WaitReply{7 << 8}));
  EXPECT_EQ(*channel->Call(ControlType::kState), ControlBody(StateReply{SandboxPhase::kRunning}));
}

TEST_F(ControlTest, RefusesMalformedAndUnknownRequests) {
  StartServer(getuid());
  ControlChannel channel = *ConnectControlSocket(directory_.get());
  EXPECT_FALSE(channel.Call(ControlType::kSignal, "short").ok());
  EXPECT_FALSE(channel.Call(static_cast<ControlType>(999)).ok());
  EXPECT_TRUE(channel.Call(ControlType::kState).ok());  // the connection survived both
  for (std::string_view junk : {"x", "0123456789012345", "01234567890123456789"}) {
    ControlChannel bad = *ConnectControlSocket(directory_.get());
    ASSERT_EQ(send(bad.fd(), junk.data(), junk.size(), 0), static_cast<ssize_t>(junk.size()));
    EXPECT_TRUE(absl::IsUnavailable(bad.Receive().status()));
  }
}

TEST_F(ControlTest, ServesItsOwnerOnly) {
  StartServer(getuid() + 1);
  ControlChannel channel = *ConnectControlSocket(directory_.get());
  EXPECT_FALSE(channel.Call(ControlType::kState).ok());
}

TEST(ControlChannel, DetectsTruncatedAndOversizedMessages) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
  ControlChannel ours{UniqueFd(pair[0])};
  UniqueFd theirs(pair[1]);
  ControlHeader header;
  header.body_size = 4;
  send(theirs.get(), &header, sizeof(header), 0);
  EXPECT_TRUE(absl::IsDataLoss(ours.Receive().status()));
  std::string big(sizeof(header) + kMaxControlBody + 1, '\0');
  header.body_size = kMaxControlBody + 1;
  memcpy(big.data(), &header, sizeof(header));
  send(theirs.get(), big.data(), big.size(), 0);
  EXPECT_TRUE(absl::IsDataLoss(ours.Receive().status()));
}

}  // namespace
}  // namespace runsc
